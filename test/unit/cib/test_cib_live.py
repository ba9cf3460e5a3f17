"""Reading and changing a CIB through pacemaker's real tools, on a file; and what happens when somebody else is faster."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.errors import CommandFailed, NotReady, ParseError, Refused
from hamysql.system.command import Result

APPLY = ["cibadmin", "crm_verify", "crm_simulate", "crm_diff", "cibadmin"]
DELAY = '<nvpair id="cib-bootstrap-options-cluster-delay" name="cluster-delay" value="{}s"/>'


@pytest.fixture
def wanted(desired):
    return lambda live: desired


def epoch(tools):
    return int(ET.fromstring(tools.read()).get("epoch"))


def bump(tools, name):
    """Count one up in the version of the CIB file."""
    root = ET.fromstring(tools.read())
    root.set(name, str(int(root.get(name)) + 1))
    tools.write(ET.tostring(root, "unicode"))


def test_applying_is_one_patch_and_these_commands(tools, wanted):
    outcome = cib_live.apply(tools.run, wanted)
    assert len(outcome.plan.changes) == 24
    assert tools.names == APPLY
    folder = Path(tools.commands[3][2]).parent
    assert tools.commands == [
        ("cibadmin", "--query"),
        ("crm_verify", "--verbose", "--xml-pipe"),
        ("crm_simulate", "--simulate", "--xml-pipe", "--output-as=xml"),
        ("crm_diff", "--original", f"{folder}/live.xml", "--new", f"{folder}/new.xml"),
        ("cibadmin", "--sync-call", "--patch", "--xml-pipe"),
    ]
    assert not folder.exists()


def test_applying_again_only_reads(tools, wanted):
    cib_live.apply(tools.run, wanted)
    tools.commands.clear()
    before = tools.read()
    assert cib_live.apply(tools.run, wanted).plan.changes == ()
    assert tools.commands == [("cibadmin", "--query")]
    assert tools.read() == before


def test_a_preview_says_the_same_and_changes_nothing(tools, wanted):
    before = tools.read()
    preview = cib_live.preview(tools.run, wanted)
    assert tools.read() == before
    assert preview.plan.changes == cib_live.apply(tools.run, wanted).plan.changes


def test_what_leaves_is_gone_from_the_file(tools, wanted, changed):
    cib_live.apply(tools.run, wanted)
    shared = changed(lambda site: site["storage"].update(backend="shared"))
    outcome = cib_live.apply(tools.run, lambda live: shared)
    assert [change.id for change in outcome.plan.changes if change.kind == "removed"] == [
        "ms_drbd_mysql",
        "p_drbd_mysql",
        "c_mysql_on_drbd",
        "o_drbd_before_mysql",
    ]
    assert "drbd_mysql" not in tools.read()
    assert cib_live.apply(tools.run, lambda live: shared).plan.changes == ()


def test_a_concurrent_change_is_kept_and_planned_around(tools, wanted, changed):
    cib_live.apply(tools.run, wanted)
    tools.commands.clear()
    others = iter([71, 72])

    def before(argv):
        if argv[0] == "cibadmin" and "--patch" in argv and (delay := next(others, None)):
            if delay == 71:
                tools.edit("</cluster_property_set>", f"{DELAY.format(delay)}</cluster_property_set>")
            else:
                tools.edit('value="71s"', f'value="{delay}s"')

    tools.before = before
    outcome = cib_live.apply(
        tools.run,
        lambda live: changed(lambda site: site["pacemaker"]["rsc_defaults"].update({"resource-stickiness": "7"})),
    )
    assert tools.names == APPLY * 3
    assert [change.new for change in outcome.plan.changes] == ["rsc_defaults resource-stickiness=7"]
    assert 'name="cluster-delay" value="72s"' in tools.read()
    assert 'name="resource-stickiness" value="7"' in tools.read()


def test_a_concurrent_change_that_is_ours_is_not_made_twice(tools, wanted):
    def before(argv):
        if "--patch" in argv:
            tools.before = lambda argv: None
            cib_live.apply(tools.run, wanted)

    tools.before = before
    assert cib_live.apply(tools.run, wanted).plan.changes == ()
    assert cib_live.preview(tools.run, wanted).plan.changes == ()


def test_it_gives_up_after_five_attempts(tools, wanted):
    tools.before = lambda argv: bump(tools, "epoch") if "--patch" in argv else None
    with pytest.raises(cib_live.Overtaken, match="somebody else"):
        cib_live.apply(tools.run, wanted)
    assert tools.names == APPLY * 5
    assert "p_mysql" not in tools.read()


def test_a_status_update_in_between_is_no_concurrent_change(tools, wanted):
    tools.before = lambda argv: bump(tools, "num_updates") if "--patch" in argv else None
    assert cib_live.apply(tools.run, wanted).plan.changes
    assert tools.names == APPLY
    assert cib_live.preview(tools.run, wanted).plan.changes == ()


def test_the_scratch_files_are_nobody_elses(tools, wanted):
    seen = []

    def before(argv):
        if argv[0] == "crm_diff":
            folder = Path(argv[2]).parent
            seen.extend(stat.S_IMODE(os.stat(path).st_mode) for path in (folder, *sorted(folder.iterdir())))

    tools.before = before
    cib_live.apply(tools.run, wanted)
    assert seen == [0o700, 0o600, 0o600]


def test_what_pacemaker_does_not_accept_is_refused_before_anything_changes(tools, changed):
    before = tools.read()
    fenced = changed(lambda site: site["pacemaker"]["properties"].update({"stonith-enabled": "true"}))
    with pytest.raises(Refused, match="STONITH"):
        cib_live.apply(tools.run, lambda live: fenced)
    assert tools.read() == before
    assert "crm_diff" not in tools.names


WARNED = """\
warning: Support for the Master role is deprecated and will be removed in a future release. Use Promoted instead.
Configuration invalid (with warnings)
"""
FAILED = """\
warning: Support for the Master role is deprecated and will be removed in a future release. Use Promoted instead.
IDREF attribute rsc references an unknown ID "g_nope"

