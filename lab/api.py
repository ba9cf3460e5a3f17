"""The lab for tests and benches: what the command line calls, as functions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab import lifecycle
from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.host import run, wait_for
from lab.basics.progress import Progress
from lab.basics.setup import RELEASES
from lab.devices import bmc
from lab.devices import storage as storage_module
from lab.lifecycle import delete, down, save, up, wait_for_minions
from lab.machines import node, snapshot
from lab.software import pillar, salt
from lab.software import status as status_module
from lab.software.deploy import Deployment, deploy, kill_orchestration, orchestrate
from lab.software.probe import Outcome, Running
from lab.wires import cables

__all__ = [
    "Deployment",
    "Lab",
    "LabError",
    "Outcome",
    "Progress",
    "Running",
    "blank",
    "bmc_listen",
    "bmc_power",
    "delete",
    "deploy",
    "down",
    "freeze",
    "healthy",
    "kill_orchestration",
    "net",
    "orchestrate",
    "part",
    "pillar_for",
    "power",
    "run",
    "salt_json",
    "salt_run",
    "save",
    "snapshots",
    "ssh",
    "start_probe",
    "status",
    "storage",
    "up",
    "wait_for",
    "wait_for_minions",
    "wait_until",
]

snapshots = snapshot.names
status = status_module.collect


def pillar_for(
    lab: Lab, storage: str | None = None, release: str | None = None, flavor: str | None = None
) -> dict[str, Any]:
    """The lab's own pillar, for other storage, another release or another database where they are named."""
    return pillar.compose(lab.setup.changed(storage, release, flavor))


def power(lab: Lab, name: str, action: str) -> str:
    """Press a node's power button (on, off, cycle) or only look (status); returns on, off or frozen."""
    item = lab.node(name)
    if action in ("off", "cycle"):
        node.power_off(lab, item)
    if action in ("on", "cycle"):
        if not node.disks_of(lab, item):
            raise LabError(f"{name} has no disks yet: start the lab with `python -m lab up`")
        node.power_on(lab, item)
    return node.power_status(lab, item)


def blank(lab: Lab, name: str, release: str | None = None, progress: Progress | None = None) -> None:
    """Put a blank machine in a node's place: its power is cut, and it is switched on with new disks, under the same name.

    release
        Debian's codename on it, that of the lab by default.
    """
    lifecycle.blank(lab, lab.node(name), RELEASES[release] if release else lab.setup.system, progress or Progress())


def net(lab: Lab, name: str, action: str, *, link: str = "all", loss: str = "", delay: str = "") -> None:
    """Cut, heal or disturb a node's cables: ``link`` is "0", "1" or "all"."""
    item = lab.node(name)
    links = list(range(len(lab.topology.networks))) if link == "all" else [int(link)]
    if action == "cut":
        cables.cut(lab, item, links)
    elif action == "heal":
        cables.heal(lab, item, links)
        node.calm(lab, item, links)
    else:
        node.disturb(lab, item, links, loss, delay)


def freeze(lab: Lab, name: str) -> None:
    """Stop a node in its tracks, as a hanging machine does."""
    node.freeze(lab, lab.node(name))


def part(lab: Lab, *, heal: bool = False) -> None:
    """Cut the nodes off from each other, and only from each other, or undo that."""
    cables.part(lab, heal=heal)


def storage(lab: Lab, action: str, names: Sequence[str] = ()) -> None:
    """Cut these nodes (all by default) off from the SAN or the file server, and from nothing else; or heal all of them."""
    if action == "cut":
        storage_module.cut(lab, [lab.node(name) for name in names])
    else:
        storage_module.heal(lab)


def bmc_power(lab: Lab, name: str, action: str) -> None:
    """A node's BMC itself: "off" breaks it, "on" has it answer again."""
    if action == "off":
        bmc.fail(lab, lab.node(name))
    else:
        bmc.start(lab)


def bmc_listen(lab: Lab, addresses: Mapping[str, str]) -> None:
    """Have nodes' BMCs answer on a further address each, by node."""
    for name, address in addresses.items():
        bmc.listen(lab, lab.node(name), address)


def ssh(lab: Lab, name: str, command: str, *, check: bool = True, timeout: float = 60, stdin: str | None = None) -> str:
    """Run a shell command on a node and return its standard output."""
    return node.ssh(lab, lab.node(name), command, check=check, timeout=timeout, stdin=stdin).stdout


def salt_json(lab: Lab, target: str, function: str, *words: str, timeout: float = 600) -> dict[str, Any]:
    """Run an execution function on the minions that ``target`` matches: ``{minion: returned value}``."""
    argv = ["--static", "--out=json", f"--timeout={int(timeout)}", target, function, *words]
    done = run(salt.command(lab, "salt", *argv), timeout=timeout + 60, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError as exc:
        raise LabError(f"`salt {target} {function}` failed: {(done.stderr + done.stdout).strip()[-2000:]}") from exc


def salt_run(lab: Lab, *words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a runner; its exit code and output are the caller's to judge."""
    return run(salt.command(lab, "salt-run", *words), timeout=timeout, check=False)


def start_probe(lab: Lab, seconds: float) -> Running:
    """Start a writing client in the background; ``finish()`` returns what it has seen."""
    return Running(lab, seconds)


def wait_until(lab: Lab, what: str, condition: Callable[[dict[str, Any]], object], *, timeout: float) -> dict[str, Any]:
    """Poll ``status`` until ``condition`` likes it, and return it; the error shows the last one.

    what
        What is waited for, as a part of a sentence ("db2 to be active").
    """

    def look() -> dict[str, Any] | None:
        report = status(lab)
        if condition(report):
            return report
        raise LabError(str(report))

    found = wait_for(look, what, timeout=timeout, interval=5)  # each look costs a node a second of its processor
    assert isinstance(found, dict)
    return found


def healthy(report: dict[str, Any]) -> bool:
    """Everything as it should be: all nodes on and members, their storage as it has to be, the database answers.

    With DRBD both sides are UpToDate and connected, with a SAN both nodes are logged in, with a file server the active one has
    mounted from it.
    """
    backend = report.get("backend") or "drbd"
    good = all(
        facts["power"] == "on"
        and facts["member"]
        and (backend != "drbd" or _replicated(facts["drbd"] or {}))
        and (backend != "shared" or facts["path"] == "logged_in")
        and (backend != "nfs" or name != report["active"] or facts["path"] == "mounted")
        for name, facts in report["nodes"].items()
    )
    return bool(good and report["database"] and report["active"])


def _replicated(drbd: dict[str, str]) -> bool:
    return (drbd.get("disk"), drbd.get("connection")) == ("UpToDate", "Connected")
