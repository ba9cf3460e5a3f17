"""The procedure's cluster becomes hamysql's, by pacemaker's real tools on a file: names, one change, what pacemaker would do then.

What pacemaker has noted is a live cluster's of the lab, with the names and agents of the procedure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from hamysql.adoption import exchange, take_over
from hamysql.cib import agents as cib_agents
from hamysql.cib import live as cib_live
from hamysql.cib import model
from hamysql.config import resources
from hamysql.errors import NotReady, Refused
from hamysql.system.command import Result
from hamysql.system.command import run as really
from support import ROOT

PROGRAMS = ("crm", "cibadmin", "crm_diff", "crm_verify", "crm_simulate")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)} (Debian: crmsh, pacemaker-cli-utils)"
)
FIXTURES = ROOT / "test/unit/config/fixtures"
SCRIPT = ROOT / "test/helpers/procedure_2013.sh"
# What the cluster calls what hamysql has other names for.
NAMES = {
    "p_fs_mysql": "fs_mysql",
    "p_ip_mysql": "ip_mysql",
    "p_drbd_mysql": "drbd_mysql",
    "ms_drbd_mysql": "ms_r0",
    "g_mysql": "grp",
    "p_mysql": "sql",
}
AGENTS = {
    "p_fs_mysql": ("heartbeat", "Filesystem"),
    "p_ip_mysql": ("heartbeat", "IPaddr2"),
    "p_drbd_mysql": ("linbit", "drbd"),
    "p_mysql": ("heartbeat", "mysql"),
}
HOLD = cib_agents.ID


def renamed(text):
    return re.sub("|".join(rf"(?<!\w){name}" for name in NAMES), lambda found: NAMES[found[0]], text)


class Pacemaker:
    """The tools on a file, and what pacemaker does by itself: it looks at what it has been told to forget.

    ``lost`` are resources that it does not find then, ``dies_at`` is where the process is killed.
    """

    def __init__(self, path):
        self.path, self.commands, self.lost, self.dies_at = path, [], set(), ""

    def run(self, argv, *, env=None, **options):
        words = " ".join(argv)
        if self.dies_at and words.startswith(self.dies_at):
            raise KeyboardInterrupt
        self.commands.append(words)
        if argv[0] == "crm_resource" and argv[1] != "--digests":
            if argv[1] == "--refresh":
                self.look(argv[3])
            return Result(0, "", "")
        if argv[0] == "attrd_updater":
            return Result(0, "", "")
        return really(argv, env={"CIB_file": str(self.path), **(env or {})}, **options)

    def read(self):
        return self.path.read_text()

    def configuration(self):
        items = model.index(model.configuration(model.parse(self.read()))).values()
        return {item.id: model.words(item) for item in items}

    def look(self, name):
        """Forget a resource, and find what is configured: by its agent, in the state that the lab's cluster was in."""
        root = ET.fromstring(self.read())
        primitives = {item.get("id"): item for item in root.iterfind("configuration/resources//primitive")}
        now = {theirs: ours for ours, theirs in NAMES.items()}
        for state in root.iterfind("status/node_state"):
            place = state.find("lrm/lrm_resources")
            for noted in [item for item in place if item.get("id") == name]:
                place.remove(noted)
            there = {item.get("id") for item in place}
            for id_, primitive in primitives.items():
                if id_ in there or primitive.get("class") == "stonith":
                    continue
                active = state.get("uname") == "db1"
                replica = now.get(id_, id_) == "p_drbd_mysql"
                code = ("8" if active else "0") if replica else "0" if active and id_ != "p_network_mysql" else "7"
                code = "7" if id_ in self.lost else code
                kind = {key: primitive.get(key) for key in ("class", "provider", "type")}
                done = {
                    "id": f"{id_}_last_0",
                    "operation_key": f"{id_}_monitor_0",
                    "operation": "monitor",
                    "rc-code": code,
                }
                done |= {"op-status": "0", "call-id": "50", "interval": "0", "crm_feature_set": "3.16.1"}
                done |= {
                    "transition-key": "1:1:7:x",
                    "transition-magic": f"0:{code};1:1:7:x",
                    "on_node": state.get("uname"),
                }
                ET.SubElement(ET.SubElement(place, "lrm_resource", {"id": id_, **kind}), "lrm_rsc_op", done)
                if replica:  # its agent says at each look which replica is to be promoted
                    pairs = state.find("transient_attributes/instance_attributes")
                    if not [pair for pair in pairs if pair.get("name") == f"master-{id_}"]:
                        score = {
                            "id": f"status-{state.get('id')}-master-{id_}",
                            "name": f"master-{id_}",
                            "value": "10000",
                        }
                        ET.SubElement(pairs, "nvpair", score)
        text = ET.tostring(root, "unicode")
        self.path.write_text(exchange.with_digests(text, cib_live.digests(really, text, exchange.places(text))))


