"""Accounts as administrators have them, on a real MariaDB server: absent ones, roles, requirements, limits, plugins, policies."""

from __future__ import annotations

import os

import pytest
from database_server import MARIADB, MISSING, PASSWORD, cleaned, grant, plugins, running, user

from hamysql.mysql import accounts as mysql_accounts
from hamysql.mysql import changes as mysql_changes
from hamysql.mysql import databases as mysql_databases
from hamysql.mysql import sql as mysql_sql
from hamysql.mysql.flavours.face import Observed
from hamysql.mysql.grants import Grant
from hamysql.system import command

pytestmark = [pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def daemon(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("accounts"), flavour=request.param) as server:
        yield server


@pytest.fixture
def server(daemon):
    with cleaned(daemon) as clean:
        yield clean


@pytest.fixture
def mariadb(server):
    """The server, where it is MariaDB."""
    if server.is_mysql:
        pytest.skip("MySQL has no such thing")
    return server


def absent(name: str, **more) -> dict:
    return {"name": name, "absent": True, **more}


def refused(server, *users, **wanted) -> dict[str, str]:
    server.wanted(*users, **wanted)
    with pytest.raises(mysql_changes.NotApplied) as caught:
        server.module.apply()
    return caught.value.refused


# --- absent


def test_an_empty_database_and_an_account_are_taken_away_and_no_other_ones(server):
    server.sql("CREATE DATABASE old;", "CREATE DATABASE old2;", "CREATE USER old;", "CREATE USER old@localhost;")
    changed = server.converge(absent("old", host="%"), databases=(absent("old"),))
    assert changed == {
        "database old": {"old": "present, empty", "new": "absent"},
        "user old@%": {"old": "present", "new": "absent"},
    }
    assert "old2" in server.sql("SHOW DATABASES;")
    assert server.sql("SELECT Host FROM mysql.user WHERE User = 'old';") == ["localhost"]
    assert server.converge(absent("old", host="%"), databases=(absent("old"),)) == {}


@pytest.mark.parametrize(
    "content",
    [
        "CREATE TABLE old.t (id int);",
        "CREATE VIEW old.v AS SELECT 1;",
        "CREATE SEQUENCE old.s;",
        "CREATE FUNCTION old.f() RETURNS int RETURN 1;",
        "CREATE EVENT old.e ON SCHEDULE EVERY 1 YEAR DO SELECT 1;",
    ],
)
def test_a_database_with_something_in_it_stays_until_the_pillar_says_that_its_data_may_go(server, content):
    if server.is_mysql and "SEQUENCE" in content:
        content = "CREATE PROCEDURE old.p() SELECT 1;"
    server.sql("CREATE DATABASE old;", content)
    why = "it is not empty (1 object in it); with `drop_data: true` in the pillar it is dropped with all its data"
    pending = server.wanted(databases=(absent("old"),))
    assert pending == {"database old": {"old": "present, 1 object in it", "new": f"absent, refused: {why}"}}
    assert refused(server, user(), databases=(absent("old"),)) == {"database old": why}
    assert "old" in server.sql("SHOW DATABASES;")
    assert server.login("app", PASSWORD) == "app@%"
    changed = server.converge(databases=(absent("old", drop_data=True),))
    assert changed == {"database old": {"old": "present, 1 object in it", "new": "absent"}}
    assert "old" not in server.sql("SHOW DATABASES;")


def test_what_came_into_a_database_after_the_look_keeps_it(server):
    server.sql("CREATE DATABASE old;")
    seen = Observed({"old": ("utf8mb4", "utf8mb4_general_ci")}, {})
    (change,) = mysql_databases.diff(server.flavour, seen, [absent("old")])
    server.sql("CREATE TABLE old.t (id int);")
    with pytest.raises(command.CommandFailed, match="is not empty"):
        server.sql(*change.statements)
    assert server.sql("SHOW TABLES FROM old;") == ["t"]


# --- roles


def role(name: str, *grants: dict, roles: tuple = ()) -> dict:
    return {"name": name, "grants": list(grants), "roles": list(roles)}


def with_roles(*roles: str, **more) -> dict:
    return {**user(auth="unix_socket"), "roles": list(roles), **more}


def memberships(server, name: str) -> list[str]:
    if server.is_mysql:
        return server.sql(
            f"SELECT FROM_USER, WITH_ADMIN_OPTION FROM mysql.role_edges WHERE TO_USER = '{name}' ORDER BY FROM_USER;"
        )
    return server.sql(f"SELECT Role, Admin_option FROM mysql.roles_mapping WHERE User = '{name}' ORDER BY Role;")


def test_roles_with_grants_are_made_and_given_to_accounts_and_other_roles(server):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int);")
    roles = (role("reader", grant("app.*", "SELECT")), role("writer", grant("app.*", "INSERT"), roles=("reader",)))
    person = {**user(), "roles": ["writer"], "default_role": "writer"}
    changed = server.converge(person, roles=roles)
    assert changed == {
        "role reader": {"old": None, "new": "present"},
        "role writer": {"old": None, "new": "present"},
        "grants of role reader on `app`.*": {"old": None, "new": "SELECT"},
        "grants of role writer on `app`.*": {"old": None, "new": "INSERT"},
        "role reader of role writer": {"old": None, "new": "granted"},
        "user app@%": {"old": None, "new": f"present, {server.plugin}"},
        "role writer of app@%": {"old": None, "new": "granted"},
        "default role of app@%": {"old": None, "new": "writer"},
    }
    assert server.login("app", PASSWORD, "INSERT INTO app.t VALUES (7); SELECT id FROM app.t;") == "7"
    assert server.converge(person, roles=roles) == {}


