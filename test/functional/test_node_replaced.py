"""A node dies, and another machine takes its place in a real corosync and a real pacemaker, which run on: in namespaces.

The node that died has another name, or another address, or neither. It comes back at the end, and cannot join.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hamysql import pending as pending_changes
from hamysql.cib import maintenance
from hamysql.cib import status as cib_status
from hamysql.config import resolution
from hamysql.corosync import conf, membership, replaced
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import Refused
from hamysql.system import root
from hamysql.system.command import Result
from support import ROOT, load, parameters

PROGRAMS = ("corosync", "corosync-cfgtool", "pacemakerd", "cibadmin", "crm_node", "crm_mon", "ip", "unshare", "nsenter")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root and {', '.join(PROGRAMS)} (Debian: pacemaker, corosync, iproute2, util-linux)",
)
START = """
mount -t tmpfs none /run && mkdir -p /run/corosync /run/lock /run/crm /run/pacemaker
mount -t tmpfs none /dev/shm && chmod 1777 /dev/shm
mount -t tmpfs none /var/log && mkdir -p /var/log/corosync /var/log/pacemaker
mount -t tmpfs none /var/lib
mkdir -p /var/lib/corosync /var/lib/pacemaker/cib /var/lib/pacemaker/pengine /var/lib/pacemaker/blackbox /var/lib/pacemaker/cores
cp {folder}/cib.xml /var/lib/pacemaker/cib/cib.xml && chmod 600 /var/lib/pacemaker/cib/cib.xml
chown -R hacluster:haclient /var/lib/pacemaker /var/log/pacemaker /run/crm /run/pacemaker
mount --bind {folder} /etc/corosync
corosync -f &
until corosync-cmapctl -g totem.version >/dev/null 2>&1; do sleep 0.2; done
PCMK_logfile=/etc/corosync/pacemaker.log exec pacemakerd -f
"""
CIB = """<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.0"><configuration><crm_config>
<cluster_property_set id="options"><nvpair id="fence" name="stonith-enabled" value="false"/>
<nvpair id="dead" name="dc-deadtime" value="3s"/></cluster_property_set></crm_config><nodes/><resources>
<primitive id="p" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="p-meta">
<nvpair id="p-role" name="target-role" value="Stopped"/></meta_attributes></primitive></resources>
<constraints/></configuration><status/></cib>"""
BAN = '<rsc_location id="cli-ban-p-on-db2" rsc="p" node="db2" score="-INFINITY"/>'
OLD = ("db2", "10.77.1.12")


def resolved(name: str, address: str):
    """The configuration of db1 in the lab's pillar, on one link, with this node beside it."""
    pillar = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    own, other = pillar["cluster"]["nodes"].values()
    own["addresses"], other["addresses"] = own["addresses"][:1], [address]
    pillar["cluster"]["nodes"] = {"db1": own, name: other}
    devices = pillar["fencing"]["devices"]
    devices[name] = devices.pop("db2")
    return resolution.resolve(
        resolution.layered(parameters("Debian"), pillar),
        minion_id="db1",
        nodename="db1",
        known_ids={"db1": 1, "db2": 2},
    )


