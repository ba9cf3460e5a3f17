"""DRBD's handler with pacemaker's own tools on a file: what it answers in each situation, and what it does to the constraint.

Nothing is left to DRBD's own script. That one only reads what ours has written, and the other way round.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import ocf
import pytest

from support import ROOT

HANDLER = ROOT / "hamysql" / "storage" / "drbd" / "files" / "fence-peer.sh"
STOCK = Path("/usr/lib/drbd/crm-fence-peer.sh")
CIB = ROOT / "test" / "unit" / "cib" / "fixtures" / "cib-2.1.5-running.xml"
SELF = os.uname().nodename
ALONE = "cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----"
SERVING = ALONE.replace("Secondary", "Primary")
WHOLE = "cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----"
BROKEN, OUTDATED, UNREACHABLE, FENCED = 1, 4, 5, 7
CONSTRAINT = "drbd-fence-by-handler-mysql-ms_drbd_mysql"

# What pacemaker's versions write of a node that is a member, and of one that is not: words, numbers, times (from 2.1.7 on).
FORMS = {
    "words": ({"in_ccm": "true", "crmd": "online"}, {"in_ccm": "false", "crmd": "offline"}),
    "numbers": ({"in_ccm": "1", "crmd": "1"}, {"in_ccm": "0", "crmd": "0"}),
    "times": ({"in_ccm": "1764040000", "crmd": "1764040007"}, {"in_ccm": "0", "crmd": "0"}),
}


def alive(form="words", expected="member"):
    return {**FORMS[form][0], "join": "member", "expected": expected}


def gone(form="words", expected="down"):
    return {**FORMS[form][1], "join": "down", "expected": expected}


DEAD, LOST = gone(), gone(expected="member")


class Handler:
    """The handler on this machine, as if it were db1: its peer db2 and its replica are what the test says."""

    def __init__(self, folder: Path):
        self.folder, self.cib = folder, folder / "cib.xml"
        text = HANDLER.read_text()
        for name, path in (("STATES", folder / "drbd"), ("LOG", folder / "log"), ("NODE", folder / "node")):
            (line,) = [line for line in text.splitlines() if line.startswith(f"{name}=")]
            text = text.replace(line, f"{name}={path}")
        (folder / "handler").write_text(text)
        self.root = ocf.lay_down(folder / "ocf")
        self.cib.write_text(CIB.read_text().replace('"db1"', f'"{SELF}"'))
        self.drbd(ALONE)

    def drbd(self, state: str, minor: int = 0) -> None:
        head = "version: 8.4.11 (api:1/proto:86-101)\n"
        (self.folder / "drbd").write_text(f"{head} {minor}: {state}\n    ns:0 nr:0 dw:0 dr:0\n")

    def change(self, edit) -> None:
        tree = ET.parse(self.cib)
        edit(tree.getroot())
        tree.write(self.folder / "new.xml")
        (self.folder / "new.xml").rename(self.cib)

    def peer(self, **attributes: str) -> None:
        def edit(root):
            state = root.find("status/node_state[@uname='db2']")
            for name in ("in_ccm", "crmd", "join", "expected"):
                state.attrib.pop(name, None)
            state.attrib.update(attributes)

        self.change(edit)

    def environment(self, **further: str) -> dict[str, str]:
        given = {"CIB_file": str(self.cib), "DRBD_RESOURCE": "mysql", "DRBD_MINOR": "0", "OCF_ROOT": self.root}
        return {**os.environ, **given, **further}

    def call(self, *words: str, **environment: str) -> int:
        argv = ["sh", str(self.folder / "handler"), *words]
        return subprocess.run(
            argv, env=self.environment(**environment), capture_output=True, timeout=60, check=False
        ).returncode

    def fence(self, patience: int = 9, controller: int = 11) -> int:
        return self.call("fence", "--timeout", str(patience), "--dc-timeout", str(controller))

    def placed_by(self, node: str) -> None:
        """A constraint that a node has placed before."""
        text = f"""<rsc_location rsc="ms_drbd_mysql" id="{CONSTRAINT}">
            <rule role="Promoted" score="-INFINITY" id="drbd-fence-by-handler-mysql-rule-ms_drbd_mysql">
            <expression attribute="#uname" operation="ne" value="{node}" id="drbd-fence-by-handler-mysql-expr-ms_drbd_mysql"/>
            </rule></rsc_location>"""
        self.change(lambda root: root.find("configuration/constraints").append(ET.fromstring(text)))

    @property
    def constraint(self) -> ET.Element | None:
        return ET.parse(self.cib).find(f"configuration/constraints/rsc_location[@id='{CONSTRAINT}']")

    @property
    def owner(self) -> str | None:
        found = self.constraint
        return None if found is None else found.find("rule/expression").get("value")

    @property
    def said(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def handler(tmp_path):
    return Handler(tmp_path)


@pytest.mark.parametrize("drbd", [ALONE, SERVING], ids=["promoted", "serving"])
@pytest.mark.parametrize("state", [DEAD, {**DEAD, "in_ccm": "0", "crmd": "0"}], ids=["2.1.5", "2.1.7"])
def test_of_a_fenced_peer_only_this_node_may_be_promoted(handler, state, drbd):
    handler.peer(**state)
    handler.drbd(drbd)
    assert handler.fence() == FENCED
    assert handler.constraint.get("rsc") == "ms_drbd_mysql"
    assert handler.constraint.find("rule").attrib == {
        "role": "Promoted",
        "score": "-INFINITY",
        "id": "drbd-fence-by-handler-mysql-rule-ms_drbd_mysql",
    }
    assert handler.constraint.find("rule/expression").attrib == {
        "attribute": "#uname",
        "operation": "ne",
        "value": SELF,
        "id": "drbd-fence-by-handler-mysql-expr-ms_drbd_mysql",
    }


def test_a_host_name_that_was_changed_meanwhile_is_no_matter(handler):
    """pacemaker knows the node by its own name. A constraint with another name would leave nobody to be promoted."""
    (handler.folder / "node").write_text("db1\n")
    handler.cib.write_text(CIB.read_text())
    handler.peer(**DEAD)
    assert handler.fence() == FENCED
    assert handler.owner == "db1"


def test_an_older_pacemaker_gets_the_roles_old_name(handler):
    """Its schema takes any word as a rule's role, and it would take one that it does not know for every role."""

    def age(root):
        root.set("validate-with", "pacemaker-3.6")
        for element in root.iter():
            for name in {"role", "with-rsc-role"} & set(element.attrib):
                element.set(name, {"Promoted": "Master", "Unpromoted": "Slave"}[element.get(name)])

    handler.change(age)
    handler.peer(**DEAD)
    assert handler.fence() == FENCED
    assert handler.constraint.find("rule").get("role") == "Master"


