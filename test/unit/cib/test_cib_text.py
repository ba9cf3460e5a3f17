"""A site's own crm text: loaded by the real crm, owned by a tag of its own, idempotent, and never a leak of its passwords."""

from __future__ import annotations

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.cib import text as cib_text
from hamysql.errors import CommandFailed, NotReady, Refused

TEXT = """\
# further services of this site
primitive p_key ocf:heartbeat:Dummy params fake=one op monitor interval=10s timeout=20s
primitive p_db ocf:heartbeat:mysql params test_passwd=hunter2 op monitor interval=10s timeout=20s
colocation c_key inf: p_key g_mysql
property cluster-delay=70s
op_defaults timeout=55s
"""


@pytest.fixture
def load(tools, desired):
    """Load a text into a cluster that has what hamysql wants."""
    cib_live.apply(tools.run, lambda live: desired)
    tools.commands.clear()

    def load(text):
        return cib_live.apply(tools.run, cib_live.from_text(tools.run, text, ("mysqld",)), tag=cib_plan.TEXT_TAG)

    return load


def kinds(outcome):
    return {change.id: change.kind for change in outcome.plan.changes}


def test_a_text_is_added_changed_and_taken_away_again(tools, load, desired):
    added = load(TEXT)
    assert kinds(added) == dict.fromkeys(
        [
            "cib-bootstrap-options-cluster-delay",
            "p_key",
            "p_db",
            "c_key",
            "op-options-timeout",
            "hamysql-configure",
        ],
        "added",
    )
    assert "hunter2" not in repr(added.plan.changes)
    assert 'value="hunter2"' in tools.read()
    assert load(TEXT).plan.changes == ()
    assert cib_live.apply(tools.run, lambda live: desired).plan.changes == ()

    changed = load(TEXT.replace("fake=one", "fake=two").replace("property cluster-delay=70s\n", ""))
    assert kinds(changed) == {
        "p_key": "changed",
        "hamysql-configure": "changed",
        "cib-bootstrap-options-cluster-delay": "removed",
    }
    assert ("params fake=one", "params fake=two") in [(change.old, change.new) for change in changed.plan.changes]

    tools.commands.clear()
    removed = load("")
    assert set(kinds(removed).values()) == {"removed"}
    assert "crm" not in tools.names
    assert cib_live.preview(tools.run, lambda live: desired).plan.changes == ()
    assert not [name for name in ("p_key", "p_db", "c_key", "hunter2", "hamysql-configure") if name in tools.read()]


def test_without_a_text_nothing_is_asked_of_crm(tools, load):
    assert load(" \n").plan.changes == ()
    assert tools.commands == [("cibadmin", "--query")]


@pytest.mark.parametrize(
    ("text", "touched"),
    [
        ("group g_mysql p_ip_mysql p_fs_mysql", "p_ip_mysql, g_mysql, p_mysql"),
        ("property cluster-recheck-interval=9min", "cib-bootstrap-options-cluster-recheck-interval"),
        ("node 1: db1 attributes colour=blue", "the attributes of nodes"),
    ],
)
def test_a_text_cannot_change_what_it_did_not_make(tools, load, text, touched):
    before = tools.read()
    with pytest.raises(Refused, match=f"configure changes {touched}, which it did not make"):
        load(text)
    assert tools.read() == before


def test_crms_own_words_are_the_error_without_the_password(tools, load):
    before = tools.read()
    with pytest.raises(Refused) as caught:
        load(f"{TEXT}primitiv p_x ocf:heartbeat:mysql params test_passwd=hunter2\n")
    text = str(caught.value)
    assert "crm does not accept the text of hamysql:pacemaker:configure" in text
    assert "syntax: Unknown command near <primitiv>" in text
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert caught.value.__cause__ is None
    assert tools.read() == before


def test_crms_colours_are_not_in_the_error(tools, load):
    def before(argv):
        if argv[0] == "crm":
            raise CommandFailed(
                argv, 1, "\x1b[31mERROR\x1b[0m: constraint c_x references a resource g_nope which doesn't exist\n"
            )

    tools.before = before
    with pytest.raises(Refused, match=r"\nERROR: constraint c_x references a resource g_nope which doesn't exist$"):
        load(TEXT)


def test_the_scratch_copy_has_no_reference_to_what_is_taken_out(make_cib):
    resources = '<primitive id="p_key" class="ocf" provider="heartbeat" type="Dummy"/>'
    constraints = '<rsc_location id="cli-ban-p_key-on-db1" rsc="p_key" node="db1" score="-INFINITY"/>'
    tags = '<tags><tag id="hamysql-configure"><obj_ref id="p_key"/></tag><tag id="t"><obj_ref id="p_key"/></tag></tags>'
    assert "p_key" not in cib_text.without(make_cib(resources, constraints, tags), cib_plan.TEXT_TAG)


def test_where_crm_is_missing_the_error_says_what_to_install(tools, load):
    def before(argv):
        if argv[0] == "crm":
            raise CommandFailed(argv, 127, "No such file or directory: 'crm'")

    tools.before = before
    with pytest.raises(NotReady, match=r"crm is not installed on this node.*install crmsh"):
        load(TEXT)
