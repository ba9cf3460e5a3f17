"""Checkpoints and the undo, on pacemaker's real tools: what comes back, what stays, what is refused."""

from __future__ import annotations

import copy
import re
import stat
import xml.etree.ElementTree as ET

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.config import resources
from hamysql.errors import Refused
from hamysql.records import undo
from hamysql.records.checkpoints import CIB, Store

NODES = '<node id="1" uname="db1"/><node id="2" uname="db2"/>'


@pytest.fixture
def deployed(site, tools):
    """The lab's cluster, with its nodes; ``deploy`` applies a site to it, as the orchestration does."""
    site["pacemaker"]["configure"] = ""
    cib_live.apply(tools.run, lambda _: resources.desired(site))
    tools.edit("<nodes/>", f"<nodes>{NODES}</nodes>")
    return site


@pytest.fixture
def module(load_module, deployed, tools, tmp_path, monkeypatch):
    loaded = load_module(
        "_modules",
        "hamysql_checkpoint",
        __salt__={"hamysql.config": lambda **_: deployed},
        __opts__={"cachedir": str(tmp_path)},
    )
    deployed["mysql"]["config_fragment"] = str(tmp_path / "hamysql.cnf")
    (tmp_path / "hamysql.cnf").write_text("[mysqld]\nreport-password = canary\nmax_connections = 10\n")
    corosync = tmp_path / "corosync.conf"
    corosync.write_text("totem {\n  token: 3000\n}\n")
    monkeypatch.setattr(loaded, "run", tools.run)
    monkeypatch.setattr(loaded, "STORE", Store(tmp_path / "checkpoints"))
    monkeypatch.setattr(loaded.node_ids, "FILE", corosync)
    return loaded


def deploy(tools, site, **operations):
    """Another deployment; the monitor's timeout of the server is what changes."""
    changed = copy.deepcopy(site)
    changed["pacemaker"]["operations"]["p_mysql"]["monitor"] = {"interval": "20s", **operations}
    return cib_live.apply(tools.run, lambda _: resources.desired(changed)).plan.changes


def configured(tools):
    return ET.canonicalize(ET.tostring(ET.fromstring(tools.read()).find("configuration"), "unicode"), strip_text=True)


def test_a_checkpoint_has_the_files_root_only_and_secrets_only_where_the_undo_needs_them(module, tools, tmp_path):
    name = module.keep(job="20260131")
    assert re.fullmatch(r"\d{8}T\d{6}Z", name)
    folder = tmp_path / "checkpoints"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / name).iterdir()} == {0o600}
    found = module.STORE.read(name)
    assert {CIB, "corosync.conf", "hamysql.cnf"} <= set(found.texts)
    assert "canary" not in found.texts["hamysql.cnf"]
    assert "max_connections = 10" in found.texts["hamysql.cnf"]
    assert "token: 3000" in module.show(name)[str(tmp_path / "corosync.conf")]
    (said,) = module.list_()
    assert (said["job"], said["before"]) == ("20260131", "a highstate")


def test_what_is_kept_already_is_not_kept_again_and_twenty_stay(module, tools, deployed, tmp_path):
    first = module.keep()
    assert module.keep() == first
    tools.edit('num_updates="0"', 'num_updates="7"')
    assert module.keep() == first, "no more than an operation has ended"
    (tmp_path / "corosync.conf").write_text("totem {\n  token: 4000\n}\n")
    assert module.keep(cib_only=True) == first
    assert module.keep() != first
    for number in range(30):
        (tmp_path / "corosync.conf").write_text(f"totem {{\n  token: {number}\n}}\n")
        module.keep()
    assert len(module.list_()) == 20
    assert [item["name"] for item in module.list_()] == module.STORE.names()


def test_one_that_was_cut_off_is_none(module, tmp_path):
    making = tmp_path / "checkpoints" / ".making-20260131T100000Z"
    making.mkdir(parents=True)
    assert module.list_() == []
    assert module.keep()
    assert not making.exists()


