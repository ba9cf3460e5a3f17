"""Another agent for what runs: nothing stops, pacemaker acts again in the end, and a run that was cut off is finished by the next."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import agents as cib_agents
from hamysql.cib import drift as cib_drift
from hamysql.cib import live as cib_live
from hamysql.errors import CommandFailed, NotReady
from hamysql.system.command import Result

AGENTS = {"p_drbd_mysql": "linbit:drbd", "p_fs_mysql": "heartbeat:Filesystem"}
EXPLICIT = '<nvpair id="cib-bootstrap-options-maintenance-mode" name="maintenance-mode" value="{}"/>'


class Pacemaker:
    """The tools on a file, and what pacemaker itself does: it looks at what it has been told to forget, by the agent in the configuration.

    ``places`` is what crm_mon sees; ``lost`` is what the new agents do not find.
    """

    def __init__(self, tools):
        self.tools = tools
        self.calls: list[str] = []
        self.held: list[bool] = []
        self.lost: set[str] = set()
        self.dies_at = ""

    def run(self, argv, **given):
        if argv[0] == self.dies_at or " ".join(argv[:2]) == self.dies_at:
            raise KeyboardInterrupt
        if argv[0] == "crm_mon":
            return Result(0, self.places(), "")
        if argv[0] == "crm_resource":
            self.calls.append(" ".join(argv[1:2] + argv[3:4]))
            self.held.append(self.maintenance)
            if argv[1] == "--refresh":
                self.look(argv[3])
            return Result(0, "", "")
        return self.tools.run(argv, **given)

    @property
    def root(self):
        return ET.fromstring(self.tools.read())

    @property
    def maintenance(self) -> bool:
        pairs = self.root.iterfind("configuration/crm_config//nvpair[@name='maintenance-mode']")
        return [pair.get("value") for pair in pairs] == ["true"]

    def agent(self, name: str) -> str:
        element = self.root.find(f"configuration/resources//primitive[@id='{name}']")
        return f"{element.get('provider')}:{element.get('type')}"

    def noted(self, name: str) -> set[str]:
        found = self.root.iterfind(f"status/node_state/lrm/lrm_resources/lrm_resource[@id='{name}']")
        return {f"{item.get('provider')}:{item.get('type')}" for item in found}

    def look(self, name: str) -> None:
        root = self.root
        provider, kind = self.agent(name).split(":")
        for item in root.iterfind(f"status/node_state/lrm/lrm_resources/lrm_resource[@id='{name}']"):
            item.set("provider", provider)
            item.set("type", kind)
        self.tools.write(ET.tostring(root, "unicode"))

    def places(self) -> str:
        rows = "".join(
            f'<resource id="{name}" resource_agent="ocf:{next(iter(self.noted(name)))}" role="Started" managed="true">'
            '<node name="db1"/></resource>'
            for name in AGENTS
            if self.root.find(f"configuration/resources//primitive[@id='{name}']") is not None
            if name not in self.lost or self.noted(name) == {AGENTS[name]}
        )
        return (
            '<pacemaker-result><summary><current_dc present="true"/><cluster_options/></summary><nodes/>'
            f"<resources>{rows}</resources></pacemaker-result>"
        )


@pytest.fixture
def pacemaker(tools, desired):
    """A cluster that runs all of the lab's resources, two of them by other agents than the configuration will name."""
    cib_live.apply(tools.run, lambda live: desired)
    root = ET.fromstring(tools.read())
    for name, agent in AGENTS.items():
        element = root.find(f"configuration/resources//primitive[@id='{name}']")
        element.set("provider", agent.split(":")[0])
        element.set("type", agent.split(":")[1])
    status = root.find("status")
    for number, node in enumerate(("db1", "db2"), 1):
        state = ET.SubElement(
            status, "node_state", id=str(number), uname=node, join="member", crmd="online", in_ccm="true"
        )
        noted = ET.SubElement(ET.SubElement(state, "lrm", id=str(number)), "lrm_resources")
        for primitive in root.iterfind("configuration/resources//primitive"):
            kind = {name: primitive.get(name) for name in ("id", "class", "provider", "type")}
            operation = {"id": f"{kind['id']}_last_0", "operation": "monitor", "rc-code": "0", "op-status": "0"}
            operation |= {"call-id": "5", "transition-key": "1:1:0:x", "interval": "0", "operation_key": "x_monitor_0"}
            operation |= {"op-digest": "0" * 32, "transition-magic": "0:0;1:1:0:x", "crm_feature_set": "3.16.1"}
            ET.SubElement(ET.SubElement(noted, "lrm_resource", kind), "lrm_rsc_op", operation)
    tools.write(ET.tostring(root, "unicode"))
    tools.commands.clear()
    return Pacemaker(tools)


