"""The operation "replace_node": what forbids it, the order of what is asked, and each state that a run that was cut off leaves."""

from __future__ import annotations

import copy

import pytest
from answering import Cluster
from orchestration import installed, survey, working
from test_phase_switchover import SEEN

from hamysql import pending
from hamysql.errors import Refused
from hamysql.master.second_day import replacement

WHEN = "2026-01-31 10:00:00Z"
NOTED = {"old": "db9", "new": "db1", "since": WHEN}
CHANGED = pending.Pending("refused", "corosync", "hamysql:cluster:nodes:db1:addresses:0", "a", "b", pending.REPLACE)


def member(name):
    """db2 serves alone, and knows a db9 that died; db1 is a blank machine of the pillar."""
    if name == "db1":
        return survey(name)
    seen = working(name)
    seen["storage"]["status"] |= {"connection": "WFConnection", "peer_disk": "Outdated", "connected": False}
    states = seen["cluster"]["nodes"]
    states["db9"] = {**states.pop("db1"), "online": False}
    seen["cluster"]["dc"] = "db2"
    seen["pending"] = [CHANGED.as_dict()]
    return seen


class Site(Cluster):
    """A survivor, and a blank machine."""

    def __init__(self, dead="db9"):
        super().__init__(member)
        self.dead, self.noted, self.known = dead, None, ["db2", dead]
        self.members, self.registered, self.left = [2], False, []
        for seen in self.surveys.values():
            seen["settings"]["fencing"] |= {"levels": {}}
        self.answers |= {
            "hamysql_replace.look": self.look,
            "hamysql_replace.begin": self.begin,
            "hamysql_replace.forget": self.forget,
            "hamysql_replace.end": self.end,
            "hamysql_tracer.start": lambda minion, limit: f"*{minion}",
            "hamysql_tracer.admit": True,
            "hamysql_tracer.go": SEEN,
            "hamysql_tracer.stop": SEEN,
            "hamysql_tracer.forget": lambda _: {"db1": 41, "db2": 41},
            "hamysql_fencing.forget": lambda _: [],
            "hamysql_fencing.restore": True,
            "hamysql_drbd.keep_link": True,
            "hamysql_drbd.create_metadata": self.metadata,
            "hamysql_storage.seal": self.seal,
            "hamysql_cluster.start": self.started,
            "hamysql_cluster.wait_online": {},
            "hamysql_rolling.wait_whole": self.whole,
            "hamysql_cib.interventions": [],
            "hamysql_rolling.settle": True,
            "hamysql_update.tables": "",
            "hamysql_node.pending": {"service": "", "resources": [], "drift": [], "accounts": []},
        }

    def look(self, minion, node):
        assert minion == "db2"
        return {
            "noted": self.noted,
            "known": list(self.known),
            "members": self.members,
            "registered": self.registered,
            "left": self.left,
        }

    def begin(self, minion, node):
        self.noted = {"old": node, "new": "db1", "since": WHEN}
        self.surveys["db2"]["pending"] = []  # by a note they are live, and a highstate applies them
        return True

    def forget(self, minion, node):
        gone = node in self.known and not self.surveys["db1"]["cluster"]["running"]
        self.known = [name for name in self.known if name != node or not gone]
        return [f"node {node}"] if gone else []

    def end(self, minion):
        self.noted = None
        return True

    def metadata(self, minion, run_id):
        assert minion == "db1"
        made = installed("db1")["storage"]
        made["generation"] |= {"just_created": True, "consistent": False, "current": "4"}
        made["latch"]["stage"] = "METADATA"
        self.surveys["db1"]["storage"] |= made
        return True

    def seal(self, minion):
        self.surveys[minion]["storage"]["latch"]["stage"] = "INITIALISED"
        return True

    def started(self, minion):
        assert minion == "db1"
        state = working("db1")["cluster"]
        for seen in self.surveys.values():
            seen["cluster"] |= {**state, "dc": "db2", "nodes": copy.deepcopy(state["nodes"])}
        self.known = ["db2", "db1"]
        return True

    def whole(self, minion, nodes, timeout):
        for name in ("db1", "db2"):
            self.surveys[name]["storage"] = working(name)["storage"]
        return True


