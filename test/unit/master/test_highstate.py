"""Returns of ``state.apply`` reduced to changes and causes."""

from __future__ import annotations

import pytest

from hamysql.master import highstate


def state(result=True, changes=None, comment="", **more):
    return {"result": result, "changes": changes or {}, "comment": comment, "name": "x", **more}


CONFIG = "file_|-hamysql-corosync-config-file-managed_|-/etc/corosync/corosync.conf_|-managed"


def test_nothing_to_do_is_no_change():
    outcome = highstate.summarise({CONFIG: state(), "test_|-other_|-other_|-nop": state()})
    assert (outcome.changes, outcome.failures) == ({}, ())


def test_changes_are_named_by_the_states_id():
    key = "hamysql-corosync-config-file-managed"
    outcome = highstate.summarise({CONFIG: state(changes={"diff": "+token: 3000"}, __id__=key)})
    assert outcome.changes == {key: {"diff": "+token: 3000"}}


def test_what_a_test_would_change_is_a_change_even_without_details():
    would = state(result=None, comment="The file would be changed", __id__="config")
    assert highstate.summarise({CONFIG: would}).changes == {"config": "The file would be changed"}


def test_hundreds_of_packages_are_counted():
    changes = {f"package-{number}": {"old": "", "new": "1"} for number in range(highstate.MANY + 1)}
    assert highstate.summarise({CONFIG: state(changes=changes, __id__="packages")}).changes == {
        "packages": "13 entries"
    }
    few = dict(list(changes.items())[: highstate.MANY])
    assert highstate.summarise({CONFIG: state(changes=few, __id__="packages")}).changes == {"packages": few}


def test_a_failure_is_told_by_its_cause_and_not_by_what_it_stopped():
    returned = {
        "a": state(False, comment="E: Unable to locate package crmsh", __id__="package"),
        "b": state(False, comment="One or more requisite failed: hamysql.package.package", __id__="config"),
    }
    assert highstate.summarise(returned).failures == ("package: E: Unable to locate package crmsh",)


def test_a_failed_requisite_alone_is_still_a_failure():
    returned = {"b": state(False, comment="One or more requisite failed: x", __id__="config")}
    assert highstate.summarise(returned).failures == ("config: One or more requisite failed: x",)


def test_changes_made_before_a_failure_are_kept():
    outcome = highstate.summarise({"a": state(False, {"new": "half"}, ["one", "two"], __id__="unit")})
    assert outcome.failures == ("unit: one; two",)
    assert outcome.changes == {"unit": {"new": "half"}}


@pytest.mark.parametrize(
    ("returned", "failures"),
    [
        (
            ["Rendering SLS 'base:hamysql' failed: mapping values"],
            ("Rendering SLS 'base:hamysql' failed: mapping values",),
        ),
        (("one", "two\n"), ("one", "two")),
        ('The function "state.apply" is running as PID 1', ('The function "state.apply" is running as PID 1',)),
        (None, ("None",)),
        ({CONFIG: "not a state"}, (f"{CONFIG}: not a state",)),
    ],
    ids=["rendering", "tuple", "text", "nothing", "a state that is no mapping"],
)
def test_anything_else_than_states_is_a_failure(returned, failures):
    assert highstate.summarise(returned).failures == failures