def default_role(server, role: str) -> str:
    return server.flavour.set_default_role(role, "app")


def test_what_somebody_changed_of_roles_by_hand_is_mended(server):
    roles = (role("reader", grant("*.*", "PROCESS")), role("writer"))
    wanted = with_roles("reader", default_role="reader")
    server.converge(wanted, roles=roles)
    server.sql("GRANT reader TO app WITH ADMIN OPTION;", "GRANT writer TO app;", default_role(server, "writer"))
    server.sql("GRANT RELOAD ON *.* TO reader;")
    assert server.converge(wanted, roles=roles) == {
        "grants of role reader on *.*": {"old": "PROCESS, RELOAD", "new": "PROCESS"},
        "role reader of app@%": {"old": "granted with admin option", "new": "granted"},
        "role writer of app@%": {"old": "granted", "new": "none"},
        "default role of app@%": {"old": "writer", "new": "reader"},
    }
    assert memberships(server, "app") == ["reader\tN"]


def test_an_account_without_roles_in_the_pillar_keeps_the_ones_it_has_and_none_takes_them_away(server):
    identified = server.flavour.identified({server.flavour.socket_plugin}, "")
    server.sql("CREATE ROLE theirs;", f"CREATE USER app {identified};", "GRANT theirs TO app;")
    server.sql(default_role(server, "theirs"), "GRANT PROCESS ON *.* TO theirs;")
    assert server.converge(user(auth="unix_socket"), roles=(role("ours"),)) == {
        "role ours": {"old": None, "new": "present"}
    }
    assert server.converge(with_roles("NONE"), roles=(role("ours"),)) == {
        "role theirs of app@%": {"old": "granted", "new": "none"},
        "default role of app@%": {"old": "theirs", "new": "NONE"},
    }
    assert server.grants("theirs", "") == {"*.*": Grant(frozenset({"PROCESS"}))}


def test_a_role_that_is_to_be_absent_goes_and_an_account_of_its_name_stays(mariadb):
    server = mariadb
    server.sql("CREATE ROLE app;", "CREATE ROLE app2;", "GRANT SELECT ON *.* TO app;")
    server.converge(user(auth="unix_socket"))
    assert server.converge(roles=(absent("app"),)) == {"role app": {"old": "present", "new": "absent"}}
    assert server.sql("SELECT User, Host FROM mysql.user WHERE User LIKE 'app%';") == ["app2\t", "app\t%"]


def test_a_role_and_an_account_of_one_name_are_told_apart(mariadb):
    server = mariadb
    person, group = user(auth="unix_socket", grants=[grant("*.*", "PROCESS")]), role("app", grant("*.*", "RELOAD"))
    server.converge(person, roles=(group,))
    assert server.grants("app") == {"*.*": Grant(frozenset({"PROCESS"}))}
    assert server.grants("app", "") == {"*.*": Grant(frozenset({"RELOAD"}))}


