"""One node: its disks, its power button, and ssh into it.

A node is a User-Mode Linux kernel, which is several processes of the host. Whether it is on is read from the process list, never
from a file that a crash would leave behind.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.host import run, wait_for
from lab.basics.topology import Disk, Node
from lab.machines import machine, registers
from lab.wires import cables, network

SHARE = re.compile(r"\d{1,3}(\.\d+)?%")
TIME = re.compile(r"\d+(\.\d+)?(us|ms|s)")


def pids(lab: Lab, node: Node) -> list[int]:
    """The processes whose command line carries exactly this node's ``umid=``."""
    word = f"umid={lab.umid(node)}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if word in _command_line(entry).split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it ended meanwhile
                continue
    return found


def _command_line(process: Path) -> bytes:
    """A process' command line. In the middle of an exec it has none for a moment, but a program, unlike a thread of the kernel."""
    end = time.monotonic() + 1
    while not (text := (process / "cmdline").read_bytes()) and time.monotonic() < end:
        (process / "exe").readlink()
    return text


def _state(pid: int) -> str:
    """The letter of a process' state, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _traced(pid: int) -> bool:
    """Is it one of the processes that the kernel process runs a node's programs in?"""
    try:
        return "\nTracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def power_status(lab: Lab, node: Node) -> str:
    """on, off, or frozen."""
    alive = {pid: state for pid in pids(lab, node) if (state := _state(pid)) not in ("", "Z")}
    if not alive:
        return "off"
    return "frozen" if all(state == "T" for pid, state in alive.items() if not _traced(pid)) else "on"


def power_on(lab: Lab, node: Node) -> None:
    """Press the power button of a node that is off; one that is on stays on."""
    if power_status(lab, node) != "off":
        return
    folder, image = lab.run_dir / "nodes" / node.name, image_of(lab, node)
    disks = [_disk(lab, folder, number, disk) for number, disk in enumerate(node.disks)]
    links = [
        f"vec{number}:transport=tap,ifname={network.tap(node, number)},depth=128,gro=1,mac={_mac(node, number)}"
        for number in range(len(lab.topology.networks))
    ]
    command = lab.in_namespace(
        *("taskset", "--cpu-list", str(_processor(lab, node))),
        *registers.before_the_kernel(lab.cache),
        *machine.kernel(image / "kernel"),
        f"umid={lab.umid(node)}",
        f"uml_dir={lab.run_dir}/uml",
        f"mem={node.memory_mib}M",
        f"ubda={folder}/root.cow,{image}/base.img",
        *disks,
        *("root=/dev/ubda", "rw", "con=null", "con0=null,fd:1", "ssl=null", "ssl0=fd:0,null", "quiet"),
        *("lsm=yama", "audit=0"),  # no SELinux, TOMOYO...: they make each start of a process slower
        *links,
        f"lab.seed={folder}/seed",
        f"lab.repo={image}/repo",
    )
    shutil.rmtree(lab.run_dir / "uml" / lab.umid(node), ignore_errors=True)
    sensor = cables.sensor(lab, node)
    machine.start(lab, lab.umid(node), command, lab.node_dir(node) / "console.log", sensor)
    for number in range(len(lab.topology.networks)):
        if cables.is_cut(lab, node, number):
            cables.say(sensor, f"{number} cut")


def image_of(lab: Lab, node: Node) -> Path:
    """The image that a node starts with: the lab's, unless its disks belong to another release's (:func:`lab.api.blank`)."""
    own = lab.run_dir / f"image-{disks_of(lab, node)}"
    return own if own.exists() else lab.run_dir / "image"


def _processor(lab: Lab, node: Node) -> int:
    """The processor that all of a node's processes keep to.

    Its kernel traces its programs, and each system call is two switches between them: on one processor that makes a node two to
    five times as fast as where the host spreads them (a survey of the formula's took 4.6 s instead of 12 to 29 s).
    """
    processors = sorted(os.sched_getaffinity(0))
    return processors[lab.topology.nodes.index(node) % len(processors)]


def _disk(lab: Lab, folder: Path, number: int, disk: Disk) -> str:
    """A disk on the kernel's command line; "c" leaves the lock on its file to others (ubd's own word for a cluster's disk)."""
    letter = chr(ord("b") + number)
    if not disk.shared:
        return f"ubd{letter}={folder}/{disk.name}.img"
    if not _shared(lab, disk).exists():  # a snapshot does not keep it
        _blank(_shared(lab, disk), disk)
    return f"ubd{letter}c={folder.parent}/{disk.name}.img"


def _shared(lab: Lab, disk: Disk) -> Path:
    return lab.dir / "nodes" / f"{disk.name}.img"


def _blank(path: Path, disk: Disk) -> None:
    with path.open("wb") as file:
        file.truncate(disk.size_mib << 20)


