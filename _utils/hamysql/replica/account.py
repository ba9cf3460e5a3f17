"""The account by which a replica follows: made on the server of the cluster, from the hash of a password that the replica keeps."""

from __future__ import annotations

import dataclasses
from typing import cast

from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.mysql import accounts, grants
from hamysql.mysql.changes import Change, NotApplied
from hamysql.mysql.flavours import registry
from hamysql.mysql.sql import PROLOGUE, without_statements
from hamysql.mysql.tls.files import OPENSSL
from hamysql.replica.site import USER
from hamysql.resolved.software import Mysql, Tls
from hamysql.system.command import Run


def admit(run: Run, mysql: Mysql, host: str, digest: str) -> list[str]:
    """Have the account there, with this hash; returns what was changed, in words.

    host
        The replica's address.

    Raises ``NotReady`` where no server answers, and ``NotApplied`` with what it refuses.
    """
    flavour = registry.of(mysql)
    user = {
        "name": USER,
        "host": host,
        "password_hash": digest,
        "grants": [{"on": "*.*", "privileges": [flavour.replication(mysql).privilege]}],
        "require": {"tls": "SSL" if mysql["tls"]["enabled"] else "NONE"},
    }
    wanted = cast(Mysql, {**mysql, "databases": [], "roles": [], "users": [user]})
    changes = _pending(run, wanted)
    for change in changes:
        for statement in change.statements:
            try:
                _asked(run, mysql, f"{PROLOGUE}{statement}\n")
            except CommandFailed as exc:
                raise NotApplied({change.name: without_statements(exc.output).strip()}) from None
    return [change.name for change in changes]


def _pending(run: Run, wanted: Mysql) -> tuple[Change, ...]:
    flavour = registry.of(wanted)
    observed = flavour.observed(_answered(run, wanted, flavour.accounts_query))
    who = accounts.key(wanted["users"][0])
    shown = _answered(run, wanted, grants.query([who])) if who in observed.accounts else ""
    found = grants.parse(shown, flavour.privileges, observed.everything)
    return accounts.diff(dataclasses.replace(observed, grants=found), wanted)


def source(run: Run, mysql: Mysql, node: str) -> str:
    """Where the cluster's server is. Raises ``Refused`` with all that keeps a replica from following it."""
    replication = registry.of(mysql).replication(mysql)
    position, reasons = replication.unfit(_answered(run, mysql, replication.source_query))
    if reasons:
        raise Refused("\n".join([f"no replica can follow the server on {node}:", *(f"  - {one}" for one in reasons)]))
    return position


def renumber(run: Run, mysql: Mysql, moment: float) -> bool:
    """After other data has replaced the cluster's: its transactions get numbers that none had before.

    Binary logs begin anew then, and so do the numbers. As soon as they have come so far, a replica of the data before would take
    the new transactions for those that follow its own. Its data would silently be neither the one nor the other.

    moment
        Seconds since 1970.

    Returns whether that was to be done.
    """
    replication = registry.of(mysql).replication(mysql)
    position, _ = replication.unfit(_answered(run, mysql, replication.source_query))
    statements = replication.renumbered(position, moment)
    if statements:
        _answered(run, mysql, statements)
    return bool(statements)


def has_address(run: Run, tls: Tls, address: str) -> bool:
    """Whether a replica can insist on the server's certificate: authorities vouch for it, and it has the virtual IP."""
    if not tls["enabled"] or not tls["cert"] or not tls["ca"]:
        return False
    # It says so in words alone: openssl ends with 0 either way before 3.2.
    said = run([OPENSSL, "x509", "-noout", "-checkip", address], stdin=tls["cert"], accept=range(256)).stdout
    return "does match" in said


def _answered(run: Run, mysql: Mysql, sql: str) -> str:
    try:
        return _asked(run, mysql, sql)
    except CommandFailed as exc:
        raise NotReady(
            f"the server that a replica is to follow does not answer: {without_statements(exc.output).strip()}"
        ) from None


def _asked(run: Run, mysql: Mysql, sql: str) -> str:
    return run(registry.of(mysql).client(mysql), stdin=sql).stdout