def test_a_role_that_is_not_there_is_told_and_keeps_nothing_else_undone(server):
    told = refused(server, with_roles("nobodys", "ours", grants=[grant("*.*", "PROCESS")]), roles=(role("ours"),))
    assert list(told) == ["role nobodys of app@%"]
    assert memberships(server, "app") == ["ours\tN"]


# --- what a client has to show, and how much it may ask for


@pytest.mark.parametrize(
    ("require", "clause"),
    [
        ({"tls": "SSL"}, "REQUIRE SSL"),
        ({"tls": "X509"}, "REQUIRE X509"),
        (
            {"issuer": "/CN=it's", "subject": "/C=DE\\x/CN=app"},
            "REQUIRE ISSUER '/CN=it''s' AND SUBJECT '/C=DE\\x/CN=app'",
        ),
        ({"cipher": "TLS_AES_256_GCM_SHA384"}, "REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384'"),
    ],
)
def test_a_requirement_is_there_from_the_beginning_and_mended(server, require, clause):
    wanted = {**user(), "require": require}
    assert server.converge(wanted)["user app@%"]["new"] == f"present, {server.plugin} {clause}"
    server.sql("ALTER USER app REQUIRE NONE;")
    assert server.converge(wanted) == {"requirement of app@%": {"old": "REQUIRE NONE", "new": clause}}
    assert server.converge({**user(), "require": {"tls": "NONE"}}) == {
        "requirement of app@%": {"old": clause, "new": "REQUIRE NONE"}
    }
    assert server.login("app", PASSWORD) == "app@%"


def test_an_account_that_has_to_use_tls_is_not_let_in_without(server):
    server.converge({**user(), "require": {"tls": "SSL"}})
    with pytest.raises(command.CommandFailed, match="Access denied"):
        server.login("app", PASSWORD)


def test_limits_are_there_from_the_beginning_and_mended(mariadb):
    server = mariadb
    limits = {"max_queries_per_hour": 500, "max_user_connections": 5, "max_statement_time": 1.5}
    wanted = {**user(), "limits": {**limits, "max_updates_per_hour": None}}
    said = "MAX_QUERIES_PER_HOUR 500 MAX_USER_CONNECTIONS 5 MAX_STATEMENT_TIME 1.5"
    assert server.converge(wanted)["user app@%"]["new"] == f"present, {server.plugin} WITH {said}"
    server.sql("ALTER USER app WITH MAX_QUERIES_PER_HOUR 9 MAX_UPDATES_PER_HOUR 8 MAX_STATEMENT_TIME 0;")
    assert server.converge(wanted) == {
        "limits of app@%": {
            "old": "MAX_QUERIES_PER_HOUR 9 MAX_STATEMENT_TIME 0",
            "new": "MAX_QUERIES_PER_HOUR 500 MAX_STATEMENT_TIME 1.5",
        }
    }
    assert server.sql("SELECT max_updates FROM mysql.user WHERE User = 'app';") == ["8"], "the pillar does not name it"
    assert server.converge({**user(), "limits": {"max_queries_per_hour": 0}}) == {
        "limits of app@%": {"old": "MAX_QUERIES_PER_HOUR 500", "new": "MAX_QUERIES_PER_HOUR 0"}
    }


def test_a_new_password_keeps_requirements_and_limits_that_the_pillar_does_not_name(server):
    server.converge(user(password="first"))
    server.sql("ALTER USER app REQUIRE SUBJECT 'x' WITH MAX_USER_CONNECTIONS 3;")
    server.converge(user())
    (kept,) = server.sql("SELECT x509_subject, max_user_connections FROM mysql.user WHERE User = 'app';")
    assert kept == "x\t3"


# --- databases by patterns, and routines


