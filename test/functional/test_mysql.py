"""Databases, users and grants on a real MariaDB server: a private one, on a unix socket in a temporary folder."""

from __future__ import annotations

import os
import re
import signal
import time
from types import SimpleNamespace

import pytest
from database_server import MARIADB, MISSING, PASSWORD, SERVER, cleaned, database, grant, running, user
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hamysql import pending as pending_changes
from hamysql.mysql import accounts as mysql_accounts
from hamysql.mysql import changes as mysql_changes
from hamysql.mysql import flushing
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql import sql as mysql_sql
from hamysql.mysql import values as mysql_values
from hamysql.mysql.flavours.face import Observed
from hamysql.mysql.grants import Grant
from hamysql.system import command

pytestmark = [pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def daemon(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("mariadb"), flavour=request.param) as server:
        yield server


@pytest.fixture
def server(daemon):
    with cleaned(daemon) as clean:
        yield clean


# --- databases


def test_a_server_that_answers_is_active_and_another_is_not(server):
    assert server.module.active() is True
    server.config["socket"] = "/nonexistent/sock"
    try:
        assert server.module.active() is False
    finally:
        server.config["socket"] = str(server.socket)


@pytest.mark.parametrize("name", ["plain", "with_underscore", "per%cent", "back`tick", "quo'te", "sp ace-$"])
def test_a_database_is_created_once_whatever_its_name(server, name):
    changed = server.converge(databases=(database(name, "utf8mb4"),))
    assert changed == {f"database {name}": {"old": None, "new": "present CHARACTER SET utf8mb4"}}
    assert name in server.sql("SHOW DATABASES;")


@pytest.mark.parametrize(
    ("character_set", "collate"),
    [
        ("utf8", None),
        ("UTF8MB4", None),
        ("latin1", "latin1_bin"),
        (None, "utf8_unicode_ci"),
        ("utf8mb4", "uca1400_ai_ci"),
        ("utf8mb4", "utf8mb4_bin"),
        (None, None),
    ],
)
def test_names_that_the_server_shows_differently_are_no_difference(server, character_set, collate):
    if server.is_mysql and collate == "uca1400_ai_ci":
        collate = "utf8mb4_0900_ai_ci"
    server.converge(databases=(database("app", character_set, collate),))


def test_a_character_set_is_changed_and_the_data_kept(server):
    server.sql(
        "CREATE DATABASE app CHARACTER SET latin1;", "CREATE TABLE app.t (id int);", "INSERT INTO app.t VALUES (7);"
    )
    changed = server.converge(databases=(database("app", "utf8mb4", "utf8mb4_bin"),))
    assert changed == {"database app": {"old": "latin1 latin1_swedish_ci", "new": "utf8mb4 utf8mb4_bin"}}
    assert server.sql("SELECT id FROM app.t;") == ["7"]


def test_databases_and_users_that_the_pillar_does_not_name_are_left_alone(server):
    server.sql("CREATE DATABASE theirs;", "CREATE USER theirs@localhost;", "GRANT ALL ON theirs.* TO theirs@localhost;")
    before = server.grants("theirs", "localhost")
    server.converge(user(), databases=(database("app"),))
    assert "theirs" in server.sql("SHOW DATABASES;")
    assert server.grants("theirs", "localhost") == before != {}


# --- accounts


def test_an_account_can_log_in_with_the_pillars_password(server):
    assert server.converge(user()) == {"user app@%": {"old": None, "new": f"present, {server.plugin}"}}
    assert server.login("app", PASSWORD) == "app@%"


def test_a_changed_password_replaces_the_old_one(server):
    server.converge(user(password="first"))
    changed = server.converge(user())
    assert changed == {"user app@%": {"old": "another password", "new": "the pillar's password"}}
    assert server.login("app", PASSWORD) == "app@%"
    with pytest.raises(command.CommandFailed, match="Access denied"):
        server.login("app", "first")


def test_the_way_to_authenticate_is_changed_both_ways(server):
    server.converge(user(auth="unix_socket"))
    assert server.sql("SELECT plugin FROM mysql.user WHERE User = 'app';") == [server.flavour.socket_plugin]
    server.converge(user())
    assert server.login("app", PASSWORD) == "app@%"
    changed = server.converge(user(auth="unix_socket"))
    assert changed == {"user app@%": {"old": server.plugin, "new": server.flavour.socket_plugin}}


@pytest.mark.parametrize("name", ["a_b%c", "quo'te", "back`tick", "back\\slash", "dash-dot.$"])
def test_an_account_may_have_any_name(server, name):
    server.sql("CREATE DATABASE app;")
    server.converge(user(name, "10.0.0.%", [grant("app.*", "SELECT")]))
    assert server.grants(name, "10.0.0.%") == {"`app`.*": Grant(frozenset({"SELECT"}))}


def test_host_names_are_small_letters_on_the_server_and_no_difference(server):
    server.converge(user(host="App.Example.ORG", grants=[grant("*.*", "PROCESS")]))
    assert server.sql("SELECT Host FROM mysql.user WHERE User = 'app';") == ["app.example.org"]


def test_the_same_name_at_two_hosts_is_two_accounts(server):
    server.converge(user(host="h1", grants=[grant("*.*", "PROCESS")]), user(host="h2", password="other"))
    assert server.grants("app", "h2") == {}


# --- grants


def test_grants_of_every_level(server):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int, name int);")
    server.converge(
        user(
            grants=[
                grant("*.*", "PROCESS", "REPLICATION CLIENT"),
                grant("app.*", "ALL", option=True),
                grant("app.t", "DELETE", "SELECT (id, name)", "update (name)"),
            ]
        )
    )
    assert server.login("app", PASSWORD, "SELECT id FROM app.t; CREATE TABLE app.mine (id int); SHOW PROCESSLIST;")