IDREF attribute rsc references an unknown ID "g_nope"

error: CIB did not pass schema validation
Configuration invalid (with errors)
"""


def test_a_warning_does_not_stop_us(fake):
    """crm_verify of pacemaker 3.0.0 about a CIB with an old role name in it."""
    cib_live.verify(fake({"crm_verify": Result(78, "", WARNED)}).run, "<cib/>")


def test_an_error_does_and_each_is_said_once(fake):
    """crm_verify of pacemaker 3.0.0 about a constraint for a resource that is not there."""
    with pytest.raises(Refused) as caught:
        cib_live.verify(fake({"crm_verify": Result(78, "", FAILED)}).run, "<cib/>")
    assert str(caught.value).splitlines() == [
        "pacemaker would not accept the new configuration:",
        '  IDREF attribute rsc references an unknown ID "g_nope"',
        "  error: CIB did not pass schema validation",
        "  Configuration invalid (with errors)",
    ]


def test_a_complaint_without_a_reason_stops_us_too(fake):
    with pytest.raises(Refused, match="no reason given"):
        cib_live.verify(fake({"crm_verify": Result(78, "")}).run, "<cib/>")


@pytest.mark.parametrize("code", [102, 105])
def test_without_pacemaker_the_error_says_how_to_start_it(fake, wanted, code):
    pacemaker = fake(
        {"cibadmin": Result(code, "", "Could not connect to the CIB: Transport endpoint is not connected")}
    )
    with pytest.raises(NotReady, match=r"pacemaker is not running on this node.*systemctl start corosync pacemaker"):
        cib_live.apply(pacemaker.run, wanted)
    assert pacemaker.commands == [("cibadmin", "--query")]


def test_a_diff_that_fails_is_an_error(fake, make_cib):
    with pytest.raises(CommandFailed, match="cannot read"):
        cib_live.patch(fake({"crm_diff": Result(1, "", "cannot read it")}).run, make_cib(), make_cib())


def test_what_pacemaker_does_is_said(tools, fixture, desired):
    """On a running cluster with p_mysql on db2 (the fixture's agents are dummies, so all of it becomes something else)."""
    live = fixture("cib-2.1.5-running.xml")
    actions = cib_live.simulate(tools.run, cib_plan.plan(live, desired).xml)
    assert "restart p_mysql on db2" in actions
    assert cib_live.simulate(tools.run, live) == ()


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ('<rsc_action action="start" resource="p_mysql" node="db1"/>', "start p_mysql on db1"),
        ('<rsc_action action="move" resource="p_mysql" source="db1" dest="db2"/>', "move p_mysql from db1 to db2"),
        (
            '<rsc_action action="promote" resource="p_drbd_mysql:1" role="Unpromoted" next-role="Promoted" source="db2"/>',
            "promote p_drbd_mysql:1 on db2 (Unpromoted -> Promoted)",
        ),
        (
            '<rsc_action action="stop" resource="p_mysql" node="db1" blocked="true" reason="no quorum"/>',
            "stop p_mysql on db1 (blocked) because of no quorum",
        ),
        ('<node_action task="fence" node="db2" reason="peer is gone"/>', "fence db2 because of peer is gone"),
    ],
)
def test_an_action_in_words(fake, element, words):
    xml = f"<pacemaker-result><actions>{element}</actions></pacemaker-result>"
    assert cib_live.simulate(fake({"crm_simulate": Result(0, xml)}).run, "<cib/>") == (words,)


def test_another_answer_of_crm_simulate_is_a_parse_error(fake):
    with pytest.raises(ParseError, match="crm_simulate"):
        cib_live.simulate(fake({"crm_simulate": Result(0, "<else/>")}).run, "<cib/>")
