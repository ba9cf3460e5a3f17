"""A cluster of the 2013 procedure, made by its script with crm: no SLS file of hamysql's compiles there, until the cluster is hamysql's."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from salt_node import Node

from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from hamysql.corosync import conf
from hamysql.preflight import foreign
from hamysql.system import root
from hamysql.system.command import Result
from support import ROOT, load_pillar, parameters

PROGRAMS = ("crm", "cibadmin", "crm_verify")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)} (Debian: crmsh, pacemaker-cli-utils)"
)
SCRIPT = ROOT / "test/helpers/procedure_2013.sh"
FRESH = (
    '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>'
    '<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="v" name="dc-version" value="2.1.5-a3f44794f94"/>'
    '<nvpair id="i" name="cluster-infrastructure" value="corosync"/><nvpair id="n" name="cluster-name" value="debian"/>'
    '</cluster_property_set></crm_config><nodes><node id="1" uname="db1"/></nodes><resources/><constraints/></configuration>'
    "<status/></cib>"
)  # as the package of Debian 12 starts it
EXAMPLE = "totem {\n\tversion: 2\n\tcluster_name: debian\n}\nnodelist {\n\tnode {\n\t\tname: node1\n\t\tring0_addr: 127.0.0.1\n\t}\n}\n"
DUMMY = ("primitive", "p_site", "ocf:heartbeat:Dummy", "op", "monitor", "interval=30s", "timeout=20s")


class Machine:
    """What there is of a cluster, below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.cib, self.conf = folder / "var/lib/pacemaker/cib/cib.xml", folder / "etc/corosync/corosync.conf"
        for file in (self.cib, self.conf, folder / "usr/sbin/corosync-cmapctl"):
            file.parent.mkdir(parents=True, exist_ok=True)
        (folder / "usr/sbin/corosync-cmapctl").touch(mode=0o755)
        self.cib.write_text(FRESH)
        self.conf.write_text(EXAMPLE)
        self.env = {**os.environ, "CIB_file": str(self.cib), "HOME": str(folder), "ROOT": str(folder)}
        merged = resolution.layered(parameters("Debian"), load_pillar("minimal"))
        self.site = resolution.resolve(merged, minion_id="db1", nodename="db1")

    def crm(self, *words):
        subprocess.run(["crm", "-F", "configure", *words], check=True, env=self.env, capture_output=True)

    def script(self, *steps):
        subprocess.run([SCRIPT, *steps], check=True, env=self.env, capture_output=True)

    def ours(self):
        """What hamysql puts into pacemaker's configuration, by its own plan."""
        planned = cib_plan.plan(self.cib.read_text(), resources.desired(self.site))
        self.cib.write_text(planned.xml)

    def seen(self, corosync_runs=True):
        with root.below(self.folder):
            return foreign.seen(lambda *_, **__: Result(0 if corosync_runs else 1, "", ""), self.site)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def test_what_the_package_starts_by_itself_is_deployable(machine):
    assert machine.seen() == ""


def test_a_cluster_of_the_2013_procedure_is_told(machine):
    machine.script("files")
    assert machine.seen() == "corosync runs as cluster openstack with 10.1.0.11, 10.1.0.12"
    machine.script("resources")
    told = machine.seen()
    assert told.startswith(
        "corosync runs as cluster openstack with 10.1.0.11, 10.1.0.12; pacemaker's configuration has "
    )
    machine.conf.unlink()
    assert machine.seen(corosync_runs=False) == told.partition("; ")[2], "pacemaker would start all of it again"


def test_a_single_property_of_somebody_is_told(machine):
    machine.crm("property", "stonith-enabled=false")
    assert machine.seen() == "pacemaker's configuration has stonith-enabled"


def test_hamysql_s_own_is_not_at_any_stage_and_with_resources_of_the_administrator(machine):
    own = f"{foreign.MARK} and hamysql:corosync; corosync.conf(5)\n{conf.export(machine.site['corosync']['sections'])}"
    machine.conf.write_text(own)
    assert machine.seen() == ""
    machine.crm(*DUMMY)
    assert machine.seen() == "", "somebody was faster than the deployment"
    machine.ours()
    assert machine.seen() == ""
    for text in (EXAMPLE, ""):
        machine.conf.write_text(text)
        assert machine.seen() == ""


@pytest.mark.parametrize("sls", ["hamysql", "hamysql.corosync", "hamysql.storage", "hamysql.package"])
def test_no_sls_file_compiles_there(machine, tmp_path, sls):
    machine.script("files", "resources")
    with root.below(machine.folder):
        there = Node(tmp_path / "minion", load_pillar("minimal"), "debian12")
    try:
        (said,) = there.call("state.show_sls", sls)
        assert "this node has a cluster that hamysql has not made" in said
        assert "salt-run hamysql.adopt" in said
        machine.cib.write_text(FRESH)
        machine.conf.write_text(EXAMPLE)
        assert isinstance(there.call("state.show_sls", sls), dict)
    finally:
        there.end()
