"""What a pillar may say of databases, roles and accounts: what makes no sense is refused, with its path."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hamysql.errors import ConfigError
from hamysql.mysql import sql, terms
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.mariadb.passwords import random_password
from hamysql.schema.language import Secret

MARIADB = registry.FLAVOURS["mariadb"]
HASH = "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"
ED25519 = "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"
ROOT = {"name": "root", "host": "localhost"}
GOING = {"name": "app", "host": "%", "absent": True}


def app(**more: Any) -> dict[str, Any]:
    return {"name": "app", "host": "%", "auth": "unix_socket", **more}


def on(target: str, *privileges: str, **more: Any) -> dict[str, Any]:
    return app(grants=[{"on": target, "privileges": list(privileges or ("SELECT",)), **more}])


def given(pillar: Any, **mysql: Any) -> Any:
    found = pillar("minimal")
    found["mysql"] = mysql
    return found


@pytest.mark.parametrize(
    ("mysql", "path", "found", "expected"),
    [
        ({"databases": [{"name": "a", "absent": True, "collate": "utf8mb4_bin"}]}, "databases:0:collate",
         "a value for what is to be absent", "nothing beside `absent: true`"),
        ({"databases": [{"name": "a", "drop_data": True}]}, "databases:0:drop_data", "true", "`absent: true` beside it"),
        ({"databases": [{"name": "mysql", "absent": True}]}, "databases:0:name", "'mysql'", "a database of your own"),
        ({"users": [{**GOING, "password": "p"}]}, "users:0:password", "a value for what is to be absent", "nothing beside"),
        ({"users": [{**GOING, "grants": [{"on": "*.*", "privileges": ["ALL"]}]}]}, "users:0:grants", "a value for", "nothing"),
        ({"users": [{**GOING, "limits": {"max_user_connections": 1}}]}, "users:0:limits", "a value for", "nothing"),
        ({"users": [GOING], "passwords": {"app@%": "p"}}, "passwords:app@%", "a value for what is to be absent", "nothing"),
        ({"users": [{**ROOT, "absent": True}]}, "users:0:absent", "true", "root@localhost to stay"),
        ({"users": [{**ROOT, "password": "p", "require": {"tls": "SSL"}}]}, "users:0:require", "root@localhost", "not to be set"),
        ({"users": [{**ROOT, "password": "p", "limits": {"max_user_connections": 0}}]}, "users:0:limits", "root@localhost", "not to"),
        ({"users": [{**ROOT, "password": "p", "roles": ["a"]}]}, "users:0:roles", "root@localhost", "not to be set"),
        ({"users": [app(password_hash=HASH)]}, "users:0", "both password_hash and auth", "one of the two"),
        ({"users": [{"name": "a", "host": "%", "password": "p", "password_hash": HASH}]}, "users:0",
         "both password and password_hash", "one of the two"),
        ({"users": [{"name": "a", "host": "%", "auth": "ed25519"}]}, "users:0:password", "nothing", "a password"),
        ({"users": [{"name": "a", "host": "%", "password_hash": HASH.lower()}]}, "users:0:password_hash", "a text that is none",
         "a hash of mysql_native_password: '*' and 40 hexadecimal digits in capitals"),
        ({"users": [{"name": "a", "host": "%", "auth": "ed25519", "password_hash": HASH}]}, "users:0:password_hash",
         "a text that is none", "a hash of ed25519: 43 characters of base64"),
        ({"users": [app(require={"tls": "SSL", "issuer": "/CN=x"})]}, "users:0:require", "both SSL and", "one of the two"),
        ({"users": [app(require={"tls": "TLS"})]}, "users:0:require:tls", "'TLS'", "'NONE', 'SSL' or 'X509'"),
        ({"users": [app(require={"subject": "/CN=ä"})]}, "users:0:require:subject", "'/CN=ä'", "ASCII"),
        ({"users": [app(limits={"max_statement_time": -1})]}, "users:0:limits:max_statement_time", "-1", "seconds"),
        ({"users": [app(limits={"max_statement_time": "1s"})]}, "users:0:limits:max_statement_time", "'1s'", "seconds"),
        ({"users": [app(limits={"max_queries": 1})]}, "users:0:limits:max_queries", "an unknown key", "max_queries_per_hour"),
        ({"users": [app(roles=["reader"], default_role="raeder")]}, "users:0:default_role", "'raeder'", "'reader'"),
        ({"users": [app(roles=["NONE", "a"])]}, "users:0:roles", "NONE and others", "NONE alone"),
        ({"roles": [{"name": "a", "absent": True}], "users": [app(roles=["a"])]}, "users:0:roles:0", "'a'", "a role that stays"),
        ({"roles": [{"name": "Public"}]}, "roles:0:name", "'Public'", "a role of your own"),
        ({"roles": [{"name": "a"}, {"name": "a"}]}, "roles:1:name", "'a'", "each role once"),
        ({"roles": [{"name": "a", "roles": ["a"]}]}, "roles:0:roles", "'a'", "other roles"),
        ({"roles": [{"name": "a", "absent": True, "roles": ["b"]}]}, "roles:0:roles", "a value for", "nothing beside"),
        ({"roles": [{"name": "a", "grants": [{"on": "a.*", "privileges": ["PROCESS"]}]}]}, "roles:0:grants:0:privileges:0",
         "'PROCESS' on a.*", "'on' to be '*.*'"),
        ({"roles": [{"grants": []}]}, "roles:0:name", "nothing", "a role's name"),
        ({"users": [on(r"app\_%.*")]}, "users:0:grants:0:on", r"'app\\_%.*'", "`wildcards: true` beside it"),
        ({"users": [on("app%.t", wildcards=True)]}, "users:0:grants:0:wildcards", "true, on app%.t", "'database.*'"),
        ({"users": [on("*.*", wildcards=True)]}, "users:0:grants:0:wildcards", "true, on *.*", "'database.*'"),
        ({"users": [on(r"app\x.*", wildcards=True)]}, "users:0:grants:0:on", r"'app\\x.*'", "without quotes"),
        ({"users": [on("PROCEDURE a.p", "ALL")]}, "users:0:grants:0:privileges:0", "'ALL' on PROCEDURE a.p", "EXECUTE"),
        ({"users": [on("FUNCTION a.f", "SELECT (id)")]}, "users:0:grants:0:privileges:0", "'SELECT (id)'", "EXECUTE"),
        ({"users": [on("FUNCTION a.*", "EXECUTE")]}, "users:0:grants:0:on", "'FUNCTION a.*'", "'FUNCTION database.name'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(resolve, pillar, mysql, path, found, expected):
    with pytest.raises(ConfigError) as caught:
        resolve(given(pillar, **mysql))
    problems = {problem.path: problem for problem in caught.value.problems}
    assert list(problems) == [f"hamysql:mysql:{path}"]
    assert found in problems[f"hamysql:mysql:{path}"].found
    assert expected in problems[f"hamysql:mysql:{path}"].expected


def test_what_makes_sense_is_taken(resolve, pillar):
    users = [
        {"name": "a", "host": "%", "auth": "ed25519", "password_hash": ED25519},
        {"name": "b", "host": "%", "auth": "mysql_native_password", "password": "p", "require": {"tls": "X509"}},
        {**ROOT, "password_hash": HASH},
        on(r"app\_%.*", wildcards=True),
        app(host="h", roles=["reader"], default_role="NONE", limits={"max_statement_time": 0.5}),
        {"name": "c", "host": "%", "absent": True},
    ]
    databases = [{"name": "a", "absent": True, "drop_data": True}, {"name": "b", "absent": False}]
    roles = [{"name": "reader", "grants": [{"on": "PROCEDURE a.p", "privileges": ["EXECUTE"]}]}]
    found = resolve(given(pillar, users=users, databases=databases, roles=roles))["mysql"]
    assert isinstance(found["users"][0]["password_hash"], Secret)
    assert [database["character_set"] for database in found["databases"]] == [None, "utf8mb4"]
    assert found["roles"][0]["grants"][0]["grant_option"] is False


def test_a_level_is_written_as_the_server_shows_it():
    assert sql.level("a_b.*") == r"`a\_b`.*"
    assert sql.level(r"a\_b%.*", wildcards=True) == r"`a\_b%`.*"
    assert sql.level("procedure App.Clean") == "PROCEDURE `App`.`clean`"


def test_clauses_of_a_new_account():
    require = {"tls": None, "issuer": "/CN=it's", "subject": None, "cipher": "X"}
    limits = {"max_user_connections": 0, "max_statement_time": 0.25, "max_queries_per_hour": None}
    clauses = " REQUIRE CIPHER 'X' AND ISSUER '/CN=it''s' WITH MAX_USER_CONNECTIONS 0 MAX_STATEMENT_TIME 0.25"
    assert terms.clauses({"require": require, "limits": limits}) == clauses
    assert terms.clauses({"require": {"tls": None}, "limits": {}}) == ""


def test_the_client_says_no_statement():
    line = "-" * 14
    error = "ERROR 1396 (HY000) at line 2: Operation CREATE USER failed for 'u'@'%'\n"
    repeated = f"{line}\nCREATE USER 'u' IDENTIFIED VIA\n x USING '*A'\n{line}\n\n{error}"
    assert sql.without_statements(repeated) == error
    assert sql.without_statements(f"killed after 60 s\n{line}\nCREATE USER") == "killed after 60 s\n"
    assert sql.without_statements(error) == error


def test_a_password_in_clear_text_is_in_no_statement_that_is_logged():
    made, given = MARIADB.in_clear("CREATE USER", "'a'@'%'", {"ed25519"}, "can'ary", " REQUIRE SSL")
    assert re.search(r"CREATE USER 'a'@'%' IDENTIFIED VIA ed25519 USING PASSWORD\('[^']{64}'\) REQUIRE SSL;$", made)
    assert given.endswith("\nSET PASSWORD FOR 'a'@'%' = PASSWORD('can''ary');")
    assert "sql_log_off = 1" in given
    assert len({random_password() for _ in range(50)}) == 50
    assert list(MARIADB.in_clear("", "'a'@'%'", {"ed25519"}, "can'ary", "")) == [given]