def test_the_2013_procedures_root_from_anywhere(server):
    server.converge(user("root", "%", [grant("*.*", "ALL", option=True)]))
    assert server.login("root", PASSWORD, "CREATE USER made; GRANT ALL ON *.* TO made WITH GRANT OPTION;") == ""


def test_wildcards_in_a_database_name_are_meant_literally(server):
    server.sql("CREATE DATABASE app_1;", "CREATE DATABASE appX1;", "CREATE TABLE appX1.secret (id int);")
    server.converge(user(grants=[grant("app_1.*", "ALL")]))
    with pytest.raises(command.CommandFailed, match="denied"):
        server.login("app", PASSWORD, "SELECT * FROM appX1.secret;")


def test_an_account_without_grants_in_the_pillar_keeps_the_ones_it_has(server):
    server.converge(user(grants=[grant("*.*", "PROCESS")]))
    assert server.wanted(user()) == {}
    root = {"name": "root", "host": "localhost", "auth": "unix_socket", "grants": []}
    assert not [name for name in server.wanted(root) if name.startswith("grants")]


def test_usage_means_no_privilege_at_all(server):
    server.converge(user(grants=[grant("*.*", "PROCESS", "RELOAD")]))
    changed = server.converge(user(grants=[grant("*.*", "USAGE")]))
    assert changed == {"grants of app@% on *.*": {"old": "PROCESS, RELOAD", "new": "none"}}


def test_grants_on_the_same_level_add_up(server):
    server.converge(user(grants=[grant("*.*", "PROCESS"), grant("*.*", "RELOAD", option=True)]))
    assert server.grants("app") == {"*.*": Grant(frozenset({"PROCESS", "RELOAD"}), True)}


@pytest.mark.parametrize("on", ["*.*", "app.*", "app.t"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (grant("", "SELECT"), grant("", "INSERT")),
        (grant("", "SELECT", "INSERT"), grant("", "SELECT", option=True)),
        (grant("", "ALL", option=True), grant("", "SELECT", "INSERT")),
        (grant("", "SELECT", option=True), grant("", "ALL")),
        (grant("", "ALL"), grant("", "USAGE", option=True)),
    ],
    ids=["others", "fewer, with option", "some of all, no option", "all, no option", "only the option"],
)
def test_privileges_become_what_the_pillar_says_now(server, on, before, after):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int, name int);")
    server.converge(user(grants=[{**before, "on": on}]))
    changed = server.converge(user(grants=[{**after, "on": on}]))
    assert list(changed) == [f"grants of app@% on {mysql_sql.level(on)}"]