def test_a_pattern_covers_the_databases_that_it_fits_and_no_other_ones(server):
    server.sql("CREATE DATABASE app_1;", "CREATE DATABASE app_2;", "CREATE DATABASE appX1;")
    wanted = user(grants=[{**grant("app\\_%.*", "CREATE", "SHOW VIEW"), "wildcards": True}])
    changed = server.converge(wanted)
    assert changed["grants of app@% on `app\\_%`.*"] == {"old": None, "new": "CREATE, SHOW VIEW"}
    assert server.login("app", PASSWORD, "CREATE TABLE app_1.t (id int); CREATE TABLE app_2.t (id int);") == ""
    with pytest.raises(command.CommandFailed, match="denied"):
        server.login("app", PASSWORD, "CREATE TABLE appX1.t (id int);")
    server.sql("GRANT SELECT ON `app%`.* TO app;", "REVOKE CREATE ON `app\\_%`.* FROM app;")
    assert server.converge(wanted) == {
        "grants of app@% on `app%`.*": {"old": "SELECT", "new": "none"},
        "grants of app@% on `app\\_%`.*": {"old": "SHOW VIEW", "new": "CREATE, SHOW VIEW"},
    }


def test_routines_are_granted_and_those_that_the_pillar_does_not_name_are_left_alone(server):
    server.sql(
        "CREATE DATABASE app;", "CREATE PROCEDURE app.Clean() SELECT 7;", "CREATE PROCEDURE app.mine() SELECT 8;"
    )
    server.sql("CREATE FUNCTION app.Clean() RETURNS int RETURN 1;")
    wanted = user(grants=[grant("PROCEDURE app.Clean", "EXECUTE", option=True), grant("FUNCTION app.clean", "EXECUTE")])
    changed = server.converge(wanted)
    assert changed["grants of app@% on PROCEDURE `app`.`clean`"]["new"] == "EXECUTE WITH GRANT OPTION"
    assert server.login("app", PASSWORD, "CALL app.clean(); SELECT app.clean();").split() == ["7", "1"]
    server.sql("GRANT EXECUTE ON PROCEDURE app.mine TO app;", "REVOKE EXECUTE ON FUNCTION app.clean FROM app;")
    server.sql("GRANT ALTER ROUTINE ON PROCEDURE app.clean TO app;")
    assert server.converge(wanted) == {
        "grants of app@% on FUNCTION `app`.`clean`": {"old": None, "new": "EXECUTE"},
        "grants of app@% on PROCEDURE `app`.`clean`": {
            "old": "ALTER ROUTINE, EXECUTE WITH GRANT OPTION",
            "new": "EXECUTE WITH GRANT OPTION",
        },
    }
    assert server.grants("app")["PROCEDURE `app`.`mine`"] == Grant(frozenset({"EXECUTE"}))
    server.converge(user(grants=[grant("PROCEDURE app.mine", "USAGE")]))
    assert "PROCEDURE `app`.`mine`" not in server.grants("app")
    assert "PROCEDURE `app`.`clean`" in server.grants("app")


@pytest.mark.parametrize("privilege", ["ALL", "ALTER ROUTINE", "EXECUTE", "USAGE", "SELECT", "CREATE ROUTINE", "DROP"])
def test_a_privilege_on_a_routine_is_refused_where_the_server_would(server, privilege):
    server.sql("CREATE DATABASE app;", "CREATE PROCEDURE app.p() SELECT 7;", "CREATE USER app;")
    try:
        server.sql(f"GRANT {privilege} ON PROCEDURE app.p TO app;")
        granted = privilege != "ALL"  # which it takes, and shows as the others
    except command.CommandFailed:
        granted = False
    assert (server.flavour.privileges.misplaced(privilege, "PROCEDURE app.p") is None) is granted


# --- hashes


def test_a_hash_instead_of_a_password(server):
    hashed = user(password_hash=server.flavour.digest(PASSWORD))
    server.converge(hashed)
    assert server.login("app", PASSWORD) == "app@%"
    server.sql(f"ALTER USER app {server.identified('other')};")
    assert server.converge(hashed) == {"user app@%": {"old": "another password", "new": "the pillar's password"}}
    assert server.wanted(user()) == {}, "the same in clear text is no difference"


