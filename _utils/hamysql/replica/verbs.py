"""A replica's machine becomes one, and becomes a server of its own: each verb goes on where one that was killed has ended."""

from __future__ import annotations

import time
from pathlib import PurePosixPath

from hamysql.backup import beside as backup_beside
from hamysql.backup import prepare, restore, swap
from hamysql.backup.beside import DONE, READY, RESTORE, State
from hamysql.errors import NotReady, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.replication import Following, Source
from hamysql.replica import record, site
from hamysql.replica.record import FOLLOWING, PROMOTED, SEEDING, Record
from hamysql.replica.server import Server, said
from hamysql.replica.site import USER, Secrets, Task, datadir
from hamysql.system import files, root, wait

PROMOTED_OPTIONS = "zz-hamysql-promoted.cnf"  # beside the other option file, and read after it


def now() -> str:
    """This moment as a note has it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())


def digest(server: Server) -> str:
    """The hash of the password by which this machine follows; a password is made where there is none."""
    return registry.of(server.mysql).digest(record.password())


def begin(server: Server, pillar: Secrets, name: str) -> Record:
    """Note which backup the machine begins with. From now on its data may be replaced.

    pillar
        See :func:`hamysql.replica.site.backups`.

    Raises ``Refused`` where the machine does not see that backup, or it has no position to begin at.
    """
    noted = record.read()
    if noted is not None and noted["stage"] == SEEDING and noted["backup"] == name:
        return noted
    manifest = restore.chosen(server.run, site.backups(server.task, pillar), name)
    position = server.replication.position(manifest["binlog"])
    return record.write(
        {
            "stage": SEEDING,
            "cluster": server.task["cluster"],
            "backup": name,
            "position": position,
            "when": now(),
        }
    )


def prepared(server: Server, pillar: Secrets, timeout: float) -> State:
    """Copy the noted backup beside the data, and make it ready: what serves meanwhile goes on.

    timeout
        Seconds for the scratch server to answer.
    """
    noted = _seeding()
    with backup_beside.opened(datadir(server.task), make=True) as beside:
        assert beside
        intent = beside.intent()
        if intent is not None and intent.stage != READY and intent.name == noted["backup"]:
            return backup_beside.state(beside, intent)
        if intent is not None and intent.stage == DONE:  # of a seeding before, whose data was served
            swap.confirmed(beside, server.answers)
        where = site.backups(server.task, pillar)
        return backup_beside.state(beside, prepare.prepared(server.run, where, noted["backup"], beside, timeout))


def exchanged(server: Server, timeout: float) -> State:
    """Put the prepared copy into the datadir, and serve it; the data that was there is kept until :func:`finished`.

    timeout
        Seconds for the server to answer.
    """
    noted = _seeding()
    with backup_beside.opened(datadir(server.task)) as beside:
        intent = beside.intent() if beside else None
        if beside is None or intent is None or (intent.name, intent.direction) != (noted["backup"], RESTORE):
            raise Refused(f"the backup {noted['backup']} is not prepared on {server.task['name']}: nothing is replaced")
        if intent.stage != DONE:
            server.stop()
            root.at(_promoted(server.task)).unlink(missing_ok=True)
            intent = swap.replaced(beside, intent)
        found = backup_beside.state(beside, intent)
    server.start(timeout)
    return found


def follows(server: Server) -> Following:
    """Have the server follow the virtual IP, from the backup's position on; one that does already goes on where it is.

    Setting a position again would apply again what was applied since: it is set once, before the server knows whom it follows.
    """
    noted, seen = record.read(), server.following()
    wanted = f"{server.task['address']}:{server.task['port']}"
    if noted is None or noted["stage"] == PROMOTED:
        raise Refused(f"{server.task['name']} is no replica, or was promoted: seed it")
    if seen["source"] != wanted:
        if noted["stage"] != SEEDING:
            raise Refused(
                f"{server.task['name']} follows {seen['source'] or 'nobody'}, expected {wanted}: somebody has changed that, and "
                "where its data stands is unknown. Seed it again"
            )
        server.sql(server.replication.begin_at(noted["position"], _source(server.task)))
    server.sql(server.replication.start)
    return server.following()


def caught_up(server: Server, position: str, timeout: float) -> Following:
    """Wait until the server has applied all up to a position of the cluster's.

    timeout
        Seconds.

    Raises ``NotReady`` as soon as a thread has ended with an error, and after ``timeout``.
    """

    def seen() -> tuple[bool, Following]:
        reached = server.sql(server.replication.reached(position)).strip() == "0"
        return reached, server.following()

    done, found = wait.until(
        seen,
        lambda both: both[0] or both[1]["ended"],
        f"{server.task['name']} has all up to {position}",
        timeout=timeout,
        describe=lambda both: f"it has {both[1]['position']}; receiving: {both[1]['receives']}; {said(both[1])}",
    )
    if not done:
        raise NotReady(f"{server.task['name']} has stopped at {found['position']}: {said(found)}")
    return found


def finished(server: Server) -> list[str]:
    """Note that the machine follows, and take the data away that it had before; returns the folders that went."""
    noted = _seeding()
    with backup_beside.opened(datadir(server.task)) as beside:
        gone = swap.confirmed(beside, server.answers) if beside else []
    backup_beside.close(datadir(server.task))
    record.write({**noted, "stage": FOLLOWING, "when": now()})
    return gone


def promote(server: Server, timeout: float) -> Following:
    """Make the replica a server of its own that takes writes, once it has applied all that it has received.

    timeout
        Seconds for that.

    Raises ``Refused`` where it is no replica, ``NotReady`` where it cannot apply what it has.
    """
    noted = record.read()
    if noted is None or noted["stage"] == SEEDING:
        raise Refused(f"{server.task['name']} does not have all data of a backup yet: it cannot be promoted")
    if noted["stage"] == FOLLOWING:
        server.sql(server.replication.receive_no_more)
        received = server.following()["received"]
        if received:
            caught_up(server, received, timeout)
        record.write({**noted, "stage": PROMOTED, "when": now()})
    path = root.at(_promoted(server.task))
    lines = ["# Made by hamysql_replica.promote: this server takes writes.", "[mysqld]", "read-only = OFF", ""]
    files.create(path, "\n".join(lines))
    server.sql(server.replication.forget)
    server.sql(server.replication.writable)
    return server.following()


def _promoted(task: Task) -> str:
    return str(PurePosixPath(task["options"]).with_name(PROMOTED_OPTIONS))


def _seeding() -> Record:
    noted = record.read()
    if noted is None or noted["stage"] != SEEDING:
        raise Refused("this machine is not being seeded: `salt-run state.orchestrate hamysql.orch.replica` does that")
    return noted


def _source(task: Task) -> Source:
    return Source(
        task["address"], task["port"], USER, record.password(), task["tls"], task["ca"], task["verify"] and task["tls"]
    )
