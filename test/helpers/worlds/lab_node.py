"""A node of the lab as a folder, and all that it says of itself: the real ``hamysql_node.survey``, with the real configuration.

Its files are real, below ``system.root``. Programs are answered from what the node is, the network and Salt's own functions from what
the lab has, and the clock says what it is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import machines
import minion
import printed
from storage_nodes import DIRECTORY as DATADIR

from hamysql import fingerprint
from hamysql.cib.status import Cluster
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import CommandFailed
from hamysql.mysql import pending as mysql_pending
from hamysql.preflight import foreign
from hamysql.storage import latch as latches
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Latch, Stage
from hamysql.system.command import Result
from support import ROOT
from support import load as load_yaml

NAMES = ("db1", "db2")
SIZE = 2**29
UUIDS = {"db1": "e7c4c235a46d231d", "db2": "a9ed857efa422c00"}  # of DRBD's metadata
GENERATION = "949CA4647D747839:0000000000000000:32C4AE688FE0A053:0000000000000004:1:1:1:1:0:0:0"
SERVER, BORN = 4711, 1000  # the server's process, and when it was born
CLUSTER = "galaxy-db"
NO_PACEMAKER, NO_COROSYNC = "<pacemaker-result/>", "Failed to initialize the cmap API"


def pillar() -> Any:
    """The lab's."""
    return load_yaml(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]


PILLARS = dict.fromkeys(NAMES, fingerprint.pillar(pillar()))  # as the master compiles them, and as the nodes have them