def test_a_change_is_undone_and_what_others_made_since_stays(module, tools, deployed):
    before = configured(tools)
    name = module.keep()
    assert deploy(tools, deployed, timeout="44s")
    tools.edit("<constraints>", '<constraints><rsc_location id="l_hand" rsc="g_mysql" node="db1" score="7"/>')
    seen = module.diff(name)
    assert [change["id"] for change in seen["changes"]] == ["p_mysql"]
    assert seen["problems"] == []
    assert module.restore(name)["changes"] == seen["changes"]
    assert 'id="l_hand"' in tools.read()
    tools.edit('<rsc_location id="l_hand" rsc="g_mysql" node="db1" score="7"/>', "")
    assert configured(tools) == before
    assert module.diff(name)["changes"] == []
    assert module.restore(name)["changes"] == []


def test_an_operators_decision_of_now_stays_and_that_of_then_does_not_come_back(module, tools, deployed):
    stopped = '<meta_attributes id="p_ip_mysql-m"><nvpair id="p_ip_mysql-r" name="target-role" value="Stopped"/></meta_attributes>'
    ip = re.search(r'<primitive id="p_ip_mysql"[^>]*>', tools.read())[0]
    tools.edit(ip, ip + stopped)
    name = module.keep()
    deploy(tools, deployed, timeout="44s")
    tools.write(re.sub(r'<nvpair id="p_ip_mysql-r"[^>]*>', "", tools.read()))
    assert "target-role" in module.STORE.read(name).cib
    module.restore(name)
    assert "target-role" not in tools.read()
    assert "44s" not in tools.read()


def test_what_the_pillars_text_made_comes_back_as_well(module, tools, deployed):
    def text(words):
        wanted = cib_live.from_text(tools.run, words, ())
        cib_live.apply(tools.run, wanted, tag=cib_plan.TEXT_TAG)

    text("location l_site g_mysql 10: db1\n")
    name = module.keep()
    text("location l_other g_mysql 20: db2\n")
    changed = {(change["kind"], change["id"]) for change in module.restore(name)["changes"]}
    assert {("added", "l_site"), ("removed", "l_other")} <= changed
    assert module.diff(name)["changes"] == []


def test_a_run_that_is_killed_between_its_two_changes_is_ended_by_the_next(module, tools, deployed):
    cib_live.apply(
        tools.run, cib_live.from_text(tools.run, "location l_site g_mysql 10: db1\n", ()), tag=cib_plan.TEXT_TAG
    )
    name = module.keep()
    deploy(tools, deployed, timeout="44s")
    cib_live.apply(tools.run, cib_live.from_text(tools.run, "", ()), tag=cib_plan.TEXT_TAG)
    kept = module.STORE.read(name).cib
    cib_live.apply(tools.run, lambda _: undo.wanted(kept, cib_plan.TAG))
    module.restore(name)
    assert module.diff(name)["changes"] == []


def test_the_move_of_a_run_that_was_cut_off_does_not_come_back(module, tools, deployed):
    from hamysql.cib import move

    cib_live.edit(tools.run, lambda live: move.begun(live, "db1", 4102444800))
    name = module.keep()
    cib_live.edit(tools.run, move.ended)
    deploy(tools, deployed, timeout="44s")
    module.restore(name)
    assert "hamysql-move" not in tools.read()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('value="/dev/drbd0"', 'value="/dev/drbd1"', "other data"),
        ('value="/var/lib/mysql"', 'value="/var/lib/mysql2"', "other data"),
        ('<node id="2" uname="db2"/>', '<node id="3" uname="db3"/>', "the nodes db1 and db2 then"),
    ],
    ids=["device", "datadir", "nodes"],
)
def test_what_would_bring_up_other_data_or_is_about_other_nodes_is_refused(module, tools, old, new, why):
    name = module.keep()
    tools.edit(old, new)
    now = tools.read()
    assert any(why in line for line in module.diff(name)["problems"])
    with pytest.raises(Refused, match=why):
        module.restore(name)
    assert tools.read() == now


