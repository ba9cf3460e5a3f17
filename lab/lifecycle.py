"""Up and down: brings the lab from whatever state it is in to running, or to nothing."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.basics import host
from lab.basics.context import Lab
from lab.basics.errors import Broken, LabError
from lab.basics.host import wait_for
from lab.basics.lock import locked
from lab.basics.progress import Progress
from lab.basics.setup import Release, Setup
from lab.basics.topology import EVERYTHING, STORAGES, Node
from lab.devices import bmc
from lab.devices import storage as storage_module
from lab.machines import image, node, seed, snapshot
from lab.software import pillar as pillar_module
from lab.software import salt, settings
from lab.wires import cables, network

NOT_ME = (os.getpid(), os.getppid())


def up(
    lab: Lab,
    progress: Progress,
    *,
    pillar: Path | None = None,
    storage: str | None = None,
    release: str | None = None,
    flavor: str | None = None,
    fresh: bool = False,
    snapshot_name: str | None = None,
    qdevice: bool = False,
) -> None:
    """Bring up everything that is not up yet, until all minions answer.

    pillar
        The pillar that the master serves from now on; the one it served before by default, at first the lab's own for the storage.
    storage
        "drbd", "iscsi" or "nfs"; the snapshot's, or what it was before by default, at first "drbd".
    release, flavor
        Debian's codename and the database on the nodes, by default likewise, at first "bookworm" and "mariadb".
    fresh
        Cut the nodes' power and throw their disks away first.
    snapshot_name
        Cut the nodes' power and give them the disks of this snapshot first.
    qdevice
        With the machine for a quorum device; a pillar that names one has it started as well.
    """
    if snapshot_name:
        kept = snapshot.setup_of(lab, snapshot_name)
        snapshot.need(lab, snapshot_name, image.key(kept.system), kept.changed(storage, release, flavor))
        storage, release, flavor = kept.storage, kept.release, kept.flavor
    host.check(progress.say, lab.dir)
    with locked(lab.dir / "lock", progress.say):
        new_disks = fresh or snapshot_name is not None
        setup = lab.setup.changed(storage, release, flavor)
        if _running(lab) and not new_disks:
            _refuse_other_machines(lab.setup, setup)
        # Before anything is thrown away: the files may be missing.
        salt.configure(lab)
        pillar_module.serve(lab, pillar, setup)
        if qdevice or settings.read(lab).quorum_device:
            lab.qdevice.touch()
        elif not _running(lab):
            lab.qdevice.unlink(missing_ok=True)
        if new_disks:
            for item in EVERYTHING.nodes:
                node.power_off(lab, item)
                node.forget_disks(lab, item)
        lab.setup_file.write_text(setup.text())
        if not _running(lab):
            need_image(lab, progress, setup.system)
            _link(lab.run_dir / "image", image.of(lab, setup.system).dir)
        if snapshot_name:
            with progress.stage("snapshot"):
                snapshot.restore(lab, snapshot_name, image_key(lab))
        with progress.stage("boot"):
            _boot(lab, progress)


def _refuse_other_machines(now: Setup, wanted: Setup) -> None:
    """What runs cannot become another release, nor change its storage once it has a server for that."""
    wrong = [
        *([f"--storage {now.storage}"] if wanted.storage != now.storage != STORAGES[0] else []),
        *([f"--release {now.release}"] if wanted.release != now.release else []),
    ]
    if wrong:
        raise LabError(f"this lab runs with {' '.join(wrong)}: take it down first, or add --fresh")


def need_image(lab: Lab, progress: Progress, release: Release) -> None:
    """Build the image that a release and the present sources stand for, unless it is there."""
    if image.of(lab, release).disk.exists():
        return
    with locked(lab.cache / "lock", progress.say), progress.stage("image", image.STEPS):
        if not image.of(lab, release).disk.exists():  # another lab may have built it meanwhile
            image.build(lab, release, progress.step)


def blank(lab: Lab, item: Node, release: Release, progress: Progress) -> None:
    """Put a blank machine with a release of Debian in a node's place, under the same name; its power is cut."""
    if not node.disks_of(lab, item):
        raise LabError(f"{item.name} has no disks yet: start the lab with `python -m lab up`")
    with locked(lab.dir / "lock", progress.say):
        need_image(lab, progress, release)
        found = image.of(lab, release)
        if found.key != image_key(lab):
            _link(lab.run_dir / f"image-{found.key}", found.dir)
        node.power_off(lab, item)
        node.make_disks(lab, item, found.key, keep_shared=True)
        node.power_on(lab, item)


def image_key(lab: Lab) -> str:
    """The key of the image that nodes would start with now: the running nodes', or that of the present sources."""
    link = lab.run_dir / "image"
    if _running(lab) and link.exists():
        return image.Image(link.resolve()).key
    return image.key(lab.setup.system)


def _running(lab: Lab, nodes: Iterable[Node] | None = None) -> list[Node]:
    return [item for item in nodes or lab.topology.nodes if node.power_status(lab, item) != "off"]