PHASES = {
    "checked": replacement.check,
    "released": replacement.release,
    "joined": lambda deployment, dead: replacement.join(deployment, dead, 180),
    "synchronised": lambda deployment, dead: replacement.synchronise(deployment, dead, 900),
}


def run(deployment, dead, until=""):
    """The phases in their order, up to one of them; returns the last one's outcome."""
    found = None
    for name, phase in PHASES.items():
        if name == until:
            break
        found = phase(deployment, dead)
        deployment.changed += len(found[0])
    return found


@pytest.mark.parametrize("dead", ["db9", "db1"])
def test_a_blank_machine_takes_the_place_and_the_gap_is_told(deploy, dead):
    site = Site(dead)
    deployment = deploy(site)
    _, said = run(deployment, dead)
    assert said.startswith(f"db1 has taken the place of {dead}, with the data of db2; longest write gap 2.5 s")
    assert site.noted is None
    looks = ("hamysql_replace.look", "hamysql_cib.interventions")
    verbs = [(name, on) for name, on, _ in site.asked if name not in looks and not name.startswith("hamysql_tracer")]
    assert verbs[:5] == [
        ("hamysql_replace.begin", ("db2",)),
        ("state.apply", ("db2",)),
        ("hamysql_replace.forget", ("db2",)),
        ("state.apply", ("db1",)),  # packages and files
        ("state.apply", ("db2",)),  # resources: the new machine can be fenced before it joins
    ]
    order = [name for name, _ in verbs]
    assert order.index("hamysql_drbd.create_metadata") < order.index("hamysql_cluster.start")
    assert order[-1] == "hamysql_replace.end"
    assert site.events[-1]["state"] == "finished"


@pytest.mark.parametrize("dead", ["db9", "db1"])
@pytest.mark.parametrize("until", list(PHASES))
def test_cut_off_after_a_phase_it_gets_to_its_end_when_it_is_run_again(deploy, dead, until):
    site = Site(dead)
    run(deploy(site), dead, until)
    _, said = run(deploy(site), dead)
    assert f"db1 has taken the place of {dead}" in said
    assert site.noted is None


def test_run_again_after_its_end_it_does_nothing(deploy):
    site = Site()
    run(deploy(site), "db9")
    site.asked.clear()
    changes, said = run(deploy(site), "db9")
    assert changes == {}
    assert "already" in said
    assert set(site.functions) == {"hamysql_replace.look"}


def refused(deploy, site, dead="db9"):
    with pytest.raises(Refused) as caught:
        replacement.check(deploy(site), dead)
    assert "hamysql_replace.begin" not in site.functions
    return str(caught.value)


@pytest.mark.parametrize("dead", [None, "db7", "db2"])
def test_the_dead_node_has_to_be_named(deploy, dead):
    said = refused(deploy, Site(), dead)
    assert "db2 serves, and its cluster has the nodes db2 and db9" in said
    assert '"hamysql_replace": "db9"' in said


def test_nothing_is_replaced_where_no_node_serves(deploy):
    site = Site()
    site.surveys["db2"]["database"] = False
    assert "hamysql.take_over" in refused(deploy, site)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [("online", "db9 is online in the cluster"), ("pending", "is online"), ("unclean", "stonith_admin --fence db9")],
)
def test_a_node_that_may_be_alive_is_not_replaced(deploy, flag, expected):
    site = Site()
    site.surveys["db2"]["cluster"]["nodes"]["db9"][flag] = True
    assert expected in refused(deploy, site)


def test_the_survivor_needs_all_data_and_a_free_hand(deploy):
    site = Site()
    site.surveys["db2"]["storage"]["status"]["disk"] = "Inconsistent"
    site.surveys["db2"]["cluster"] |= {"quorum": False, "maintenance": True}
    site.left, site.registered, site.members = ["p_mysql has is-managed=false"], True, [1, 2]
    said = refused(deploy, site)
    for part in ("not UpToDate", "no quorum", "maintenance mode", "is-managed", "registered with the LUN", "[1, 2]"):
        assert part in said


