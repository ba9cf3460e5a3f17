"""A cluster that serves from one kind of storage and is moved to another; see ``storage_world`` and ``lun_nfs_world``.

All verbs, plans, latches and the orchestration's phases are the real ones, on files below a folder for each node. Programs are
answered from a model: pacemaker obeys a CIB at once, a mount is a link to a folder with the data, and rsync copies files. Waiting
takes no time. What may never happen is an ``AssertionError`` at the moment at which it would.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from unittest import mock

import minion
from cut_off import MasterKilled
from lun_nfs_world import Lun, Nas
from machines import is_mounted, mount, put, umount
from migration_programs import CIB, REPLICA, Programs
from minion import load
from printed import MODULE, proc
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

PHASES = ("checked", "prepared", "copied", "switched")
SAME = {"hamysql_cib_|-a_|-a_|-managed": {"__id__": "a", "result": True, "changes": {}, "comment": ""}}
# What a cluster mounts that serves from such storage before its move, and the kind of file system.
MOUNTED = {"drbd": (DEVICE, "xfs"), "shared": ("/dev/disk/by-id/wwn-0x2", "xfs"), "nfs": ("nas:/srv/mysql", "nfs")}


class Move(Programs):
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