@pytest.fixture
def apply(pacemaker, desired):
    return lambda: cib_live.apply(pacemaker.run, lambda live: desired)


def test_what_gets_another_agent_runs_on_while_pacemaker_is_held(pacemaker, apply, tools):
    outcome = apply()
    assert {change.id for change in outcome.plan.changes} == set(AGENTS)
    assert pacemaker.calls[2:4] == ["--refresh p_drbd_mysql", "--refresh p_fs_mysql"]
    assert pacemaker.held == [False, True, True, True, True]  # idle, held, both looked at, idle again
    assert pacemaker.noted("p_drbd_mysql") == {"hamysql:drbd"}
    assert not pacemaker.maintenance
    assert cib_agents.ID not in tools.read()


def test_the_agent_never_changes_while_pacemaker_acts(pacemaker, apply, tools):
    """It would stop what was started by another one, and a primary before what runs on it."""
    seen = []
    tools.before = lambda argv: seen.append((pacemaker.maintenance, bool(cib_agents.exchanged(tools.read()))))
    apply()
    assert (True, True) in seen
    assert (False, True) not in seen


@pytest.mark.parametrize(("operation", "code"), [("stop", "0"), ("monitor", "7")])
def test_what_is_stopped_gets_its_new_agent_at_once(pacemaker, apply, tools, operation, code):
    root = pacemaker.root
    for name in AGENTS:
        for last in root.iterfind(f"status/node_state/lrm/lrm_resources/lrm_resource[@id='{name}']/lrm_rsc_op"):
            last.attrib.update({"operation": operation, "rc-code": code})
    tools.write(ET.tostring(root, "unicode"))
    outcome = apply()
    assert {change.id for change in outcome.plan.changes} == set(AGENTS)
    assert pacemaker.calls == []
    assert not any("another agent" in line for line in outcome.actions)


def test_what_runs_on_one_node_only_is_exchanged(pacemaker, apply, tools):
    root = pacemaker.root
    for last in root.iterfind("status/node_state[@uname='db2']/lrm/lrm_resources/lrm_resource/lrm_rsc_op"):
        last.set("rc-code", "7")
    tools.write(ET.tostring(root, "unicode"))
    apply()
    assert "--refresh p_fs_mysql" in pacemaker.calls


def test_a_resource_that_comes_or_goes_with_the_change_is_not_missed(pacemaker, tools, desired):
    """A move to other storage takes DRBD away and has another agent mount."""
    wanted = ET.fromstring(ET.tostring(desired))
    resources = wanted.find("resources")
    resources.remove(next(item for item in resources if item.get("id") == "ms_drbd_mysql"))
    for parent in list(wanted.iter()):
        for item in list(parent):
            if "ms_drbd_mysql" in (item.get("rsc"), item.get("with-rsc"), item.get("first"), item.get("then")):
                parent.remove(item)
    cib_live.apply(pacemaker.run, lambda live: wanted)
    assert pacemaker.agent("p_fs_mysql") == "hamysql:filesystem"
    assert not pacemaker.maintenance


def test_a_second_time_nothing_is_done(pacemaker, apply, tools):
    apply()
    tools.commands.clear()
    assert apply().plan.changes == ()
    assert tools.commands == [("cibadmin", "--query")]


def test_the_plan_says_that_it_runs_on(pacemaker, desired):
    actions = cib_live.preview(pacemaker.run, lambda live: desired).actions
    assert actions[:2] == (
        "p_drbd_mysql gets another agent and runs on",
        "p_fs_mysql gets another agent and runs on",
    )
    assert not [line for line in actions if "restart" in line.lower()]


@pytest.mark.parametrize("moment", ["crm_resource --refresh", "crm_mon"])
def test_a_run_that_was_cut_off_is_finished_by_the_next(pacemaker, apply, tools, moment):
    if moment == "crm_mon":
        looks = iter([Result(0, pacemaker.places(), "")])
        places, pacemaker.places = pacemaker.places, lambda: next(looks).stdout
        with pytest.raises(StopIteration):
            apply()
        pacemaker.places = places
    else:
        pacemaker.dies_at = moment
        with pytest.raises(KeyboardInterrupt):
            apply()
        pacemaker.dies_at = ""
    assert pacemaker.maintenance
    apply()
    assert not pacemaker.maintenance
    assert cib_agents.exchanged(tools.read()) == ()
    assert cib_agents.ID not in tools.read()


