"""
What the pillar says and the running services of this node do not know yet.

A setting is applied live, waits for a restart, or cannot be changed in place; see :mod:`hamysql.pending`. Nothing here starts,
stops or restarts anything; ``hamysql_rolling`` does.
"""

# Long because half of it is documentation: of every function for `salt sys.doc`.

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql import pending as pending_changes
from hamysql.cib import kept as cib_kept
from hamysql.cib import names as cib_names
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import key as corosync_key
from hamysql.corosync import pending as corosync_pending
from hamysql.corosync import replaced
from hamysql.errors import CommandFailed, Refused
from hamysql.fencing import sbd as fencing_sbd
from hamysql.mysql import flushing, process
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql.flavours import registry
from hamysql.mysql.tls import files as tls_files
from hamysql.mysql.tls import in_service
from hamysql.storage import backends, latch
from hamysql.storage import pending as storage_pending
from hamysql.system import files, root, wait
from hamysql.system.command import exists, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from injected import __opts__, __salt__

    from hamysql.mysql.flavours.face import Variable
    from hamysql.pending import Pending
    from hamysql.resolved import Resolved
    from hamysql.resolved.software import Mysql

__virtualname__ = "hamysql_change"

LATCHES = latch.Latches()
COROSYNC_CONF = Path("/etc/corosync/corosync.conf")
AUTHKEY = Path("/etc/corosync/authkey")
RECORD = Path("/run/hamysql/mysqld.json")
# Our agent's notes, which are root's: the server's process, and when it was born. The server's own pid file is the account's.
NOTES = Path(f"/run/resource-agents/hamysql/{cib_names.SERVER}.pid")
TLS = Path(tls_files.FOLDER)
TLS_RECORD = Path("/run/hamysql/mysqld-tls.json")  # which set of files a running server has read


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def pending() -> list[dict[str, Any]]:
    """
    The settings whose value in service is not the pillar's, of this node. Works before anything is installed.

    Returns a list of ``{"kind": "live", "both", "restart" or "refused", "scope": "corosync", "storage", "mysql" or "data",
    "path": of the pillar, "old", "new", "advice"}``; secrets are not in it. What the running database was started with is
    recorded on the way, as long as its option file still says so.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_change.pending
    """
    return [item.as_dict() for item in _pending(_site(misnamed=True))]


def _pending(site: Resolved) -> list[Pending]:
    return pending_changes.distinct(
        [*_data(site), *_corosync(site), *_sbd(site), *_storage(site), *_mysql(site["mysql"])]
    )


def refused(moving: str = "") -> list[str]:
    """
    What the pillar asks for and cannot be changed in place, as sentences that say what to do; empty where it all can.

    moving
        The kind of storage that the data is being moved to: the pillar may ask for that. For ``hamysql.orch.migrate_storage``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_change.refused
    """
    site = _site()
    found = pending_changes.of_kind(pending_changes.REFUSED, _pending(site))
    # With test=True it is not begun.
    to = latch.moving_to(LATCHES.folder)
    begun = bool(moving) and (to == moving or (bool(__opts__.get("test")) and not to))
    expected = begun and moving == site["storage"]["backend"]
    return [str(item) for item in found if not (expected and item.path == storage_pending.BACKEND)]


def apply(both: bool = False) -> dict[str, dict[str, Any]]:
    """
    Let the running services take over what they can without an interruption. The files have to be written before.

    both
        Whether this is about what both nodes have to take over at the same moment (default: False), and what else differs of
        the storage. The orchestration calls it on both.

    corosync reads its file again (on all nodes), ``drbdadm adjust`` changes options of the resource, the database reads the files
    of its TLS again, and its variables are set. Returns ``{path: {"old", "new"}}`` of what was changed. Raises ``Refused`` where a
    file is not the pillar's yet, ``NotReady`` where a service did not take something over, and ``CommandFailed`` with the service's
    own words.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_change.apply
    """
    site = _site()
    found = _pending(site)
    live = pending_changes.of_kind(pending_changes.BOTH if both else pending_changes.LIVE, found)
    if both:
        # DRBD itself brings some of them to the peer, verify-alg for one. What differs besides is live there from that moment on.
        storage = (item for item in found if item.scope == pending_changes.STORAGE)
        live += pending_changes.of_kind(pending_changes.LIVE, storage)
    scopes = {item.scope for item in live}
    if pending_changes.COROSYNC in scopes:
        _reload_corosync(site)
    if pending_changes.STORAGE in scopes:
        backends.used(site).apply(site, run)
    if pending_changes.MYSQL in scopes:
        if any(item.path in (f"{tls_files.PATH}:cert", f"{tls_files.PATH}:ca") for item in live):
            _read_tls(site["mysql"])
        if left := _left_flushing(site["mysql"]):
            __salt__["hamysql_mysql.unflush"](left)
        _set_variables(site["mysql"])
    return {item.path: {"old": item.old, "new": item.new} for item in live}


