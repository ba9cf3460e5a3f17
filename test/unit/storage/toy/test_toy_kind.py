"""A kind of storage that is added by its object alone: everybody knows it, and no other file has to be changed."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import machines
import pytest
from loop_kind import Loop
from minion import load
from orchestration import Site
from orchestration import survey as machine_of

from hamysql.config import resources
from hamysql.errors import ConfigError, ParseError
from hamysql.master import migration, rolling, secretfile
from hamysql.pending import from_dicts
from hamysql.preflight import judge
from hamysql.storage import backends, latch
from hamysql.storage import pending as storage_pending
from hamysql.storage.latch import Latch, Stage
from hamysql.system.command import Result
from support import ROOT
from support import load as load_yaml

FILE = "/shared/galaxy-db.img"


@pytest.fixture(autouse=True)
def loop(monkeypatch):
    """The registry with one more kind."""
    monkeypatch.setitem(backends.KINDS, "loop", Loop())
    return backends.KINDS["loop"]


@pytest.fixture
def given():
    """The lab's pillar, with its data in a file. What a real kind has in hamysql/parameters is here as well."""
    pillar = load_yaml(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    pillar["storage"] = {"backend": "loop", "loop": {"file": FILE, "port": 21064, "key": "/etc/key"}}
    pillar["package"] = {"loop": ["losetup-tools"]}
    pillar["pacemaker"] = {"operations": {"p_loop_mysql": {"start": {"timeout": "20s"}}}}
    return pillar


@pytest.fixture
def member(given, resolve):
    """A bare machine, as ``hamysql_node.survey`` would say."""

    def make(name):
        seen = machine_of(name)
        seen["settings"] = resolve(given, name, name)
        seen["storage"] = {"backend": "loop", "latch": {}, "file": FILE, "there": True, "ready": False}
        seen["facts"]["storage"] = {"reached": {}, "modules": ["loop"], "version": "4"}
        return seen

    return make


@pytest.fixture
def surveys(member):
    return {name: member(name) for name in ("db1", "db2")}


def problems(resolve, pillar):
    with pytest.raises(ConfigError) as caught:
        resolve(pillar)
    return {problem.path: problem.expected for problem in caught.value.problems}


# --- the pillar


def test_a_pillar_becomes_values(resolve, given):
    found = resolve(given)
    assert found["storage"]["filesystem"]["device"] == "/dev/loop7"
    assert (found["storage"]["units"], found["storage"]["loop"]["text"]) == (["dlm.service"], "db1 of galaxy-db")
    assert {"losetup-tools", "xfsprogs"} <= set(found["package"]["names"])
    assert not [name for name in found["package"]["names"] if "drbd" in name]


def test_its_keys_and_rules_are_the_schemas(resolve, given):
    given["storage"]["loop"] = {"size": 101, "files": FILE, "port": 21064}
    found = problems(resolve, given)
    assert found["hamysql:storage:loop:file"] == "the file that holds the data"
    assert {f"hamysql:storage:loop:{key}" for key in ("size", "files", "key")} <= set(found)
    given["storage"]["backend"] = "lopp"
    assert "'loop'" in problems(resolve, given)["hamysql:storage:backend"]


def test_others_keep_off_its_disk_and_its_port_and_it_wants_fencing(resolve, given):
    given["mysql"]["config"] = {"mysqld": {"extra_port": 21064}}
    given["fencing"]["sbd"] = {"device": "/dev/loop7"}
    given["fencing"]["i_accept_data_loss_without_fencing"] = True
    given["cluster"]["nodes"]["db1"]["disk"] = "/dev/sdb"
    found = problems(resolve, given)
    assert found["hamysql:mysql:config:mysqld:extra_port"] == "a port of its own"
    assert "a disk of its own" in found["hamysql:fencing:sbd:device"]
    assert "two caches of one disk" in found["hamysql:fencing:i_accept_data_loss_without_fencing"]
    assert "no node has its own disk" in found["hamysql:cluster:nodes:db1:disk"]


def test_its_secret_can_be_made():
    path = ("storage", "loop", "key")
    assert secretfile.missing({"storage": {"backend": "loop"}, "corosync": {"authkey": "x"}}) == [path]
    assert len(secretfile.make([path])[path]) == 8


def test_what_a_node_has_noted_completes_the_pillar(given):
    module = load("_modules/hamysql.py", "hamysql_of_a_toy")
    module.__pillar__, module.__context__, module.__opts__ = {"hamysql": given}, {}, {"id": "db1"}
    module.__grains__ = {"nodename": "db1", "os_family": "Debian"}
    files = [str(path) for path in (ROOT / "hamysql" / "parameters").rglob("*.yaml")]
    module.__salt__ = {"cp.cache_dir": lambda *_, **__: files}
    assert module.config_()["storage"]["loop"]["size"] == 7


# --- the cluster's configuration, and the firewall


def test_the_cluster_starts_its_resource_below_the_file_system(resolve, given):
    group = resources.desired(resolve(given)).find("resources/group")
    assert [item.get("id") for item in group.iter("primitive")] == ["p_loop_mysql", "p_fs_mysql", "p_mysql"]
    assert {op.get("name"): op.get("timeout") for op in group[0].iterfind("operations/op")}["start"] == "20s"


def test_the_peer_and_nobody_else_reaches_its_port(resolve, given):
    rules = [rule for rule in resolve(given)["firewall"]["rules"]["ipv4"] if "21064" in rule]
    port = "-p tcp -m tcp --dport 21064"
    assert rules == [f"-A HAMYSQL -s 10.77.1.12/32 {port} -j ACCEPT", f"-A HAMYSQL {port} -j DROP"]


def test_another_file_or_kind_is_not_taken_for_the_data(resolve, given):
    config = resolve(given)
    cib = f"<cib>{ET.tostring(resources.desired(config), 'unicode')}</cib>"
    assert backends.recognised(storage_pending.parameters(cib)) == "loop"
    assert list(storage_pending.pending(config, cib, [])) == []
    given["storage"]["loop"]["file"] = "/shared/other.img"
    (item,) = storage_pending.pending(resolve(given), cib, [])
    assert (item.kind, item.path, item.old) == ("refused", "hamysql:storage:loop:file", FILE)
    other = load_yaml(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    (item,) = storage_pending.pending(resolve(other), cib, [])
    assert (item.path, item.old, item.new) == ("hamysql:storage:backend", "loop", "drbd")


# --- a node


def test_a_node_says_what_it_sees(resolve, given, monkeypatch):
    config = resolve(given)
    storage = load("_modules/hamysql_storage.py", "hamysql_storage_of_a_toy")
    storage.__salt__ = {"hamysql.config": lambda **_: config}
    storage.run = lambda argv, **_: Result(0, "")
    known = Latch("galaxy-db", "mysql", FILE, Stage.CLAIMED, backend="loop")
    storage.LATCHES = SimpleNamespace(read=lambda name, kind: known if (name, kind) == ("mysql", "loop") else None)
    seen = storage.survey()
    assert (seen["backend"], seen["file"], seen["there"]) == ("loop", FILE, True)
    assert Latch.from_dict(seen["latch"]) == known


def test_a_change_that_is_live_is_applied_by_the_kind(resolve, given):
    config = resolve(given)
    module, ran = load("_modules/hamysql_change.py", "hamysql_change_of_a_toy"), []
    module.__salt__ = {"hamysql.config": lambda **_: config}
    module.run = lambda argv, **_: ran.append(argv) or Result(0, "")
    module._data = module._corosync = module._sbd = module._mysql = lambda _: []
    (item,) = from_dicts(module.pending())
    assert (item.path, item.scope) == ("hamysql:storage:loop:size", "storage")
    assert list(module.apply()) == [item.path]
    assert ran == [["losetup", "--set-capacity", "/dev/loop7"]]


def test_both_copies_of_the_data_are_one(resolve, given):
    module = load("_modules/hamysql_fencing.py", "hamysql_fencing_of_a_toy")
    module.__salt__ = {
        "hamysql.config": lambda **_: resolve(given),
        "hamysql_cluster.wait_online": lambda *_, **__: True,
    }
    assert (module.restore(), module.relax(), module.wait_recovered()) == (False, True, True)


# --- the master


def test_the_deployment_plans_its_steps(member):
    site = Site(member)
    checked = site.module.members_checked("members")
    assert checked["result"] is True, checked["comment"]
    planned = site.module.storage_initialised("storage")
    assert planned["changes"]["storage"] == [f"attach on db1, db2: {FILE} is behind no device"]
    assert [event["text"] for event in site.events if "WARNING" in event["text"]][
        -1
    ] == "WARNING: a loop device is slow"


def test_its_steps_are_its_own_modules(surveys):
    (step,) = backends.steps(surveys)
    assert backends.of(surveys).function(step.action) == "hamysql_loop.attach"


def test_people_are_told_of_it(surveys):
    surveys["db2"]["storage"]["there"] = False
    assert backends.state(surveys["db1"]) == f"file {FILE}"
    assert backends.details(surveys["db1"]) == {"drbd": {}, "loop": FILE}
    for seen in surveys.values():
        seen["cluster"] |= {"running": True, "dc": "db1", "quorum": True, "resources": []}
    assert f"db2: {FILE} is not there" in rolling.obstacles(surveys)


def test_preflight_judges_what_it_has_to_know(surveys):
    surveys["db1"]["facts"]["storage"]["reached"] = {"192.0.2.60:21064": False}
    surveys["db2"]["facts"]["storage"].update(modules=[], version="3")
    found = "\n".join(str(finding) for finding in judge.judge(surveys))
    assert (
        "db1: found no answer from 192.0.2.60:21064, expected one: it has the data (hamysql:storage:loop:file)" in found
    )
    assert "db2: found no module loop" in found
    assert "db2: found the lock manager 3, expected the same major version as on db1, which has 4" in found


def test_members_agree_on_what_it_leaves_open(member):
    def stranger(name):
        seen = member(name)
        seen["storage"]["stranger"] = name == "db2"
        return seen

    changes = Site(stranger).module.members_checked("members")["changes"]
    assert changes == {"db2": ["~ hamysql:storage:loop:size: 1 -> 2"]}


def test_it_takes_part_in_a_move(loop):
    known = Latch("galaxy-db", "mysql", FILE, Stage.DATADIR, backend="loop")
    assert loop.reset(known, True).stage == Stage.FILESYSTEM
    one = migration.Standing("loop", None, None, known, "loop", "", "", (), (), "")
    assert migration.chosen({"db1": one}) == "db1"


def test_a_node_with_one_copy_may_serve_alone(evidence):
    seen = {**evidence, "backend": "loop", "flags": {}}
    assert backends.alone(seen) == []
    assert "still has the data mounted" in backends.KINDS["loop"].consider(seen)


def test_a_latch_may_be_about_every_kind(tmp_path):
    """The kinds stand in one place; one that is not among them cannot be moved to."""
    assert all(name == kind.name for name, kind in backends.KINDS.items())
    for name in backends.KINDS:
        machines.put(tmp_path / latch.NEXT / latch.MARK, f"{name}\n")
        assert latch.moving_to(tmp_path) == name
    machines.put(tmp_path / latch.NEXT / latch.MARK, "tape\n")
    with pytest.raises(ParseError, match="expected one of drbd, shared, nfs, loop"):
        latch.moving_to(tmp_path)


def test_a_process_that_asks_for_latches_alone_knows_all_kinds():
    asked = "from hamysql.storage import latch; print(*latch.kinds)"
    place = {"PYTHONPATH": str(ROOT / "_utils"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run([sys.executable, "-c", asked], env=place, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["drbd", "shared", "nfs"]


def test_no_other_file_knows_the_toy():
    files = [
        path
        for folder in ("_utils", "_modules", "_states", "_runners", "hamysql")
        for path in (ROOT / folder).rglob("*")
    ]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()]
    assert texts
    assert not [text for text in texts if re.search(r"hamysql_loop|p_loop_mysql|storage:loop", text)]