@pytest.mark.parametrize("form", FORMS)
class TestEachFormOfANodesState:
    """A row for each thing that pacemaker may know of the peer, in the words of each version."""

    def test_a_peer_that_is_leaving_lets_a_replica_be_promoted_at_once(self, handler, form):
        """An orderly reboot: its DRBD has stopped, its controller is still there."""
        handler.peer(**alive(form, expected="down"))
        assert handler.fence(patience=60) == OUTDATED
        assert handler.owner == SELF

    def test_a_peer_that_lives_and_is_a_member_lets_a_replica_be_promoted_at_once(self, handler, form):
        handler.peer(**alive(form))
        assert handler.fence(patience=60) == OUTDATED
        assert handler.owner == SELF

    def test_a_peer_whose_pacemaker_has_ended_in_order_counts_as_fenced(self, handler, form):
        """`systemctl stop pacemaker`: corosync still counts it."""
        state = {**alive(form, expected="down"), "crmd": FORMS[form][1]["crmd"], "join": "down"}
        handler.peer(**state)
        assert handler.fence(patience=60) == FENCED
        assert handler.owner == SELF

    def test_a_peer_that_is_gone_and_was_not_fenced_is_waited_for(self, handler, form):
        handler.peer(**gone(form, expected="member"))
        waiting = threading.Timer(1.5, lambda: handler.peer(**gone(form)))
        waiting.start()
        started = time.monotonic()
        assert handler.fence() == FENCED
        assert time.monotonic() - started >= 1.5
        assert handler.owner == SELF

    def test_a_peer_whose_controller_is_lost_is_waited_for(self, handler, form):
        handler.peer(**{**alive(form), "crmd": FORMS[form][1]["crmd"]})
        waiting = threading.Timer(1.5, lambda: handler.peer(**gone(form)))
        waiting.start()
        assert handler.fence() == FENCED

    def test_a_primary_holds_its_writes_until_the_peer_has_answered_or_pacemaker_knows(self, handler, form):
        """Nobody answers here: no cluster runs. So it may be that pacemaker has not noticed the loss yet."""
        handler.drbd(SERVING)
        handler.peer(**alive(form))
        waiting = threading.Timer(1.5, lambda: handler.peer(**gone(form)))
        waiting.start()
        assert handler.fence() == FENCED

    def test_a_replica_that_may_lack_something_is_not_taken_because_the_peer_was_shot(self, handler, form):
        handler.drbd(ALONE.replace("UpToDate", "Consistent"))
        handler.peer(**gone(form))
        assert handler.fence() == UNREACHABLE
        assert handler.constraint is None
        assert "only Consistent" in handler.said


