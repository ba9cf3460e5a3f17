"""A cluster that serves from one kind of storage and is moved to another; see ``storage_world`` and ``lun_nfs_world``.

All verbs, plans, latches and the orchestration's phases are the real ones, on files below a folder for each node. Programs are
answered from a model: pacemaker obeys a CIB at once, a mount is a link to a folder with the data, and rsync copies files. Waiting
takes no time. What may never happen is an ``AssertionError`` at the moment at which it would.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import minion
from cut_off import MasterKilled
from lun_nfs_world import Lun, Nas
from machines import is_mounted, mount, put, umount
from minion import load
from printed import MODULE, crm_mon, proc, resource, running
from storage_nodes import DEVICE, DIRECTORY, Node
from storage_world import Deployment, World

from hamysql.cib import kept as cib_kept
from hamysql.cib import plan as cib_plan
from hamysql.cib import stop as cib_stop
from hamysql.master.members import Answer
from hamysql.mysql import datadir
from hamysql.storage import backends, latch, pending
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.move import switch as move_switch
from hamysql.storage.move import verbs as move_verbs
from hamysql.storage.nfs.mark import NFS_FOLDER
from hamysql.system import kernels, wait
from hamysql.system.command import Result

PHASES = ("checked", "prepared", "copied", "switched")
SAME = {"hamysql_cib_|-a_|-a_|-managed": {"__id__": "a", "result": True, "changes": {}, "comment": ""}}
# What a cluster mounts that serves from such storage before its move, and the kind of file system.
MOUNTED = {"drbd": (DEVICE, "xfs"), "shared": ("/dev/disk/by-id/wwn-0x2", "xfs"), "nfs": ("nas:/srv/mysql", "nfs")}
CIB = """<cib epoch="{epoch}" num_updates="0"><configuration><crm_config/><nodes/><resources>{replica}<group id="g_mysql">
<primitive id="p_fs_mysql"><instance_attributes id="j"><nvpair id="o" name="device" value="{device}"/>
<nvpair id="p" name="directory" value="{directory}"/><nvpair id="q" name="fstype" value="{type}"/></instance_attributes></primitive>
<primitive id="p_mysql"/></group></resources><constraints/><tags><tag id="{tag}"><obj_ref id="p_mysql"/><obj_ref id="g_mysql"/>
<obj_ref id="ms_drbd_mysql"/></tag></tags></configuration></cib>"""
REPLICA = """<clone id="ms_drbd_mysql"><primitive id="p_drbd_mysql"><instance_attributes id="i">
<nvpair id="n" name="drbd_resource" value="mysql"/></instance_attributes></primitive></clone>"""


class Move:
    """Mixed into a world: what the cluster serves from now, and the programs of a move."""

    kind = "drbd"
    other = "shared"  # what the data is on at first

    def __init__(self, folder: Path) -> None:
        self.stores = {kind: folder / f"store-{kind}" for kind in MOUNTED}
        for path in self.stores.values():
            path.mkdir()
        if isinstance(self, Nas):
            self.stores["nfs"] = folder / "export" / NFS_FOLDER
        self.accepted: list[int] = []
        self.dead = False
        self.started_again = 0
        self._home: str | None = "db1"
        self.verb = ""  # of a move, that is at work
        self.fails = ("", "")  # one of them, and the program of it that does its work and says that it has failed
        self.xml = self._cib(self.other)
        super().__init__(folder) if isinstance(self, (Lun, Nas)) else super().__init__()
        self.folders = {name: node.latches for name, node in self.nodes.items()}
        for node in self.nodes.values():
            for path in (node.latches, self.copy(node), self.datadir(node), node.root / "proc"):
                path.mkdir(parents=True, exist_ok=True)
            self._boot(node, "cb1ce5b7")
        (self.stores[self.other] / datadir.PROOF).mkdir()
        (self.stores[self.other] / datadir.PROOF / "user.frm").write_text("tables")
        (self.stores[self.other] / "rows").touch()
        self._obey()
        for path in self.folders.values():
            latch.write(Latch("galaxy-db", "mysql", "/dev/old", Stage.INITIALISED, "0ld", backend=self.other), path)

    def datadir(self, node: Node) -> Path:
        """Where the cluster mounts the data on a node."""
        return node.root / DIRECTORY.lstrip("/")

    def copy(self, node: Node) -> Path:
        """Where a node mounts the new storage for the copy."""
        return node.root / str(move_verbs.PLACE).lstrip("/")

    def _boot(self, node: Node, boot: str) -> None:
        put(node.root / str(kernels.BOOT).lstrip("/"), f"{boot}\n")

    def _have_datadir(self, node: Node) -> None:
        """What the cluster has mounted there: see ``_obey``."""

    # --- the verbs, on a node

    def _load(self, node: Node) -> None:
        self.verbs = (*type(self).verbs, "hamysql_migration")
        super()._load(node)

    def _answered(self, node: Node) -> minion.Functions:
        return {
            **super()._answered(node),
            "hamysql_mysql.flush": lambda: {"settings": {}},
            "hamysql_mysql.unflush": lambda settings: None,
        }

    def serves(self, node: Node) -> bool:
        return self.serving == node.name

    def _pass_time(self, seconds: float) -> None:
        self.synchronise()
        self._refresh()

    # --- the cluster

    def _cib(self, kind: str, epoch: int = 1) -> str:
        device, type_ = self._mounts_of(kind)
        replica = REPLICA if kind == "drbd" else ""
        return CIB.format(
            epoch=epoch, replica=replica, device=device, directory=DIRECTORY, type=type_, tag=cib_plan.TAG
        )

    def _mounts_of(self, kind: str) -> tuple[str, str]:
        """What a cluster mounts that serves from it, and the kind of file system: of the new storage what the pillar says."""
        if kind != self.kind:
            return MOUNTED[kind]
        new = self.site(self.nodes["db1"])["storage"]["filesystem"]
        return new["device"], new["type"]

    @property
    def home(self) -> str | None:
        """Where pacemaker has put the service, and so mounts the data."""
        return self._home

    @home.setter
    def home(self, name: str | None) -> None:
        self._home = name
        self._obey()

    @property
    def cib(self) -> str:
        """The kind of storage that the cluster's configuration is about."""
        return backends.recognised(pending.parameters(self.xml))

    @property
    def stopped(self) -> set[str]:
        return set(cib_stop.stopped_ones(self.xml))

    @property
    def serving(self) -> str | None:
        """The node whose database answers."""
        return None if self.stopped else self.home

    @property
    def mounted(self) -> bool:
        """Whether the cluster has the data mounted, on the node where the service is."""
        return self.home is not None and not self.stopped & {"g_mysql", "ms_drbd_mysql"}

    @property
    def places(self) -> dict[str, list[int]]:
        """The rows on each kind of storage that holds a database."""
        there = {kind: folder / "rows" for kind, folder in self.stores.items()}
        return {kind: list(map(int, path.read_text().split())) for kind, path in there.items() if path.exists()}

    def start(self) -> None:
        """What an administrator does with `crm resource start`."""
        self._take(cib_stop.started(self.xml))

    def stop(self) -> None:
        self._take(cib_stop.all_stopped(self.xml))

    def power_cycle(self, node: Node) -> None:
        """The service goes to the other node, where it is not stopped."""
        super().power_cycle(node)
        self._boot(node, str(self.programs))
        if is_mounted(self.copy(node)):
            umount(self.copy(node))
        if self.serving == node.name:
            self.home = self.peer(node).name
        self._obey()

    def _take(self, xml: str) -> None:
        """A new configuration, which pacemaker obeys at once."""
        before = self.serving
        self.xml = xml
        self.started_again += before is None and self.serving is not None and self.cib == self.other
        self._obey()

    def _obey(self) -> None:
        for node in self.nodes.values():
            put(node.root / str(cib_kept.FILE).lstrip("/"), self.xml)
            if is_mounted(self.datadir(node)):
                umount(self.datadir(node))
            if self.mounted and node.name == self.home:
                mount(self.datadir(node), self.stores[self.cib])

    def _crm_mon(self, node: Node, argv: list[str]) -> Result:
        started = {"p_mysql": self.serving is not None, "p_fs_mysql": self.mounted}
        resources = [resource(name, self.home if there else None) for name, there in started.items()]
        return Result(0, crm_mon(running(resources=resources)))

    def client(self) -> None:
        """A client writes a row, where the service runs."""
        if self.serving is None:
            return
        switched = [move_switch.switched(self.kind, folder) for folder in self.folders.values()]
        if self.cib == self.other:
            assert not any(switched), "the old storage is served from after the switch"
        else:
            assert all(switched), "the new storage is served from before the switch"
        rows = self.places[self.cib]
        assert rows == self.accepted, f"{len(self.accepted) - len(rows)} acknowledged rows are gone"
        datadir = self.datadir(self.nodes[self.home])
        assert is_mounted(datadir), "the service runs on the folder below the mount point"
        with open(datadir / "rows", "a") as file:
            file.write(f"{len(rows)}\n")
        self.accepted.append(len(rows))

    # --- the master's side

    def call(self, minions: Any, function: str, kwargs: Any, patience: float) -> dict[str, Answer]:
        if self.dead:  # nothing that the orchestration still tries reaches anybody
            raise MasterKilled
        self.client()
        try:
            return super().call(minions, function, kwargs, patience)
        except MasterKilled:
            self.dead = True
            raise
        finally:
            self.client()

    def _execute(self, node: Node, function: str, kwargs: Any) -> Any:
        module, verb = function.split(".")
        if module == "hamysql_migration":
            return self._move(node, verb, kwargs)
        if function == "state.apply":
            return self._apply(node, kwargs["mods"])
        if module in ("hamysql_cib", "hamysql_checkpoint", "hamysql_mysql", "hamysql_fencing"):
            return {"changes": [], "actions": [], "drift": []}
        return super()._execute(node, function, kwargs)

    def _move(self, node: Node, verb: str, kwargs: Any) -> Any:
        may = {
            "begin": (self.serving is not None, "a copy is begun anew while the service is stopped"),
            "copy": (self.serving == node.name, "the data is copied by a node that does not serve it"),
            "final": (self.serving is None, "the last pass is made below a server"),
            "switch": (self.serving is None or self.cib == self.kind, "the latches are switched below a server"),
        }
        allowed, why = may.get(verb, (True, ""))
        assert allowed, why
        functions = vars(node.modules["hamysql_migration"])
        self.verb = verb
        clock = mock.patch.dict(wait.until.__kwdefaults__, sleep=self._pass_time)
        try:
            with clock:
                return (functions.get(f"{verb}_") or functions[verb])(**kwargs)
        finally:
            self.verb = ""

    def _apply(self, node: Node, mods: str) -> Any:
        if mods == "hamysql.pacemaker.resources":
            assert self.serving is None or self.cib == self.kind, (
                "the cluster's configuration was changed below a server"
            )
            assert "g_mysql" in self.stopped or self.cib == self.kind
            for name, folder in self.folders.items():
                assert move_switch.switched(self.kind, folder), f"{name} is not switched"
            if self.cib != self.kind:  # what is stopped is no part of what the formula wants
                stopped = self.stopped
                new = self._cib(self.kind, int(ET.fromstring(self.xml).get("epoch", "0")) + 1)
                for name in sorted(stopped - {"ms_drbd_mysql"}):
                    new = cib_stop.stopped(new, name)
                self._take(new)
        return SAME

    # --- programs

    def _cibadmin(self, node: Node, argv: list[str]) -> Result:
        if "--query" in argv:
            return Result(0, self.xml)
        assert argv == ["--sync-call", "--patch", "--xml-pipe"]
        self._take(ET.tostring(ET.fromstring(self.stdin)[0], "unicode"))
        return self._said("cibadmin")

    def _crm_diff(self, node: Node, argv: list[str]) -> Result:
        """A patch that has all of the new configuration in it."""
        assert Path(argv[1]).read_text() == self.xml, "somebody else was faster"
        return Result(1, f"<diff>{Path(argv[3]).read_text()}</diff>")

    def _said(self, program: str) -> Result:
        failed = self.fails == (self.verb, program)
        return Result(1, "", "no space left") if failed else Result(0, "")

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        if argv[-1] == str(move_verbs.PLACE):
            return Result(0, "the new storage\n") if is_mounted(self.copy(node)) else Result(1, "")
        if argv[-1] != DIRECTORY:
            return super()._findmnt(node, argv)
        return Result(0, f"{self._mounts_of(self.cib)[0]}\n") if is_mounted(self.datadir(node)) else Result(1, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert self.cib == self.other, "a file system was made over the data in use"
        assert not is_mounted(self.copy(node))
        shutil.rmtree(self.stores[self.kind])
        self.stores[self.kind].mkdir()
        return super()._mkfs(node, argv)

    def _mount(self, node: Node, argv: list[str]) -> Result:
        place = self.copy(node)
        if argv[-1] != str(move_verbs.PLACE):
            return super()._mount(node, argv)
        assert not is_mounted(place), "mounted twice: the first one would stay for ever"
        done = super()._mount(node, [*argv[:-1], DIRECTORY])
        if not done.returncode:
            node.mounted = False  # that is the cluster's place
            if isinstance(self, Nas):
                umount(self.place(node))
            mount(place, self.stores["nfs"].parent if self.kind == "nfs" else self.stores[self.kind])
        return done

    def _umount(self, node: Node, argv: list[str]) -> Result:
        if argv != [str(move_verbs.PLACE)]:
            return super()._umount(node, argv)
        umount(self.copy(node))
        return Result(0, "")

    def _secondary(self, node: Node, argv: list[str]) -> Result:
        if is_mounted(self.copy(node)):
            return Result(11, "", "State change failed: (-12) Device is held open by someone")
        return super()._secondary(node, argv)

    def _sync(self, node: Node, argv: list[str]) -> Result:
        return Result(0, "")

    def _rsync(self, node: Node, argv: list[str]) -> Result:
        """What of it :mod:`hamysql.storage.move.copying` needs; its quick check knows whole seconds."""
        source, target = (node.root / word.strip("/") for word in argv[-2:])
        assert is_mounted(self.copy(node)), "the copy goes to the root file system"
        assert is_mounted(source), "what is copied is not the old storage"
        assert source == self.datadir(node)
        assert self.cib == self.other
        listed = [word.partition("=")[2] for word in argv if word.startswith("--files-from=")]
        names = Path(listed[0]).read_bytes().decode().split("\0")[:-1] if listed else list(_files(source))
        for name in names:
            old, new = source / name, target / name
            if "--ignore-times" in argv or not new.exists() or _quick(old) != _quick(new):
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(old, new)
        if "--delete" in argv:
            for name in {*_files(target)} - {*_files(source)}:
                (target / name).unlink()
        return self._said("rsync")

    # --- the orchestration

    def migrate(self, test: bool = False) -> dict[str, Any]:
        """Its four phases; returns the first that fails, or all of their changes."""
        self.dead = False
        states = load("_states/hamysql_migration.py", "world_hamysql_migration")
        deployment = Deployment(self, test)
        states.__context__, states.__opts__ = {"hamysql_orch": deployment}, {"test": test}
        changes: dict[str, Any] = {}
        for phase in PHASES:
            ret = getattr(states, phase)(f"hamysql-migration-{phase}")
            changes |= {phase: ret["changes"]} if ret["changes"] else {}
            if ret["result"] is False:
                return ret
        return {"result": True, "changes": changes, "comment": ret["comment"], "steps": deployment.steps}


def _files(folder: Path) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        yield from (str(Path(where, name).relative_to(folder)) for name in names)


def _quick(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_size, int(seen.st_mtime)


class ToLun(Move, Lun):
    kind, other = "shared", "drbd"

    def _proc(self, node: Node) -> str:
        """Of the DRBD in use."""
        if self.cib != "drbd" or "ms_drbd_mysql" in self.stopped:
            return MODULE
        roles = ("Primary", "Secondary") if node.name == self.home else ("Secondary", "Primary")
        return MODULE + proc(Status("Connected", *roles, "UpToDate", "UpToDate"))


class ToNas(Move, Nas):
    kind, other = "nfs", "shared"


class ToDrbd(Move, World):
    kind, other = "drbd", "nfs"