def test_privileges_on_other_levels_are_taken_away(server):
    server.sql("CREATE DATABASE `my db`;", "CREATE DATABASE app;", "CREATE TABLE app.t (id int);")
    server.converge(user(grants=[grant("app.*", "SELECT")]))
    server.sql(
        "GRANT ALL ON `my db`.* TO app WITH GRANT OPTION;",
        "GRANT SELECT (id) ON app.t TO app;",
        "GRANT PROCESS ON *.* TO app;",
    )
    changed = server.converge(user(grants=[grant("app.*", "SELECT")]))
    assert changed == {
        "grants of app@% on *.*": {"old": "PROCESS", "new": "none"},
        "grants of app@% on `app`.`t`": {"old": "SELECT (`id`)", "new": "none"},
        "grants of app@% on `my db`.*": {"old": "ALL PRIVILEGES WITH GRANT OPTION", "new": "none"},
    }
    assert server.grants("app") == {"`app`.*": Grant(frozenset({"SELECT"}))}


def test_one_column_is_taken_away_and_the_others_stay(server):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int, name int, `we ird, (x)` int);")
    server.sql("CREATE USER app;", "GRANT SELECT (id, name, `we ird, (x)`), UPDATE ON app.t TO app;")
    server.converge(user(grants=[grant("app.t", "SELECT (name)", "UPDATE")]))
    assert server.grants("app") == {"`app`.`t`": Grant(frozenset({"SELECT (`name`)", "UPDATE"}))}


def test_from_everything_on_a_table_to_one_column(server):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int);")
    server.sql("CREATE USER app;", "GRANT ALL ON app.t TO app;")
    server.converge(user(grants=[grant("app.t", "SELECT (id)")]))
    assert server.grants("app") == {"`app`.`t`": Grant(frozenset({"SELECT (`id`)"}))}


def test_what_stays_is_never_missing_in_between(server):
    observed = Observed(
        {},
        {("app", "%"): ("unix_socket", "")},
        {("app", "%"): {"*.*": Grant(frozenset({"SELECT", "RELOAD"}))}},
    )
    wanted = {
        "flavor": "mariadb",
        "databases": [],
        "users": [user(auth="unix_socket", grants=[grant("*.*", "SELECT", "PROCESS")])],
    }
    (change,) = mysql_accounts.diff(observed, wanted)
    assert change.statements == ("GRANT PROCESS ON *.* TO 'app'@'%';", "REVOKE RELOAD ON *.* FROM 'app'@'%';")


LEVELS = {
    "*.*": [
        "SELECT",
        "INSERT",
        "PROCESS",
        "RELOAD",
        "REPLICATION CLIENT",
        "REPLICATION REPLICA",
        "BINLOG ADMIN",
        "CREATE USER",
    ],
    "app.*": ["SELECT", "INSERT", "LOCK TABLES", "EXECUTE", "CREATE TEMPORARY TABLES", "SHOW VIEW"],
    "a_b%c.*": ["SELECT", "INSERT", "CREATE"],
    "app.t": [
        "SELECT",
        "DELETE",
        "SELECT (id)",
        "SELECT (id, name)",
        "INSERT (name)",
        "UPDATE (name, id)",
        "REFERENCES (id)",
    ],
    "a_b%c.t_1": ["INSERT", "DROP", "UPDATE (id)"],
}


IN_MYSQL = {"REPLICATION REPLICA": "REPLICATION SLAVE", "BINLOG ADMIN": "BINLOG_ADMIN"}


@st.composite
def some_grants(draw):
    found = []
    for on in draw(st.lists(st.sampled_from(sorted(LEVELS)), max_size=5)):
        privileges = draw(
            st.one_of(st.just(["ALL"]), st.lists(st.sampled_from([*LEVELS[on], "USAGE"]), min_size=1, max_size=4))
        )
        found.append(grant(on, *privileges, option=draw(st.booleans())))
    return found or [grant("*.*", "USAGE")]


