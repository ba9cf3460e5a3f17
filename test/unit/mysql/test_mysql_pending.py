"""What the running database differs in from the pillar's options; a real server is in test/functional."""

from __future__ import annotations

import certificates
import pytest

from hamysql.config import resolution
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Variable
from hamysql.mysql.pending import Process
from hamysql.mysql.tls import files as tls_files
from support import ROOT, load, parameters

MARIADB = registry.FLAVOURS["mariadb"]
DYNAMIC = Variable("50", "INT UNSIGNED", settable=True)
FIXED = Variable("1", "BIGINT UNSIGNED", settable=False)


def mysql(**options):
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["mysql"]["config"]["mysqld"].update(options)
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")["mysql"]


def text_of(settings):
    return "# Managed by Salt\n" + "".join(
        f"\n[{group}]\n" + "".join(f"{line}\n" for line in lines) for group, lines in settings["option_lines"].items()
    )


def test_the_file_that_is_written_says_what_is_wanted():
    settings = mysql(init_connect='SET NAMES "utf8mb4" # \\', skip_name_resolve=None)
    options = mysql_pending.parse_file(MARIADB, text_of(settings))
    assert options == mysql_pending.wanted(settings)
    assert options["init_connect"] == ['SET NAMES "utf8mb4" # \\']
    assert options["bind_address"] == ["10.77.1.100"]


def test_only_groups_of_the_server_count():
    found = mysql_pending.parse_file(
        MARIADB, "[client]\nport=1\n[mariadb-10.11]\nmax-connections=5\n[mariadb-dump]\nquick\n"
    )
    assert found == {"max_connections": ["5"]}


@pytest.mark.parametrize(
    ("old", "new", "variables", "kind"),
    [
        ({}, {"max_connections": ["60"]}, {"max_connections": DYNAMIC}, "live"),
        ({"max_connections": ["60"]}, {}, {"max_connections": DYNAMIC}, "live"),
        ({}, {"innodb_log_group": ["60"]}, {"innodb_log_group": FIXED}, "restart"),
        ({}, {"plugin_load_add": ["x"]}, {}, "restart"),  # an option that is no variable
        ({}, {"replicate_do_db": ["a", "b"]}, {"replicate_do_db": DYNAMIC}, "restart"),  # cannot be set twice
    ],
)
def test_what_can_be_set_is_live_and_everything_else_waits(old, new, variables, kind):
    (item,) = mysql_pending.pending(mysql(), old, new, variables)
    assert item.kind == kind


def test_the_datadir_is_the_data_s_business():
    assert mysql_pending.changed({"datadir": ["/a"]}, {"datadir": ["/b"]}) == []


@pytest.mark.parametrize(
    ("values", "type_", "sql"),
    [
        (["64M"], "BIGINT UNSIGNED", "SET GLOBAL x = 67108864;"),
        (["-1"], "INT", "SET GLOBAL x = -1;"),
        (["0.5"], "DOUBLE", "SET GLOBAL x = 0.5;"),
        (["on"], "BOOLEAN", "SET GLOBAL x = ON;"),
        ([""], "BOOLEAN", "SET GLOBAL x = ON;"),
        (["1"], "BOOLEAN", "SET GLOBAL x = 1;"),
        (["ROW"], "ENUM", "SET GLOBAL x = 'ROW';"),
        (["it's; DROP"], "VARCHAR", "SET GLOBAL x = 'it''s; DROP';"),
        (["1; DROP DATABASE a"], "BOOLEAN", None),
        ([""], "BIGINT UNSIGNED", None),
        ([""], "VARCHAR", "SET GLOBAL x = '';"),
        ([], "BIGINT UNSIGNED", "SET GLOBAL x = DEFAULT;"),
    ],
)
def test_the_statement_for_a_value(values, type_, sql):
    assert mysql_pending.statement("x", values, Variable("", type_, settable=True)) == sql


