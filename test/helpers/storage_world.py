"""Two nodes with disks and DRBD, for the real plan, modules and orchestration state to work on.

Programs are answered from a model instead of a kernel. A node's files are real, below a folder of its own (``system.root``): its
latches, its disk with DRBD's metadata, /proc. Everything above ``hamysql.system.command.run`` is the product's own code.
What may never happen (a file system made on data, a forced promotion where data exists, metadata written over
something) is an ``AssertionError`` at the program that would do it.
"""

from __future__ import annotations

import functools
import itertools
import json
import pickle
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any
from unittest import mock
from xml.sax.saxutils import quoteattr

import machines

from hamysql.config import resolution
from hamysql.errors import CommandFailed, HamysqlError
from hamysql.master import deployment as deployments
from hamysql.master.members import Answer, Members
from hamysql.schema import language
from hamysql.storage import backends
from hamysql.storage import latch as latches
from hamysql.storage.drbd import NAME as DRBD
from hamysql.storage.drbd.status import JUST_CREATED, Generation
from hamysql.storage.latch import Latch
from hamysql.system import root
from hamysql.system.command import Result
from hamysql.system.disk import Signature
from support import ROOT, load_pillar, parameters

READING = ("blockdev", "lsblk", "findmnt", "crm_diff", "crm_mon")
LAST_BLOCK = struct.Struct(">Q4QQQII")  # of DRBD's metadata, see hamysql.storage.drbd.status
MAGIC = 0x8374026B
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of latches are synchronised to the disk
CODE = "same"  # the digest of the formula, and of the pillar
DEVICE, DIRECTORY, SECRET = "/dev/drbd0", "/var/lib/mysql", "canary-of-replication"


class PowerCut(BaseException):
    """The node goes down in the middle of a program. Not an ``Exception``: nothing in the product may catch it."""


class MinionKilled(BaseException):
    """The minion's process goes, the kernel under it stays as it is."""


class MasterKilled(BaseException):
    """The orchestration goes; what it has started on the minions runs to its end."""


@dataclass
class Volume:
    """What the replicated device shows: a file system, a database, and the rows that clients were told are safe."""

    filesystem: str = ""
    database: str = ""
    rows: int = 0


@dataclass
class Metadata:
    """DRBD's metadata on one disk."""

    uuid: str
    current: int = JUST_CREATED
    history: int = 0
    disk: str = "Inconsistent"
    bitmap: int = 0


@dataclass
class Disk:
    size: int = 512 * 2**20
    foreign: Signature | None = None
    metadata: Metadata | None = None
    given_up: bool = False  # the operator's word that what is on it may be lost
    volume: Volume = field(default_factory=Volume)


@dataclass
class Node:
    name: str
    root: Path  # its files
    kind: str  # of storage, whose latch is meant
    disk: Disk | None = field(default_factory=Disk)
    on: bool = True
    up: bool = False
    primary: bool = False
    mounted: bool = False
    source: str = DEVICE  # what is mounted there
    configured: bool = True  # DRBD is installed and has its configuration
    failed: bool = False  # pacemaker runs, and has given up starting the replica
    dead: BaseException | None = None  # the process that works on the present job is gone
    modules: dict[str, ModuleType] = field(default_factory=dict)

    @property
    def latches(self) -> Path:
        """The folder of its latches."""
        return self.root / "var/lib/hamysql"

    @property
    def latch(self) -> Latch | None:
        """What its latch says, of the kind of storage that the world is about."""
        return latches.read("mysql", self.kind, self.latches)

    @latch.setter
    def latch(self, known: Latch | None) -> None:
        path = latches.place(self.kind, self.latches) / "mysql.json"
        machines.put(path, None if known is None else json.dumps(known.as_dict()))

    def boot(self) -> None:
        """Power cycle: what only the kernel knew is gone."""
        self.on, self.up, self.primary, self.mounted = True, False, False, False


