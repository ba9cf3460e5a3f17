"""The lab's kinds of storage, as far as they can be wrong without a node."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab import api, lifecycle, nas, network, node, pillar, san, seed, settings, snapshot, status, storage
from lab.cli import parser
from lab.context import Lab
from lab.errors import LabError
from lab.topology import STORAGES

IMAGE = "key"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(dir=tmp_path / "lab")
    made.dir.mkdir()
    return made


def with_storage(lab: Lab, kind: str) -> Lab:
    lab.storage_file.write_text(kind)
    return lab


def with_disks(lab: Lab) -> None:
    for item in lab.topology.nodes:
        folder = lab.node_dir(item)
        folder.mkdir(parents=True, exist_ok=True)
        for disk in item.disks:
            (folder / f"{disk.name}.img").write_text(f"{lab.storage} {item.name}")
        (folder / "image").write_text(IMAGE)
    if lab.storage == "iscsi":
        lab.san.mkdir(exist_ok=True)
        san.lun(lab).write_text("iscsi lun")


def test_only_a_file_server_is_a_third_machine_and_no_minion(lab: Lab) -> None:
    assert lab.storage == "drbd"
    for kind in ("drbd", "iscsi"):
        assert with_storage(lab, kind).topology.names == ("db1", "db2")
    topology = with_storage(lab, "nfs").topology
    assert topology.names == ("db1", "db2", "nas1")
    assert [item.name for item in topology.minions] == [item.name for item in topology.data_nodes] == ["db1", "db2"]
    assert topology.start_order[0].name == "nas1"
    lab.qdevice.touch()
    assert [item.name for item in lab.topology.minions] == ["db1", "db2", "qd1"]


def test_the_file_server_gets_no_minions_key(lab: Lab) -> None:
    with_storage(lab, "nfs")
    seed.write(lab, lab.topology.nodes)
    keys = {item.name: (lab.node_dir(item) / "seed/files/etc/salt/pki/minion").exists() for item in lab.topology.nodes}
    assert keys == {"db1": True, "db2": True, "nas1": False}
    assert not (lab.salt / "pki/minions/nas1").exists()


@pytest.mark.parametrize("kind", STORAGES)
def test_each_kind_has_a_whole_pillar_that_differs_in_its_storage_only(lab: Lab, kind: str) -> None:
    whole, plain = pillar.compose(kind)["hamysql"], yaml.safe_load(pillar.PILLAR.read_text())["hamysql"]
    assert {key: value for key, value in whole.items() if key != "storage"} == {
        key: value for key, value in plain.items() if key != "storage"
    }
    pillar.serve(lab, None, kind)
    assert yaml.safe_load((lab.salt / "pillar/lab.sls").read_text()) == {"hamysql": whole}
    assert settings.read(lab).backend == {"drbd": "drbd", "iscsi": "shared", "nfs": "nfs"}[kind]


def test_the_pillars_name_what_the_lab_has(lab: Lab) -> None:
    shared = pillar.compose("iscsi")["hamysql"]["storage"]["shared"]
    assert shared["device"].endswith(san.SERIAL)
    assert shared["iscsi"] == {
        "portal": f"{lab.topology.san_address}:{san.PORT}",
        "target": san.TARGET,
        "username": san.USER,
        "password": san.PASSWORD,
    }
    assert 12 <= len(san.PASSWORD) <= 16
    topology = with_storage(lab, "nfs").topology
    assert topology.nas
    nfs = pillar.compose("nfs")["hamysql"]["storage"]["nfs"]
    assert nfs == {"server": topology.address(topology.nas, 1), "export": nas.EXPORT}


def test_a_given_pillar_stays_until_there_is_another_kind_of_storage(lab: Lab, tmp_path: Path) -> None:
    served, own = lab.salt / "pillar/lab.sls", tmp_path / "own.sls"
    own.write_text("hamysql: {}\n")
    with_storage(lab, "iscsi")
    pillar.serve(lab, own, "iscsi")
    pillar.serve(lab, None, "iscsi")
    assert served.resolve() == own
    pillar.serve(lab, None, "nfs")
    assert "backend: nfs" in served.read_text()
    assert own.read_text() == "hamysql: {}\n"
    with pytest.raises(LabError, match="there is no pillar file"):
        pillar.serve(lab, tmp_path / "missing.sls", "nfs")
    assert "backend: nfs" in served.read_text()


def test_the_labs_own_pillar_is_made_anew_and_a_changed_one_is_left(lab: Lab) -> None:
    served = lab.salt / "pillar/lab.sls"
    with_storage(lab, "nfs")
    pillar.serve(lab, None, "nfs")
    made = served.read_text()
    served.write_text(made + "# of an older lab\n")
    pillar.serve(lab, None, "nfs")
    assert served.read_text() == made
    served.write_text("hamysql: {}\n")
    pillar.serve(lab, None, "nfs")
    assert served.read_text() == "hamysql: {}\n"


def test_a_snapshot_has_the_lun_and_is_of_one_kind(lab: Lab) -> None:
    with_disks(with_storage(lab, "iscsi"))
    snapshot.save(lab, "san")
    san.lun(lab).write_text("changed")
    snapshot.restore(lab, "san", IMAGE)
    assert san.lun(lab).read_text() == "iscsi lun"
    assert snapshot.storage_of(lab, "san") == "iscsi"
    snapshot.need(lab, "san", IMAGE)
    snapshot.need(lab, "san", IMAGE, "iscsi")
    with pytest.raises(LabError, match="made with --storage iscsi, not nfs"):
        snapshot.need(lab, "san", IMAGE, "nfs")


def test_a_snapshot_has_the_file_servers_disk(lab: Lab) -> None:
    with_disks(with_storage(lab, "nfs"))
    disk = lab.dir / "nodes/nas1/export.img"
    snapshot.save(lab, "file-server")
    disk.write_text("changed")
    snapshot.restore(lab, "file-server", IMAGE)
    assert disk.read_text() == "nfs nas1"


def test_a_snapshot_from_before_there_were_kinds_is_of_drbd(lab: Lab) -> None:
    with_disks(lab)
    snapshot.save(lab, "old")
    (snapshot.folder(lab, "old") / "storage").unlink()
    assert snapshot.storage_of(lab, "old") == "drbd"


def test_a_running_lab_does_not_lose_its_storage(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with_storage(lab, "nfs")
    monkeypatch.setattr(lifecycle.host, "check", lambda *_: None)
    monkeypatch.setattr(node, "power_status", lambda *_: "on")
    with pytest.raises(LabError, match="take it down first, or add --fresh"):
        lifecycle.up(lab, api.Progress(), storage="iscsi")
    assert lab.storage == "nfs"
    assert not (lab.salt / "pillar").exists()


def test_only_a_san_needs_programs_on_this_machine() -> None:
    assert {kind: set(storage.programs(kind)) for kind in STORAGES} == {
        "drbd": set(),
        "iscsi": {"tgtd", "tgtadm"},
        "nfs": set(),
    }


def test_two_labs_targets_have_control_sockets_of_their_own(tmp_path: Path) -> None:
    one, other = (san._environment(Lab(dir=tmp_path / name))["TGT_IPC_SOCKET"] for name in ("one", "other"))
    assert one != other
    assert len(f"{one}.0.lock") < 107


def test_the_file_servers_new_disk_has_a_file_system(lab: Lab) -> None:
    server = with_storage(lab, "nfs").topology.nas
    assert server
    node.make_disks(lab, server, IMAGE)
    disk = lab.node_dir(server) / "export.img"
    with disk.open("rb") as file:
        file.seek(1080)
        assert file.read(2) == b"\x53\xef"  # ext4's magic number
    assert disk.stat().st_blocks * 512 < disk.stat().st_size / 4


def test_what_is_cut_is_the_way_to_the_san_and_only_for_the_nodes_that_are_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(network, "_ip", lambda _lab, *words: said.append(" ".join(words)))
    rules = [0, 32766, 32767]
    monkeypatch.setattr(network, "_rules", lambda _lab: rules)
    with_storage(lab, "iscsi")
    storage.cut(lab, (lab.node("db2"),))
    assert said == [
        "rule add priority 100 lookup local",
        "rule delete priority 0",
        "rule add priority 10 from 10.77.2.12 to 10.77.2.3 blackhole",
        "rule add priority 10 from 10.77.2.3 to 10.77.2.12 blackhole",
    ]
    said.clear()
    rules[:] = [10, 10, 100, 32766, 32767]
    storage.heal(lab)
    assert said == ["rule delete priority 10"] * 2


def test_a_lab_with_drbd_has_no_storage_to_cut(lab: Lab) -> None:
    with pytest.raises(LabError, match="no storage besides the nodes' own disks"):
        storage.cut(lab)


def test_the_state_of_the_path_is_read_from_sessions_and_mounts() -> None:
    assert status._path("LOGGED_IN\n") == "logged_in"
    assert status._path("FAILED\nLOGGED_IN\n") == "failed, logged_in"
    assert status._path("10.77.2.14:/srv/mysql /var/lib/mysql nfs4 rw,relatime,vers=4.1 0 0\n") == "mounted"
    assert status._path("") is None


def test_an_empty_section_of_a_nodes_answer_is_empty() -> None:
    answer = "== drbd\n== path\nLOGGED_IN\n== crm_mon\n<x/>\n== end\n"
    assert [status._section(answer, name) for name in ("drbd", "path", "crm_mon")] == ["", "LOGGED_IN", "<x/>"]


DRBD = {"role": "Primary", "disk": "UpToDate", "connection": "Connected"}


@pytest.mark.parametrize(
    ("backend", "active", "standby", "well"),
    [
        ("drbd", {"drbd": DRBD}, {"drbd": {**DRBD, "role": "Secondary"}}, True),
        ("drbd", {"drbd": DRBD}, {"drbd": None}, False),
        ("drbd", {"drbd": DRBD}, {"drbd": {**DRBD, "disk": "Inconsistent"}}, False),
        ("shared", {"path": "logged_in"}, {"path": "logged_in"}, True),
        ("shared", {"path": "logged_in"}, {"path": "failed"}, False),
        ("shared", {"path": "logged_in"}, {"path": None}, False),
        ("nfs", {"path": "mounted"}, {"path": None}, True),
        ("nfs", {"path": None}, {"path": "mounted"}, False),
    ],
)
def test_what_is_healthy_depends_on_the_storage(
    backend: str, active: dict[str, object], standby: dict[str, object], well: bool
) -> None:
    whole = {"power": "on", "reachable": True, "member": True, "drbd": None, "path": None}
    report = {"backend": backend, "active": "db1", "database": True}
    nodes = {"db1": {**whole, **active}, "db2": {**whole, **standby}}
    assert api.healthy({**report, "nodes": nodes}) is well
    nodes["db2"]["member"] = False
    assert not api.healthy({**report, "nodes": nodes})


def test_the_command_line_has_the_kinds_and_one_verb_for_the_path() -> None:
    assert parser().parse_args(["up", "--storage", "iscsi"]).storage == "iscsi"
    assert parser().parse_args(["demo"]).storage is None
    assert parser().parse_args(["storage", "cut"]).node == []
    assert parser().parse_args(["storage", "cut", "db1"]).node == ["db1"]
    assert parser().parse_args(["net", "nas1", "cut"]).node == "nas1"
