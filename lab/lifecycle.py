"""Up and down: brings the lab from whatever state it is in to running, or to nothing."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from lab import host, image, network, node, salt, seed
from lab.context import Lab
from lab.errors import LabError
from lab.host import wait_for
from lab.progress import Progress


def up(lab: Lab, progress: Progress, *, pillar: Path | None = None, fresh: bool = False) -> None:
    """Bring up everything that is not up yet, until both minions answer.

    fresh
        Throw the nodes' disks away first.
    """
    host.check(progress.say, lab.dir)
    found = image.cached(lab)
    if not found:
        with progress.stage("image"):
            found = image.build(lab, progress.step)
    if fresh:
        for item in lab.topology.nodes:
            node.power_off(lab, item)
            node.forget_disks(lab, item)
    with progress.stage("boot"):
        boot(lab, progress, found, pillar)


def boot(lab: Lab, progress: Progress, found: image.Image, pillar: Path | None) -> None:
    """Start what does not run: network, nodes, master; and wait for the minions."""
    progress.step("network, keys, Salt master")
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    (lab.run_dir / "uml").mkdir(exist_ok=True)
    running = [item for item in lab.topology.nodes if node.power_status(lab, item) != "off"]
    if not running:
        _link(lab.run_dir / "image", found.dir)
        _link(lab.run_dir / "nodes", lab.dir / "nodes")
    seed.write(lab)
    network.up(lab)
    salt.configure(lab, pillar)
    current = (lab.run_dir / "image").resolve().name.removeprefix("image-")
    for item in lab.topology.nodes:
        if item not in running:
            if node.disks_of(lab, item) != current:
                if node.disks_of(lab, item):
                    progress.say(f"the image has changed: {item.name} starts with new disks")
                node.make_disks(lab, item, current)
            node.power_on(lab, item)
    salt.start(lab)
    salt.sync(lab)
    wait_for_nodes(lab, progress)


def wait_for_nodes(lab: Lab, progress: Progress, names: Sequence[str] | None = None, timeout: float = 120) -> None:
    """Wait until the minions of these nodes (all by default) answer."""
    wanted = set(names or lab.topology.names)
    progress.step(f"waiting for {', '.join(sorted(wanted))}")

    def all_connected() -> bool:
        for name in sorted(wanted):
            item = lab.node(name)
            if node.power_status(lab, item) == "off":
                console = lab.node_dir(item) / "console.log"
                raise SystemExit(f"error: {name} went off while booting; its console: {console}")
        missing = wanted - salt.connected(lab)
        if missing:
            raise LabError(f"{', '.join(sorted(missing))} not connected to the master")
        return True

    wait_for(all_connected, "the minions to connect", timeout=timeout)

    def all_answer() -> bool:
        missing = wanted - salt.answering(lab)
        if missing:
            raise LabError(f"{', '.join(sorted(missing))} did not answer test.ping")
        return True

    wait_for(all_answer, "the minions to answer", timeout=60)


def down(lab: Lab) -> list[str]:
    """End everything of the lab that runs, however it was left, and say what was removed.

    The nodes' disks, the keys and the cache stay. Raises ``LabError`` when something could not be removed.
    """
    removed = []
    for item in lab.topology.nodes:
        if node.power_status(lab, item) != "off":
            node.power_off(lab, item)
            removed.append(f"node {item.name}")
    inside = [pid for pid in network.pids(lab) if pid != os.getpid()]
    if inside:
        removed.append(f"{len(inside)} other processes")
    deadline = time.monotonic() + 15
    while inside and time.monotonic() < deadline:
        for pid in inside:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)
        inside = [pid for pid in network.pids(lab) if pid != os.getpid()]
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


def leftovers(lab: Lab) -> list[str]:
    """What of a lab is still there: processes, the namespace, mounts, its folder under /run."""
    left = [f"processes of {item.name}" for item in lab.topology.nodes if node.pids(lab, item)]
    left += [f"process {pid}" for pid in network.pids(lab)]
    if network.exists(lab):
        left.append(f"namespace {lab.namespace}")
    if lab.run_dir.exists():
        left.append(str(lab.run_dir))
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    left += [f"mount {mount}" for mount in mounts if mount.startswith((f"{lab.dir}/", f"{lab.run_dir}/"))]
    return left


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