@pytest.fixture(scope="session")
def tables(daemon):
    daemon.sql("DROP DATABASE IF EXISTS app; CREATE DATABASE app;", "CREATE TABLE app.t (id int, name int);")
    daemon.sql("DROP DATABASE IF EXISTS `a_b%c`; CREATE DATABASE `a_b%c`;", "CREATE TABLE `a_b%c`.t_1 (id int);")
    return daemon


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(SLOW, max_examples=20)
@example([grant("app.t", "SELECT")], [grant("app.t", "SELECT (id, name)", "REFERENCES (id)")])
@given(some_grants(), some_grants())
def test_any_set_of_grants_is_reached_in_one_go_from_any_other(tables, before, after):
    if not tables.is_mysql:
        from_one_to_the_other(tables, before, after)


EVERYTHING = grant("*.*", "ALL")


# Its statements of accounts take ten times as long.
@settings(SLOW, max_examples=6)
@example([EVERYTHING, grant("a_b%c.*", "ALL")], [grant("*.*", "USAGE")])
@example([grant("*.*", "ALL", option=True)], [grant("*.*", "SELECT"), grant("*.*", "SELECT", option=True)])
@given(some_grants(), some_grants())
def test_any_set_of_grants_is_reached_in_one_go_in_mysql(tables, before, after):
    if tables.is_mysql:
        from_one_to_the_other(tables, before, after)


def from_one_to_the_other(tables, before, after):
    # A new account for each example, so that a failure can be repeated.
    tables.sql("DROP USER IF EXISTS random; CREATE USER random;")
    for grants in (before, after):
        if tables.is_mysql:
            grants = [{**one, "privileges": [IN_MYSQL.get(word, word) for word in one["privileges"]]} for one in grants]
        tables.wanted({"name": "random", "host": "%", "auth": "unix_socket", "grants": grants})
        tables.module.apply()
        assert tables.module.pending() == {}


# --- the state


def test_the_state_says_what_it_would_do_does_it_and_is_done(server):
    server.wanted(user(grants=[grant("*.*", "PROCESS")]))
    server.state.__opts__ = {"test": True}
    predicted = server.state.managed("accounts")
    assert predicted["result"] is None
    assert sorted(predicted["changes"]) == ["grants of app@% on *.*", "user app@%"]
    assert server.sql("SELECT User FROM mysql.user WHERE User = 'app';") == []
    server.state.__opts__ = {"test": False}
    assert server.state.managed("accounts")["changes"] == predicted["changes"]
    for test in (False, True):
        server.state.__opts__ = {"test": test}
        again = server.state.managed("accounts")
        assert (again["result"], again["changes"]) == (True, {})


def test_the_state_fails_with_the_servers_words(server):
    server.wanted(user(grants=[grant("app.nothing", "SELECT")]))
    server.state.__opts__ = {"test": False}
    returned = server.state.managed("accounts")
    assert returned["result"] is False
    assert "'app.nothing' doesn't exist" in returned["comment"]


def test_what_the_server_refuses_keeps_nothing_else_undone_and_all_of_it_is_told_at_once(server):
    users = (
        user("first", grants=[grant("app.nothing", "SELECT"), grant("app.*", "SELECT")]),
        user("second", grants=[grant("app.none", "INSERT"), grant("*.*", "PROCESS")]),
        user("third", grants=[grant("app.*", "ALL")]),
    )
    pending = server.wanted(*users, databases=(database("bad", "nonsense"), database("app")))
    server.state.__opts__ = {"test": False}
    returned = server.state.managed("accounts")
    refused = ["database bad", "grants of first@% on `app`.`nothing`", "grants of second@% on `app`.`none`"]
    assert returned["result"] is False
    assert all(f"  - {name}: " in returned["comment"] for name in refused)
    assert "refused 3 changes" in returned["comment"]
    assert returned["changes"] == {name: what for name, what in pending.items() if name not in refused}
    assert sorted(server.module.pending()) == refused
    assert server.login("third", PASSWORD) == "third@%"


def test_of_an_account_that_could_not_be_created_nothing_more_is_tried(server):
    name = "n" * 200
    server.wanted(user(name, grants=[grant("*.*", "PROCESS")]), user("other", auth="unix_socket"))
    with pytest.raises(mysql_changes.NotApplied, match="too long") as caught:
        server.module.apply()
    assert list(caught.value.refused) == [f"user {name}@%"]
    assert sorted(server.module.pending()) == [f"grants of {name}@% on *.*", f"user {name}@%"]