@pytest.fixture
def root(mariadb):
    """Root's own account; put back afterwards."""
    server = mariadb
    (before,) = server.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'root' AND Host = 'localhost';")
    yield
    priv = mysql_sql.text(before)
    server.sql(
        f"UPDATE mysql.global_priv SET Priv = {priv} WHERE User = 'root' AND Host = 'localhost'; FLUSH PRIVILEGES;"
    )


def test_a_hash_for_root_stands_beside_the_socket(root, server):
    hashed = user("root", "localhost", password_hash=MARIADB.digest(PASSWORD))
    server.converge(hashed)
    assert server.login("root", PASSWORD) == "root@localhost"
    assert server.module.active() is True
    server.sql(
        f"ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING '{'*' + 40 * 'A'}';"
    )
    assert server.converge(hashed) == {
        "user root@localhost": {"old": "another password", "new": "the pillar's password"}
    }


# --- what the client repeats


def test_a_refused_statement_is_not_repeated_with_its_hash(server):
    name, digest = "n" * 200, MARIADB.digest(PASSWORD)
    told = refused(server, user(name))
    assert "too long" in told[f"user {name}@%"]
    assert digest not in str(told)
    assert digest not in repr(server.module._pending(server.config))


# --- plugins and policies


@pytest.fixture(scope="session")
def strict(tmp_path_factory):
    """A server with ed25519 and a policy, and with all logs that may carry a secret."""
    if os.geteuid():
        pytest.skip("root on the server comes in by the socket, which is only for root")
    found = plugins(tmp_path_factory.mktemp("plugins"))
    if not found:
        pytest.skip(
            "the server's plugins are missing (Debian: mariadb-server, as a package in /var/cache/apt/archives)"
        )
    folder = tmp_path_factory.mktemp("strict")
    options = [f"--plugin-dir={found}", "--plugin-load-add=auth_ed25519", "--plugin-load-add=simple_password_check"]
    options += [f"--log-bin={folder}/binlog", "--general-log", "--slow-query-log", "--long-query-time=0"]
    options += [f"--slow-query-log-file={folder}/slow.log", "--performance-schema", "--log-bin-trust-function-creators"]
    options += [
        "--plugin-load-add=server_audit",
        "--server-audit-logging=ON",
        f"--server-audit-file-path={folder}/audit.log",
    ]
    options += ["--performance-schema-consumer-events-statements-history-long=ON"]
    with running(folder, *options) as server:
        server.sql("UPDATE performance_schema.setup_instruments SET ENABLED = 'YES';")
        yield server


@pytest.fixture
def policy(strict):
    with cleaned(strict) as clean:
        yield clean


STRONG = "Canary-1 pass'word\"\\ äöü;//--"


def logged(server) -> str:
    """All that the server has written or kept."""
    folder = server.log.parent
    files = [server.log, folder / "slow.log", folder / "error.log", folder / "audit.log", *folder.glob("binlog.*")]
    text = "".join(file.read_bytes().decode(errors="replace") for file in files)
    return text + "\n".join(server.sql("SELECT SQL_TEXT FROM performance_schema.events_statements_history_long;"))


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_a_policy_gets_the_password_in_clear_text_and_no_log_does(policy, plugin, monkeypatch):
    seen = []

    def run(argv, **options):
        seen.append(list(argv))
        return command.run(argv, **options)

    monkeypatch.setattr(policy.module, "run", run)
    wanted = {**user(password=STRONG), "auth": plugin, "limits": {"max_user_connections": 7}}
    changed = policy.converge(wanted)
    assert changed == {"user app@%": {"old": None, "new": f"present, {plugin} WITH MAX_USER_CONNECTIONS 7"}}
    assert policy.sql("SELECT plugin, max_user_connections FROM mysql.user WHERE User = 'app';") == [f"{plugin}\t7"]
    again = policy.converge({**wanted, "password": f"{STRONG}2"})
    assert again == {"user app@%": {"old": "another password", "new": "the pillar's password"}}
    policy.state.__opts__ = {"test": False}
    returned = policy.state.managed("accounts")
    assert (returned["result"], returned["changes"]) == (True, {})
    if plugin == "mysql_native_password":
        assert policy.login("app", f"{STRONG}2") == "app@%"
    written = logged(policy)
    assert "CREATE USER" in written
    assert "SET PASSWORD" in (policy.log.parent / "audit.log").read_text()
    assert "Canary" not in f"{written}{seen}{changed}{again}{returned}"
    assert "Canary" not in repr(policy.module._pending(policy.config))