def test_a_record_is_about_one_run_of_the_server():
    text = mysql_pending.record(Process(7, 100), {"port": ["3306"]})
    assert mysql_pending.recorded(text, Process(7, 100)) == {"port": ["3306"]}
    assert mysql_pending.recorded(text, Process(7, 101)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 7, "start": 100}', '{"pid": 7, "start": 100, "options": 1}'])
def test_a_damaged_record_is_none(text):
    assert mysql_pending.recorded(text, Process(7, 100)) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bind_address", "hamysql:vip:address"),
        ("port", "hamysql:mysql:port"),
        ("max_connections", "hamysql:mysql:config:mysqld:max_connections"),
        ("sync_binlog", "hamysql:mysql:config:mysqld:sync-binlog"),
        ("gone", "hamysql:mysql:config:mysqld:gone"),
    ],
)
def test_the_path_of_an_option(name, path):
    assert mysql_pending.path(mysql(**{"sync-binlog": 1}), name) == path


# --- TLS

PAIR = certificates.pair()
SWITCH = Variable("OFF", "BOOLEAN", settable=True)
BEGINS = {"ssl_cert": ["/c"], "ssl_key": ["/k"], "require_secure_transport": ["ON"]}


def with_tls(**said):
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["mysql"]["tls"] = {**PAIR, **said}
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")["mysql"]


def test_tls_is_not_required_before_the_server_has_it():
    found = mysql_pending.statements({}, BEGINS, {"require_secure_transport": SWITCH})
    assert found == {"ssl_cert": None, "ssl_key": None, "require_secure_transport": None}
    there = {name: BEGINS[name] for name in ("ssl_cert", "ssl_key")}
    found = mysql_pending.statements(there, BEGINS, {"require_secure_transport": SWITCH})
    assert found == {"require_secure_transport": "SET GLOBAL require_secure_transport = ON;"}


@pytest.mark.parametrize(
    ("name", "key"),
    [("ssl_cert", "cert"), ("ssl_key", "key"), ("ssl_ca", "ca"), ("require_secure_transport", "required")],
)
def test_the_path_of_an_option_of_tls(name, key):
    assert mysql_pending.path(with_tls(required=True), name) == f"hamysql:mysql:tls:{key}"
    assert mysql_pending.path(mysql(), name, began=True) == f"hamysql:mysql:tls:{key}", "it left the pillar"
    assert mysql_pending.path(mysql(), name) == f"hamysql:mysql:config:mysqld:{name}"
    given = {"ssl_cert": "/etc/x", "ssl_key": "/etc/x", "ssl_ca": "/etc/x", "require_secure_transport": True}
    assert mysql_pending.path(mysql(**given), name) == f"hamysql:mysql:config:mysqld:{name}"


def unread(config, running, shown, loaded):
    return mysql_pending.presents(config, running, shown, loaded, lambda text: f"{len(text)} characters")


def test_what_a_server_presents_is_compared_with_the_first_certificate():
    chain, key = certificates.intermediate()
    config = with_tls(cert=chain, key=key)
    running, loaded = mysql_pending.wanted(config), tls_files.digest(tls_files.texts(config))
    own = "".join(chain.partition("-----END CERTIFICATE-----\n")[:2])
    assert unread(config, running, own, loaded) is None
    found = unread(config, running, PAIR["cert"], loaded)
    assert (found.kind, found.path) == ("live", "hamysql:mysql:tls:cert")
    assert str(found) == (
        f"hamysql:mysql:tls:cert: {len(PAIR['cert'])} characters -> {len(chain)} characters, takes effect at once"
    )
    assert unread(config, running, own, "another").path == "hamysql:mysql:tls:ca"
    assert unread(config, running, None, loaded) is None, "it does not answer yet"
    assert unread(config, running, "", loaded).kind == "restart"


def test_a_server_that_was_started_without_tls_has_nothing_to_read_again():
    config = with_tls()
    assert unread(config, mysql_pending.wanted(mysql()), "", None) is None
    assert unread(mysql(), mysql_pending.wanted(config), PAIR["cert"], None) is None