@dataclass
class Node:
    """One of the lab's nodes. A field that is not given is that of a bare machine that is fit.

    stage
        How far its storage has come; hamysql's files and programs are there then.
    replica
        The resource in its kernel; ``cluster``: what its pacemaker sees. ``None``: it does not run.
    generation
        What ``drbdadm get-gi`` prints.
    database
        Whether a server answers on its socket, with the data mounted.
    started_with
        The options that this server was started with, where they are not the pillar's; none of them can be set while it runs.
    addresses
        Of each interface; the pillar's by default.
    grains, packages
        What Salt says otherwise of this machine, and the version of each package that is installed.
    drbd
        The version of the kernel module, where it is loaded; ``None`` where the kernel has none at all.
    initiator
        The name of the machine's iSCSI initiator.
    silent, nobodys, vip_owner, away
        The addresses that answer no ping, and that nobody has; who answers for the virtual IP; the servers that accept no connection.
    clock
        The time as a survey begins, and as it ends.
    files
        Others that lie there, by their names from the root.
    """

    name: str
    pillar: Any = field(default_factory=pillar)
    stage: Stage | None = None
    replica: Status | None = None
    cluster: Cluster | None = None
    generation: str = GENERATION
    database: bool = False
    started_with: Mapping[str, str] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    grains: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    drbd: str | None = ""
    initiator: str = ""
    silent: Sequence[str] = ()
    nobodys: Sequence[str] = ()
    vip_owner: str = ""
    away: Sequence[str] = ()
    clock: tuple[float, float] = (0.0, 0.0)
    files: dict[str, str] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    answers: dict[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.addresses:
            own = self.pillar["cluster"]["nodes"][self.name]["addresses"]
            self.addresses = {f"eth{number}": [f"{address}/24"] for number, address in enumerate(own)}

    @property
    def kind(self) -> str:
        return str(self.pillar["storage"]["backend"])

    @property
    def disk(self) -> str:
        """What its storage is called: a device, or an export."""
        storage = self._site()["storage"]
        return str(
            {"drbd": storage["drbd"]["disk"], "nfs": storage["nfs"].get("source")}.get(
                self.kind, storage["filesystem"]["device"]
            )
        )

    def survey(self) -> Any:
        """What ``hamysql_node.survey`` returns, as it comes over Salt's bus."""
        with TemporaryDirectory(prefix="node-", dir=machines.folder()) as place:
            self._lay_down(Path(place))
            functions = minion.salts_own(self.packages)
            modules = minion.modules(
                self.name, ("hamysql", *minion.SURVEYING), functions, self.run, {"hamysql": self.pillar}, **self.grains
            )
            minion.stand_still(modules.values(), self.clock)
            with minion.at_work(Path(place), self.run, self._network()):
                return json.loads(json.dumps(functions["hamysql_node.survey"]()))

    def _network(self) -> Mapping[str, Any]:
        return {
            "unreachable": lambda pairs: [target for _, target in pairs if target in self.silent],
            "absent": lambda neighbours: [target for _, target in neighbours if target in self.nobodys],
            "owner": lambda *_: self.vip_owner,
            "connects": lambda host, port: f"{host}:{port}" not in self.away,
        }

    # --- what is on it

    def _lay_down(self, place: Path) -> None:
        if self.disk.startswith("/dev/"):
            machines.disk(place / self.disk.lstrip("/"), SIZE)
        machines.put(place / "proc/self/mounts", f"{self.disk} {DATADIR} nfs4 rw 0 0\n" if self.database else "")
        machines.program(place, "crm")
        if self.drbd is not None:
            machines.put(place / f"lib/modules/{os.uname().release}/modules.dep", "updates/dkms/drbd.ko:\n")
        if self.drbd:
            machines.put(place / "proc/drbd", printed.module(self.drbd))
        if self.initiator:
            machines.put(place / "etc/iscsi/initiatorname.iscsi", f"InitiatorName={self.initiator}\n")
        if self.stage is not None:
            self._install(place, self.stage)
        if self.started_with:
            self._start(place)
        for program in self.programs:
            machines.program(place, program)
        for name, text in self.files.items():
            machines.put(place / name, text)

    def _install(self, place: Path, stage: Stage) -> None:
        """hamysql's files and programs."""
        for program in ("crm_mon", "corosync-cmapctl", "drbdadm"):
            machines.program(place, program)
        known = Latch(CLUSTER, "mysql", self.disk, stage, UUIDS[self.name], backend=self.kind)
        machines.put(latches.place(self.kind, place / "var/lib/hamysql") / "mysql.json", json.dumps(known.as_dict()))
        site = self._site()
        machines.put(place / "etc/corosync/corosync.conf", foreign.MARK + "\n" + site["corosync"]["text"])
        machines.put(place / "etc/corosync/authkey", site["corosync"]["authkey"])
        if self.kind == "drbd":
            machines.put(place / "var/lib/hamysql/drbd-link", "1\n")
            machines.put(place / "etc/drbd.d/mysql.res", site["storage"]["drbd"]["resource_texts"]["8.4"])
        if self.replica is not None:
            machines.put(place / "proc/drbd", printed.MODULE + printed.proc(self.replica))
        if session := site["storage"]["shared"]["iscsi"]:
            machines.put(place / "sys/class/iscsi_session/session1/targetname", f"{session['target']}\n")

    def _start(self, place: Path) -> None:
        """The server's process, and the note of what it runs with."""
        stat = f"{SERVER} (mariadbd) S {' '.join(['0'] * 18)} {BORN} 0\n"
        machines.put(place / f"proc/{SERVER}/stat", stat)
        machines.put(place / "run/resource-agents/hamysql/p_mysql.pid", f"{SERVER} {BORN}\n")
        options = mysql_pending.wanted(self._site()["mysql"]) | {
            name: [value] for name, value in self.started_with.items()
        }
        machines.put(
            place / "run/hamysql/mysqld.json", mysql_pending.record(mysql_pending.Process(SERVER, BORN), options)
        )

    # --- its programs

    def run(self, argv: Sequence[str], *, accept: Any = (0,), stdin: str | None = None, **_: Any) -> Result:
        done = self._answer(list(argv), stdin or "")
        if done.returncode not in accept:
            raise CommandFailed(argv, done.returncode, done.stderr)
        return done

    def _answer(self, argv: list[str], stdin: str) -> Result:
        answers: dict[str, Callable[[], Result]] = {
            "ip": lambda: Result(0, printed.interfaces(self.addresses, self.name)),
            "crm_mon": lambda: Result(0, printed.crm_mon(self.cluster)) if self.cluster else Result(102, NO_PACEMAKER),
            "corosync-cmapctl": lambda: Result(0, self._map()) if self.cluster else Result(1, "", NO_COROSYNC),
            "blockdev": lambda: Result(0, f"{SIZE}\n"),
            "wipefs": lambda: Result(0, self._signatures()),
            "lsblk": lambda: Result(0, self._devices() if "--json" in argv else ""),
            "findmnt": lambda: Result(0, f"{self.disk}\n") if self.database else Result(1, ""),
            "drbdadm": lambda: Result(0, f"{self.generation}\n" if "get-gi" in argv else ""),
            "drbdsetup": lambda: Result(0, printed.show(self._site(), self.disk)),
            self._site()["mysql"]["client"]: lambda: self._client(stdin),
        } | {name: lambda said=said: said for name, said in self.answers.items()}
        assert argv[0] in answers, f"{argv}: nobody answers that for the lab's nodes"
        return answers[argv[0]]()

    def _client(self, statements: str) -> Result:
        if not self.database:
            return Result(1, "", printed.NO_SERVER)
        if "SYSTEM_VARIABLES" in statements:
            rows = (f"{name}\tBIGINT UNSIGNED\tYES\tGLOBAL\t{value}\n" for name, value in self.started_with.items())
            return Result(0, "".join(rows))
        return Result(0, "1\n")

    def _signatures(self) -> str:
        if self.stage is None:
            return ""
        own = {"type": "drbd", "offset": hex(SIZE - 4036)} if self.kind == "drbd" else {"type": "xfs", "offset": "0x0"}
        return json.dumps({"signatures": [{**own, "uuid": UUIDS[self.name]}]})

    def _devices(self) -> str:
        row = {"type": "disk", "mountpoints": [None]}
        mounted = [DATADIR if self.database else None]
        above = {"name": "/dev/drbd0", **row, "mountpoints": mounted}
        children = [above] if self.replica else []
        own = [None] if self.kind == "drbd" else mounted
        return json.dumps({"blockdevices": [{"name": self.disk, **row, "mountpoints": own, "children": children}]})

    def _map(self) -> str:
        wanted = corosync_pending.keys(self._site()["corosync"]["sections"])
        return "".join(f"{key} (str) = {value}\n" for key, value in wanted.items())

    def _site(self) -> Any:
        return minion.configuration(self.pillar, self.name)
