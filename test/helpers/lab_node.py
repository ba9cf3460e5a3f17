"""A node of the lab as a folder, and all that it says of itself: the real ``hamysql_node.survey``, with the real configuration.

Its files are real, below ``system.root``. Programs are answered from what the node is, the network and Salt's own functions from what
the lab has, and the clock stands still.
"""

from __future__ import annotations

import json
import os
import pickle
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

import machines
from machines import folder
from minion import load

from hamysql import fingerprint
from hamysql.cib.status import Cluster
from hamysql.config import resolution
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import CommandFailed
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Latch, Stage
from hamysql.system import command, reach, root
from hamysql.system.command import Result
from support import PARAMETERS, ROOT, parameters
from support import load as load_yaml

NAMES = ("db1", "db2")
SIZE = 2**29
UUIDS = {"db1": "e7c4c235a46d231d", "db2": "a9ed857efa422c00"}
GENERATION = "949CA4647D747839:0000000000000000:32C4AE688FE0A053:0000000000000004:1:1:1:1:0:0:0"
GRAINS = {"os_family": "Debian", "os": "Debian", "osrelease": "12", "osmajorrelease": 12}
MODULES = ("hamysql_node", "hamysql", "hamysql_cluster", "hamysql_mysql", "hamysql_change", "hamysql_tls")
CODE = fingerprint.code("/no modules")  # no node has any in a folder of its own
PROC = "version: 8.4.11 (api:1/proto:86-101)\n"


def pillar() -> Any:
    """The lab's."""
    return load_yaml(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]


PILLARS = dict.fromkeys(NAMES, fingerprint.pillar(pillar()))  # as the master compiles them, and as the nodes have them