class Node:
    """A machine: its network, and what runs in it."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.folder, self.process = name, folder, None
        self.space = f"hamysql-rep-{os.getpid()}-{folder.name}"
        folder.mkdir()
        (folder / "cib.xml").write_text(CIB)
        subprocess.run(["ip", "netns", "add", self.space], check=True)
        wire = f"hr{os.getpid() % 100000}{folder.name}"
        inside = ["type", "veth", "peer", "name", "eth0", "netns", self.space]
        subprocess.run(["ip", "link", "add", wire, *inside], check=True)
        subprocess.run(["ip", "link", "set", wire, "master", bridge(), "up"], check=True)
        for words in (["link", "set", "lo", "up"], ["address", "add", f"{address}/24", "dev", "eth0"]):
            subprocess.run(["ip", "-n", self.space, *words], check=True)
        subprocess.run(["ip", "-n", self.space, "link", "set", "eth0", "up"], check=True)

    @property
    def file(self) -> Path:
        return self.folder / "corosync.conf"

    def start(self, site) -> None:
        self.file.write_text(conf.export(site["corosync"]["sections"]))
        (self.folder / "authkey").write_text(site["corosync"]["authkey"])
        script = START.format(folder=self.folder)
        argv = ["ip", "netns", "exec", self.space, "unshare", "--mount", "--ipc", "sh", "-ec", script]
        with open(self.folder / "output", "a") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def end(self) -> None:
        """Its power is cut."""
        said = subprocess.run(["ip", "netns", "pids", self.space], capture_output=True, text=True, check=False).stdout
        for pid in map(int, said.split()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process:
            self.process.wait(30)

    def run(self, argv, *, stdin=None, accept=(0,), **_) -> Result:
        inside = ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "--ipc", *argv]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, input=stdin or "")
        assert done.returncode in accept, (argv, done)
        return Result(done.returncode, done.stdout, done.stderr)

    def map(self) -> dict[str, str]:
        return corosync_pending.parse_map(self.run(["corosync-cmapctl"]).stdout)

    def quorum(self) -> membership.Quorum:
        return membership.parse_quorum(self.run(["corosync-quorumtool", "-s", "-i"], accept=(0, 2)).stdout)

    def online(self) -> set[str]:
        said = self.run(["crm_mon", "--one-shot", "--output-as=xml"], accept=range(256))
        seen = cib_status.parse(said.stdout) if said.returncode == 0 else None
        return {name for name, state in seen.nodes.items() if state.online} if seen else set()


def bridge() -> str:
    return f"hrb{os.getpid()}"


def wait(what: str, condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.fixture
def machines(tmp_path) -> Iterator[Callable[[str, str], Node]]:
    made: list[Node] = []
    subprocess.run(["ip", "link", "add", bridge(), "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", bridge(), "up"], check=True)

    def make(name: str, address: str) -> Node:
        made.append(Node(name, address, tmp_path / str(len(made))))
        return made[-1]

    try:
        yield make
    finally:
        for node in made:
            node.end()
            subprocess.run(["ip", "netns", "delete", node.space], check=False)
        subprocess.run(["ip", "link", "delete", bridge()], check=False)


@pytest.fixture
def module(tmp_path):
    """The verbs on the survivor; its notes are below a folder."""
    spec = importlib.util.spec_from_file_location("hamysql_replace", ROOT / "_modules" / "hamysql_replace.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    with root.below(tmp_path / "root"):
        yield made


@pytest.mark.parametrize(("name", "address"), [("db3", "10.77.1.13"), ("db3", OLD[1]), ("db2", "10.77.1.13"), OLD])
def test_another_machine_takes_the_place_while_the_survivor_runs_on(machines, module, name, address):
    before, after = resolved(*OLD), resolved(name, address)
    survivor, dead = machines("db1", "10.77.1.11"), machines(*OLD)
    for node in (survivor, dead):
        node.start(before)
    wait("both are online", lambda: survivor.process.poll() is None and survivor.online() == {"db1", "db2"})
    text = survivor.run(["corosync-cmapctl"]).stdout
    assert not replaced.alone(text)
    survivor.run(["cibadmin", "--create", "--scope", "constraints", "--xml-text", BAN])
    for attribute in ("standby", "hamysql-fenced-1"):
        survivor.run(["crm_attribute", "--type", "nodes", "--node", "db2", "--name", attribute, "--update", "on"])

    module.__salt__ = {
        "hamysql.config": lambda: after,
        "hamysql_cluster.corosync": lambda: {"members": list(survivor.quorum().members)},
        "hamysql_cluster.status": lambda: {"nodes": {node: {"online": True} for node in survivor.online()}},
    }
    module.run = survivor.run
    with pytest.raises(Refused, match="db2 is online in the cluster"):
        module.begin("db2")

    dead.end()
    wait(
        "db2 is gone",
        lambda: survivor.online() == {"db1"} and replaced.alone(survivor.run(["corosync-cmapctl"]).stdout),
    )
    moved = (name, address) != OLD
    found = list(corosync_pending.pending(after, survivor.map(), False))
    assert bool(found) == moved
    assert {(item.kind, item.advice) for item in found} <= {(pending_changes.REFUSED, pending_changes.REPLACE)}

    assert module.begin("db2") is True
    assert module.begin("db2") is False
    assert replaced.peer(after)
    found = list(corosync_pending.pending(after, survivor.map(), False, replaced=True))
    assert {item.kind for item in found} <= {pending_changes.LIVE}
    survivor.file.write_text(conf.export(after["corosync"]["sections"]))  # as the highstate does
    whole = survivor.file.read_text()
    for expected in (moved, False):  # it can be done twice
        assert replaced.let_go(survivor.run, after, survivor.map, lambda: time.sleep(0.5), survivor.file) is expected
        assert survivor.file.read_text() == whole
        assert survivor.quorum().quorate
        survivor.run(["corosync-cfgtool", "-R"])
        wait("the map is the pillar's", lambda: not list(corosync_pending.pending(after, survivor.map(), False)), 10)
        assert survivor.quorum().quorate

    assert "cli-ban" not in " ".join(module.look("db2")["left"])
    assert module.forget("db2") == ["constraints about db2", "node db2"]
    cib = survivor.run(["cibadmin", "--query"]).stdout
    assert "cli-ban" not in cib
    assert "hamysql-fenced-1" not in cib
    if name != "db2":
        assert "db2" not in [*maintenance.known(cib), *maintenance.listed(survivor.run(["crm_node", "--list"]).stdout)]

    new = machines(name, address)
    new.start(after)
    wait("the new one is online", lambda: survivor.online() == {"db1", name} == new.online())
    assert module.forget("db2") == [], "it went on a run that was repeated"
    cib = survivor.run(["cibadmin", "--query"]).stdout
    assert set(maintenance.known(cib)) == {"db1", name}
    assert "standby" not in cib.partition("<resources>")[0]
    assert module.end() is True
    assert module.end() is False

    if address != OLD[1]:  # two machines with one address are beyond a cluster's help
        dead.start(before)
        time.sleep(12)
        assert dead.quorum().members == (2,)
        assert not dead.quorum().quorate
        assert survivor.online() == {"db1", name} == new.online()