def observe() -> bool:
    """
    Note what the database runs with that somebody else has started, before hamysql's option file is written for the first time.

    Returns whether there was such a server. What is pending is compared with that note, until the server starts anew.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_change.observe
    """
    config = _site()["mysql"]
    known = process.found(config, NOTES)
    if known is None or process.options(config, known, RECORD) is not None:
        return False
    running = _as_started(config)
    if running is not None:
        process.note(known, running, RECORD)
    return running is not None


def read_units() -> None:
    """
    Have systemd read the files of its units again (``systemctl daemon-reload``): what runs goes on as it is.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_change.read_units
    """
    run(["systemctl", "daemon-reload"])


# --- the data


def _data(site: Resolved) -> Iterator[Pending]:
    cib = cib_kept.kept()
    latches = latch.in_use(LATCHES.folder)
    uuid = backends.used(site).device_uuid(site, run, latches)
    return storage_pending.pending(site, cib, latches, uuid, latch.moving_to(LATCHES.folder))


# --- corosync


def _corosync(site: Resolved) -> list[Pending]:
    if not exists("corosync-cmapctl"):
        return []
    result = run(["corosync-cmapctl"], accept=(0, 1))
    if result.returncode:  # it does not run
        return []
    key = site["corosync"]["authkey"]
    there = files.text_if_any(root.at(AUTHKEY), links=True)  # one that corosync-keygen has made is no text
    differs = site["corosync"]["encrypted"] and there is not None and there.strip() != key
    place_taken = replaced.peer(site) and replaced.alone(result.stdout)
    return list(corosync_pending.pending(site, corosync_pending.parse_map(result.stdout), differs, place_taken))


def _reload_corosync(site: Resolved, timeout: float = 15) -> None:
    if corosync_key.Places(AUTHKEY.parent).beside.exists():  # the other node may have another key in its file
        raise Refused(
            "a rotation of corosync's key was begun and has not ended: run "
            "`salt-run state.orchestrate hamysql.orch.rotate_secrets` again"
        )
    there = corosync_pending.keys(corosync_conf.parse(files.text(root.at(COROSYNC_CONF), links=True)))
    if there != corosync_pending.keys(site["corosync"]["sections"]):
        raise Refused(f"{COROSYNC_CONF} is not what the pillar says: `state.apply hamysql` writes it")
    said = []
    if replaced.peer(site):
        _let_go(site)

    def look() -> tuple[Pending, ...]:
        left = pending_changes.of_kind(pending_changes.LIVE, _corosync(site))
        if left:
            # It makes every node read its file, so it can fail for the peer's as well; until it is done, it is asked for again.
            said.append(run(["corosync-cfgtool", "-R"], accept=range(256)).stderr.strip())
        return left

    wait.until(
        look,
        lambda left: not left,
        "corosync has taken over its changed configuration",
        timeout=timeout,
        interval=1,
        describe=lambda left: "; ".join([*map(str, left), *said[-1:]]),
    )


def _let_go(site: Resolved) -> None:
    """The other node takes the place of one that died for good: corosync forgets the old one before it reads of the new one."""

    def running() -> dict[str, str]:
        return corosync_pending.parse_map(run(["corosync-cmapctl"]).stdout)

    replaced.let_go(run, site, running, lambda: time.sleep(0.5), COROSYNC_CONF)


# --- sbd