def test_what_the_new_agent_does_not_find_stays_as_it_is_until_somebody_has_looked(pacemaker, apply, tools):
    pacemaker.lost = {"p_fs_mysql"}
    assert cib_drift.drift(tools.read(), "crm") == ()
    with pytest.raises(NotReady, match=r"p_fs_mysql Started on db1.*maintenance"):
        apply()
    assert pacemaker.maintenance
    assert "was interrupted" in " ".join(cib_drift.drift(tools.read(), "crm"))


@pytest.mark.parametrize(("value", "after"), [("true", True), ("false", False)])
def test_what_an_operator_says_of_maintenance_is_still_said_afterwards(pacemaker, apply, tools, value, after):
    root = pacemaker.root
    root.find("configuration/crm_config/*[@id='cib-bootstrap-options']").append(ET.fromstring(EXPLICIT.format(value)))
    tools.write(ET.tostring(root, "unicode"))
    apply()
    assert cib_agents.exchanged(tools.read()) == ()
    assert pacemaker.maintenance is after
    assert 'name="maintenance-mode"' in tools.read()
    assert cib_agents.ID not in tools.read()


def test_a_run_that_was_cut_off_while_an_operator_has_maintenance_on_is_finished_by_the_next(pacemaker, apply, tools):
    root = pacemaker.root
    root.find("configuration/crm_config/*[@id='cib-bootstrap-options']").append(ET.fromstring(EXPLICIT.format("true")))
    tools.write(ET.tostring(root, "unicode"))
    pacemaker.dies_at = "crm_resource --refresh"
    with pytest.raises(KeyboardInterrupt):
        apply()
    pacemaker.dies_at = ""
    apply()
    assert cib_agents.exchanged(tools.read()) == ()
    assert pacemaker.maintenance


def test_a_node_that_is_away_is_not_waited_for(pacemaker, apply, tools):
    """It looks at everything anew when it comes back."""
    root = pacemaker.root
    root.find("status/node_state[@uname='db2']").set("join", "down")
    for noted in root.iterfind("status/node_state[@uname='db2']/lrm/lrm_resources/lrm_resource"):
        noted.clear()
    tools.write(ET.tostring(root, "unicode"))
    apply()
    assert not pacemaker.maintenance


def test_a_fence_device_is_pacemakers_own_affair(make_cib):
    cib = make_cib('<primitive id="p_fence_db1" class="stonith" type="fence_new"/>').replace(
        "<status/>",
        '<status><node_state id="1" uname="db1" join="member"><lrm id="1"><lrm_resources>'
        '<lrm_resource id="p_fence_db1" class="stonith" type="fence_old"/></lrm_resources></lrm></node_state></status>',
    )
    assert cib_agents.exchanged(cib) == ()


def test_an_operation_that_has_not_ended_is_no_look(pacemaker, tools, apply):
    apply()
    assert cib_agents.unseen(tools.read()) == ()
    root = pacemaker.root
    root.find("status/node_state[@uname='db2']/lrm/lrm_resources/lrm_resource[@id='p_mysql']/lrm_rsc_op").set(
        "op-status", "-1"
    )
    tools.write(ET.tostring(root, "unicode"))
    assert cib_agents.unseen(tools.read()) == ("p_mysql on db2",)


def test_a_cluster_that_is_never_idle_is_left_as_it_was(pacemaker, apply, tools):
    before = tools.read()
    run = pacemaker.run

    def busy(argv, **given):
        if argv[:2] == ["crm_resource", "--wait"]:
            raise CommandFailed(argv, 124, "timed out")
        return run(argv, **given)

    pacemaker.run = busy
    with pytest.raises(CommandFailed):
        apply()
    assert tools.read() == before


@pytest.mark.parametrize("word", ["true", "yes", "1", "ON"])
def test_maintenance_that_an_operator_has_asked_for_in_any_word_is_left_alone(make_cib, word):
    pair = f'<nvpair id="theirs" name="maintenance-mode" value="{word}"/>'
    cib = make_cib(rest=f'<crm_config><cluster_property_set id="other">{pair}</cluster_property_set></crm_config>')
    assert cib_agents.held(cib) == cib


def test_a_hold_that_ends_leaves_no_empty_tag_behind(make_cib):
    """The schema does not take one."""
    held = cib_agents.held(make_cib())
    assert f'<obj_ref id="{cib_agents.ID}"' in held
    assert "<tag " not in cib_agents.released(held, make_cib())