def test_a_server_that_is_away_is_told_once(server, monkeypatch):
    server.wanted(user("first"), user("second"))
    observed = server.module._pending(server.config)
    monkeypatch.setattr(server.module, "_pending", lambda _: observed)
    server.config["socket"] = "/nonexistent/sock"
    try:
        with pytest.raises(command.CommandFailed, match="ERROR 2002"):
            server.module.apply()
    finally:
        server.config["socket"] = str(server.socket)


# What the version of MariaDB here does not know, which is known of a later one.
ELSEWHERE = {"CREATE ROLE", "DROP ROLE", "SHOW CREATE ROUTINE", "REPLICATION REPLICA ADMIN"}


@pytest.mark.parametrize("on", ["*.*", "app.*", "app.t"])
def test_a_privilege_is_refused_exactly_where_the_server_would(server, on):
    server.sql("CREATE DATABASE app;", "CREATE TABLE app.t (id int);", "CREATE USER app;")
    known = mysql_values.PRIVILEGES - (set() if server.is_mysql else ELSEWHERE)
    for privilege in [*sorted(known), "SELECT (id)", "UPDATE (id)"]:
        try:
            server.sql(f"GRANT {privilege} ON {on} TO app;")
            granted = True
        except command.CommandFailed:
            granted = False
        assert (server.flavour.privileges.misplaced(privilege, on) is None) is granted, privilege


# --- secrets


def test_no_password_reaches_a_command_line_a_log_or_a_change(server, monkeypatch):
    seen = []

    def run(argv, **options):
        seen.append(list(argv))
        return command.run(argv, **options)

    monkeypatch.setattr(server.module, "run", run)
    server.sql("SET GLOBAL general_log = ON;")
    try:
        server.converge(user(password="first"))
        changed = server.converge(user())
        server.state.__opts__ = {"test": False}
        returned = server.state.managed("accounts")
    finally:
        server.sql("SET GLOBAL general_log = OFF;")
    log = server.log.read_text()
    assert "CREATE USER 'app'@'%' IDENTIFIED" in log
    assert server.plugin in log
    assert seen
    assert "canary" not in f"{log}{seen}{changed}{returned}"


FLUSHING = "SELECT @@GLOBAL.innodb_max_dirty_pages_pct, @@GLOBAL.innodb_max_dirty_pages_pct_lwm;"


def test_dirty_pages_are_written_before_a_move_and_the_setting_comes_back(server):
    fill = "INSERT INTO f.t SELECT seq, REPEAT('x', 500) FROM f.numbers;"
    server.sql(
        "CREATE DATABASE f; CREATE TABLE f.t (a BIGINT PRIMARY KEY, b TEXT); CREATE TABLE f.numbers (seq BIGINT);"
    )
    deep = "cte_max_recursion_depth" if server.is_mysql else "max_recursive_iterations"
    server.sql(
        f"SET SESSION {deep} = 9999;",
        "INSERT INTO f.numbers WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT i FROM n;",
    )
    server.sql(fill, "SET GLOBAL innodb_max_dirty_pages_pct_lwm = 50;")
    before = server.sql(FLUSHING)
    flushed = server.module.flush(timeout=60)
    assert flushed["before"] > flushing.FEW_PAGES >= flushed["after"]
    assert [float(value) for value in before[0].split()] == list(flushed["settings"].values())
    # The server takes the second one down with the first.
    assert [float(value) for value in server.sql(FLUSHING)[0].split()] == [0, 0]
    server.module.unflush(flushed["settings"])
    assert server.sql(FLUSHING) == before
    server.sql("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0; DROP DATABASE f;")


def test_a_flush_that_is_cut_off_sets_the_server_as_it_was(server, monkeypatch):
    def cut_off(seconds):
        assert float(server.sql(FLUSHING)[0].split()[0]) == 0
        raise SystemExit

    before = server.sql(FLUSHING)
    monkeypatch.setattr(server.module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=cut_off))
    monkeypatch.setattr(flushing, "FEW_PAGES", -1)
    with pytest.raises(SystemExit):
        server.module.flush(timeout=60)
    assert server.sql(FLUSHING) == before


