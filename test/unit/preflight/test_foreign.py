"""A cluster that hamysql has not made is told by what it is; hamysql's own, at each stage, and a distribution's example are not."""

from __future__ import annotations

import json

import pytest
from test_preflight import WINDOW, survey

from hamysql.corosync import conf
from hamysql.preflight import foreign
from hamysql.preflight import judge as preflight_judge
from hamysql.system import root
from hamysql.system.command import Result
from support import ROOT

SITE = json.loads((ROOT / "test/unit/config/fixtures/lab.json").read_text(encoding="utf-8"))
EXAMPLE = """# Please read the corosync.conf.5 manual page
totem {
	version: 2
	cluster_name: debian
	crypto_cipher: none
}
nodelist {
	node {
		name: node1
		nodeid: 1
		ring0_addr: 127.0.0.1
	}
}
"""  # of corosync 3.1.7-1+deb12u2, shortened
BOUND = "totem {\n\tversion: 2\n\tinterface {\n\t\tringnumber: 0\n\t\tbindnetaddr: 10.1.0.0\n\t}\n}\n"
CIB = (
    '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
    '<nvpair id="a" name="dc-version" value="2.1.5"/><nvpair id="b" name="cluster-name" value="debian"/>'
    '<nvpair id="c" name="have-watchdog" value="false"/>{settings}</cluster_property_set></crm_config><nodes/>'
    "<resources>{resources}</resources><constraints/>{tags}</configuration><status/></cib>"
)
DUMMY = '<primitive id="p_test" class="ocf" provider="heartbeat" type="Dummy"/>'
PROPERTY = '<nvpair id="d" name="stonith-enabled" value="false"/>'


def tag(name):
    return f'<tags><tag id="{name}"><obj_ref id="p_test"/></tag></tags>'


class Machine:
    def __init__(self, folder):
        self.folder, self.runs, self.asked = folder, True, []
        self.file("usr/sbin/corosync-cmapctl", "").chmod(0o755)

    def file(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def corosync(self, text):
        self.file("etc/corosync/corosync.conf", text)

    def pacemaker(self, resources="", settings="", tags=""):
        self.file("var/lib/pacemaker/cib/cib.xml", CIB.format(resources=resources, settings=settings, tags=tags))

    def run(self, argv, **_):
        self.asked.append(argv)
        return Result(0 if self.runs else 1, "", "")

    def seen(self):
        with root.below(self.folder):
            return foreign.seen(self.run, SITE)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def own():
    return f"{foreign.MARK} and hamysql:corosync; corosync.conf(5)\n{conf.export(conf.build(SITE))}"


def test_the_mark_is_how_the_template_begins():
    template = (ROOT / "hamysql/corosync/files/corosync.conf.jinja").read_text(encoding="utf-8")
    assert template.startswith(foreign.MARK)


def test_a_bare_machine_and_a_distributions_example_are_nobodys(machine):
    assert machine.seen() == ""
    machine.corosync(EXAMPLE)
    assert machine.seen() == ""
    machine.pacemaker()
    assert machine.seen() == ""
    machine.pacemaker(settings='<nvpair id="e" name="build-resource-stickiness" value="1"/>')
    assert machine.seen() == ""
    assert machine.asked == []


@pytest.mark.parametrize("cluster", [{}, {"resources": DUMMY}, {"settings": PROPERTY}])
def test_what_a_deployment_has_laid_down_is_ours_however_far_it_came(machine, cluster):
    machine.corosync(own())
    assert machine.seen() == ""
    machine.pacemaker(**cluster)
    assert machine.seen() == ""


@pytest.mark.parametrize("name", ["hamysql", "hamysql-configure"])
@pytest.mark.parametrize("text", ["", EXAMPLE, BOUND])
def test_a_tag_of_ours_is_enough_whatever_else_an_administrator_has_added(machine, name, text):
    machine.corosync(text)
    machine.pacemaker(resources=DUMMY, settings=PROPERTY, tags=tag(name))
    assert machine.seen() == ""


def test_a_tag_of_somebody_else_is_not(machine):
    machine.pacemaker(resources=DUMMY, tags=tag("mine"))
    assert machine.seen() == "pacemaker's configuration has p_test, mine"


@pytest.mark.parametrize("runs", [True, False])
def test_resources_and_settings_of_others_count_even_while_pacemaker_is_down(machine, runs):
    machine.runs = runs
    machine.corosync(EXAMPLE)
    machine.pacemaker(settings=PROPERTY)
    assert machine.seen() == "pacemaker's configuration has stonith-enabled"
    machine.pacemaker(resources="".join(DUMMY.replace("p_test", f"p{number}") for number in range(8)))
    assert machine.seen() == "pacemaker's configuration has p0, p1, p2, p3, p4, p5 and 2 more"


def test_a_corosync_of_others_counts_while_it_runs(machine):
    machine.corosync(BOUND)
    assert machine.seen() == "corosync runs as a cluster without a name with 10.1.0.0"
    machine.runs = False
    assert machine.seen() == ""
    machine.runs = True
    addresses = [address for node in SITE["cluster"]["nodes"].values() for address in node["addresses"]]
    text = conf.export(conf.build(SITE))
    machine.corosync(text)
    assert machine.seen() == "", "the same nodes under the same name"
    machine.corosync(text.replace(addresses[-1], "10.77.9.9"))
    assert "10.77.9.9" in machine.seen()
    machine.corosync(text.replace(f"cluster_name: {SITE['cluster']['name']}", "cluster_name: other"))
    assert machine.seen().startswith("corosync runs as cluster other with ")
    (machine.folder / "usr/sbin/corosync-cmapctl").unlink()
    assert machine.seen() == ""


def test_what_cannot_be_read_is_not_written_over(machine):
    machine.file("var/lib/pacemaker/cib/cib.xml", "<cib")
    assert machine.seen().startswith("pacemaker has a configuration that cannot be read: ")
    machine.corosync(own())
    assert machine.seen() == ""


def test_preflight_tells_it_alone_on_new_members_and_on_settled_ones():
    site = {name: survey(name) for name in ("db1", "db2")}
    site["db2"]["facts"] |= {"foreign": "pacemaker's configuration has p_mysql", "nodename": "other"}
    for latch in ({}, {"stage": "INITIALISED"}):
        site["db2"]["storage"]["latch"] = latch
        (finding,) = preflight_judge.judge(site, WINDOW)
        assert finding.refuses
        assert str(finding).startswith(
            "db2: found a cluster that hamysql has not made (pacemaker's configuration has p_mysql), expected none, or hamysql's own."
        )
        assert "`salt-run hamysql.adopt`" in str(finding)
