"""Two replicas that are compared and made equal: programs are answered from a model, and nothing else is."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from machines import put

from hamysql.errors import CommandFailed
from hamysql.storage.drbd.care import record
from hamysql.storage.drbd.care.site import Site
from hamysql.system.command import Result

CIB = '<cib epoch="1" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes>{}</nodes><resources/><constraints/></configuration><status/></cib>'


class Replica:
    """One node's DRBD 8.4; ``run`` answers its programs, and ``programs`` has those that change something.

    ``runs`` is how many looks a verification takes, ``differ`` what it finds (KiB); ``fails`` is the program that fails.
    """

    def __init__(self, tmp_path, monkeypatch, node="db1", role="Primary"):
        self.connection, self.disk, self.peer_disk = "Connected", "UpToDate", "UpToDate"
        self.role, self.peer_role = role, "Secondary" if role == "Primary" else "Primary"
        self.out_of_sync, self.differ, self.runs, self.left = 0, 0, 2, 0
        self.current, self.alg, self.fails = 0xABCDEF01, "sha256", ""
        self.programs, self.records = [], {}
        self.proc = tmp_path / f"proc-{node}"
        self.here = Site(node, "mysql", 0, "3M", "10M", tmp_path / f"run-{node}")
        put(self.proc, "")
        monkeypatch.setattr("hamysql.storage.drbd.replica.PROC", self.proc)

    def looked(self, event, arguments):
        """Have ``/proc/drbd`` say what is so, right before somebody opens it (:func:`machines.watching`)."""
        if event == "open" and arguments[0] == str(self.proc):
            put(self.proc, self.text())

    def text(self):
        progress = "\t[>....] verified: 40.0% (60/100)K\n" if self.connection.startswith("Verify") else ""
        if self.connection == "VerifyS":
            self.left -= 1
            if self.left <= 0:
                self.connection, self.out_of_sync = "Connected", self.out_of_sync + self.differ
        return (
            "version: 8.4.11 (api:1/proto:86-101)\n"
            f" 0: cs:{self.connection} ro:{self.role}/{self.peer_role} ds:{self.disk}/{self.peer_disk} C r-----\n"
            f"    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:{self.out_of_sync}\n{progress}"
        )

    def run(self, argv, *, stdin=None, timeout=60, accept=(0,), env=None):
        words = [word for word in argv if word != "--"]
        if self.fails and self.fails in words:
            raise CommandFailed(argv, 10, "it does not")
        if words[:2] == ["drbdsetup", "show"]:
            alg = f'verify-alg "{self.alg}";' if self.alg else ""
            return Result(0, f"resource mysql {{\n    net {{\n        {alg}\n    }}\n}}\n")
        if "get-gi" in words:
            return Result(0, f"{self.current:016X}:0:0:0:1:1:0:1:0:0:0\n")
        if words[0] == "cibadmin":
            return Result(0, self.cib())
        self.programs.append(" ".join(words))
        if words[0] == "crm_attribute":
            self.records[words[words.index("--node") + 1]] = words[-1]
        elif "verify" in words:
            self.connection, self.left = "VerifyS", self.runs
        elif "disconnect" in words:
            self.connection, self.disk, self.peer_disk, self.peer_role = "StandAlone", "Outdated", "DUnknown", "Unknown"
        elif "connect" in words:
            self.connection, self.disk, self.peer_disk, self.peer_role = "Connected", "UpToDate", "UpToDate", "Primary"
            self.out_of_sync = 0
        return Result(0, "")

    def cib(self, records=None):
        nodes = []
        for number, (name, value) in enumerate((records or self.records).items(), 1):
            node = ET.Element("node", id=str(number), uname=name)
            pairs = ET.SubElement(node, "instance_attributes", id=f"nodes-{number}")
            ET.SubElement(pairs, "nvpair", id=f"n{number}", name="hamysql-verified", value=value)
            nodes.append(ET.tostring(node, "unicode"))
        return CIB.format("".join(nodes))

    @property
    def recorded(self):
        return {node: record.newest(self.cib({node: value})) for node, value in self.records.items()}
