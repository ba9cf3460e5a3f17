"""Which of the client's errors say that a server is there; the messages are those of MariaDB 10.11.19's client."""

import pytest

from hamysql.mysql.flavours import registry


@pytest.mark.parametrize(
    ("message", "answers"),
    [
        ("ERROR 1130 (HY000): Host '10.77.1.11' is not allowed to connect to this MariaDB server", True),
        ("ERROR 1045 (28000): Access denied for user 'hamysql-ping'@'10.77.1.11' (using password: NO)", True),
        ("ERROR 3159 (08004): Connections using insecure transport are prohibited", True),
        ("ERROR 2002 (HY000): Can't connect to server on '10.77.1.100' (115)", False),
        ("ERROR 2013 (HY000): Lost connection to server at 'handshake: reading initial communication packet'", False),
        ("mariadb: command not found", False),
    ],
)
def test_a_server_that_turns_us_away_is_there(message, answers):
    assert registry.FLAVOURS["mariadb"].is_answer(message) is answers