def test_a_peer_that_nobody_fences_is_given_up_when_the_time_is_over(handler):
    handler.peer(**LOST)
    assert handler.fence(patience=1) == UNREACHABLE
    assert handler.owner == SELF
    assert "the peer is lost after 1 s" in handler.said


def test_a_peer_of_which_pacemaker_knows_nothing_is_given_up_when_the_time_is_over(handler):
    handler.change(lambda root: root.find("status").remove(root.find("status/node_state[@uname='db2']")))
    assert handler.fence(patience=1) == UNREACHABLE
    assert handler.owner == SELF


def test_a_peer_that_nobody_fences_does_not_make_a_replica_good_that_may_lack_something(handler):
    handler.peer(**LOST)
    handler.drbd(ALONE.replace("UpToDate", "Consistent"))
    assert handler.fence(patience=1) == UNREACHABLE
    assert handler.constraint is None


def test_without_a_controller_the_writes_stay_held_and_it_says_so(handler):
    handler.cib.write_text("no CIB")
    assert handler.fence(patience=1, controller=2) == BROKEN
    assert "no controller has taken the constraint: writes stay held" in handler.said


@pytest.mark.parametrize("disk", ["Outdated", "Inconsistent", "Diskless", "Failed"])
def test_a_replica_that_is_out_of_date_is_not_to_be_used(handler, disk):
    handler.peer(**DEAD)
    handler.drbd(ALONE.replace("UpToDate", disk))
    assert handler.fence() == UNREACHABLE
    assert handler.constraint is None
    assert f"the replica here is {disk}" in handler.said


@pytest.mark.parametrize("drbd", [
    "cs:Connected ro:Secondary/Secondary ds:UpToDate/Outdated C r-----",
    "cs:SyncSource ro:Secondary/Secondary ds:UpToDate/Inconsistent C r-----",
    "cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----",
])  # fmt: skip
def test_a_peer_that_is_connected_again_needs_no_fencing(handler, drbd):
    handler.peer(**DEAD)
    handler.drbd(drbd)
    assert handler.fence() == BROKEN
    assert handler.constraint is None


def test_another_resource_says_nothing_of_this_one(handler):
    handler.peer(**DEAD)
    handler.drbd(ALONE, minor=10)
    assert handler.fence() == BROKEN
    assert handler.constraint is None


