"""The database client on the administrator's side of the lab; runs inside the namespace, talks JSON.

It is a program of its own because a network namespace belongs to a process. Reads one JSON object from standard input (so that the
password is on no command line), writes one JSON object a line to standard output, the last of which is the result.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from typing import Any

import pymysql

CONNECT_TIMEOUT = 1  # seconds
REPLY_TIMEOUT = 2
PAUSE = 0.05  # between two attempts while the service is away
READ_BACK_TIMEOUT = 180
REFUSALS = (1044, 1045, 1049, 1130)  # access to the database, the password, no such database, the client's host


def _connect(login: dict[str, Any]) -> pymysql.connections.Connection:
    return pymysql.connect(
        **login,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=REPLY_TIMEOUT,
        write_timeout=REPLY_TIMEOUT,
        autocommit=True,
    )


def _query(connection: pymysql.connections.Connection, sql: str, *values: object) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return tuple(cursor.fetchall())


def _close(connection: pymysql.connections.Connection | None) -> None:
    if connection is not None:
        try:
            connection._force_close()  # type: ignore[attr-defined]  # close() would wait for a server that is gone
        except (OSError, pymysql.Error):
            pass


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def ping(login: dict[str, Any]) -> dict[str, Any]:
    """Does the database answer on the virtual IP?"""
    try:
        connection = _connect(login)
        _query(connection, "SELECT 1")
        connection.close()
    except (OSError, pymysql.Error) as exc:
        # A server that refuses a login (the accounts come last in a deployment) answers all the same.
        return {"answers": exc.args[:1] in ((code,) for code in REFUSALS), "error": str(exc)}
    return {"answers": True}


class Probe:
    """Writes rows with increasing numbers as fast as they are acknowledged, and remembers which were."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.login = login
        self.run = uuid.uuid4().hex[:12]
        self.acknowledged: list[int] = []
        self.errors = 0
        self.last_error = ""
        self.stopped = False
        self.gap = (0.0, 0.0)  # when the longest one began and ended, seconds since the epoch

    def write(self, seconds: float) -> float:
        """Write for that long; returns the longest time without an acknowledgement, the start and the end included."""
        connection = None
        number = 0
        started = last = said = time.monotonic()
        longest = 0.0
        prepared = False
        while not self.stopped and time.monotonic() < started + seconds:
            number += 1  # a new number for each attempt: one without an answer may have been committed or not
            try:
                if connection is None:
                    connection = _connect(self.login)
                if not prepared:
                    table = "CREATE TABLE IF NOT EXISTS writes (run CHAR(12), number BIGINT, PRIMARY KEY (run, number))"
                    _query(connection, f"{table} ENGINE=InnoDB")
                    prepared = True
                _query(connection, "INSERT INTO writes VALUES (%s, %s)", self.run, number)
            except (OSError, pymysql.Error) as exc:
                self.errors += 1
                self.last_error = str(exc)
                _close(connection)
                connection = None
                time.sleep(PAUSE)
            else:
                self.acknowledged.append(number)
                longest = self._gap(longest, last)
                last = time.monotonic()
            if time.monotonic() > said + 0.5:
                said = time.monotonic()
                _say(elapsed=said - started, acknowledged=len(self.acknowledged), waiting=said - last)
        _close(connection)
        return self._gap(longest, last)

    def _gap(self, longest: float, last: float) -> float:
        """The longest time without an acknowledgement, when this one ends now."""
        seconds = time.monotonic() - last
        if seconds > longest:
            self.gap = (time.time() - seconds, time.time())
        return max(longest, seconds)

    def missing(self) -> int:
        """How many acknowledged rows are not there, read through a fresh connection."""
        deadline = time.monotonic() + READ_BACK_TIMEOUT
        while True:
            try:
                connection = pymysql.connect(**self.login, connect_timeout=CONNECT_TIMEOUT, read_timeout=60)
                there = {row[0] for row in _query(connection, "SELECT number FROM writes WHERE run = %s", self.run)}
                connection.close()
                return len(set(self.acknowledged) - there)
            except (OSError, pymysql.Error) as exc:
                if time.monotonic() > deadline:
                    raise SystemExit(f"the rows could not be read back within {READ_BACK_TIMEOUT} s: {exc}") from exc
                time.sleep(0.5)


def probe(login: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Write for ``seconds``, then read everything back."""
    writer = Probe(login)

    def stop(*_: object) -> None:
        writer.stopped = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    longest = writer.write(seconds)
    result: dict[str, Any] = {
        "acknowledged": len(writer.acknowledged),
        "longest_gap_seconds": round(longest, 2),
        "gap_began": round(writer.gap[0], 3),
        "gap_ended": round(writer.gap[1], 3),
        "errors": writer.errors,
    }
    result["last_error"] = writer.last_error
    # Without a single acknowledgement there may not even be a table to read from.
    result["lost"] = writer.missing() if writer.acknowledged else 0
    return result


def main() -> None:
    """Do what the request on standard input says."""
    request = json.load(sys.stdin)
    if request["do"] == "ping":
        _say(**ping(request["login"]))
    else:
        _say(result=probe(request["login"], request["seconds"]))


if __name__ == "__main__":
    main()