def test_the_guard_stands_directly_before_the_change(module, tools, deployed):
    """Somebody changes where the data is between the look and the patch."""
    name = module.keep()
    deploy(tools, deployed, timeout="44s")

    def before(argv):
        if argv[0] == "crm_diff" and 'value="/dev/drbd0"' in tools.read():
            tools.edit('value="/dev/drbd0"', 'value="/dev/drbd1"')

    tools.before = before
    with pytest.raises(Refused, match="meanwhile"):
        module.restore(name)
    assert "44s" in tools.read()


def test_a_checkpoint_from_before_the_service_is_refused(module, tools, make_cib):
    live = tools.read()
    tools.write(make_cib())
    name = module.keep()
    tools.write(live)
    with pytest.raises(Refused, match="all of the service would be removed"):
        module.restore(name)
    assert tools.read() == live


def test_a_checkpoint_without_a_cluster_is_refused(module, monkeypatch):
    known = module.cib_kept.known
    monkeypatch.setattr(module.cib_kept, "known", lambda run: None)
    name = module.keep()
    monkeypatch.setattr(module.cib_kept, "known", known)
    with pytest.raises(Refused, match="no cluster configuration"):
        module.diff(name)
    with pytest.raises(Refused, match="this node has no checkpoint"):
        module.diff("20200101T000000Z")


def test_fencing_is_not_undone_and_a_device_without_its_passwords_does_not_come_back(lab):
    lab["vip"]["watch"] = lab["pacemaker"]["hand_over"] = False
    fenced = cib_plan.plan(EMPTY, resources.desired(lab)).xml
    other = copy.deepcopy(lab)
    other["fencing"].update(devices=[], levels={}, enabled=False)
    for name in ("stonith-timeout", "priority-fencing-delay"):
        other["pacemaker"]["properties"].pop(name, None)
    other["pacemaker"]["properties"]["stonith-enabled"] = "false"
    without = cib_plan.plan(EMPTY, resources.desired(other)).xml
    assert [line.split(":")[0] for line in undo.problems(fenced, without)] == [
        "fencing was off then",
        "the cluster had no fence device then",
    ]
    assert all("passwords" in line for line in undo.problems(without, fenced))
    assert undo.problems(without, fenced)
    assert undo.problems(fenced, fenced) == []


EMPTY = (
    '<cib validate-with="pacemaker-3.9" epoch="0"><configuration><crm_config/><nodes/><resources/><constraints/>'
    "</configuration><status/></cib>"
)


def test_what_files_of_the_nodes_say_as_well_is_refused(module, tools, deployed):
    name = module.keep()
    changed = copy.deepcopy(deployed)
    changed["mysql"]["socket"] = "/run/mysqld/other.sock"
    changed["vip"]["address"] = "10.77.1.99"
    cib_live.apply(tools.run, lambda _: resources.desired(changed))
    with pytest.raises(
        Refused, match=r"ip of p_ip_mysql is 10.77.1.99 now(.|\n)*socket of p_mysql is /run/mysqld/other.sock now"
    ):
        module.restore(name)


def test_the_name_is_the_one_that_both_nodes_get(module, tmp_path):
    assert module.keep(name="20990131T100000Z") == "20990131T100000Z"
    (tmp_path / "corosync.conf").write_text("totem {\n  token: 4000\n}\n")
    assert module.keep(name="20990131T100000Z") == "20990131T100000Z-2"
    (tmp_path / "corosync.conf").write_text("totem {\n  token: 5000\n}\n")
    assert module.keep() == "20990131T100000Z-3", "a clock that was set back"
    assert [item["name"][-3:] for item in module.list_()] == ["Z-3", "Z-2", "00Z"]
    with pytest.raises(Refused, match="is no name of a checkpoint"):
        module.keep(name="../x")