@dataclass
class Node:
    """One of the lab's nodes. A field that is not given is that of a bare machine.

    stage
        How far its replica has come; hamysql's files and programs are there then.
    replica
        The resource in its kernel; ``cluster``: what its pacemaker sees. ``None``: it does not run.
    generation
        What ``drbdadm get-gi`` prints.
    database
        Whether a server answers on its socket.
    """

    name: str
    pillar: Any = field(default_factory=pillar)
    stage: Stage | None = None
    replica: Status | None = None
    cluster: Cluster | None = None
    generation: str = GENERATION
    database: bool = False
    addresses: Mapping[str, Sequence[str]] | None = None  # of each interface; the pillar's by default

    @property
    def disk(self) -> str:
        return str(self.pillar["storage"]["drbd"]["disk"])

    def survey(self) -> Any:
        """What ``hamysql_node.survey`` returns, as it comes over Salt's bus."""
        with TemporaryDirectory(prefix="node-", dir=folder()) as place:
            self._lay_down(Path(place))
            network = {"unreachable": lambda *_: [], "owner": lambda *_: "", "connects": lambda *_: True}
            with (
                root.below(Path(place)),
                mock.patch.object(command, "run", self.run),
                mock.patch.multiple(reach, **network),
            ):
                return json.loads(json.dumps(self._modules(Path(place))["hamysql_node.survey"]()))

    # --- what is on it

    def _lay_down(self, place: Path) -> None:
        machines.disk(place / self.disk.lstrip("/"), SIZE)
        machines.program(place, "crm")
        machines.put(place / f"lib/modules/{os.uname().release}/modules.dep", "updates/dkms/drbd.ko:\n")
        if self.stage is None:
            return
        for program in ("crm_mon", "corosync-cmapctl", "drbdadm"):
            machines.program(place, program)
        known = Latch("galaxy-db", "mysql", self.disk, self.stage, UUIDS[self.name])
        machines.put(place / "var/lib/hamysql/mysql.json", json.dumps(known.as_dict()))
        machines.put(place / "var/lib/hamysql/drbd-link", "1\n")
        site = self._site()
        machines.put(place / "etc/corosync/corosync.conf", site["corosync"]["text"])
        machines.put(place / "etc/corosync/authkey", site["corosync"]["authkey"])
        machines.put(place / "etc/drbd.d/mysql.res", site["storage"]["drbd"]["resource_texts"]["8.4"])
        if self.replica is not None:
            machines.put(place / "proc/drbd", PROC + proc(self.replica))

    # --- its programs

    def run(self, argv: Sequence[str], *, accept: Any = (0,), **_: Any) -> Result:
        done = self._answer(list(argv))
        if done.returncode not in accept:
            raise CommandFailed(argv, done.returncode, done.stderr)
        return done

    def _answer(self, argv: list[str]) -> Result:
        if argv[0] == "ip":
            return Result(0, json.dumps([_link(name, found, self.name) for name, found in self._addresses().items()]))
        if argv[0] == "crm_mon":
            return Result(0, crm_mon(self.cluster)) if self.cluster else Result(102, "<pacemaker-result/>")
        if argv[0] == "corosync-cmapctl":
            return Result(0, self._map()) if self.cluster else Result(1, "", "Failed to initialize the cmap API")
        if argv[0] == self._site()["mysql"]["client"]:
            return (
                Result(0, "1\n")
                if self.database
                else Result(1, "", "ERROR 2002 (HY000): Can't connect to local server")
            )
        answers: dict[str, Callable[[], Result]] = {
            "blockdev": lambda: Result(0, f"{SIZE}\n"),
            "wipefs": lambda: Result(0, self._signatures()),
            "lsblk": lambda: Result(0, json.dumps({"blockdevices": [self._device()]})),
            "drbdadm": lambda: Result(0, f"{self.generation}\n" if "get-gi" in argv else ""),
            "drbdsetup": lambda: Result(0, self._show()),
        }
        assert argv[0] in answers, f"{argv}: nobody answers that for the lab's nodes"
        return answers[argv[0]]()

    def _addresses(self) -> Mapping[str, Sequence[str]]:
        own = self.pillar["cluster"]["nodes"][self.name]["addresses"]
        return self.addresses or {f"eth{number}": [f"{address}/24"] for number, address in enumerate(own)}

    def _signatures(self) -> str:
        if self.stage is None:
            return ""
        return json.dumps({"signatures": [{"type": "drbd", "offset": hex(SIZE - 4036), "uuid": UUIDS[self.name]}]})

    def _device(self) -> dict[str, Any]:
        row = {"type": "disk", "mountpoints": [None]}
        above = {"name": "/dev/drbd0", **row, "mountpoints": ["/var/lib/mysql" if self.database else None]}
        return {"name": self.disk, **row, "children": [above] if self.replica else []}

    def _map(self) -> str:
        wanted = corosync_pending.keys(self._site()["corosync"]["sections"])
        return "".join(f"{key} (str) = {value}\n" for key, value in wanted.items())

    def _show(self) -> str:
        """What of it the product compares: the rest is for ``drbdadm --dry-run adjust``, which has nothing to do here."""
        nodes, port = self._site()["cluster"]["nodes"], self._site()["storage"]["drbd"]["port"]
        own, peer = (
            nodes[name]["replication"] for name in (self.name, next(name for name in NAMES if name != self.name))
        )
        volume = f'volume 0 {{\ndevice minor 0;\ndisk "{self.disk}";\n}}\n'
        hosts = (
            f"_remote_host {{\naddress ipv4 {peer}:{port};\n}}\n_this_host {{\naddress ipv4 {own}:{port};\n{volume}}}\n"
        )
        return f"resource mysql {{\n{hosts}}}\n"

    # --- Salt

    def _site(self) -> Any:
        return pickle.loads(_resolved(json.dumps(self.pillar), self.name))

    def _modules(self, place: Path) -> dict[str, Callable[..., Any]]:
        """The execution modules' functions, as Salt's loader has them."""
        functions: dict[str, Callable[..., Any]] = {
            "cp.cache_dir": lambda *_, **__: [str(path) for path in sorted(PARAMETERS.rglob("*.yaml"))],
            "pkg.list_pkgs": lambda: {},
            "pkg.latest_version": lambda *names, **_: dict.fromkeys(names, "3.1.7-1"),
        }
        context: dict[str, Any] = {}
        for name in MODULES:
            module = load(f"_modules/{name}.py", f"{self.name}_{name}")
            module.__salt__, module.__context__ = functions, context
            module.__grains__, module.__pillar__ = {**GRAINS, "nodename": self.name}, {"hamysql": self.pillar}
            module.__opts__ = {"id": self.name, "extension_modules": str(place / "no modules"), "test": False}
            if "run" in vars(module):
                module.run = self.run
            if "time" in vars(module):
                module.time = SimpleNamespace(time=lambda: 0.0)
            aliases = vars(module).get("__func_alias__", {})
            functions |= {
                f"{vars(module)['__virtualname__']}.{aliases.get(found, found)}": function
                for found, function in vars(module).items()
                if callable(function) and not found.startswith("_")
            }
        return functions


