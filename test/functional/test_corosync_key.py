"""Two real corosyncs take over another key while they run, in network and mount namespaces; and what becomes of a rotation cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hamysql.corosync import key, membership
from hamysql.errors import NotReady, Refused
from hamysql.system.command import Result

PROGRAMS = ("corosync", "corosync-quorumtool", "corosync-cfgtool", "ip", "unshare", "nsenter")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root and {', '.join(PROGRAMS)} (Debian: corosync, iproute2, util-linux)",
)
START = """
mount -t tmpfs none /run && mkdir /run/corosync && mount -t tmpfs none /var/log && mount -t tmpfs none /dev/shm
mount -t tmpfs none /var/lib && mkdir /var/lib/corosync && mount --bind {folder} /etc/corosync && exec corosync -f
"""
CONF = """
totem {
  version: 2
  cluster_name: keys
  transport: knet
  crypto_cipher: aes256
  crypto_hash: sha256
  token: 1000
}
nodelist {
  node {
    ring0_addr: 10.78.0.1
    nodeid: 1
    name: db1
  }
  node {
    ring0_addr: 10.78.0.2
    nodeid: 2
    name: db2
  }
}
quorum {
  provider: corosync_votequorum
  two_node: 1
}
logging {
  to_stderr: yes
  to_syslog: no
}
system {
  move_to_root_cgroup: no
  sched_rr: no
}
"""
OLD, NEW = "a" * 200, "b" * 200
SETTINGS = {"authkey": NEW, "encrypted": True, "transport": "knet"}
NEEDED = key.fingerprint(NEW)


def space(number: int) -> str:
    """A node's network namespace."""
    return f"hamysql-key-{os.getpid()}-{number}"


class Node:
    """A node's corosync and its files."""

    def __init__(self, number: int, folder: Path) -> None:
        self.space, self.folder = space(number), folder
        folder.mkdir()
        self.places = key.Places(folder)
        self.start()

    def start(self) -> None:
        argv = ["ip", "netns", "exec", self.space, "unshare", "--mount", "sh", "-ec", START.format(folder=self.folder)]
        with open(self.folder / "output", "a") as output:
            self.process = None
            (self.folder / "corosync.conf").write_text(CONF)
            if not self.places.key.exists():
                self.places.key.write_text(f"{OLD}\n")
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def run(self, argv, **_) -> Result:
        inside = ["nsenter", "--target", str(self.process.pid), "--mount", "--net", *argv]
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def members(self) -> tuple[int, ...]:
        said = self.run(["corosync-quorumtool", "-s", "-i"])
        return membership.parse_quorum(said.stdout).members if said.returncode in (0, 2) else ()

    def reload(self, *, until: Callable[[], bool] = lambda: False, seconds: float = 4) -> None:
        """As the product does; ``until`` ends its pause sooner."""

        def pause() -> None:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not until():
                time.sleep(0.2)

        key.reload(self.run, NEEDED, self.places, self.members, pause)


def together(nodes) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if all(len(node.members()) == 2 for node in nodes):
            return True
        time.sleep(0.2)
    return False


@pytest.fixture
def nodes(tmp_path):
    made = []

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    try:
        for number in (1, 2):
            ip("netns", "add", space(number))
        ip(
            "link",
            "add",
            "v1",
            "netns",
            space(1),
            "type",
            "veth",
            "peer",
            "name",
            "v2",
            "netns",
            space(2),
        )
        for number in (1, 2):
            inside = ("-n", space(number))
            ip(*inside, "address", "add", f"10.78.0.{number}/24", "dev", f"v{number}")
            for link in ("lo", f"v{number}"):
                ip(*inside, "link", "set", link, "up")
            made.append(Node(number, tmp_path / f"db{number}"))
        assert together(made)
        yield made
    finally:
        for node in made:
            node.end()
        for number in (1, 2):
            subprocess.run(["ip", "netns", "delete", space(number)], check=False)


def ring(node) -> str:
    return next(line for line in node.run(["corosync-quorumtool", "-s"]).stdout.splitlines() if "Ring ID" in line)


def test_both_take_over_a_key_and_no_membership_is_formed_anew(nodes):
    before = ring(nodes[0])
    for node in nodes:
        assert key.seen(node.run, SETTINGS, node.places)["unable"] == []
        assert key.stage(SETTINGS, node.places)
    for node in nodes:
        assert key.replace(NEEDED, node.places)
    nodes[0].reload()
    assert ring(nodes[0]) == ring(nodes[1]) == before
    assert all(key.finish(NEEDED, node.places) for node in nodes)
    assert sorted(path.name for path in nodes[0].folder.glob("authkey*")) == ["authkey"]
    # Which key is in use, a node tells that starts with the new one.
    nodes[1].end()
    nodes[1].start()
    assert together(nodes)


def test_a_node_that_starts_in_the_middle_waits_and_is_back_after_the_next_run(nodes):
    for node in nodes:
        key.stage(SETTINGS, node.places)
        key.replace(NEEDED, node.places)
    nodes[1].end()
    nodes[1].start()
    time.sleep(6)
    assert [len(node.members()) for node in nodes] == [1, 1]
    nodes[0].reload()
    assert together(nodes)


def test_a_reload_where_the_other_file_has_the_old_key_is_seen_and_put_right(nodes):
    """The orchestration compares both files before; this is what it keeps from happening."""
    key.stage(SETTINGS, nodes[0].places)
    key.replace(NEEDED, nodes[0].places)
    with pytest.raises(NotReady, match=r"had the members \[1, 2\] and has \[1\]"):
        nodes[0].reload(until=lambda: nodes[0].members() == (1,), seconds=60)
    key.stage(SETTINGS, nodes[1].places)
    key.replace(NEEDED, nodes[1].places)
    nodes[1].reload()
    assert together(nodes)


def test_nothing_is_reloaded_before_the_file_has_the_key(nodes):
    key.stage(SETTINGS, nodes[0].places)
    with pytest.raises(Refused, match="nothing is reloaded"):
        nodes[0].reload()
