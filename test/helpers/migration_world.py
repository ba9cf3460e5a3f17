"""A cluster that serves from one kind of storage and is moved to another; see ``storage_world`` and ``shared_world``.

The new storage's verbs, all plans, the latches (in folders of their own for each node) and the orchestration's phases are the real
ones. The copy is a list of rows. What may never happen is an ``AssertionError`` at the moment at which it would.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from shared_world import Lun, Nas
from storage_world import MasterKilled, Node, World, _Deployment, load

from hamysql.master.members import Answer
from hamysql.storage import backends, latch
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.move import switch as move_switch
from hamysql.storage.nfs.mark import NFS_FOLDER

PHASES = ("checked", "prepared", "copied", "switched")
SAME = {"hamysql_cib_|-a_|-a_|-managed": {"__id__": "a", "result": True, "changes": {}, "comment": ""}}


class Move:
    """Mixed into a world: what the cluster serves from now, and the verbs of the migration."""

    kind = "drbd"
    other = "shared"  # what the data is on at first

    def __init__(self, folder: Any) -> None:
        self.folders = {name: folder / name for name in ("db1", "db2")}
        self.cib, self.serving, self.stopped = self.other, "db1", set()
        self.places = {self.other: []}  # the rows on each kind of storage
        self.accepted: list[int] = []
        self.dead = False
        self.started_again = 0
        super().__init__(folder) if isinstance(self, (Lun, Nas)) else super().__init__()
        for name in self.nodes:
            self.folders[name].mkdir(exist_ok=True)
            latch.write(
                Latch("galaxy-db", "mysql", "/dev/old", Stage.INITIALISED, "0ld", backend=self.other),
                self.folders[name],
            )

    def _load(self, node: Node) -> None:
        super()._load(node)
        folder = self.folders[node.name]
        for module in node.modules.values():
            module.latch = SimpleNamespace(
                read=lambda resource, backend: latch.read(resource, backend, folder),
                write=lambda known: self._write_latch(node, known),
            )

    def _write_latch(self, node: Node, known: Latch) -> None:
        super()._write_latch(node, known)
        latch.write(known, self.folders[node.name])

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
        rows.append(len(rows))
        self.accepted.append(len(self.accepted))

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
            return getattr(self, f"_{verb}_verb")(node, self.folders[node.name], **kwargs)
        if function == "state.apply":
            return self._apply(node, kwargs["mods"])
        if module in ("hamysql_cib", "hamysql_mysql", "hamysql_fencing"):
            return {"changes": [], "actions": [], "drift": []}
        found = super()._execute(node, function, kwargs)
        if function == "hamysql_node.survey":
            whole = {"online": True, "pending": False, "standby": False}
            found["cluster"] |= {"running": True, "dc": "db1", "quorum": True, "maintenance": False}
            found["cluster"] |= {"nodes": dict.fromkeys(self.nodes, whole), "failures": [], "resources": []}
            found["settings"] = {**found["settings"], "warnings": []}
            found |= {"database": self.serving == node.name, "pending": []}
        return found

    def _apply(self, node: Node, mods: str) -> Any:
        if mods == "hamysql.pacemaker.resources":
            assert self.serving is None or self.cib == self.kind, (
                "the cluster's configuration was changed below a server"
            )
            assert "g_mysql" in self.stopped or self.cib == self.kind
            for name, folder in self.folders.items():
                assert move_switch.switched(self.kind, folder), f"{name} is not switched"
            self.cib = self.kind
        return SAME

    # --- the verbs of _modules/hamysql_migration.py

    def _known(self, folder: Any) -> Latch:
        known = latch.read("mysql", self.kind, folder)
        assert latch.place(self.kind, folder) == folder / latch.NEXT
        assert known is not None
        assert backends.KINDS[self.kind].ready <= known.stage < Stage.INITIALISED
        return known

    def _survey_verb(self, node: Node, folder: Any) -> Any:
        moving = latch.moving_to(folder)
        known = (
            latch.read("mysql", self.kind, folder) if moving and not move_switch.switched(self.kind, folder) else None
        )
        return {
            "backend": self.kind, "in_use": [one.as_dict() for one in latch.in_use(folder)], "next": known.as_dict() if known else {},
            "moving": moving, "cib": self.cib, "datadir": "/var/lib/mysql", "stopped": sorted(self.stopped), "hands": [], "replication": "",
        }  # fmt: skip

    def _begin_verb(self, node: Node, folder: Any, seed: bool = False) -> bool:
        assert self.serving is not None, "a copy is begun anew while the service is stopped"
        return move_switch.begin(self.kind, seed, folder)

    def _copy_verb(self, node: Node, folder: Any) -> Any:
        known = self._known(folder)
        assert self.serving == node.name
        latch.write(replace(known, stage=backends.KINDS[self.kind].ready), folder)
        return self._copied(node)

    def _final_verb(self, node: Node, folder: Any) -> Any:
        known = self._known(folder)
        assert self.serving is None, "the last pass is made below a server"
        assert "g_mysql" not in self.stopped, "the old storage is not mounted any more"
        self._copied(node)
        latch.write(replace(known, stage=Stage.DATADIR), folder)
        return self._copied(node)

    def _copied(self, node: Node) -> Any:
        self.places[self.kind] = list(self.places[self.other])
        if self.kind == "nfs":
            (self.export / NFS_FOLDER / "mysql").mkdir(parents=True, exist_ok=True)
        if self.kind == "drbd":
            self.change(node, database="complete")
        return {"seconds": 1.0, "files": 9, "read": 1}

    def _wait_synchronised_verb(self, node: Node, folder: Any, timeout: float) -> bool:
        self.synchronise()
        return True

    def _stop_server_verb(self, node: Node, folder: Any, timeout: float) -> bool:
        self.stopped.add("p_mysql")
        self.serving = None
        return True

    def _stop_service_verb(self, node: Node, folder: Any, timeout: float) -> bool:
        self.stopped.add("g_mysql")
        return True

    def _start_verb(self, node: Node, folder: Any) -> bool:
        was, self.stopped, self.serving = bool(self.stopped), set(), "db1"
        self.started_again += self.cib == self.other
        return was

    def _switch_verb(self, node: Node, folder: Any) -> bool:
        assert self.serving is None or self.cib == self.kind
        return move_switch.switch(self.kind, "20260131T120000", folder)

    def _finish_verb(self, node: Node, folder: Any) -> bool:
        assert move_switch.switched(self.kind, folder)
        return move_switch.forget(folder)

    # --- the orchestration

    def migrate(self, test: bool = False) -> dict[str, Any]:
        """Its four phases; returns the first that fails, or all of their changes."""
        self.dead = False
        states = load("_states/hamysql_migration.py", "world_hamysql_migration")
        deployment = _Deployment(self, states)
        deployment.test = test
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


class ToNas(Move, Nas):
    kind, other = "nfs", "shared"


class ToDrbd(Move, World):
    kind, other = "drbd", "nfs"