@pytest.fixture(scope="module")
def site():
    return json.loads((FIXTURES / "lab.json").read_text())


@pytest.fixture(scope="module")
def procedure(tmp_path_factory):
    """The CIB of the procedure's cluster at work, under other names than hamysql's: db1 serves."""
    folder = tmp_path_factory.mktemp("procedure")
    cib = folder / "cib.xml"
    live = ET.parse(FIXTURES / "cib-2.1.5-lab.xml").getroot()
    nodes, status = live.find("configuration/nodes"), live.find("status")
    empty = ET.fromstring(
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" '
        'dc-uuid="1"><configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>'
    )
    cib.write_text(ET.tostring(empty, "unicode"))
    where = {"VIP": "10.77.1.100", "CIB_file": str(cib), "HOME": str(folder), "ROOT": str(folder)}
    subprocess.run([SCRIPT, "resources"], check=True, env={**os.environ, **where}, capture_output=True)
    root = ET.parse(cib).getroot()
    root.find("configuration/nodes").extend(list(nodes))
    for place in status.iterfind("node_state/lrm/lrm_resources"):
        for noted in list(place):
            if noted.get("id") not in AGENTS:
                place.remove(noted)
                continue
            noted.set("provider", AGENTS[noted.get("id")][0])
            noted.set("type", AGENTS[noted.get("id")][1])
            for done in noted:
                for digest in ("op-digest", "op-restart-digest", "op-force-restart", "op-secure-digest"):
                    done.attrib.pop(digest, None)
    root.find("status").extend(list(status))
    text = renamed(ET.tostring(root, "unicode"))
    return exchange.with_digests(text, cib_live.digests(really, text, exchange.places(text)))


@pytest.fixture
def pacemaker(procedure, tmp_path):
    made = Pacemaker(tmp_path / "cib.xml")
    made.path.write_text(procedure)
    return made


@pytest.fixture
def wanted(site):
    return lambda live: resources.desired(site)


@pytest.fixture
def carry_out(pacemaker, wanted, procedure):
    return lambda: take_over.carry_out(pacemaker.run, wanted, lambda: procedure)


def test_the_procedure_s_cluster_stays_as_it_is_by_itself(pacemaker):
    """Else what follows would prove nothing."""
    assert exchange.interrupting(cib_live.simulate(pacemaker.run, pacemaker.read()), pacemaker.read()) == []


def test_it_is_planned_with_its_renames_and_interrupts_nothing(pacemaker, wanted):
    before = pacemaker.read()
    found = take_over.planned(pacemaker.run, wanted)
    assert (found["state"], found["problems"], found["interrupting"]) == ("foreign", [], [])
    names = {change["id"]: change["old"] for change in found["changes"] if change["kind"] == "renamed"}
    assert names == NAMES
    assert any("start p_fence_db1" in line.lower() for line in found["actions"]), found["actions"]
    assert pacemaker.read() == before


def test_it_is_taken_over_in_one_change_while_pacemaker_is_held(pacemaker, carry_out, wanted, site):
    assert take_over.hold(pacemaker.run) is True
    assert exchange.is_begun(pacemaker.read())
    changes = carry_out()
    assert "renamed p_mysql, which was sql" in changes
    assert sum("--patch" in command for command in pacemaker.commands) == 3, "the hold, the change, the end of the hold"
    assert take_over.state(pacemaker.read()) == "done"
    assert exchange.orphans(pacemaker.read()) == ()
    assert cib_live.preview(pacemaker.run, wanted).plan.changes == (), "a deployment has nothing to change"
    left = exchange.interrupting(cib_live.simulate(pacemaker.run, pacemaker.read()), pacemaker.read())
    assert left == []
    assert "attrd_updater --delete --name master-drbd_mysql --node db2" in pacemaker.commands


def test_no_name_of_before_is_left_in_the_configuration(pacemaker, carry_out):
    take_over.hold(pacemaker.run)
    carry_out()
    left = {
        value
        for element in ET.fromstring(pacemaker.read()).find("configuration").iter()
        for value in element.attrib.values()
    }
    assert not left & {*NAMES.values()}


def test_between_the_change_and_the_look_pacemaker_does_nothing(pacemaker, carry_out):
    """What it has noted is under names that are no more: without the hold it would stop all of that."""
    take_over.hold(pacemaker.run)
    pacemaker.dies_at = "crm_resource --refresh"
    with pytest.raises(KeyboardInterrupt):
        carry_out()
    now = pacemaker.read()
    assert exchange.orphans(now) == ("drbd_mysql", "fs_mysql", "ip_mysql", "sql")
    assert exchange.interrupting(cib_live.simulate(pacemaker.run, now), now) == []
    assert exchange.interrupting(cib_live.simulate(pacemaker.run, cib_agents.released(now, now)), now)