def test_a_constraint_of_this_node_is_renewed_so_that_nobody_lifts_the_one_seen_before(handler):
    handler.peer(**DEAD)
    handler.placed_by(SELF)
    before = handler.constraint.find("rule").get("id")
    assert handler.fence() == FENCED
    assert handler.owner == SELF
    assert handler.constraint.find("rule").get("id") != before


@pytest.mark.parametrize("state", [DEAD, alive()], ids=["fenced", "alive"])
def test_a_constraint_of_the_other_node_is_kept_and_this_one_is_not_used(handler, state):
    """It has gone on without this replica, whose writes are held, or which is not promoted."""
    handler.peer(**state)
    handler.placed_by("db2")
    assert handler.fence() == BROKEN
    assert handler.owner == "db2"
    assert "db2 has placed its own constraint" in handler.said


@pytest.mark.parametrize("words", [["3", "--timeout", "9", "--dc-timeout", "11"], []], ids=["before", "bare"])
def test_what_an_older_drbd_conf_calls_is_a_fencing(handler, words):
    handler.peer(**DEAD)
    assert handler.call(*words) == FENCED


def test_it_says_in_the_kernels_log_what_it_has_done(handler):
    handler.peer(**DEAD)
    assert handler.fence() == FENCED
    assert handler.said == "<14>hamysql-fence-peer: mysql: the peer is fenced, placed the constraint\n"


def test_it_does_its_work_where_that_log_takes_nothing(handler):
    handler.peer(**DEAD)
    (handler.folder / "log").mkdir()
    assert handler.fence() == FENCED
    assert handler.constraint is not None


@pytest.mark.parametrize("owner", [SELF, "db2"])
def test_a_resync_lifts_the_constraint_whoever_has_placed_it(handler, owner):
    handler.drbd(WHOLE)
    handler.placed_by(owner)
    assert handler.call("unfence") == 0
    assert handler.constraint is None


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (WHOLE, ["--name master-p_drbd_mysql --update 10000"]),
        ("cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----", []),
    ],
    ids=["synchronised", "not yet"],
)
@pytest.mark.parametrize("owner", [None, "db2"])
def test_the_score_of_a_replica_is_written_when_it_has_been_synchronised(handler, owner, state, said):
    """The words are noted here; test_everyday.py has the real attrd_updater, test_combinations.py a reboot after a resync."""
    program = handler.folder / "bin" / "attrd_updater"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >>{handler.folder}/scores\n')
    program.chmod(0o755)
    handler.drbd(state)
    if owner:
        handler.placed_by(owner)
    text = (handler.folder / "handler").read_text()
    (handler.folder / "handler").write_text(text.replace("RESYNC=10", "RESYNC=1"))
    handler.call("unfence", PATH=f"{program.parent}:{os.environ['PATH']}")
    scores = handler.folder / "scores"
    assert (scores.read_text().splitlines() if scores.exists() else []) == said


def test_without_a_constraint_there_is_nothing_to_lift(handler):
    handler.drbd(WHOLE)
    before = handler.cib.read_text()
    assert handler.call("unfence") == 0
    assert handler.cib.read_text() == before


def test_the_constraint_stays_while_one_replica_is_not_up_to_date(handler):
    handler.drbd("cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----")
    handler.placed_by("db2")
    text = (handler.folder / "handler").read_text()
    (handler.folder / "handler").write_text(text.replace("RESYNC=10", "RESYNC=1"))
    assert handler.call("unfence") == BROKEN
    assert handler.owner == "db2"
    assert "the replicas are Inconsistent and UpToDate: the constraint stays" in handler.said


