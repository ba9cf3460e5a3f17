"""What MySQL has otherwise than MariaDB, on a real server: its first start, hashes, roles, policies, variables, options."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from database_server import MYSQL, PASSWORD, cleaned, database, grant, programs, running, user

from hamysql.mysql import changes as mysql_changes
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql.flavours.mysql import passwords
from hamysql.mysql.grants import Grant
from hamysql.system import command
from support import ROOT

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="root comes in by the socket")]
STRONG = "Canary-1 pass'word\"\\ äöü;//--"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


PORT = _free_port()  # two runs at once are no matter


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A server with all logs that may carry a secret, which listens on the loopback interface as well."""
    folder = tmp_path_factory.mktemp("oracle")
    options = [f"--log-bin={folder}/binlog", "--general-log", "--slow-query-log", "--long-query-time=0"]
    options += [f"--slow-query-log-file={folder}/slow.log", "--skip-networking=0", f"--port={PORT}"]
    options += ["--bind-address=127.0.0.1", "--performance-schema-consumer-events-statements-history-long=ON"]
    with running(folder, *options, flavour="mysql") as server:
        yield server


@pytest.fixture
def server(daemon):
    with cleaned(daemon) as clean:
        yield clean


# --- the first start


def test_root_is_let_in_by_the_socket_alone_from_the_first_start_on(server):
    assert server.sql("SELECT Host, plugin FROM mysql.user WHERE User = 'root';") == ["localhost\tauth_socket"]
    client = server.programs.client
    by_tcp = [client, "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={PORT}", "--user=root"]
    with pytest.raises(command.CommandFailed, match="Access denied"):
        command.run([*by_tcp, "--execute=SELECT 1"])
    by_socket = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *server.flavour.client(server.config)]
    said = subprocess.run([*by_socket, "--execute=SELECT 1"], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "1" not in said.stdout


def test_one_that_is_not_let_in_has_been_answered_and_one_that_finds_nobody_has_not(server):
    site = {"client": server.programs.client, "port": PORT}
    for port, answered in ((PORT, True), (1, False)):
        argv = MYSQL.knock({**site, "port": port}, "127.0.0.1", 3)
        with pytest.raises(command.CommandFailed) as caught:
            command.run([*argv, "--user=hamysql-ping", "--execute=DO 1"])
        assert MYSQL.is_answer(caught.value.output) is answered


def test_one_that_refuses_the_login_has_answered_the_agent(server):
    ping = [server.programs.admin, "--no-defaults", f"--socket={server.socket}", "--user=nobody", "ping"]
    assert command.run(ping).returncode == 0


# --- hashes


@pytest.mark.parametrize("password", ["a", PASSWORD, "x" * 128, "0123456789abcdef" * 2])
def test_a_servers_hash_is_known_by_the_password_and_no_other_one(server, password):
    server.sql(f"CREATE USER app IDENTIFIED BY '{password.replace(chr(39), chr(39) * 2)}';")
    _, kept = server.observed().accounts["app", "%"]
    assert MYSQL.is_password(password, kept, passwords.SHA2)
    assert not MYSQL.is_password(password + "x", kept, passwords.SHA2)
    assert server.wanted(user(password=password)) == {}


def test_a_hash_of_ours_has_a_salt_of_its_own_and_lets_in(server):
    server.converge(user(), user("other"))
    kept = server.sql("SELECT authentication_string FROM mysql.user WHERE User IN ('app', 'other');")
    assert len(set(kept)) == 2
    assert server.login("app", PASSWORD) == "app@%"
    server.sql("FLUSH PRIVILEGES;")  # forgets whom it has let in
    assert server.login("other", PASSWORD) == "other@%"


def test_a_hash_is_the_same_in_both_of_its_forms(server):
    given = MYSQL.digest(PASSWORD)
    server.converge(user(password_hash=given))
    assert server.wanted(user(password_hash=bytes.fromhex(given[2:]).decode())) == {}
    assert server.wanted(user()) == {}
    assert passwords.HASHES[passwords.SHA2].pattern.fullmatch(given)
    assert passwords.HASHES[passwords.SHA2].pattern.fullmatch(bytes.fromhex(given[2:]).decode())


# --- privileges and roles


def test_everything_is_shown_as_its_parts_and_known_again(server):
    wanted = user(grants=[grant("*.*", "ALL", option=True)])
    assert server.converge(wanted)["grants of app@% on *.*"]["new"] == "ALL PRIVILEGES WITH GRANT OPTION"
    server.sql("REVOKE BACKUP_ADMIN ON *.* FROM app;")
    assert list(server.converge(wanted)) == ["grants of app@% on *.*"]
    server.converge(user(grants=[grant("*.*", "PROCESS")]))
    assert server.grants("app") == {"*.*": Grant(frozenset({"PROCESS"}))}


def test_dynamic_privileges_and_their_own_grant_option(server):
    both = grant("*.*", "PROCESS", "BACKUP_ADMIN", option=True)
    server.converge(user(grants=[both]))
    assert server.sql("SELECT PRIV, WITH_GRANT_OPTION FROM mysql.global_grants WHERE USER = 'app';") == [
        "BACKUP_ADMIN\tY"
    ]
    server.converge(user(grants=[grant("*.*", "BACKUP_ADMIN", "XA_RECOVER_ADMIN")]))
    server.converge(user(grants=[grant("*.*", "PROCESS")]))
    assert server.grants("app") == {"*.*": Grant(frozenset({"PROCESS"}))}


def test_of_several_default_roles_those_of_the_pillar_stay(server):
    roles = tuple({"name": name, "grants": [], "roles": []} for name in ("a", "b", "c"))
    server.converge({**user(), "roles": ["a", "b", "c"]}, roles=roles)
    server.sql("SET DEFAULT ROLE a, b, c TO app;")
    assert server.wanted({**user(), "roles": ["a", "b", "c"]}, roles=roles) == {}
    server.converge({**user(), "roles": ["a", "c"]}, roles=roles)
    assert server.observed().terms["app", "%"].default_role == "a, c"
    changed = server.converge({**user(), "roles": ["a", "c"], "default_role": "c"}, roles=roles)
    assert changed == {"default role of app@%": {"old": "a, c", "new": "c"}}


def test_a_role_that_is_to_be_absent_goes(server):
    server.sql("CREATE ROLE old;", "CREATE USER app;", "GRANT old TO app;")
    assert server.converge(roles=({"name": "old", "absent": True},)) == {
        "role old": {"old": "present", "new": "absent"}
    }


# --- policies


@pytest.fixture
def policy(server):
    server.sql("INSTALL COMPONENT 'file://component_validate_password';")
    yield server
    server.sql("UNINSTALL COMPONENT 'file://component_validate_password';")


def logged(server) -> str:
    """All that the server has written or kept."""
    folder = server.log.parent
    files = [server.log, folder / "slow.log", folder / "error.log", *folder.glob("binlog.*")]
    text = "".join(file.read_bytes().decode(errors="replace") for file in files)
    kept = ("events_statements_history_long", "events_statements_history", "events_statements_current")
    return text + "\n".join(server.sql(*(f"SELECT SQL_TEXT FROM performance_schema.{name};" for name in kept)))


def test_a_policy_gets_the_password_in_clear_text_and_no_log_does(policy, monkeypatch):
    seen = []

    def run(argv, **options):
        seen.append(list(argv))
        return command.run(argv, **options)

    monkeypatch.setattr(policy.module, "run", run)
    wanted = {**user(password=STRONG), "limits": {"max_user_connections": 7}}
    changed = policy.converge(wanted)
    again = policy.converge({**wanted, "password": f"{STRONG}2"})
    assert again == {"user app@%": {"old": "another password", "new": "the pillar's password"}}
    assert policy.login("app", f"{STRONG}2") == "app@%"
    policy.sql("ALTER USER app IDENTIFIED BY 'Seen-by-the-logs-1';")
    written = logged(policy)
    assert "ALTER USER" in written
    assert "Canary" not in f"{written}{seen}{changed}{again}"
    assert "Canary" not in repr(policy.module._pending(policy.config))


def test_a_password_that_the_policy_does_not_take_is_refused_and_not_told(policy):
    policy.wanted(user(password="canary"), user("other", auth="unix_socket"))
    with pytest.raises(mysql_changes.NotApplied) as caught:
        policy.module.apply()
    assert list(caught.value.refused) == ["user app@%"]
    assert "does not satisfy the current policy" in caught.value.refused["user app@%"]
    assert policy.sql("SELECT User FROM mysql.user WHERE User IN ('app', 'other');") == ["other"]
    assert "canary" not in f"{caught.value}{logged(policy)}"


# --- variables


def test_the_server_itself_says_what_can_be_set_while_it_runs_and_sets_nothing(server):
    names = [
        "max_connections",
        "innodb_page_size",
        "version_compile_os",
        "timestamp",
        "general_log",
        "nonesuch",
        "sql_mode",
    ]
    before = server.sql("SELECT * FROM performance_schema.global_variables ORDER BY 1;")
    said = command.run([*MYSQL.client(server.config), "--force"], stdin=MYSQL.variables_query(names)).stdout
    found = MYSQL.variables(said)
    settable = {name: found[name].settable for name in names if name in found}
    assert settable["max_connections"] is settable["general_log"] is settable["sql_mode"] is True
    assert settable["innodb_page_size"] is False
    assert "nonesuch" not in settable
    assert found["general_log"].type == "BOOLEAN"
    assert server.sql("SELECT * FROM performance_schema.global_variables ORDER BY 1;") == before


def test_what_somebody_has_the_server_keep_against_the_pillar_is_noticed(server):
    want = {"max_connections": ["90"], "innodb_buffer_pool_size": ["64M"], "general_log": ["1"]}
    server.sql("SET PERSIST max_connections = 77; SET PERSIST_ONLY innodb_buffer_pool_size = 67108864;")
    server.sql("SET PERSIST general_log = ON; SET PERSIST_ONLY super_read_only = ON; SET PERSIST wait_timeout = 99;")
    try:
        kept = "\n".join(server.sql(MYSQL.persisted_query))
        assert mysql_pending.overruling(MYSQL, want, kept) == {"max_connections": ["77"], "super_read_only": ["ON"]}
    finally:
        server.sql("RESET PERSIST; SET GLOBAL max_connections = DEFAULT; SET GLOBAL wait_timeout = DEFAULT;")


def test_a_certificate_is_read_again(server):
    assert server.sql(MYSQL.reload_tls) == []


# --- options


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_connections = 20", None),
        ("loose-mysqlx = OFF", None),
        ("innodb_max_dirty_pages_pct_lwm = 0.1", None),
        ("innodb_max_dirty_pages_pct = abc", "Invalid decimal value"),
        ("nonesuch = 1", "unknown variable 'nonesuch=1'"),
        ("max_connections = 1X", "Unknown suffix 'X'"),
        ("innodb_flush_method = foo", "Error while setting value 'foo'"),
        ("general_log = maybe", "was not recognized"),
    ],
)
def test_an_option_that_the_server_does_not_take_is_told_before_the_file_is_replaced(tmp_path, line, said):
    file = tmp_path / "hamysql.cnf"
    file.write_text(f"[mysqld]\nuser = root\nlog-error = /nonexistent/error.log\n{line}\n")
    check = ["sh", str(ROOT / "hamysql/change/files/check-config.sh"), "mysql", programs("mysql").server, str(file)]
    answer = subprocess.run([*check, str(file)], capture_output=True, text=True, check=False)
    assert (answer.returncode, said is None or said in answer.stderr) == (0 if said is None else 1, True), answer.stderr
    argv = [programs("mysql").server, f"--defaults-file={file}", *MYSQL.validate]
    told = MYSQL.not_taken(command.run(argv, accept=range(256)).stderr, switches=True)
    assert bool(told) is (said is not None)


def test_a_database_of_the_pillar_has_the_character_set_of_all_flavours(server):
    assert server.converge(databases=(database("app", "utf8mb4"),)) == {
        "database app": {"old": None, "new": "present CHARACTER SET utf8mb4"}
    }