def power_off(lab: Lab, node: Node) -> None:
    """Cut the power: kill every process of the node, at once, and see that they are gone.

    Killing only the first would leave others that hold the disks' locks.
    """
    for _ in range(3):  # a process may have forked between look and kill
        for pid in pids(lab, node):
            _signal(pid, signal.SIGKILL)
        if power_status(lab, node) == "off":
            break
    wait_for(
        lambda: power_status(lab, node) == "off", f"the processes of {node.name} to end", timeout=15, interval=0.05
    )
    _forget_connections(lab, node)


def _forget_connections(lab: Lab, node: Node) -> None:
    """Forget a shared ssh connection: its other end is gone, and it would take seconds to notice."""
    for socket in lab.run_dir.glob(f"ssh-{node.name}*"):
        socket.unlink(missing_ok=True)


def shut_down(lab: Lab, node: Node, timeout: float = 240) -> None:
    """Shut a node down cleanly, cluster and all; needs its ssh to answer. ``timeout`` in seconds."""
    if power_status(lab, node) == "off":
        return
    ssh(lab, node, "systemctl poweroff", check=False, timeout=20)
    wait_for(lambda: power_status(lab, node) == "off", f"{node.name} to shut down", timeout=timeout)
    _forget_connections(lab, node)


def freeze(lab: Lab, node: Node) -> None:
    """Stop a node in its tracks, as a hanging machine does."""
    if power_status(lab, node) == "off":
        raise LabError(f"{node.name} is off: nothing to freeze")
    # The others stand still without the kernel process that traces them, and a stop signal would be delivered into the node.
    for pid in pids(lab, node):
        if not _traced(pid):
            _signal(pid, signal.SIGSTOP)


def thaw(lab: Lab, node: Node) -> None:
    """Let a frozen node go on."""
    if power_status(lab, node) == "off":
        raise LabError(f"{node.name} is off: nothing to thaw")
    for pid in pids(lab, node):
        _signal(pid, signal.SIGCONT)


def disturb(lab: Lab, node: Node, links: list[int], loss: str, delay: str) -> None:
    """Have a node's links lose and delay what the node sends, until it is healed or started again.

    By netem of the node's own kernel, which has it, where the host's may not. Raises ``LabError`` for what is no share or time.
    """
    for value, form, name in ((loss, SHARE, "--loss 5%"), (delay, TIME, "--delay 20ms")):
        if value and not form.fullmatch(value):
            raise LabError(f"{value!r} is not understood, expected something like {name}")
    netem = " ".join([*(["loss", loss] if loss else []), *(["delay", delay] if delay else [])])
    if not netem:
        raise LabError("a lossy link needs --loss or --delay, for example --loss 5% or --delay 20ms")
    (lab.node_dir(node) / "disturbed").touch()
    ssh(lab, node, "; ".join(["set -e", *(f"tc qdisc replace dev eth{link} root netem {netem}" for link in links)]))


def calm(lab: Lab, node: Node, links: list[int]) -> None:
    """Take every disturbance off a node's links; one that is off has none."""
    mark = lab.node_dir(node) / "disturbed"
    if mark.exists() and power_status(lab, node) == "on":
        ssh(lab, node, "; ".join(f"tc qdisc delete dev eth{link} root 2>/dev/null" for link in links), check=False)
    mark.unlink(missing_ok=True)


def make_disks(lab: Lab, node: Node, image_key: str, keep_shared: bool = False) -> None:
    """Throw a node's disks away and give it new ones, empty unless they come with a file system.

    keep_shared
        Leave a disk alone that other nodes see as well; False by default.
    """
    folder = lab.node_dir(node)
    forget_disks(lab, node)
    folder.mkdir(parents=True, exist_ok=True)
    for disk in node.disks:
        path = _shared(lab, disk) if disk.shared else folder / f"{disk.name}.img"
        if disk.shared and keep_shared and path.exists():
            continue
        _blank(path, disk)
        if disk.filesystem:
            run([f"mkfs.{disk.filesystem}", "-q", path])
    (folder / "image").write_text(image_key)  # root.cow is made by the kernel at its first start


def forget_disks(lab: Lab, node: Node) -> None:
    """Delete a node's disks."""
    if power_status(lab, node) != "off":
        raise LabError(f"{node.name} is on: its disks are in use")
    for path in [*lab.node_dir(node).glob("*.img"), *lab.node_dir(node).glob("*.cow"), lab.node_dir(node) / "image"]:
        path.unlink(missing_ok=True)


def disks_of(lab: Lab, node: Node) -> str:
    """The key of the image that a node's disks belong to, "" when it has none."""
    path = lab.node_dir(node) / "image"
    return path.read_text() if path.exists() else ""


def ssh_command(lab: Lab, node: Node, *words: str) -> list[str]:
    """The command line of ssh into a node."""
    return lab.in_namespace("ssh", "-F", lab.dir / "ssh" / "config", node.name, *words)


def ssh(
    lab: Lab, node: Node, command: str, *, check: bool = True, timeout: float = 60, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a node."""
    return run(ssh_command(lab, node, command), check=check, timeout=timeout, stdin=stdin)


def _mac(node: Node, link: int) -> str:
    return f"52:54:00:77:{link + 1:02x}:{node.host:02x}"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
