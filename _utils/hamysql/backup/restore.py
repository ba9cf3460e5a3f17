"""A backup is tried out: copied beside, prepared, served by a server of its own that nobody can reach, and checked."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from hamysql.backup import manifest, tracer
from hamysql.backup.folder import LIMIT
from hamysql.backup.logs import replay
from hamysql.backup.logs.replay import Target
from hamysql.backup.manifest import Manifest, Proof
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.tools import SCRATCH_LOG, BackupTool, LogTool
from hamysql.mysql.sql import without_statements
from hamysql.system import files, wait
from hamysql.system.command import QUIETLY, Run, acting_as
from hamysql.system.files import Unreadable

SCRATCH = Path("/var/lib/hamysql/restore-test")
LOGS = "-logs"
ROOM = 1.2  # times the backup's size: what recovery writes comes on top


def tried(run: Run, site: Site, name: str = "", scratch: Path = SCRATCH, timeout: float = 3600, to: str = "") -> Proof:
    """Restore a backup, the newest by default, into a scratch server, check it, and write the proof beside it.

    to
        A time in UTC, ``2026-05-01 12:00:03``: the newest backup before that is restored, and binary logs bring it there.
    timeout
        Seconds for the scratch server to answer; a crash recovery is part of that.

    Nothing of the scratch server stays. Raises ``Refused`` where there is no such backup or no room, and ``HamysqlError`` with
    what is wrong with the backup.
    """
    place, wanted = site.place(run), replay.target(run, site, to) if to else None
    said = wanted.backup if wanted else chosen(run, site, name)
    began = time.monotonic()
    clear(scratch)
    scratch.mkdir(mode=0o700, parents=True)
    try:
        free = shutil.disk_usage(scratch).free
        need = room(run, site, said, wanted)
        if free < need:
            raise Refused(
                f"{scratch} has {free / 1e6:.0f} MB left, expected {need / 1e6:.0f} MB for the backup {said['name']}"
            )
        place.fetch(run, said["name"], scratch)
        tables, rows = recovered(run, site, said, scratch, scratch, timeout, wanted)
    finally:
        clear(scratch)
    proof: Proof = {
        "when": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
        "node": site.node,
        "seconds": round(time.monotonic() - began, 1),
        "tables": tables,
        "rows": rows,
    }
    place.prove(said["name"], proof)
    return proof


def chosen(run: Run, site: Site, name: str = "") -> Manifest:
    """The manifest of a backup that this node sees, the newest by default. Raises ``Refused`` where there is none."""
    place = site.place(run)
    kept = {item["manifest"]["name"]: item["manifest"] for item in place.kept()}
    if not kept:
        raise Refused(
            f"there is no backup in {place.told} on {site.node}: take one, `salt-run state.orchestrate hamysql.orch.backup`"
        )
    if name and name not in kept:
        raise Refused(f"there is no backup {name} in {place.told}; there are: {', '.join(kept)}")
    return kept[name or max(kept)]


def room(run: Run, site: Site, said: Manifest, wanted: Target | None) -> float:
    """The bytes that a restore needs."""
    # The logs, and what they write.
    return said["size"] * ROOM + (2 * replay.size(run, site, wanted) if wanted else 0)


def recovered(
    run: Run,
    site: Site,
    said: Manifest,
    scratch: Path,
    named: Path,
    timeout: float,
    wanted: Target | None = None,
) -> tuple[int, int]:
    """Recover the copy in ``scratch``, serve it, and check it; returns how many tables there are, and the tracer's rows.

    scratch, named
        One folder, as root and as the database's account reach it. It and all in it are the account's afterwards.
    wanted
        To where the binary logs bring it, before it is checked.
    """
    flavour, user = registry.of(site.mysql), site.mysql["user"]
    run([*QUIETLY, *flavour.backup(site.mysql, str(scratch / manifest.DATA)).prepare], timeout=LIMIT)
    _give(scratch, user)
    tool = flavour.backup(site.mysql, str(named / manifest.DATA))
    rows = -1
    if wanted:
        logs = replay.fetch(run, site, wanted, logs_beside(scratch))
        # With accounts: without any, the server takes no account and no event. The client is root, whom the socket lets in.
        served = flavour.logging(site.mysql).serve(tool)
        with _served(run, replace(tool, serve=served), user, scratch, timeout):
            rows = _traced(run, tool, said)  # later backups have more of them, which are in the logs
            _replayed(run, tool, flavour.logging(site.mysql), wanted, logs)
        shutil.rmtree(logs_beside(scratch))
    with acting_as(user), _served(run, tool, user, scratch, timeout):
        tables = _checked(run, tool, said)
        return tables, rows if wanted else _traced(run, tool, said)


def logs_beside(scratch: Path) -> Path:
    """The folder for the logs: it is root's alone, since a program of root's reads them."""
    return scratch.with_name(f"{scratch.name}{LOGS}")


def _replayed(run: Run, tool: BackupTool, logs: LogTool, wanted: Target, files: Sequence[Path]) -> None:
    try:
        replay.replay(run, tool, logs, wanted, files)
    except CommandFailed as exc:
        raise HamysqlError(
            f"the binary logs after the backup {wanted.backup['name']} cannot be replayed: {without_statements(exc.output).strip()}"
        ) from None


def _checked(run: Run, tool: BackupTool, said: Manifest) -> int:
    """How many tables there are; raises where one is damaged."""
    result = run([*QUIETLY, *tool.check], timeout=LIMIT, accept=range(256))
    bad = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    if result.returncode or any("error" in line.lower() for line in bad):
        raise HamysqlError(
            f"the backup {said['name']} was restored, and tables of it are damaged: {'; '.join(bad[:10])}"
        )
    tables = run(
        list(tool.ask), stdin="SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE';\n"
    ).stdout
    return int(tables)


def _traced(run: Run, tool: BackupTool, said: Manifest) -> int:
    """The rows of the tracer; raises where the copy is not of its moment."""
    label = said["tracer"]["label"]
    try:
        counted, there = tracer.read(run(list(tool.ask), stdin=tracer.asked(label)).stdout, label)
    except CommandFailed as exc:
        raise HamysqlError(
            f"the backup {said['name']} was restored, and its tracer cannot be read: {exc.output.strip()}"
        ) from None
    if not there or counted != said["tracer"]:
        raise HamysqlError(
            f"the backup {said['name']} was restored, and is not of that moment: its tracer has {counted['rows']} rows, expected "
            f"{said['tracer']['rows']} with {label}"
        )
    return counted["rows"]


@contextmanager
def _served(run: Run, tool: BackupTool, user: str, scratch: Path, timeout: float) -> Iterator[None]:
    """The scratch server runs as the database's account, and answers, inside of the ``with`` block."""
    entry = pwd.getpwnam(user)
    process = subprocess.Popen(
        [*QUIETLY, *tool.serve],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # it has a log
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(user, entry.pw_gid),
    )

    def answers() -> bool:
        return process.poll() is not None or run(list(tool.ask), stdin="SELECT 1;", accept=range(256)).returncode == 0

    try:
        wait.until(answers, bool, "the restored database answers", timeout=timeout, interval=0.5)
        if process.poll() is not None:
            said = (files.text_if_any(scratch / SCRATCH_LOG) or "").splitlines()[-10:]
            raise HamysqlError("\n".join(["the restored database does not start:", *said]))
        yield
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def clear(scratch: Path, named: Path | None = None) -> None:
    """Take away what a test has left behind that was killed: its server, and its copy."""
    with suppress(OSError, ValueError, Unreadable):
        pid = int(files.text(scratch / "pid"))
        if str((named or scratch) / manifest.DATA) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
            wait.until(lambda: Path(f"/proc/{pid}/stat").exists(), lambda there: not there, "it ends", timeout=30)
    for folder in (scratch, logs_beside(scratch)):
        if folder.exists():
            shutil.rmtree(folder)


def _give(path: Path, user: str) -> None:
    """All below a folder belongs to the database's account; the folder itself last, so it cannot enter before that."""
    entry = pwd.getpwnam(user)
    for item in (*path.rglob("*"), path):
        os.chown(item, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
