"""The note of a node that is replaced, and which keys of corosync are about the other node; a real corosync is in test/functional."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamysql import pending
from hamysql.config import resolution
from hamysql.corosync import conf, replaced
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import NotReady, ParseError
from hamysql.system import root
from hamysql.system.command import Result
from support import ROOT, load, parameters

CMAP = (Path(__file__).parent / "fixtures" / "cmap-3.1.7.txt").read_text(encoding="ascii")


def site(address="10.77.1.12", name="db2", own="10.77.1.11"):
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["corosync"]["token"] = 3000
    nodes = given["cluster"]["nodes"]
    nodes["db1"]["addresses"][0], nodes["db2"]["addresses"][0] = own, address
    given["cluster"]["nodes"] = {"db1": nodes["db1"], name: nodes["db2"]}
    devices = given["fencing"]["devices"]
    devices[name] = devices.pop("db2")
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")


def found(wanted, **options):
    items = corosync_pending.pending(wanted, corosync_pending.parse_map(CMAP), False, **options)
    return [(item.kind, item.path, item.old, item.new, item.advice) for item in items]


@pytest.fixture
def here(tmp_path):
    with root.below(tmp_path):
        yield tmp_path


def test_another_address_of_the_other_node_is_refused_with_the_operation_that_changes_it():
    path = "hamysql:cluster:nodes:db2:addresses:0"
    assert found(site("10.77.1.13")) == [("refused", path, "10.77.1.12", "10.77.1.13", pending.REPLACE)]
    assert "hamysql.orch.replace_node" in pending.REPLACE
    assert found(site("10.77.1.13"), replaced=True) == [("live", path, "10.77.1.12", "10.77.1.13", "")]


def test_another_name_is_the_same():
    assert [item[0] for item in found(site(name="db3"))] == ["refused"]
    assert [item[0] for item in found(site(name="db3"), replaced=True)] == ["live"]


def test_an_address_of_its_own_stays_refused():
    items = found(site(own="10.77.1.10"), replaced=True)
    assert [(item[0], item[4]) for item in items] == [("refused", pending.TOGETHER)]


def test_the_note_is_kept_read_and_forgotten(here):
    assert replaced.noted() is None
    assert not replaced.forget()
    assert replaced.note("db2", "db3")
    assert not replaced.note("db2", "db3")
    assert {"old": "db2", "new": "db3"}.items() <= replaced.noted().items()
    assert replaced.peer(site(name="db3"))
    assert not replaced.peer(site())
    assert replaced.forget()
    assert replaced.noted() is None


def test_a_damaged_note_is_an_error_that_says_what_to_do(here):
    place = here / "var/lib/hamysql/replaced-node"
    place.parent.mkdir(parents=True)
    place.write_text("[]")
    with pytest.raises(ParseError, match="remove it"):
        replaced.noted()


def test_who_is_alone_is_read_of_corosync_s_members():
    assert replaced.alone("runtime.members.1.status (str) = joined\nruntime.members.2.status (str) = left\n")
    assert not replaced.alone("runtime.members.1.status (str) = joined\nruntime.members.2.status (str) = joined\n")


def test_the_file_has_one_node_for_a_moment_and_is_whole_again_whatever_happens(tmp_path):
    wanted, file = site("10.77.1.13"), tmp_path / "corosync.conf"
    whole = "# Managed by Salt\n" + conf.export(wanted["corosync"]["sections"])
    file.write_text(whole)
    texts = []

    def run(argv, **_):
        texts.append(file.read_text())
        return Result(1, "", "cannot")

    running = corosync_pending.parse_map(CMAP)
    with pytest.raises(NotReady, match="cannot"):
        replaced.let_go(run, wanted, lambda: running, lambda: None, file)
    assert file.read_text() == whole
    (alone,) = texts
    (nodes,) = (part for part in conf.parse(alone) if part["name"] == "nodelist")
    assert [dict(node["options"])["name"] for node in nodes["sections"]] == ["db1"]


def test_nothing_is_done_where_corosync_has_the_pillar_s_nodes(tmp_path):
    running = corosync_pending.parse_map(CMAP)
    assert not replaced.let_go(lambda *_: 1 / 0, site(), lambda: running, lambda: None, tmp_path / "none")