def proc(seen: Status) -> str:
    """The first device's lines in ``/proc/drbd``."""
    words = f"cs:{seen.connection} ro:{seen.role}/{seen.peer_role} ds:{seen.disk}/{seen.peer_disk}"
    return f" 0: {words} C r-----\n    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:{seen.out_of_sync}\n"


def crm_mon(seen: Cluster) -> str:
    """What ``crm_mon --output-as=xml`` prints of a cluster in this state (crm_mon-2.1.5-running.xml is one of a real cluster)."""
    top = ET.Element("pacemaker-result")
    summary = ET.SubElement(top, "summary")
    dc = {"present": "true", "name": seen.dc, "with_quorum": _word(seen.quorum)} if seen.dc else {"present": "false"}
    ET.SubElement(summary, "current_dc", dc)
    ET.SubElement(summary, "cluster_options", {"maintenance-mode": _word(seen.maintenance)})
    nodes, resources, failures, fencing = (
        ET.SubElement(top, name) for name in ("nodes", "resources", "failures", "fence_history")
    )
    for node in seen.nodes.values():
        ET.SubElement(nodes, "node", {key: _word(value) for key, value in asdict(node).items()})
    for item in seen.resources:
        flags = {key: _word(value) for key, value in asdict(item).items() if isinstance(value, bool)}
        inside = resources if item.parent is None else ET.SubElement(resources, "clone", id=item.parent)
        found = ET.SubElement(
            inside, "resource", {"id": item.id, "resource_agent": item.agent, "role": item.role, **flags}
        )
        if item.node:
            ET.SubElement(found, "node", name=item.node, cached="false")
    for failure in seen.failures:
        exit_status, _, status = failure.status.removesuffix(")").partition(" (")
        words = {"op_key": failure.action, "node": failure.node, "exitstatus": exit_status, "status": status}
        ET.SubElement(failures, "failure", {**words, "exitreason": failure.reason, "last-rc-change": failure.when})
    for shot in seen.fencing:
        words = {"target": shot.target, "action": shot.action, "status": shot.status, "client": shot.client}
        ET.SubElement(fencing, "fence_event", {**words, "completed": shot.completed, "exit-reason": shot.reason})
    return ET.tostring(top, "unicode")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _link(name: str, addresses: Sequence[str], node: str) -> dict[str, Any]:
    """One interface of ``ip -json address show``."""
    mac = f"02:00:00:00:0{name[-1]}:{node[-1]:0>2}"
    pairs = (address.split("/") for address in addresses)
    return {
        "ifname": name,
        "address": mac,
        "addr_info": [{"local": address, "prefixlen": int(prefix)} for address, prefix in pairs],
    }


@cache
def _resolved(given: str, name: str) -> bytes:
    """Pickled, because each who asks gets a copy."""
    merged = resolution.layered(parameters(), json.loads(given))
    return pickle.dumps(resolution.resolve(merged, minion_id=name, nodename=name))