def _sbd(site: Resolved) -> list[Pending]:
    text = files.text_if_any(root.at(site["fencing"]["sbd_file"]), links=True) or ""
    if not site["fencing"]["sbd"] and not text.startswith(fencing_sbd.MARK):
        return []
    corosync, sbd = run(["systemctl", "is-active", "corosync", "sbd"], accept=(0, 3, 4)).stdout.split()
    if corosync != "active":  # sbd is started with it, with the pillar's options
        return []
    running = None if sbd in ("inactive", "failed", "unknown") else fencing_sbd.parse_file(text)
    return list(fencing_sbd.pending(site, running))


# --- the storage


def _storage(site: Resolved) -> list[Pending]:
    return backends.used(site).pending(site, run)


# --- the database


def _mysql(config: Mysql) -> list[Pending]:
    known = process.found(config, NOTES)
    if known is None:
        return []
    running = process.options(config, known, root.at(RECORD))
    if running is None:
        running = _as_started(config)
    if running is None:
        return [mysql_pending.UNKNOWN]
    want = mysql_pending.wanted(config)
    running |= _persisted(config, want)
    found = list(mysql_pending.pending(config, running, want, _variables(config, mysql_pending.changed(running, want))))
    if unread := in_service.unread(run, config, known, running, TLS, TLS_RECORD):
        found.append(unread)
    return [*found, *mysql_pending.left_flushing(running, _left_flushing(config))]


def _as_started(config: Mysql) -> mysql_pending.Options | None:
    """What a server runs with that was never hamysql's; ``None`` where it is, or does not answer."""
    want = mysql_pending.wanted(config)
    if Path(config["config_fragment"]).exists():
        return None
    return mysql_pending.as_started(want, found) if (found := _variables(config, list(want))) else None


def _left_flushing(config: Mysql) -> dict[str, float]:
    """What a move that was killed has set in the server, and it was before; nothing where the server is as it was."""
    left = flushing.left()
    try:
        return left if left and float(_sql(config, f"SELECT @@GLOBAL.{flushing.FLUSHING[0]};")) == 0 else {}
    except CommandFailed:
        return {}


def _persisted(config: Mysql, want: mysql_pending.Options) -> mysql_pending.Options:
    """What somebody has the server keep of its options in its datadir, against the pillar's."""
    flavour = registry.of(config)
    if not flavour.persisted_query:
        return {}
    try:
        return mysql_pending.overruling(flavour, want, _sql(config, flavour.persisted_query))
    except CommandFailed:  # it does not answer yet
        return {}


def _variables(config: Mysql, names: Sequence[str]) -> dict[str, Variable]:
    if not names:
        return {}
    flavour = registry.of(config)
    try:
        return flavour.variables(_sql(config, flavour.variables_query(names), "--force"))
    except CommandFailed:  # it does not answer yet
        return {}


def _sql(config: Mysql, statements: str, *more: str) -> str:
    return run([*registry.of(config).client(config), *more], stdin=statements).stdout


def _set_variables(config: Mysql) -> None:
    known = process.found(config, NOTES)
    running = process.options(config, known, root.at(RECORD)) if known else None
    if known is None or running is None:
        return
    want = mysql_pending.wanted(config)
    if persisted := _persisted(config, want):
        running |= persisted
        process.note(known, running, root.at(RECORD))
        _sql(config, "".join(f"RESET PERSIST IF EXISTS {name};\n" for name in persisted))
    variables = _variables(config, mysql_pending.changed(running, want))
    for name, sql in mysql_pending.statements(running, want, variables).items():
        if sql is None:
            continue
        _sql(config, sql)
        if name in want:
            running[name] = want[name]
        else:
            del running[name]
        process.note(known, running, root.at(RECORD))


# --- the database's TLS


def _read_tls(config: Mysql) -> None:
    """Have the server read certificate, key and authorities again, and see that it presents them."""
    wanted = tls_files.texts(config)
    if tls_files.there(TLS, None).texts != wanted:
        raise Refused(f"{TLS} does not hold the pillar's certificate and key: `state.apply hamysql` lays them down")
    _sql(config, registry.of(config).reload_tls)
    if known := process.found(config, NOTES):
        process.note(known, {"set": [tls_files.digest(wanted)]}, TLS_RECORD)
