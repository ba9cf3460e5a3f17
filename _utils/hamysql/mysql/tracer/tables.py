"""The tracer's table and accounts in the database, which are there while an operation measures. Pure.

Each node has a row of its own, so the table stays small, and an account of its own, which may write to this table and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hamysql.mysql.flavours.face import Flavour
from hamysql.mysql.sql import PROLOGUE, account, text

DATABASE, TABLE = "hamysql", "hamysql.tracer"
COMMENT = "made by hamysql: an operation measures the gap; may be dropped"
# A name of MySQL has 32 characters at the most, so it has the node's number and not its name.
USER = "hamysql-tracer-"

# Whether the table is there, and ours.
KNOWN = (
    "SELECT COUNT(*) FROM information_schema.TABLES"
    f" WHERE TABLE_SCHEMA = '{DATABASE}' AND TABLE_NAME = 'tracer' AND TABLE_COMMENT = '{COMMENT}';\n"
)
ROWS = f"SELECT node, number FROM {TABLE};\n"


def user(node: str, nodes: Sequence[str]) -> str:
    """The account's name of a node's writer."""
    return f"{USER}{list(nodes).index(node) + 1}"


def made(flavour: Flavour, hashes: Mapping[str, str], nodes: Sequence[str]) -> str:
    """The SQL that makes the table anew, and an account for each writer.

    hashes
        Of each node's password: the password itself never leaves the writer.
    """
    lines = [
        f"{PROLOGUE}CREATE DATABASE IF NOT EXISTS {DATABASE};",
        f"CREATE TABLE {TABLE} (node VARCHAR(255) CHARACTER SET ascii NOT NULL PRIMARY KEY, number BIGINT NOT NULL)"
        f" ENGINE = InnoDB COMMENT = {text(COMMENT)};",
    ]
    for node, digest in hashes.items():
        name = account((user(node, nodes), "%"))
        lines += [
            f"CREATE USER {name} {flavour.identified([flavour.password_plugin], digest)};",
            f"GRANT INSERT, DELETE ON {TABLE} TO {name};",
        ]
    return "\n".join(lines) + "\n"


def dropped(flavour: Flavour, nodes: Iterable[str], known: bool) -> str:
    """The SQL that takes all of it away again; the database only where nobody else has anything in it.

    known
        Whether the table is there and ours (``KNOWN``): another one of that name stays.
    """
    names = list(nodes)
    lines = [PROLOGUE.rstrip()]
    lines += [f"DROP USER IF EXISTS {account((user(node, names), '%'))};" for node in names]
    if known:
        lines += [f"DROP TABLE IF EXISTS {TABLE};"]
    return "\n".join(lines) + "\n"


def emptied(flavour: Flavour) -> str:
    """The SQL that drops the database; the server refuses where anything is in it, or where it is not there."""
    return f"{PROLOGUE}{flavour.drop_empty(DATABASE)}\n"


def rows(output: str) -> dict[str, int]:
    """What ``ROWS`` prints: the number of the last write of each node."""
    return {node: int(number) for node, number in (line.split("\t") for line in output.splitlines() if line)}