@pytest.mark.parametrize("moment", ["cibadmin --sync-call", "crm_resource --refresh", "crm_simulate", "attrd_updater"])
def test_killed_at_any_moment_the_next_run_goes_on(pacemaker, carry_out, moment):
    take_over.hold(pacemaker.run)
    pacemaker.dies_at = moment
    with pytest.raises(KeyboardInterrupt):
        carry_out()
    pacemaker.dies_at = ""
    if moment == "attrd_updater":  # all is done but for a score that nobody needs
        assert take_over.state(pacemaker.read()) == "done"
        return
    assert cib_agents.begun(pacemaker.read())
    carry_out()
    assert take_over.state(pacemaker.read()) == "done"


def test_what_pacemaker_would_interrupt_is_named_and_the_configuration_of_before_is_back(pacemaker, carry_out):
    before = pacemaker.configuration()
    take_over.hold(pacemaker.run)
    pacemaker.lost = {"p_mysql"}
    with pytest.raises(Refused, match=r"(?i)would start p_mysql .*before is back"):
        carry_out()
    assert pacemaker.configuration() == before
    assert take_over.state(pacemaker.read()) == "foreign"
    assert exchange.orphans(pacemaker.read()) == ()


def test_where_that_would_interrupt_as_well_pacemaker_stays_held(pacemaker, carry_out):
    take_over.hold(pacemaker.run)
    pacemaker.lost = {"p_mysql", "sql"}
    with pytest.raises(NotReady, match=r"(?i)would start p_mysql.*is back, .*start sql.*crm_attribute --delete"):
        carry_out()
    assert exchange.is_begun(pacemaker.read())


def test_it_is_not_begun_where_somebody_else_holds_the_cluster(pacemaker, carry_out):
    pair = '<nvpair id="theirs" name="maintenance-mode" value="true"/>'
    pacemaker.path.write_text(pacemaker.read().replace("</cluster_property_set>", f"{pair}</cluster_property_set>", 1))
    with pytest.raises(Refused, match="by somebody else"):
        take_over.hold(pacemaker.run)
    with pytest.raises(Refused, match="is not held"):
        carry_out()


def test_a_constraint_of_somebody_else_follows_the_new_name(pacemaker, wanted):
    extra = '<rsc_location id="theirs" rsc="grp" node="db1" score="10"/>'
    text = pacemaker.read().replace("</constraints>", f"{extra}</constraints>")
    plan = exchange.planned(text, wanted(text))
    assert '<rsc_location id="theirs" rsc="g_mysql"' in plan.xml
    cib_live.verify(pacemaker.run, exchange.as_found(plan.xml, text))


def test_fence_devices_and_what_is_about_them_alone_go(pacemaker, wanted):
    devices = '<primitive id="st1" class="stonith" type="fence_ipmilan"/>'
    about = '<rsc_location id="l_st1" rsc="st1" node="db1" score="-INFINITY"/>'
    text = (
        pacemaker.read()
        .replace("</resources>", f"{devices}</resources>")
        .replace("</constraints>", f"{about}</constraints>")
    )
    plan = exchange.planned(text, wanted(text))
    assert {change.id for change in plan.changes if change.kind == "removed"} == {"st1", "l_st1"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('value="10.77.1.100"', 'value="10.77.1.101"', "ip_mysql has ip 10.77.1.101"),
        ('name="drbd_resource" value="mysql"', 'name="drbd_resource" value="r1"', "drbd_mysql has drbd_resource r1"),
        ('name="directory" value="/var/lib/mysql"', 'name="directory" value="/srv"', "fs_mysql has directory /srv"),
        (
            "</resources>",
            '<primitive id="p_mysql" class="ocf" provider="heartbeat" type="Dummy"/></resources>',
            "p_mysql is something",
        ),
        ("</resources>", '<primitive id="x" class="systemd" type="mariadb"/></resources>', "not one database server"),
    ],
)
def test_another_cluster_than_the_pillar_s_is_told(pacemaker, wanted, old, new, told):
    text = pacemaker.read()
    assert old in text
    (found,) = exchange.problems(text.replace(old, new), wanted(text))
    assert told in found


def test_hamysql_s_own_cluster_is_done(pacemaker, carry_out, wanted):
    take_over.hold(pacemaker.run)
    carry_out()
    assert take_over.planned(pacemaker.run, wanted)["state"] == "done"
    assert HOLD not in pacemaker.read()
