"""Two nodes with disks and DRBD, for the real survey, plan, modules and orchestration state to work on.

Programs are answered from a model instead of a kernel. A node's files are real, below a folder of its own (``system.root``): its
latches, its disk with DRBD's metadata, /proc. Everything above ``hamysql.system.command.run`` is the product's own code.
What may never happen is an ``AssertionError`` at the program that would do it, see ``drbd_programs``.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

import machines
import minion
from cut_off import MasterKilled, MinionKilled, PowerCut
from drbd_programs import Programs
from minion import load, named
from storage_nodes import DIRECTORY, Node

from hamysql import fingerprint
from hamysql.errors import CommandFailed, HamysqlError
from hamysql.master import deployment as deployments
from hamysql.master.members import Answer, Members
from hamysql.schema import language
from hamysql.storage.drbd import NAME as DRBD
from hamysql.system.command import Result

# They change nothing: no moment of them is told, and none can be cut off.
READING = ("blockdev", "lsblk", "findmnt", "crm_diff", "crm_mon", "ip", "mariadb", "mysql", "drbdsetup")
ASKING = {"get-gi", "--no-act", "--query", "--dry-run"}
SECRET = "canary-of-replication"


class World(Programs):
    """The cluster galaxy-db: db1 and db2."""

    kind = DRBD
    verbs: tuple[str, ...] = ("hamysql_drbd",)  # the modules with those of its storage

    def __init__(self) -> None:
        super().__init__()
        self._kept = TemporaryDirectory(prefix="world-", dir=machines.folder())
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
        self._there: dict[Any, Any] = {}  # what is in the nodes' files
        self._written: Node | None = None  # a file of this node was changed last
        self.runs = itertools.count(20260131120000000000)
        for node in self.nodes.values():
            machines.program(node.root, "crm")
            machines.program(node.root, "crm_mon")
            machines.put(node.root / f"lib/modules/{os.uname().release}/modules.dep", "updates/dkms/drbd.ko:\n")
            self._load(node)

    # --- the product's own modules, one copy for each node

    def pillar(self) -> Any:
        """The pillar ``hamysql`` of the cluster."""
        given = named("minimal")
        drbd = {"disk": self.disk, "shared_secret": SECRET, "wipe": self.wipe, "initial_sync": self.initial_sync}
        return {**given, "storage": {"drbd": drbd}}

    def site(self, node: Node) -> Any:
        """The node's configuration, as ``hamysql.config`` returns it."""
        return minion.configuration(self.pillar(), node.name)

    def _load(self, node: Node) -> None:
        """Its execution modules, over the world's programs; those of its storage and of what a survey asks."""
        functions = minion.salts_own()
        names = (*self.verbs, "hamysql_storage", *minion.SURVEYING)
        node.modules = minion.modules(node.name, names, functions, self._runner(node), node.pillar)
        functions |= self._answered(node)
        for module in node.modules.values():
            for name, found in [*vars(module).items()]:
                inner = getattr(found, "__wrapped__", found)
                if not name.startswith("_") and getattr(inner, "__globals__", None) is vars(module):
                    setattr(module, name, self._on(node, found))

    def _answered(self, node: Node) -> minion.Functions:
        """Functions of Salt's loader that are no module's on this node: its configuration, which is resolved once for all worlds."""
        return {
            "hamysql.config": lambda **_: self.site(node),
            "hamysql.settings": lambda **_: language.redacted(self.site(node)),
        }

    def _on(self, node: Node, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that works on the node's own machine."""

        @functools.wraps(function)
        def on_node(*given: Any, **named: Any) -> Any:
            self._refresh()
            node.pillar["hamysql"] = self.pillar()
            watcher = functools.partial(self._seen, node)
            with minion.at_work(node.root, node.modules["hamysql_storage"].run), machines.watching(watcher):
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
        path, block, size = node.root / "dev/sdb", b"", 0
        if node.disk:
            block, size = self._metadata_on(node), node.disk.size
        if self._is_new(node, "dev/sdb", (size, block)):
            machines.put(path, None)
            if node.disk:
                machines.disk(path, size, block)
        if self.disk != "/dev/sdb" and self._is_new(node, self.disk, ""):
            machines.link(node.root / self.disk.lstrip("/"), path)

    def _metadata_on(self, node: Node) -> bytes:
        return node.disk.last_block()

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

    # --- programs

    def _runner(self, node: Node):
        def run(argv: Sequence[str], *, stdin=None, timeout=60, accept=(0,), env=None) -> Result:
            reading = Path(argv[0]).stem in READING or ASKING & {*argv}
            self.stdin = stdin
            with machines.watching(None):
                return answered(argv, reading, accept)

        def answered(argv: Sequence[str], reading: bool, accept: Any) -> Result:
            if not reading:
                self._moment(node, "before")
            verb = next((word for word in ("new-current-uuid", "adjust") if word in argv), argv[1])
            program = verb if argv[0] == "drbdadm" else Path(argv[0]).stem
            result = getattr(self, "_" + program.replace("-", "_"))(node, list(argv[1:]))
            self._refresh()
            if not reading:
                self._moment(node, "after")
            if result.returncode not in accept:
                raise CommandFailed(argv, result.returncode, result.stderr)
            return result

        return run

    # --- the master's side

    def call(self, minions: Sequence[str], function: str, kwargs: Any, patience: float) -> dict[str, Answer]:
        """What :class:`hamysql.master.salt.Master` does: every minion works on the job, some do not answer."""
        self.jobs += 1
        answers: dict[str, Answer] = {}
        for name in minions:
            node = self.nodes[name]
            if not node.on:
                continue
            try:
                answers[name] = Answer(self._execute(node, function, kwargs))
            except HamysqlError as exc:
                answers[name] = Answer(error=str(exc))
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
        module, verb = function.split(".")
        return getattr(node.modules[module], verb)(**kwargs, **({"timeout": 0} if verb == "wait_connected" else {}))

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
        node.primary = node.mounted = node.serving = True
        volume = node.disk.volume
        assert (volume.filesystem, volume.database) == ("xfs", "complete"), "an incomplete database was handed over"
        assert volume.rows == self.acknowledged, f"{self.acknowledged - volume.rows} acknowledged rows are gone"
        self.acknowledged += 1
        self.change(node, rows=self.acknowledged)
        return True


class Deployment(deployments.Deployment):
    """The real one. Salt's client is replaced, and the lock on the master, which no two runs of a test share."""

    def __init__(self, world: World, test: bool = False) -> None:
        self.steps: list[str] = []
        compiled = dict.fromkeys(world.nodes, fingerprint.pillar(world.pillar()))
        members = Members("galaxy-db", {name: name for name in world.nodes}, world.call, compiled)
        master = SimpleNamespace(opts={}, code=minion.CODE, members=lambda _: members, fire=self._fire)
        lock = SimpleNamespace(release=lambda: None)
        with mock.patch.multiple(deployments, Master=lambda _: master, Lock=lambda *_: lock):
            super().__init__({"test": test}, None, str(next(world.runs)))

    def _fire(self, cluster: str, data: dict[str, Any]) -> None:
        if data["state"] == "step":
            self.steps.append(data["text"])