def test_a_server_that_ends_while_it_flushes_is_no_error(server, monkeypatch, note):
    """A killed run's own move, say, goes on here and stops it."""
    running, before = server.config, server.sql(FLUSHING)
    server.config = dict(running)

    def ended(seconds):
        server.config["socket"] = "/nonexistent/sock"

    monkeypatch.setattr(server.module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=ended))
    monkeypatch.setattr(flushing, "FEW_PAGES", -1)
    try:
        flushed = server.module.flush(timeout=60)
        assert flushed["settings"] == {}
        assert not note.exists()
        assert server.module.unflush(flushed["settings"]) is None
    finally:
        server.config = running
        names = zip(flushing.FLUSHING, before[0].split())
        server.sql("".join(f"SET GLOBAL {name} = {value};" for name, value in names))


def flushed_and_killed(server, note):
    """A job that flushes, and is killed before it can set the server back."""
    pid = os.fork()
    if not pid:
        server.module.flush(timeout=0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert float(server.sql(FLUSHING)[0].split()[0]) == 0
    assert note.exists()


@pytest.fixture(autouse=True)
def note(tmp_path, monkeypatch):
    monkeypatch.setattr(flushing, "NOTE", tmp_path / "flushing.json")
    return tmp_path / "flushing.json"


def test_what_a_killed_move_has_left_is_known_and_the_next_one_sets_the_server_back(server, note):
    before = server.sql(FLUSHING)
    flushed_and_killed(server, note)
    assert list(flushing.left().values()) == [float(value) for value in before[0].split()]
    server.module.unflush(server.module.flush(timeout=0)["settings"])
    assert server.sql(FLUSHING) == before
    assert not note.exists()


def test_what_a_killed_move_has_left_is_a_live_change_for_the_next_highstate(server, note):
    before = server.sql(FLUSHING)
    flushed_and_killed(server, note)
    left = {"innodb_max_dirty_pages_pct": flushing.left()["innodb_max_dirty_pages_pct"]}
    (item,) = mysql_pending.left_flushing({}, left)
    assert (item.kind, item.path) == (pending_changes.LIVE, "hamysql:mysql:config:mysqld:innodb_max_dirty_pages_pct")
    assert list(mysql_pending.left_flushing({"innodb_max_dirty_pages_pct": ["0"]}, left)) == []
    server.module.unflush(flushing.left())
    assert server.sql(FLUSHING) == before
    assert flushing.left() == {}


def test_while_a_move_is_under_way_nothing_is_left(server, note):
    settings = server.module.flush(timeout=0)["settings"]
    assert flushing.left() == {}
    server.module.unflush(settings)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "b"}', "null"])
def test_a_damaged_note_is_none(note, text):
    note.write_text(text)
    assert flushing.left() == {}


def test_where_no_server_runs_nothing_is_flushed(server):
    running = server.config
    server.config = {**running, "socket": "/nonexistent/sock"}
    try:
        assert server.module.flush(timeout=0) == {"before": 0, "after": 0, "settings": {}}
        assert server.module.unflush({"innodb_max_dirty_pages_pct": 90.0}) is None
    finally:
        server.config = running


# --- what hides, and what locks out


ROOT = ("root", "localhost")


@pytest.fixture
def mariadb(server):
    """The server, where it is MariaDB."""
    if server.is_mysql:
        pytest.skip("MySQL has no such thing")
    return server


@pytest.fixture
def root(mariadb):
    """What root's own account is; put back afterwards."""
    (before,) = mariadb.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'root' AND Host = 'localhost';")
    yield
    mariadb.sql(
        f"UPDATE mysql.global_priv SET Priv = {mysql_sql.text(before)} WHERE User = 'root' AND Host = 'localhost'; FLUSH PRIVILEGES;"
    )


def test_root_with_a_password_still_comes_in_by_the_socket(root, server):
    everything = grant("*.*", "ALL", option=True)
    server.converge(user("root", "localhost", [everything]))
    assert server.module.active() is True
    assert server.login("root", PASSWORD) == "root@localhost"
    assert server.converge(user("root", "localhost", [everything], password="another one")) == {
        "user root@localhost": {"old": "another password", "new": "the pillar's password"}
    }
    assert server.module.active() is True


