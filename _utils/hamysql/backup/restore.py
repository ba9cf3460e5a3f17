"""A backup is tried out: copied beside, prepared, served by a server of its own that nobody can reach, and checked."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hamysql.backup import manifest, tracer
from hamysql.backup.folder import LIMIT
from hamysql.backup.manifest import Manifest, Proof
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.tools import SCRATCH_LOG, BackupTool
from hamysql.system import files, wait
from hamysql.system.command import QUIETLY, Run, acting_as
from hamysql.system.files import Unreadable

SCRATCH = Path("/var/lib/hamysql/restore-test")
ROOM = 1.2  # times the backup's size: what recovery writes comes on top


def tried(run: Run, site: Site, name: str = "", scratch: Path = SCRATCH, timeout: float = 3600) -> Proof:
    """Restore a backup, the newest by default, into a scratch server, check it, and write the proof beside it.

    timeout
        Seconds for the scratch server to answer; a crash recovery is part of that.

    Nothing of the scratch server stays. Raises ``Refused`` where there is no such backup or no room, and ``HamysqlError`` with
    what is wrong with the backup.
    """
    place, said = site.place(run), chosen(run, site, name)
    began = time.monotonic()
    clear(scratch)
    scratch.mkdir(mode=0o700, parents=True)
    try:
        free = shutil.disk_usage(scratch).free
        if free < said["size"] * ROOM:
            raise Refused(
                f"{scratch} has {free / 1e6:.0f} MB left, expected {said['size'] * ROOM / 1e6:.0f} MB for the backup {said['name']}"
            )
        place.fetch(run, said["name"], scratch)
        tables, rows = recovered(run, site, said, scratch, scratch, timeout)
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


def recovered(run: Run, site: Site, said: Manifest, scratch: Path, named: Path, timeout: float) -> tuple[int, int]:
    """Recover the copy in ``scratch``, serve it, and check it; returns how many tables there are, and the tracer's rows.

    scratch, named
        One folder, as root and as the database's account reach it. It and all in it are the account's afterwards.
    """
    flavour = registry.of(site.mysql)
    run([*QUIETLY, *flavour.backup(site.mysql, str(scratch / manifest.DATA)).prepare], timeout=LIMIT)
    _give(scratch, site.mysql["user"])
    tool = flavour.backup(site.mysql, str(named / manifest.DATA))
    with acting_as(site.mysql["user"]), _served(run, tool, site.mysql["user"], scratch, timeout):
        return _checked(run, tool, said)


def _checked(run: Run, tool: BackupTool, said: Manifest) -> tuple[int, int]:
    """How many tables there are, and the rows of the tracer; raises where something is wrong."""
    result = run([*QUIETLY, *tool.check], timeout=LIMIT, accept=range(256))
    bad = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    if result.returncode or any("error" in line.lower() for line in bad):
        raise HamysqlError(
            f"the backup {said['name']} was restored, and tables of it are damaged: {'; '.join(bad[:10])}"
        )
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
    tables = run(
        list(tool.ask), stdin="SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE';\n"
    ).stdout
    return int(tables), counted["rows"]


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
    if scratch.exists():
        shutil.rmtree(scratch)


def _give(path: Path, user: str) -> None:
    """All below a folder belongs to the database's account; the folder itself last, so it cannot enter before that."""
    entry = pwd.getpwnam(user)
    for item in (*path.rglob("*"), path):
        os.chown(item, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
