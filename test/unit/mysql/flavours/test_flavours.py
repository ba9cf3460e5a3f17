"""A database flavour is one object: nobody else names one, and another one needs no change elsewhere."""

from __future__ import annotations

import re

import pytest

from hamysql.config import places
from hamysql.errors import ParseError
from hamysql.mysql import accounts, datadir, values
from hamysql.mysql import options as mysql_options
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Observed, Variable
from hamysql.mysql.flavours.mariadb.flavour import MariaDB
from hamysql.schema.language import Hint
from support import ROOT

MARIADB, MYSQL = registry.FLAVOURS["mariadb"], registry.FLAVOURS["mysql"]


def test_no_code_outside_of_the_flavours_names_one():
    files = [path for folder in ("_utils", "_modules", "_states", "_runners") for path in (ROOT / folder).rglob("*.py")]
    inside = [path for path in files if "flavours" in path.parts]
    assert len(files) > 100
    assert len(inside) > 5
    # MySQL's is the name of the formula and of a section of the pillar as well: there it is the module that nobody else names.
    named = re.compile(
        "|".join(name for name in registry.FLAVOURS if name != "mysql") + "|flavours.mysql|Oracle", re.IGNORECASE
    )
    assert all(named.search(path.read_text(encoding="utf-8")) for path in inside if "mariadb" in path.parts)
    found = {
        str(path.relative_to(ROOT)): len(named.findall(path.read_text(encoding="utf-8")))
        for path in files
        if path not in inside
    }
    assert {path: number for path, number in found.items() if number} == {}


class Toy(MariaDB):
    """It says in its own way who is let in, makes a datadir with another program, and has an option and a group more."""

    name = "toy"
    accounts = ("toy.sys",)
    socket_plugin = "by_socket"

    def install(self, mysql, directory):
        return ["toy-server", "--initialize", directory]

    def digest(self, password, plugin=""):
        return password[::-1]

    def identified(self, plugins, digest):
        return f"IDENTIFIED WITH {' AND '.join(sorted(plugins))} AS '{digest}'"

    def variables_query(self, names):
        return f"ASK {' '.join(names)};"

    def variables(self, output):
        return {
            name: Variable(value, "INT", settable=True)
            for name, value in (line.split() for line in output.splitlines())
        }


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(registry.FLAVOURS, "toy", Toy())
    return {"flavor": "toy", "user": "toy", "group": "toy"}


def test_accounts_are_written_in_the_flavours_words(toy):
    users = [
        {"name": "app", "host": "%", "password": "abc", "grants": []},
        {"name": "root", "host": "localhost", "password": "abc", "grants": []},
        {"name": "sam", "host": "localhost", "auth": "unix_socket", "grants": []},
    ]
    found = accounts.diff(Observed({}, {}), {**toy, "databases": [], "users": users})
    assert [change.statements for change in found] == [
        ("CREATE USER 'app'@'%' IDENTIFIED WITH mysql_native_password AS 'cba';",),
        ("CREATE USER 'root'@'localhost' IDENTIFIED WITH by_socket AND mysql_native_password AS 'cba';",),
        ("CREATE USER 'sam'@'localhost' IDENTIFIED WITH by_socket AS '';",),
    ]


def test_its_own_program_makes_the_datadir(toy, tmp_path):
    commands = []
    datadir.install(lambda argv, **options: commands.append(argv), toy, str(tmp_path))
    assert commands[-1] == ["toy-server", "--initialize", str(tmp_path)]


def test_the_flavour_of_a_configuration_is_the_pillars(toy):
    assert registry.of(toy).name == "toy"
    assert registry.of({"flavor": None}) is MARIADB, "the pillar's mistake is told elsewhere"


def test_the_first_one_says_who_is_let_in():
    both = {MARIADB.socket_plugin, MARIADB.password_plugin}
    assert MARIADB.identified({MARIADB.socket_plugin}, "") == "IDENTIFIED VIA unix_socket"
    assert MARIADB.identified({MARIADB.password_plugin}, "*A'B") == "IDENTIFIED VIA mysql_native_password USING '*A''B'"
    assert MARIADB.identified(both, "*A") == "IDENTIFIED VIA unix_socket OR mysql_native_password USING '*A'"
    assert MARIADB.digest("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4", (
        "MySQL's manual, on mysql_native_password"
    )


def test_what_a_server_says_of_itself_is_read():
    output = 'database\tapp\tutf8mb4\tutf8mb4_general_ci\naccount\tapp\t%\tunix_socket\t\nways\tapp\t%\t[{}, {"plugin": "x"}]\n'
    seen = MARIADB.observed(output + "variable\tlower_case_table_names\t1\n")
    assert seen.databases == {"app": ("utf8mb4", "utf8mb4_general_ci")}
    assert (seen.accounts, seen.ways) == (
        {("app", "%"): ("unix_socket", "")},
        {("app", "%"): frozenset({"unix_socket", "x"})},
    )
    assert seen.stored("App.T") == "app.t"
    for wrong in ("database\tapp\n", 'ways\tapp\t%\t"x"\n', "other\tx\n"):
        with pytest.raises(ParseError):
            MARIADB.observed(wrong)
    variables = MARIADB.variables("max_connections\tint unsigned\tNO\tGLOBAL\t50\nport\tint\tYES\tGLOBAL\t3306\n")
    assert variables == {
        "max_connections": Variable("50", "INT UNSIGNED", True),
        "port": Variable("3306", "INT", False),
    }
    assert "IN ('a_b')" in MARIADB.variables_query(["a_b", "a'b"])


def test_the_option_file_has_the_groups_that_it_reads(toy):
    text = "[mariadb]\nport=1\n[toyd]\nport=2\n"
    assert mysql_pending.parse_file(MARIADB, text) == {"port": ["1"]}
    assert MARIADB.options.read.fullmatch("mysqld-10.11")
    names = [reading.name for reading in mysql_options.readings(MARIADB, "loose-skip-grant", None)]
    assert "skip_grant_tables" in names


def test_names_and_privileges_are_those_of_all_flavours():
    assert MARIADB.privileges.known | MYSQL.privileges.known == values.PRIVILEGES
    with pytest.raises(Hint, match="LOCK TABLES"):
        values.privilege("LOCKTABLES")
    assert registry.services() == ("mariadb", "mysql", "mysqld")
    assert places.RULES["mysql:datadir"].found("/var/lib/mariadb/data")
    assert "mysql or mariadb" in places.RULES["mysql:datadir"].expected
