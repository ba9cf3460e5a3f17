"""Rows that each backup writes before it begins, so that a restored one can be told from one that only looks like it. Pure."""

from __future__ import annotations

from hamysql.backup.manifest import Tracer
from hamysql.errors import ParseError
from hamysql.mysql.sql import PROLOGUE, text

TABLE, MOST = "hamysql.backups", 100  # rows: the oldest go


def written(label: str) -> str:
    """The SQL that writes one more row, and asks how many there are."""
    return (
        f"{PROLOGUE}CREATE DATABASE IF NOT EXISTS hamysql;\n"
        f"CREATE TABLE IF NOT EXISTS {TABLE} (label VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY) ENGINE = InnoDB"
        " COMMENT = 'made by hamysql: a row for each backup';\n"
        f"REPLACE INTO {TABLE} VALUES ({text(label)});\n"
        f"DELETE FROM {TABLE} WHERE label NOT IN (SELECT label FROM (SELECT label FROM {TABLE} ORDER BY label DESC"
        f" LIMIT {MOST}) newest);\n"
    )


def asked(label: str) -> str:
    """The SQL whose output :func:`read` reads."""
    return f"{PROLOGUE}SELECT COUNT(*), SUM(label = {text(label)}) FROM {TABLE};\n"


def read(output: str, label: str) -> tuple[Tracer, bool]:
    """How many rows there are, and whether the label is among them."""
    try:
        rows, there = output.split()
        return {"label": label, "rows": int(rows)}, there == "1"
    except ValueError as exc:
        raise ParseError(f"the database answered with {output.strip()!r} for the rows of {TABLE}") from exc