def test_a_constraint_that_was_renewed_meanwhile_is_not_lifted(handler):
    """The connection is lost after a look at DRBD: the primary goes on alone, under a constraint with another mark."""
    handler.placed_by("db2")
    handler.drbd(WHOLE)
    text = (handler.folder / "handler").read_text()
    renewed = f"sed -i s/-rule-ms_drbd_mysql/-rule-ms_drbd_mysql-7-9/ {handler.cib}\n"
    assert text.count("\tlift || return") == 1
    text = text.replace("\tlift || return", f"\t{renewed}\tlift || return").replace("RESYNC=10", "RESYNC=0")
    (handler.folder / "handler").write_text(text)
    assert handler.call("unfence") == BROKEN
    assert handler.owner == "db2"


def test_a_constraint_that_a_short_loss_has_left_behind_is_lifted_at_a_monitor(handler):
    """Nothing was written meanwhile, so DRBD has nothing to synchronise, and calls nobody."""
    handler.drbd(WHOLE)
    handler.placed_by("db2")
    assert handler.call("tidy") == 0
    assert handler.constraint is None


@pytest.mark.parametrize("drbd", [ALONE, WHOLE.replace("Secondary/Primary", "Primary/Secondary")])
def test_a_monitor_leaves_a_constraint_alone_that_may_be_needed(handler, drbd):
    handler.drbd(drbd)
    handler.placed_by(SELF)
    assert handler.call("tidy") == 0
    assert handler.owner == SELF


@pytest.mark.parametrize(("owner", "outdated"), [("db2", True), (SELF, False), (None, False)])
def test_a_secondary_whose_primary_has_gone_on_alone_is_marked_as_out_of_date(handler, owner, outdated, tmp_path):
    """drbdsetup needs DRBD's kernel module, which this machine has not: what it would be told is what counts here."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "drbdsetup").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/told\n')
    (tools / "drbdsetup").chmod(0o755)
    if owner:
        handler.placed_by(owner)
    assert handler.call("tidy", PATH=f"{tools}:{os.environ['PATH']}") == 0
    assert (tmp_path / "told").exists() is outdated
    if outdated:
        assert (tmp_path / "told").read_text() == "outdate 0\n"


def _stock(handler, name):
    link = handler.folder / name
    link.symlink_to(STOCK)
    argv = [str(link), "--lock-file", "NONE", "--master-id", "ms_drbd_mysql", "--role", "Promoted"]
    return subprocess.run(argv, env=handler.environment(), capture_output=True, timeout=60, check=False).returncode


@pytest.mark.skipif(not STOCK.exists(), reason="drbd-utils is missing")
def test_drbds_own_script_knows_the_constraint_as_its_own(handler):
    """It compares texts; an operator may have it beside ours, on a node with an older drbd.conf."""
    handler.peer(**DEAD)
    assert handler.fence() == FENCED
    assert _stock(handler, "crm-fence-peer.sh") == 4  # fenced; "suitable constraint already placed"


@pytest.mark.skipif(not STOCK.exists(), reason="drbd-utils is missing")
def test_a_constraint_of_drbds_own_script_is_known_as_ours(handler):
    """A node whose drbd.conf still names that script has placed it."""
    handler.peer(**LOST)
    # The stock script reads /proc/drbd itself, which is not here: it is only asked to place what it always places.
    handler.placed_by(SELF)
    assert _stock(handler, "crm-fence-peer.sh") == 4
    handler.peer(**DEAD)
    assert handler.fence() == FENCED
    assert handler.owner == SELF


DRBD9 = "version: 9.2.8 (api:2/proto:86-122)\nTransports (api:19): tcp (9.2.8)\n"


@pytest.mark.parametrize(("words", "code"), [(["fence"], 1), (["unfence"], 1), (["tidy"], 0)])
def test_with_drbd_9_it_decides_nothing(handler, words, code):
    """There DRBD's own script is the handler: /proc/drbd no longer says what a replica is. Whoever calls ours changes nothing."""
    (handler.folder / "drbd").write_text(DRBD9)
    assert handler.call(*words) == code
    assert handler.constraint is None