def test_a_second_way_to_log_in_is_seen_and_taken_away(mariadb):
    server = mariadb
    server.converge(user())
    hashed = mysql_sql.text(MARIADB.digest(PASSWORD))
    server.sql(f"ALTER USER app@'%' IDENTIFIED VIA mysql_native_password USING {hashed} OR unix_socket;")
    both = {"old": "mysql_native_password or unix_socket", "new": "mysql_native_password"}
    assert server.converge(user()) == {"user app@%": both}


@pytest.mark.parametrize(
    "more",
    [
        "WITH GRANT OPTION",
        "REQUIRE SSL WITH GRANT OPTION",
        "WITH GRANT OPTION MAX_USER_CONNECTIONS 5",
        "REQUIRE ISSUER 'it''s X509' WITH MAX_QUERIES_PER_HOUR 9 GRANT OPTION MAX_USER_CONNECTIONS 5",
    ],
)
def test_a_grant_option_is_seen_wherever_it_stands(mariadb, more):
    server = mariadb
    server.sql("CREATE USER app@'%';", f"GRANT SELECT ON *.* TO app@'%' {more};")
    changed = server.converge(user(grants=[grant("*.*", "SELECT")]))
    assert changed["grants of app@% on *.*"] == {"old": "SELECT WITH GRANT OPTION", "new": "SELECT"}


@pytest.mark.parametrize("text", ["WITH GRANT OPTION", "it''s WITH GRANT OPTION", "\\'' WITH GRANT OPTION"])
def test_the_text_of_a_certificate_is_no_grant_option(mariadb, text):
    server = mariadb
    server.sql(
        "CREATE USER app@'%';", f"GRANT SELECT ON *.* TO app@'%' REQUIRE ISSUER '{text}' WITH MAX_USER_CONNECTIONS 5;"
    )
    assert server.grants("app")["*.*"] == Grant(frozenset({"SELECT"}))


def test_a_server_that_keeps_names_in_small_letters_is_done_after_one_run(tmp_path):
    with running(tmp_path, "--lower-case-table-names=1") as server:
        on_all = user(grants=[grant("MyApp.*", "SELECT"), grant("MyApp.Table", "UPDATE")])
        server.sql("CREATE DATABASE myapp CHARACTER SET latin1;", "CREATE TABLE myapp.`table` (id int);")
        server.converge(on_all, databases=(database("MyApp", "utf8mb4"),))
        assert "myapp" in server.sql("SHOW DATABASES;")


def test_no_option_of_a_real_server_is_taken_for_the_beginning_of_another():
    from hamysql.mysql import options as mysql_options

    said = command.run([SERVER, "--no-defaults", "--help", "--verbose"]).stdout
    listed = said.partition("Variables (--variable-name=value)")[2].splitlines()
    names = [line.split()[0].replace("-", "_") for line in listed if re.match(r"[a-z][a-z0-9-]+ +\S", line)]
    assert len(names) > 500
    for name in names:
        found = {reading.name for reading in mysql_options.readings(MARIADB, name, "1")}
        assert name in mysql_options.known(MARIADB) or not found & mysql_options.known(MARIADB), (name, found)


@pytest.mark.parametrize(
    ("line", "variable", "value"),
    [
        ("skip-netw", "skip_networking", "TRUE"),
        ("loose-enable-skip-networking", "skip_networking", "TRUE"),
        ("disable-autocommit", "autocommit", "FALSE"),
        ("plugin-innodb-read-only=1", "innodb_read_only", "TRUE"),
        ("BIND-addr=10.0.0.5", "bind_address", "10.0.0.5"),
    ],
)
def test_a_real_server_reads_the_spellings_that_the_rules_undo(tmp_path, line, variable, value):
    from hamysql.mysql import options as mysql_options

    (tmp_path / "my.cnf").write_text(f"[MariaDB]\n{line}\n")
    said = command.run([SERVER, f"--defaults-file={tmp_path}/my.cnf", "--help", "--verbose"]).stdout
    assert re.search(rf"^{variable.replace('_', '-')} +{re.escape(value)}$", said, re.MULTILINE)
    name, _, given = line.partition("=")
    assert variable in [reading.name for reading in mysql_options.readings(MARIADB, name, given or None)]
