"""What a pillar may not say where the database is MySQL, and what it becomes."""

from __future__ import annotations

import pytest

from hamysql.errors import ConfigError
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.mysql import passwords
from support import load_pillar

MYSQL = registry.FLAVOURS["mysql"]


def told(resolve, **mysql):
    given = load_pillar("mysql")
    given["mysql"] = {"flavor": "mysql", **mysql}
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ({"name": "root", "host": "localhost", "password": "x"}, "root@localhost with a password"),
        ({"name": "a", "host": "%", "auth": "ed25519", "password": "x"}, "a plugin of this server"),
        ({"name": "a", "host": "%", "password": "x", "limits": {"max_statement_time": 2}}, "no such limit"),
        ({"name": "a", "host": "%", "password_hash": "*" + 40 * "A"}, "a hash of caching_sha2_password"),
        (
            {"name": "a", "host": "%", "password": "x", "grants": [{"privileges": ["BINLOG ADMIN"], "on": "*.*"}]},
            "a privilege of this server",
        ),
    ],
)
def test_what_mysql_has_not_is_refused(resolve, user, path):
    assert path in told(resolve, users=[user])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mysqlx", "ON"),
        ("mysqlx_port", "33061"),
        ("skip_grant_tables", "ON"),
        ("innodb_force_recovery", "1"),
        ("log_raw", "ON"),
        ("super_read_only", "ON"),
        ("datadir", "/srv/x"),
        ("loose-mysqlx", "ON"),
    ],
)
def test_an_option_that_is_guarded_is_refused(resolve, name, value):
    assert f"hamysql:mysql:config:mysqld:{name}" in told(resolve, config={"mysqld": {name: value}})


def test_the_option_file_switches_the_x_protocol_off_and_keeps_to_the_virtual_ip(resolve):
    lines = resolve(load_pillar("mysql"))["mysql"]["option_lines"]["mysqld"]
    assert {"loose-mysqlx = OFF", "bind-address = 192.0.2.100"} <= set(lines)


def test_sha256_crypt_is_that_of_its_specification():
    # The first example of "Unix crypt using SHA-256 and SHA-512".
    assert passwords.sha256_crypt(b"Hello world!", b"saltstring", 5000) == "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"


def test_a_hash_in_either_form_is_known_again_and_another_password_is_not():
    kept = MYSQL.digest("secret")
    assert MYSQL.is_password("secret", kept, passwords.SHA2)
    assert not MYSQL.is_password("Secret", kept, passwords.SHA2)
    assert not MYSQL.is_password("secret", "$A$000$", passwords.SHA2)
    assert MYSQL.is_hash(kept, "0x" + kept[2:].lower())