def _boot(lab: Lab, progress: Progress) -> None:
    """Start what does not run: network, nodes, master; and wait for the minions."""
    progress.step("network, keys, Salt master")
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    (lab.run_dir / "uml").mkdir(exist_ok=True)
    _link(lab.run_dir / "nodes", lab.dir / "nodes")
    network.up(lab)
    inside = set(network.pids(lab))
    for item in _running(lab):
        if not inside.intersection(node.pids(lab, item)):
            progress.say(f"{item.name} runs outside of the lab's network: its power is cut")
            node.power_off(lab, item)
        elif node.power_status(lab, item) == "frozen":
            progress.say(f"{item.name} was frozen: it goes on")
            node.thaw(lab, item)
    running = _running(lab)
    seed.write(lab, [item for item in lab.topology.nodes if item not in running])
    current = image_key(lab)
    for item in lab.topology.start_order:
        if item not in running:
            if node.disks_of(lab, item) != current and node.image_of(lab, item).name == "image":
                if node.disks_of(lab, item):
                    progress.say(f"the image has changed: {item.name} starts with new disks")
                node.make_disks(lab, item, current)
            node.power_on(lab, item)
    bmc.start(lab)
    salt.start(lab)
    salt.sync(lab)
    progress.step("the storage")
    storage_module.start(lab)
    wait_for_minions(lab, progress)


def wait_for_minions(lab: Lab, progress: Progress, names: Sequence[str] | None = None, timeout: float = 180) -> None:
    """Wait until the minions of these nodes (all that have one by default) answer."""
    wanted = set(names or [item.name for item in lab.topology.minions])
    progress.step(f"waiting for the minions on {', '.join(sorted(wanted))}")

    def connected() -> bool:
        for name in sorted(wanted):
            if node.power_status(lab, lab.node(name)) == "off":
                raise Broken(
                    f"{name} went off while booting; its console: {lab.node_dir(lab.node(name)) / 'console.log'}"
                )
        missing = sorted(wanted - salt.connected(lab))
        cut = [name for name in missing if cables.is_cut(lab, lab.node(name), 0)]
        if cut:
            raise Broken(f"the cable of {', '.join(cut)} is cut: `python -m lab net {cut[0]} heal` first")
        if missing:
            raise LabError(f"{', '.join(missing)} not connected to the master")
        return True

    wait_for(connected, "the minions to connect", timeout=timeout)

    def answering() -> bool:
        missing = wanted - salt.answering(lab)
        if missing:
            raise LabError(f"{', '.join(sorted(missing))} did not answer test.ping")
        return True

    wait_for(answering, "the minions to answer", timeout=90)


def save(lab: Lab, name: str, progress: Progress) -> None:
    """Shut the nodes down, keep their disks as a snapshot, and start again those that were on."""
    snapshot.folder(lab, name)  # a bad name is an error before anything is shut down
    with locked(lab.dir / "lock", progress.say):
        on = _running(lab)
        with progress.stage("snapshot"):
            for item in on:
                progress.step(f"shutting {item.name} down")
                node.shut_down(lab, item)
            progress.step("copying disks")
            snapshot.save(lab, name)
        for item in lab.topology.start_order:
            if item in on:
                node.power_on(lab, item)
        minions = [item.name for item in lab.topology.minions if item in on]
        if minions:
            with progress.stage("boot"):
                wait_for_minions(lab, progress, minions)


def delete(lab: Lab, name: str) -> None:
    """Throw a snapshot away."""
    snapshot.delete(lab, name)


def down(lab: Lab, progress: Progress) -> list[str]:
    """End everything of the lab that runs, however it was left, and return what was removed.

    The nodes' disks, the keys and the cache stay. Raises ``LabError`` when something could not be removed.
    """
    with locked(lab.dir / "lock", progress.say):
        removed = []
        _end(bmc.processes(lab).values())  # first: a BMC would switch a node on again in the middle of it
        for item in _running(lab, EVERYTHING.nodes):
            node.power_off(lab, item)
            removed.append(f"node {item.name}")
        others = _end_processes(lab)
        if others:
            removed.append(f"{others} other processes")
        if network.exists(lab):
            network.down(lab)
            removed.append(f"network namespace {lab.namespace}")
        if lab.run_dir.exists():
            shutil.rmtree(lab.run_dir)
            removed.append(str(lab.run_dir))
        left = leftovers(lab)
        if left:
            raise LabError(f"the lab could not be taken down completely, still there: {', '.join(left)}")
        return removed


def _end(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _end_processes(lab: Lab) -> int:
    """Kill what is left in the namespace (master, clients, ssh); returns how many there were."""
    inside = [pid for pid in network.pids(lab) if pid not in NOT_ME]
    count = len(inside)
    deadline = time.monotonic() + 15
    while inside and time.monotonic() < deadline:
        _end(inside)
        time.sleep(0.1)
        inside = [pid for pid in network.pids(lab) if pid not in NOT_ME]
    return count


def leftovers(lab: Lab) -> list[str]:
    """What of a lab is still there: processes, the namespace, mounts, its folder under /run."""
    left = [f"processes of {item.name}" for item in _running(lab, EVERYTHING.nodes)]
    left += [f"process {pid}" for pid in network.pids(lab)]
    if network.exists(lab):
        left.append(f"namespace {lab.namespace}")
    if lab.run_dir.exists():
        left.append(str(lab.run_dir))
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    left += [f"mount {mount}" for mount in mounts if mount.startswith((f"{lab.dir}/", f"{lab.run_dir}/"))]
    return left


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