def test_the_machine_has_to_be_blank(deploy):
    site = Site()
    site.surveys["db1"] = installed("db1")
    assert "knows data of a cluster" in refused(deploy, site)
    site = Site()
    site.surveys["db1"]["cluster"]["running"] = True
    assert "a cluster runs on db1" in refused(deploy, site)


def test_a_disk_with_something_on_it_is_left_alone(deploy):
    site = Site()
    site.surveys["db1"]["storage"]["signatures"] = [{"type": "ext4", "offset": 1080, "uuid": ""}]
    assert "not blank, and not made by hamysql" in refused(deploy, site)


def test_a_disk_that_is_smaller_is_refused(deploy):
    site = Site()
    site.surveys["db1"]["storage"]["size"] -= 4096
    assert "use equal disks" in refused(deploy, site)


def test_the_dead_node_s_own_disk_in_another_machine_is_no_blank_one(deploy):
    site = Site()
    replica = installed("db1")["storage"]
    replica["latch"] = {}
    site.surveys["db1"]["storage"] = replica
    assert "the disk has a replica of this cluster's data" in refused(deploy, site)


def test_another_change_of_the_pillar_that_is_not_possible_is_refused(deploy):
    site = Site()
    other = pending.Pending("refused", "corosync", "hamysql:corosync:transport", "knet", "udpu", pending.TOGETHER)
    site.surveys["db2"]["pending"] += [other.as_dict()]
    said = refused(deploy, site)
    assert "hamysql:corosync:transport" in said
    assert "addresses" not in said


def test_one_replacement_at_a_time(deploy):
    site = Site()
    site.noted = {**NOTED, "new": "db3"}
    assert f"a replacement of db9 by db3 has begun and has not ended, since {WHEN}" in refused(deploy, site)


def test_it_is_shown_before_and_nothing_is_asked_for_that_changes(deploy):
    site = Site()
    deployment = deploy(site, test=True)
    planned = [phase(deployment, "db9")[0] for phase in PHASES.values()]
    assert [list(changes) for changes in planned] == [[], ["released"], ["joined"], ["synchronised"]]
    assert set(site.functions) == {"hamysql_replace.look"}


def release(site, node, packages):
    """Another release of the system on a node."""
    facts = site.surveys[node]["facts"]
    facts["packages"] = {**facts["packages"], "pacemaker": packages[0], "mariadb-server": packages[1]}


BOOKWORM, TRIXIE = ("2.1.5-1", "1:10.11.6-0+deb12u1"), ("3.0.0-1", "1:11.8.3-0+deb13u1")


def test_a_machine_with_a_newer_release_needs_the_word_and_then_the_next_step_is_told(deploy):
    site = Site()
    release(site, "db1", TRIXIE)
    release(site, "db2", BOOKWORM)
    said = refused(deploy, site)
    assert "pacemaker" in said
    assert "mariadb-server" in said
    deployment = deploy(site)
    _, said = replacement.check(deployment, "db9", True)
    assert "once db1 has served, db2 cannot take over" in said
    replacement.release(deployment, "db9")
    replacement.join(deployment, "db9", 180, True)
    _, said = replacement.synchronise(deployment, "db9", 900)
    assert "WARNING: db1 has mariadb-server 11.8, and db2 has 10.11: once db1 has served, db2 cannot take over" in said
    assert "replace db2 next" in said


def test_a_machine_with_an_older_release_is_refused_with_the_word_as_well(deploy):
    site = Site()
    release(site, "db1", BOOKWORM)
    release(site, "db2", TRIXIE)
    with pytest.raises(Refused, match="mariadb-server"):
        replacement.check(deploy(site), "db9", True)


def test_tables_that_nobody_has_upgraded_after_a_failover_are_upgraded_on_the_node_that_serves(deploy):
    site = Site()
    site.answers["hamysql_update.tables"] = lambda minion: {"db2": "mariadb-upgrade"}[minion]
    changes, _ = run(deploy(site), "db9")
    assert changes["database"] == ["mariadb-upgrade on db2"]