def test_a_password_that_the_policy_does_not_take_makes_no_account_and_is_not_told(policy):
    weak = user(password="canary", grants=[grant("*.*", "PROCESS")])
    told = refused(policy, weak, user("other", auth="unix_socket"))
    assert list(told) == ["user app@%"]
    assert "does not satisfy the current policy" in told["user app@%"]
    assert policy.sql("SELECT User FROM mysql.user WHERE User IN ('app', 'other');") == ["other"]
    policy.converge(user(password=STRONG))
    told.update(refused(policy, user(password="canary")))
    assert policy.login("app", STRONG) == "app@%", "the old password stays"
    assert "canary" not in f"{told}{logged(policy)}"


def test_another_plugin_under_a_policy(policy):
    policy.converge(user(auth="unix_socket"))
    assert policy.converge(user(password=STRONG)) == {
        "user app@%": {"old": "unix_socket", "new": "mysql_native_password"}
    }
    assert policy.login("app", STRONG) == "app@%"
    changed = policy.converge({**user(password=STRONG), "auth": "ed25519"})
    assert changed == {"user app@%": {"old": "mysql_native_password", "new": "ed25519"}}
    assert "Canary" not in logged(policy)


def test_a_hash_is_not_taken_under_a_policy_and_the_server_says_why(policy):
    told = refused(policy, user(password_hash=MARIADB.digest(STRONG)))
    assert "--strict-password-validation" in told["user app@%"]
    assert MARIADB.digest(STRONG) not in str(told)


def test_a_policy_that_is_not_strict_gets_hashes_only(policy):
    policy.sql("SET GLOBAL strict_password_validation = OFF;")
    try:
        policy.converge(user())
        (change,) = mysql_accounts.diff(Observed({}, {}), {**policy.config, "users": [user("b")], "databases": []})
        assert MARIADB.digest(PASSWORD) in change.statements[0]
    finally:
        policy.sql("SET GLOBAL strict_password_validation = ON;")


def test_root_with_a_password_under_a_policy_still_comes_in_by_the_socket(policy):
    policy.converge(user("root", "localhost", password=STRONG))
    assert policy.module.active() is True
    assert policy.login("root", STRONG) == "root@localhost"
    policy.sql("ALTER USER root@localhost IDENTIFIED VIA unix_socket;")
    changed = policy.converge(user("root", "localhost", password=STRONG))
    both = "mysql_native_password or unix_socket"
    assert changed == {"user root@localhost": {"old": "unix_socket", "new": both}}
    assert policy.module.active() is True
    assert policy.login("root", STRONG) == "root@localhost"
    policy.sql("ALTER USER root@localhost IDENTIFIED VIA unix_socket;")
    assert "Canary" not in logged(policy)


def test_the_hash_of_ed25519_is_the_servers_own(policy):
    policy.sql("CREATE USER app IDENTIFIED VIA ed25519 USING PASSWORD('Some-password-1');")
    policy.sql("CREATE USER long1 IDENTIFIED VIA ed25519 USING PASSWORD('Aa1-" + 100 * "x" + "');")
    kept = policy.sql("SELECT authentication_string FROM mysql.user WHERE plugin = 'ed25519' ORDER BY User;")
    assert kept == [MARIADB.digest("Some-password-1", "ed25519"), MARIADB.digest("Aa1-" + 100 * "x", "ed25519")]


def test_a_hash_of_ed25519_and_a_drift_by_hand(policy):
    policy.sql("SET GLOBAL strict_password_validation = OFF;")
    try:
        wanted = {**user(password_hash=MARIADB.digest(STRONG, "ed25519")), "auth": "ed25519"}
        assert policy.converge(wanted) == {"user app@%": {"old": None, "new": "present, ed25519"}}
        policy.sql("ALTER USER app IDENTIFIED VIA unix_socket;")
        assert policy.converge(wanted) == {"user app@%": {"old": "unix_socket", "new": "ed25519"}}
    finally:
        policy.sql("SET GLOBAL strict_password_validation = ON;")