class World:
    """The cluster galaxy-db: db1 and db2."""

    kind = DRBD

    def __init__(self) -> None:
        self._kept = TemporaryDirectory(prefix="world-", dir=folder())
        self.nodes = {name: Node(name, Path(self._kept.name) / name, self.kind) for name in ("db1", "db2")}
        self.acknowledged = 0
        self.programs = 0
        self.jobs = 0
        self.disturb: Callable[[Node, str], None] = lambda node, moment: None
        self.kill_master_at: int | None = None
        self.no_space = False
        self.stdin: str | None = None  # of the program that runs
        self.wipe: dict[str, str] = {}  # of the pillar
        self.disk = "/dev/sdb"  # its name for the disks, of the pillar too
        self.disk_row: dict[str, Any] = {}  # what lsblk says otherwise of a disk
        self.initial_sync = "auto"
        self._uuids = itertools.count(0x1000)
        self._there: dict[Any, Any] = {}  # what is in the nodes' files
        self._written: Node | None = None  # a file of this node was changed last
        self.runs = itertools.count(20260131120000000000)
        for node in self.nodes.values():
            machines.program(node.root, "crm")
            machines.program(node.root, "crm_mon")
            self._load(node)

    # --- the product's own modules, one copy for each node

    def pillar(self) -> Any:
        """The pillar ``hamysql`` of the cluster."""
        given = named("minimal")
        drbd = {"disk": self.disk, "shared_secret": SECRET, "wipe": self.wipe, "initial_sync": self.initial_sync}
        return {**given, "storage": {"drbd": drbd}}

    def site(self, node: Node) -> Any:
        """The node's configuration, as ``hamysql.config`` returns it."""
        return pickle.loads(_resolved(json.dumps(self.pillar()), node.name))

    def _load(self, node: Node) -> None:
        for name in ("hamysql_drbd", "hamysql_storage", "hamysql_cluster"):
            self._module(node, name)

    def _module(self, node: Node, name: str) -> ModuleType:
        """An execution module on a node, over the world's programs."""
        module = node.modules[name] = load(f"_modules/{name}.py", f"{node.name}_{name}")
        module.run = self._runner(node)
        module.__salt__ = {
            "hamysql.config": lambda **_: self.site(node),
            "hamysql_cluster.status": lambda: node.modules["hamysql_cluster"].status(),
        }
        for function, found in [*vars(module).items()]:
            inner = getattr(found, "__wrapped__", found)
            if not function.startswith("_") and getattr(inner, "__globals__", None) is vars(module):
                setattr(module, function, self._on(node, found))
        return module

    def _on(self, node: Node, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that works on the node's own machine."""

        @functools.wraps(function)
        def on_node(*given: Any, **named: Any) -> Any:
            self._refresh()
            watcher = functools.partial(self._seen, node)
            with root.below(node.root), machines.watching(watcher):
                done = function(*given, **named)
            self._settle_file()
            return done

        return on_node

    def _seen(self, node: Node, event: str, arguments: Sequence[Any]) -> None:
        """The product is about to do something to a file."""
        path = str(arguments[0])
        if event == "os.listdir" and path == str(node.root / DIRECTORY.lstrip("/")):
            self._listed(node)
        if event == "os.rename" and path.startswith(str(node.root)) and path.endswith(".new"):
            self._moment(node, "before")
            if (new := str(arguments[1])).endswith(".json"):
                assert json.loads(Path(path).read_text())["cluster"] == "galaxy-db", new
            self._written = node

    def _listed(self, node: Node) -> None:
        assert node.mounted, "the root file system's folder was looked at, not the replicated one"

    def _settle_file(self) -> None:
        """The change of a file is over: the last moment at which it could be the last that a node has done."""
        node, self._written = self._written, None
        if node is not None:
            self._moment(node, "after")

    def _refresh(self) -> None:
        """The files of DRBD and the disks, as the kernel and the states would have them now."""
        for node in self.nodes.values():
            self._put(node, "proc/drbd", self._proc(node))
            self._put(node, "etc/drbd.d/mysql.res", "" if node.configured else None)
            self._have_disk(node)
            self._have_datadir(node)

    def _put(self, node: Node, name: str, text: str | None) -> None:
        """Have a file with this text, or none."""
        if self._is_new(node, name, text):
            machines.put(node.root / name, text)

    def _is_new(self, node: Node, name: str, content: Any) -> bool:
        """Whether a file is to be made anew."""
        key, unknown = (node.name, name), object()
        before, self._there[key] = self._there.get(key, unknown), content
        return before is unknown or before != content

    def _have_disk(self, node: Node) -> None:
        """The disk, with DRBD's metadata at its end."""
        path, block, size = node.root / "dev/sdb", b"", node.disk.size if node.disk else 0
        if node.disk and (found := self._generation_on(node)):
            younger, older = found.history
            uuid = int(node.disk.metadata.uuid or "0", 16)
            block = LAST_BLOCK.pack(
                size // 512, found.current, found.bitmap, younger, older, uuid, 0, int(found.consistent), MAGIC
            )
        if self._is_new(node, "dev/sdb", (size, block)):
            machines.put(path, None)
            if node.disk:
                machines.disk(path, size, block)
        if self.disk != "/dev/sdb" and self._is_new(node, self.disk, ""):
            machines.link(node.root / self.disk.lstrip("/"), path)

    def _have_datadir(self, node: Node) -> None:
        names = self.listing(node) if node.mounted else []
        if self._is_new(node, DIRECTORY, names):
            machines.only(node.root / DIRECTORY.lstrip("/"), names)

    def _moment(self, node: Node, moment: str) -> None:
        """Before, in the middle of or after something that changes the node: where it can be interrupted."""
        if node.dead:
            raise node.dead  # clean-up code does not run in a process that is gone
        if moment == "before":
            self._settle_file()
            self.programs += 1
        try:
            self.disturb(node, moment)
        except BaseException as exc:
            node.dead = exc
            raise

    def listing(self, node: Node) -> list[str]:
        """What is on the replicated device."""
        return {"": [], "half": ["ibdata1"], "complete": ["ibdata1", "mysql"]}[node.disk.volume.database]

    # --- DRBD

    def peer(self, node: Node) -> Node:
        return next(other for other in self.nodes.values() if other is not node)

    def connected(self) -> bool:
        return all(node.on and node.up for node in self.nodes.values())

    def _pairs(self) -> Iterator[tuple[Metadata, Node, Metadata, Node]]:
        """Who would send data to whom, if connected: each as source and as target."""
        first, second = self.nodes.values()
        if self.connected():
            for source, target in ((first, second), (second, first)):
                yield source.disk.metadata, source, target.disk.metadata, target

    def settle(self) -> None:
        """What DRBD does by itself: a connected replica that is inconsistent or older follows the one that is not."""
        for good, _, bad, _ in self._pairs():
            if good.disk == bad.disk == "UpToDate" and bad.current in (good.bitmap, good.history):
                bad.disk = "Inconsistent"
            if good.disk == "UpToDate" and bad.disk == "Inconsistent":
                good.bitmap = good.bitmap or next(self._uuids) << 8
                bad.current, bad.bitmap, bad.history = good.bitmap, 0, JUST_CREATED

    def synchronise(self) -> None:
        """A running synchronisation comes to its end."""
        self.settle()
        for good, source, bad, target in self._pairs():
            if good.disk == "UpToDate" and bad.disk == "Inconsistent":
                good.history, good.bitmap = good.bitmap, 0
                target.disk.metadata = replace(good, uuid=bad.uuid)
                target.disk.volume = replace(source.disk.volume)

    def change(self, node: Node, **fields: Any) -> None:
        """A write through the replicated device of the primary, on the peer's disk too if it is up to date."""
        assert node.primary, "a write without being primary"
        targets = [node, self.peer(node)] if self.connected() else [node]
        for target in targets:
            if target is node or target.disk.metadata.disk == "UpToDate":
                vars(target.disk.volume).update(fields)
        if len(targets) == 1 and self.peer(node).disk and self.peer(node).disk.metadata:
            mine = node.disk.metadata
            mine.current, mine.bitmap = next(self._uuids) << 8, mine.bitmap or mine.current

    def data(self) -> list[Node]:
        """The nodes whose disks hold rows, powered or not."""
        return [node for node in self.nodes.values() if node.disk and node.disk.volume.rows]

    def _proc(self, node: Node) -> str:
        head = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 059B1B470318F053F5077D5 \n"
        if not node.up:
            return head
        mine, peer = node.disk.metadata, self.peer(node)
        role = "Primary" if node.primary else "Secondary"
        if not self.connected():
            return f"{head} 0: cs:WFConnection ro:{role}/Unknown ds:{mine.disk}/DUnknown C r-----\n    ns:0 oos:0\n"
        theirs, other = peer.disk.metadata.disk, "Primary" if peer.primary else "Secondary"
        state = "Connected"
        if {mine.disk, theirs} == {"UpToDate", "Inconsistent"}:
            state = "SyncSource" if mine.disk == "UpToDate" else "SyncTarget"
        return f"{head} 0: cs:{state} ro:{role}/{other} ds:{mine.disk}/{theirs} C r-----\n    ns:0 oos:0\n"

    # --- programs

    def _runner(self, node: Node):
        def run(argv: Sequence[str], *, stdin=None, timeout=60, accept=(0,), env=None) -> Result:
            reading = argv[0] in READING or {"get-gi", "--no-act", "--query"} & {*argv}
            self.stdin = stdin
            with machines.watching(None):
                return answered(argv, reading, accept)

        def answered(argv: Sequence[str], reading: bool, accept: Any) -> Result:
            if not reading:
                self._moment(node, "before")
            verb = "new-current-uuid" if "new-current-uuid" in argv else argv[1]
            program = verb if argv[0] == "drbdadm" else Path(argv[0]).stem
            result = getattr(self, "_" + program.replace("-", "_"))(node, list(argv[1:]))
            self._refresh()
            if not reading:
                self._moment(node, "after")
            if result.returncode not in accept:
                raise CommandFailed(argv, result.returncode, result.stderr)
            return result

        return run

    def _wipefs(self, node: Node, argv: list[str]) -> Result:
        disk, rows = node.disk, []
        if argv[0] == "--all":
            assert disk.given_up, "a disk was wiped that nobody gave up"
            assert not node.up
            assert not node.mounted
            assert not disk.volume.rows, "rows were wiped"
            self._moment(node, "half")
            disk.foreign, disk.metadata, disk.volume = None, None, Volume()
            return Result(0, "")
        if disk.metadata:
            rows.append({"type": "drbd", "offset": "0x18fff03c", "uuid": disk.metadata.uuid or None})
        if disk.foreign:
            rows.append({"type": disk.foreign.type, "offset": hex(disk.foreign.offset), "uuid": None})
        if disk.volume.filesystem == "xfs":
            rows.append({"type": "xfs", "offset": "0x0", "uuid": "dbeced43"})
        return Result(0, json.dumps({"signatures": rows}))

    def _blockdev(self, node: Node, argv: list[str]) -> Result:
        return Result(0, f"{node.disk.size}\n") if node.disk else Result(1, "", "No such file or directory")

    def _lsblk(self, node: Node, argv: list[str]) -> Result:
        children = [{"name": DEVICE, "type": "disk", "mountpoints": [DIRECTORY if node.mounted else None]}]
        top = {"name": "/dev/sdb", "type": "disk", "mountpoints": [None], "children": children if node.up else []}
        return Result(0, json.dumps({"blockdevices": [top | self.disk_row]}))

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        there = node.mounted and argv[-1] == DIRECTORY
        return Result(0, f"{node.source}\n") if there else Result(1, "")

    def _crm_mon(self, node: Node, argv: list[str]) -> Result:
        """Pacemaker runs where it has something to say."""
        failed = [one.name for one in self.nodes.values() if one.failed]
        return Result(0, crm_mon(self.nodes, failed=failed)) if failed else Result(102, "<pacemaker-result/>")

    def _get_gi(self, node: Node, argv: list[str]) -> Result:
        found = node.disk.metadata if node.disk else None
        if not found:
            return Result(255, "", "No valid meta data found")
        consistent = int(found.disk == "UpToDate")
        return Result(
            0, f"{found.current:016X}:{found.bitmap:016X}:{found.history:016X}:{0:016X}:{consistent}:0:0:0:0:0:0\n"
        )

    def _generation_on(self, node: Node) -> Generation | None:
        found = node.disk.metadata
        return found and Generation(found.current, found.bitmap, (found.history, 0), found.disk == "UpToDate")

    def _blkdiscard(self, node: Node, argv: list[str]) -> Result:
        assert node.disk.given_up
        assert not node.disk.metadata
        assert not node.up
        return Result(0, "")

    def _new_current_uuid(self, node: Node, argv: list[str]) -> Result:
        sides = [one.disk for one in self.nodes.values()]
        assert argv[:2] == ["--", "--clear-bitmap"]
        assert self.connected(), "the peer does not hear of it"
        for disk in sides:
            assert disk.metadata.current == JUST_CREATED, "a replica was called equal that had a history"
            assert disk.volume == Volume(), "a replica was called equal that was written to"
        current = next(self._uuids) << 8
        for disk in sides:
            disk.metadata = Metadata(disk.metadata.uuid, current, 0, "UpToDate")
        return Result(0, "")

    def _crm_resource(self, node: Node, argv: list[str]) -> Result:
        assert argv == ["--cleanup", "--resource", "p_drbd_mysql", "--node", node.name]
        node.failed = False
        return Result(0, "")

    def _create_md(self, node: Node, argv: list[str]) -> Result:
        disk, force = node.disk, "--force" in argv
        if node.up:
            return Result(20, "", "Device '0' is configured!")
        if not force and (disk.metadata or disk.foreign or disk.volume != Volume()):
            return Result(1, "", "Found some data")
        assert not disk.foreign, "metadata written over foreign data"
        assert disk.volume == Volume(), "metadata written over a replica"
        assert disk.metadata is None or disk.metadata.current == JUST_CREATED, "metadata written over metadata of data"
        disk.metadata = Metadata("")
        self._moment(node, "half")  # drbdadm writes the device's UUID with a second program
        disk.metadata.uuid = f"{next(self._uuids):016x}"
        return Result(0, "")

    def _modprobe(self, node: Node, argv: list[str]) -> Result:
        return Result(0, "")

    def _up(self, node: Node, argv: list[str]) -> Result:
        if not node.disk.metadata:
            return Result(1, "", "No valid meta data found")
        node.up = True
        self.settle()
        return Result(0, "")

    def _primary(self, node: Node, argv: list[str]) -> Result:
        if self.connected() and self.peer(node).primary:
            return Result(11, "", "Multiple primaries not allowed by config")
        if "--force" in argv and node.disk.metadata.disk != "UpToDate":
            assert not self.data(), f"{node.name} was promoted by force while {self.data()[0].name} holds data"
            assert node.disk.metadata.current == JUST_CREATED, "a forced promotion of an old replica"
            node.disk.metadata = Metadata(node.disk.metadata.uuid, next(self._uuids) << 8, JUST_CREATED, "UpToDate")
            self.settle()
        if node.disk.metadata.disk != "UpToDate":
            return Result(17, "", "State change failed: (-2) Need access to UpToDate data")
        node.primary = True
        return Result(0, "")

    def _secondary(self, node: Node, argv: list[str]) -> Result:
        if node.mounted:
            return Result(11, "", "State change failed: (-12) Device is held open by someone")
        node.primary = False
        return Result(0, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert argv[-1] == DEVICE
        assert not node.mounted
        assert not node.disk.volume.rows, f"a file system was made over {node.disk.volume.rows} rows"
        assert not self.data(), f"a file system was made while {self.data()[0].name} holds data"
        self.change(node, filesystem="half", database="")
        self._moment(node, "half")
        self.change(node, filesystem="xfs")
        return Result(0, "")

    def _mount(self, node: Node, argv: list[str]) -> Result:
        assert argv[-2:] == [DEVICE, DIRECTORY]
        assert not node.mounted, "mounted twice: the first one would stay for ever"
        if not node.primary or node.disk.volume.filesystem != "xfs":
            return Result(32, "", "wrong fs type, bad superblock")
        node.mounted = True
        return Result(0, "")

    def _umount(self, node: Node, argv: list[str]) -> Result:
        node.mounted = False
        return Result(0, "")

    def _chown(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "the folder below the mount point was changed"
        return Result(0, "")

    _chmod = _sync = _chown

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "a database was made on the root file system"
        assert not node.disk.volume.database, "a database was made over another one"
        self.change(node, database="half")
        self._moment(node, "half")
        if self.no_space:
            return Result(1, "", "No space left on device")
        self.change(node, database="complete")
        return Result(0, "")

    # --- the master's side

    def call(self, minions: Sequence[str], function: str, kwargs: Any, patience: float) -> dict[str, Answer]:
        """What :class:`hamysql.master.salt.Master` does: every minion works on the job, some do not answer."""
        self.jobs += 1
        answers: dict[str, Answer] = {}
        for minion in minions:
            node = self.nodes[minion]
            if not node.on:
                continue
            try:
                answers[minion] = Answer(self._execute(node, function, kwargs))
            except HamysqlError as exc:
                answers[minion] = Answer(error=str(exc))
            except PowerCut:
                self.power_cycle(node)
            except MinionKilled:
                pass
            node.dead = None
        if self.kill_master_at == self.jobs:
            self.kill_master_at = None
            raise MasterKilled
        return answers

    def _execute(self, node: Node, function: str, kwargs: Any) -> Any:
        if function == "hamysql_node.survey":
            return self._survey(node)
        module, verb = function.split(".")
        return getattr(node.modules[module], verb)(**kwargs, **({"timeout": 0} if verb == "wait_connected" else {}))

    def _survey(self, node: Node) -> dict[str, Any]:
        """What ``hamysql_node.survey`` asks; the machine's network and its packages are as the pillar wants them."""
        site = self.site(node)
        links = enumerate(site["cluster"]["nodes"][node.name]["addresses"])
        with root.below(node.root):
            storage = {"reached": {}, **backends.used(site).facts(site)}
        return {
            "code": CODE,
            "pillar": CODE,
            "stale": False,
            "settings": language.redacted(site),
            "storage": node.modules["hamysql_storage"].survey(),
            "cluster": node.modules["hamysql_cluster"].status(),
            "database": False,
            "pending": [],
            "facts": {
                "nodename": node.name,
                "system": {"name": "Debian", "release": "12"},
                "clock": [time.time()] * 2,
                "interfaces": {
                    f"eth{link}": {"mac": f"02:00:00:00:0{link}:0{node.name[-1]}", "addresses": [f"{address}/24"]}
                    for link, address in links
                },
                "storage": storage,
                "packages": {},
                "unreachable": [],
                "absent": [],
                "vip_owner": "",
                "tls": {},
                "foreign": "",
            },
        }

    def power_cycle(self, node: Node) -> None:
        node.boot()

    def perform(self, name: str, verb: str, **arguments: Any) -> Any:
        """One verb by hand on one node, as ``salt NODE hamysql_X.VERB`` would; returns or raises what it does."""
        modules = self.nodes[name].modules.values()
        module = next(module for module in modules if verb in vars(module))
        return getattr(module, verb)(**arguments)

    def deploy(self) -> dict[str, Any]:
        """The orchestration's storage phase, as the state returns it; the members' survey of phase one included."""
        orch = load("_states/hamysql_orch.py", "world_hamysql_orch")
        orch.__context__ = {"hamysql_orch": Deployment(self)}
        orch.__opts__ = {"test": False}
        return orch.storage_initialised("hamysql-storage-initialised")

    def serve(self) -> bool:
        """What pacemaker does with initialised members: promote one whose data is complete, and let clients write."""
        members = [node for node in self.nodes.values() if node.on and node.disk and node.disk.metadata]
        if not all(node.latch and node.latch.stage.name == "INITIALISED" for node in members):
            return False
        for node in members:
            node.up = True
        self.settle()
        ready = [node for node in members if node.primary] or [n for n in members if n.disk.metadata.disk == "UpToDate"]
        if not ready or any(node.on and node not in members for node in self.nodes.values()):
            return False
        node = ready[0]
        node.primary = node.mounted = True
        volume = node.disk.volume
        assert (volume.filesystem, volume.database) == ("xfs", "complete"), "an incomplete database was handed over"
        assert volume.rows == self.acknowledged, f"{self.acknowledged - volume.rows} acknowledged rows are gone"
        self.acknowledged += 1
        self.change(node, rows=self.acknowledged)
        return True


def crm_mon(
    nodes: Sequence[str],
    failed: Sequence[str] = (),
    resources: Sequence[tuple[str, str | None]] = (),
    quorum: bool = True,
) -> str:
    """What ``crm_mon --output-as=xml`` prints where all nodes are members.

    failed
        The nodes on which the replica could not be started.
    resources
        Each with the node that it is started on, ``None`` where it is stopped.
    """

    def resource(name: str, node: str | None) -> str:
        where = f'<node name="{node}" id="1" cached="false"/>' if node else ""
        role = "Started" if node else "Stopped"
        return f'<resource id="{name}" resource_agent="ocf:x:y" role="{role}" managed="true">{where}</resource>'

    members = "".join(f'<node name={quoteattr(name)} id="1" online="true" standby="false"/>' for name in nodes)
    failures = "".join(f'<failure op_key="p_drbd_mysql_start_0" node="{name}"/>' for name in failed)
    return (
        f'<pacemaker-result><summary><current_dc name="db1" with_quorum="{str(quorum).lower()}"/><cluster_options'
        f' maintenance-mode="false"/></summary><nodes>{members}</nodes><resources>'
        f"{''.join(itertools.starmap(resource, resources))}</resources><failures>{failures}</failures></pacemaker-result>"
    )


class Deployment(deployments.Deployment):
    """The real one. Salt's client is replaced, and the lock on the master, which no two runs of a test share."""

    def __init__(self, world: World, test: bool = False) -> None:
        self.steps: list[str] = []
        members = Members(
            "galaxy-db", {name: name for name in world.nodes}, world.call, dict.fromkeys(world.nodes, CODE)
        )
        master = SimpleNamespace(opts={}, code=CODE, members=lambda _: members, fire=self._fire)
        lock = SimpleNamespace(release=lambda: None)
        with mock.patch.multiple(deployments, Master=lambda _: master, Lock=lambda *_: lock):
            super().__init__({"test": test}, None, str(next(world.runs)))

    def _fire(self, cluster: str, data: dict[str, Any]) -> None:
        if data["state"] == "step":
            self.steps.append(data["text"])


class Interruption:
    """Raises at one moment of the n-th program from now on, once."""

    def __init__(self, world: World, number: int, moment: str, error: type[BaseException]) -> None:
        self.world, self.at, self.moment, self.error = world, world.programs + number, moment, error
        self.happened = False

    def __call__(self, node, moment: str) -> None:
        if not self.happened and (self.world.programs, moment) == (self.at, self.moment):
            self.happened = True
            raise self.error(node.name)


def load(path: str, name: str) -> ModuleType:
    """A module of the project by its path, under a name of its own: Salt's folders share file names."""
    module = ModuleType(name)
    exec(_code(path), vars(module))
    return module


def named(pillar: str) -> Any:
    """A pillar of test/pillar, with the world's name."""
    return json.loads(_pillar(pillar))


@functools.cache
def folder() -> Path:
    """Where this process has its worlds; the unit tests remove it at their end."""
    return Path(mkdtemp(prefix="hamysql-worlds-", dir=FAST))


@functools.cache
def _pillar(name: str) -> str:
    given = load_pillar(name)
    given["cluster"]["name"] = "galaxy-db"
    for number, node in enumerate(given["cluster"]["nodes"].values(), start=11):
        node["addresses"] = [f"192.0.2.{number}", f"198.51.100.{number}"]
    return json.dumps(given)


@functools.cache
def _resolved(pillar: str, name: str) -> bytes:
    """Pickled, because each who asks gets a copy."""
    merged = resolution.layered(_parameters(), json.loads(pillar))
    return pickle.dumps(resolution.resolve(merged, minion_id=name, nodename=name))


_parameters = functools.cache(parameters)


@functools.cache
def _code(path: str) -> CodeType:
    return compile((ROOT / path).read_text(encoding="utf-8"), ROOT / path, "exec")
