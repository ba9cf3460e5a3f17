"""A cluster of the 2013 procedure that runs, as pacemaker's own tools have it in a file: crm makes it, and crm_simulate starts it.

What pacemaker itself does is done here: it forgets what it is told to, and looks at it by the configuration's names and agents.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

from hamysql.system.command import Result, run
from support import ROOT

SCRIPT = ROOT / "test/helpers/procedure_2013.sh"
PROGRAMS = ("crm", "cibadmin", "crm_diff", "crm_mon", "crm_verify", "crm_simulate")
EMPTY = (
    '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1">'
    '<configuration><crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="v" name="dc-version" value="2.1.5"/>'
    '</cluster_property_set></crm_config><nodes><node id="1" uname="db1"/><node id="2" uname="db2"/></nodes><resources/>'
    "<constraints/></configuration><status/></cib>"
)
NODES = ("db1", "db2")
# What runs by whichever agent; where all else runs, crm_simulate knows.
KINDS = ("IPaddr2", "address", "Filesystem", "filesystem", "mysql", "drbd")


class World:
    """The file, what runs where, and what was done.

    names
        Of the procedure's elements those that have another one.
    words
        Further words of crm, one list a command.
    """

    def __init__(self, folder: Path, names=(), words=()):
        folder.mkdir(exist_ok=True)
        self.path, self.folder = folder / "cib.xml", folder
        self.active, self.commands, self.held = "db1", [], []
        self.dies_at, self.lost, self.without_scores = "", set(), False
        self.path.write_text(EMPTY)
        env = {**os.environ, "CIB_file": str(self.path), "HOME": str(folder)}
        text = SCRIPT.read_text()
        for old, new in dict(names).items():
            text = text.replace(old, new)
        made = subprocess.run(["sh", "-s", "resources"], input=text, env=env, text=True, capture_output=True)
        assert made.returncode == 0, made.stdout + made.stderr
        for more in words:
            subprocess.run(["crm", "-F", "configure", *more], check=True, env=env, capture_output=True)
        self._simulate("--node-up", "db1", "--node-up", "db2")
        self._score()
        self._simulate()
        assert self.simulated() == [], "it runs"
        self.commands.clear()

    # --- the file

    def read(self):
        return self.path.read_text()

    @property
    def root(self):
        return ET.fromstring(self.read())

    def write(self, root):
        self.path.write_text(ET.tostring(root, "unicode"))

    @property
    def maintenance(self):
        pairs = self.root.iterfind("configuration/crm_config//nvpair[@name='maintenance-mode']")
        return [pair.get("value") for pair in pairs] == ["true"]

    def configuration(self):
        """The configuration without the counters, to be compared."""
        return ET.canonicalize(ET.tostring(self.root.find("configuration"), "unicode"), strip_text=True)

    # --- pacemaker

    def _tool(self, *argv, **options):
        return run(list(argv), env={"CIB_file": str(self.path)}, **options)

    def _simulate(self, *more):
        done = self.folder / "done.xml"
        argv = ["crm_simulate", "--xml-file", str(self.path), *more, "--simulate", "--save-output", str(done)]
        run(argv)
        self.path.write_text(done.read_text())

    def simulated(self):
        said = run(["crm_simulate", "--xml-file", str(self.path), "--simulate", "--output-as=xml"]).stdout
        return [dict(element.attrib) for element in ET.fromstring(said).iterfind("actions/*")]

    def _score(self):
        """What DRBD's agent sets when it looks, by its own name."""
        root = self.root
        names = [item.get("id") for item in root.iterfind("configuration/resources//primitive[@type='drbd']")]
        for node in root.iterfind("status/node_state"):
            number = node.get("id")
            for old in node.findall("transient_attributes"):
                node.remove(old)
            if self.without_scores:
                continue
            holder = ET.SubElement(node, "transient_attributes", id=number)
            pairs = ET.SubElement(holder, "instance_attributes", id=f"status-{number}")
            worth = "10000" if node.get("uname") == self.active else "9000"
            for name in names:
                ET.SubElement(pairs, "nvpair", id=f"status-{number}-{name}", name=f"master-{name}", value=worth)
        self.write(root)

    def _finds(self, name, node):
        """The code with which a look ends: 0 runs, 7 does not, 8 is promoted."""
        item = self.root.find(f"configuration/resources//primitive[@id='{name}']")
        if item is None or name in self.lost:
            return 7
        if item.get("type") == "drbd":
            return 8 if node == self.active else 0
        return 0 if node == self.active else 7

    def look(self, name):
        """Forget a resource, and look at it by what the configuration says."""
        root = self.root
        for resources in root.iterfind("status/node_state/lrm/lrm_resources"):
            for noted in resources.findall(f"lrm_resource[@id='{name}']"):
                resources.remove(noted)
        self.write(root)
        if root.find(f"configuration/resources//primitive[@id='{name}']") is None:
            return
        self.settle()

    def settle(self):
        """What pacemaker does while it is held: it looks at what it does not know."""
        assert self.maintenance, "pacemaker would act on what it does not know"
        self._simulate()
        root = self.root
        for node in root.iterfind("status/node_state"):
            for noted in node.iterfind("lrm/lrm_resources/lrm_resource"):
                name = noted.get("id").partition(":")[0]
                if noted.get("type") not in KINDS:
                    continue
                for look in noted.iterfind("lrm_rsc_op[@operation='monitor'][@interval='0']"):
                    code = self._finds(name, node.get("uname"))
                    # A look expects 7, nothing; what it finds otherwise is no failure.
                    look.set("rc-code", str(code))
                    look.set("transition-magic", f"0:{code};{look.get('transition-key')}")
        self.write(root)
        self._score()

    def run(self, argv, *, env=None, **options):
        if self.dies_at and " ".join(argv).startswith(self.dies_at):
            raise KeyboardInterrupt
        self.commands.append(" ".join(argv[:2] + (argv[3:4] if argv[0] == "crm_resource" else [])))
        if argv[0] == "crm_resource":
            if argv[1] == "--refresh":
                self.look(argv[argv.index("--resource") + 1])
            elif self.maintenance:
                self.settle()
            return Result(0, "", "")
        if argv[0] == "attrd_updater":
            return Result(0, "", "")
        before = self.configuration()
        result = run(argv, env={"CIB_file": str(self.path), **(env or {})}, **options)
        if self.configuration() != before:
            self.held.append(self.maintenance)
        return result
