"""The Salt master of the lab: the project's own Salt, inside the lab's namespace, serving the project's working tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.errors import Broken
from lab.basics.host import run, wait_for
from lab.wires import network

# Only these folders are served: the whole tree would make Salt walk .venv and .lab.
SERVED = ("hamysql", "_modules", "_states", "_utils", "_runners")

MASTER = """\
# made by lab/software/salt.py at each `up`
interface: {address}
user: root
pki_dir: {salt}/pki
cachedir: {salt}/cache
# Not below cachedir by itself: two labs would have one folder, and each the other's modules.
extension_modules: {salt}/cache/extmods
sock_dir: {run}/salt
pidfile: {run}/salt-master.pid
log_file: {log}
key_logfile: {log}
log_level_logfile: {level}
file_roots: {{base: ["{salt}/files"]}}
pillar_roots: {{base: ["{salt}/pillar"]}}
file_ignore_regex: ['/__pycache__(/|$)', '\\.pyc$']
fileserver_interval: 10
worker_threads: 4
# Starting a process is slow in a node, and on a busy machine even more so.
timeout: 20
gather_job_timeout: 20
"""


def bin_dir() -> Path:
    """Where the project's Salt commands are."""
    return Path(sys.executable).parent


def command(lab: Lab, program: str, *words: str) -> list[str]:
    """The command line of ``salt``, ``salt-run``, ``salt-key``... of the lab."""
    return lab.in_namespace(sys.executable, bin_dir() / program, "-c", lab.salt / "etc", *words)


def configure(lab: Lab) -> None:
    """Write the master's configuration and lay out what it serves, but for the pillar itself."""
    for name in ("etc", "files", "pillar", "cache"):
        (lab.salt / name).mkdir(parents=True, exist_ok=True)
    paths = {"salt": lab.salt, "run": lab.run_dir, "log": lab.logs / "master.log"}
    text = MASTER.format(address=lab.topology.master, level=lab.log_level, **paths)
    (lab.salt / "etc/master").write_text(text)
    for name in SERVED:
        _link(lab.salt / "files" / name, lab.project / name)
    (lab.salt / "files/top.sls").write_text("base:\n  '*':\n    - hamysql\n")
    (lab.salt / "pillar/top.sls").write_text("base:\n  '*':\n    - lab\n")


def start(lab: Lab) -> None:
    """Start the master unless it listens already, and wait until it does."""
    if _session(lab) in network.pids(lab) and (lab.run_dir / "salt").exists() and listening(lab):
        return
    stop(lab)
    (lab.run_dir / "salt").mkdir(parents=True, exist_ok=True)
    lab.logs.mkdir(parents=True, exist_ok=True)
    with (lab.logs / "master-output.log").open("wb") as out:
        process = subprocess.Popen(
            command(lab, "salt-master"), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    (lab.run_dir / "master.session").write_text(str(process.pid))

    def ready() -> bool:
        if process.poll() is not None:
            tail = (lab.logs / "master-output.log").read_text().strip().splitlines()[-5:]
            raise Broken(f"the Salt master ended by itself: {' '.join(tail) or lab.logs / 'master.log'}")
        return listening(lab)

    wait_for(ready, f"the Salt master to listen (its log: {lab.logs / 'master.log'})", timeout=60)


def stop(lab: Lab) -> None:
    """End the master: all processes of its session that are in the lab's namespace."""
    session = _session(lab)

    def members() -> list[int]:
        return [pid for pid in network.pids(lab) if _session_of(pid) == session]

    for pid in members():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_for(lambda: not members(), "the Salt master to end", timeout=10, interval=0.1)


def start_again(lab: Lab) -> None:
    """Have the master read its configuration anew, with what a test has put below ``etc/master.d``."""
    stop(lab)
    start(lab)


def _session(lab: Lab) -> int:
    """The master's first process, which leads its session; 0 when none was started."""
    path = lab.run_dir / "master.session"
    return int(path.read_text()) if path.exists() else 0


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def listening(lab: Lab) -> bool:
    """Do both of the master's ports listen?"""
    if not network.exists(lab):
        return False
    out = run(lab.in_namespace("ss", "-Hltn", "( sport = :4505 or sport = :4506 )"), check=False).stdout
    return all(f"{lab.topology.master}:{port} " in out for port in (4505, 4506))


def sync(lab: Lab) -> None:
    """Make the project's modules known to the master's own processes (runners, orchestration)."""
    run(command(lab, "salt-run", "saltutil.sync_all", "--out=json"), timeout=120, log=lab.logs / "sync.log")


def answering(lab: Lab, timeout: int = 10) -> set[str]:
    """The minions that answer a ping within ``timeout`` seconds."""
    words = [
        "--static",
        "--out=json",
        f"--timeout={timeout}",
        "-L",
        ",".join(node.name for node in lab.topology.minions),
        "test.ping",
    ]
    done = run(command(lab, "salt", *words), timeout=timeout + 60, check=False)
    try:
        return {name for name, value in json.loads(done.stdout).items() if value is True}
    except (ValueError, AttributeError):
        return set()


def connected(lab: Lab) -> set[str]:
    """The nodes with a connection to the master's publisher: much cheaper to look at than a ping."""
    out = run(lab.in_namespace("ss", "-Htn", "state", "established", "( sport = :4505 )"), check=False).stdout
    return {node.name for node in lab.topology.minions if f"{lab.topology.address(node)}:" in out}


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(target)
