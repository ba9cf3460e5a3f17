"""The lab's kinds of storage, as far as they can be wrong without a node."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import api, lifecycle
from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.setup import Setup
from lab.basics.topology import EVERYTHING, STORAGES
from lab.cli import parser
from lab.devices import nas, san, storage
from lab.machines import node, seed, snapshot
from lab.software import pillar, settings, status

IMAGE = "key"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(dir=tmp_path / "lab")
    made.dir.mkdir()
    return made


def with_storage(lab: Lab, kind: str) -> Lab:
    lab.setup_file.write_text(Setup(kind).text())
    return lab


def with_disks(lab: Lab) -> None:
    for item in lab.topology.nodes:
        folder = lab.node_dir(item)
        folder.mkdir(parents=True, exist_ok=True)
        for disk in item.disks:
            (folder / f"{disk.name}.img").write_text(f"{lab.storage} {item.name}")
        (folder / "image").write_text(IMAGE)


@pytest.mark.parametrize(("kind", "further"), [("drbd", ()), ("iscsi", ("san1",)), ("nfs", ("nas1",))])
def test_shared_storage_is_a_third_machine_that_starts_first_and_is_no_minion(
    lab: Lab, kind: str, further: tuple[str, ...]
) -> None:
    assert lab.storage == "drbd"
    topology = with_storage(lab, kind).topology
    assert topology.names == ("db1", "db2", *further)
    assert [item.name for item in topology.minions] == [item.name for item in topology.data_nodes] == ["db1", "db2"]
    assert [item.name for item in topology.start_order] == [*further, "db1", "db2"]
    lab.qdevice.touch()
    assert [item.name for item in lab.topology.minions] == ["db1", "db2", "qd1"]
    assert len({item.host for item in EVERYTHING.nodes}) == len(EVERYTHING.nodes)


def test_the_file_server_gets_no_minions_key(lab: Lab) -> None:
    with_storage(lab, "nfs")
    seed.write(lab, lab.topology.nodes)
    keys = {item.name: (lab.node_dir(item) / "seed/files/etc/salt/pki/minion").exists() for item in lab.topology.nodes}
    assert keys == {"db1": True, "db2": True, "nas1": False}
    assert not (lab.salt / "pki/minions/nas1").exists()


@pytest.mark.parametrize("kind", STORAGES)
def test_each_kind_has_a_whole_pillar_that_differs_in_its_storage_only(lab: Lab, kind: str) -> None:
    whole, plain = pillar.compose(Setup(kind))["hamysql"], yaml.safe_load(pillar.PILLAR.read_text())["hamysql"]
    assert {key: value for key, value in whole.items() if key != "storage"} == {
        key: value for key, value in plain.items() if key != "storage"
    }
    pillar.serve(lab, None, Setup(kind))
    assert yaml.safe_load((lab.salt / "pillar/lab.sls").read_text()) == {"hamysql": whole}
    assert settings.read(lab).backend == {"drbd": "drbd", "iscsi": "shared", "nfs": "nfs"}[kind]


def test_the_pillars_name_what_the_lab_has(lab: Lab) -> None:
    topology = with_storage(lab, "iscsi").topology
    assert topology.storage
    shared = pillar.compose(Setup("iscsi"))["hamysql"]["storage"]["shared"]
    assert shared["device"] == san.DEVICE
    assert shared["iscsi"] == {
        "portal": f"{topology.address(topology.storage, 1)}:{san.PORT}",
        "target": san.TARGET,
        "username": san.USER,
        "password": san.PASSWORD,
    }
    assert 12 <= len(san.PASSWORD) <= 16
    topology = with_storage(lab, "nfs").topology
    assert topology.storage
    nfs = pillar.compose(Setup("nfs"))["hamysql"]["storage"]["nfs"]
    assert nfs == {"server": topology.address(topology.storage, 1), "export": nas.EXPORT}


def test_a_given_pillar_stays_until_there_is_another_kind_of_storage(lab: Lab, tmp_path: Path) -> None:
    served, own = lab.salt / "pillar/lab.sls", tmp_path / "own.sls"
    own.write_text("hamysql: {}\n")
    with_storage(lab, "iscsi")
    pillar.serve(lab, own, Setup("iscsi"))
    pillar.serve(lab, None, Setup("iscsi"))
    assert served.resolve() == own
    pillar.serve(lab, None, Setup("nfs"))
    assert "backend: nfs" in served.read_text()
    assert own.read_text() == "hamysql: {}\n"
    with pytest.raises(LabError, match="there is no pillar file"):
        pillar.serve(lab, tmp_path / "missing.sls", Setup("nfs"))
    assert "backend: nfs" in served.read_text()


def test_the_labs_own_pillar_is_made_anew_and_a_changed_one_is_left(lab: Lab) -> None:
    served = lab.salt / "pillar/lab.sls"
    with_storage(lab, "nfs")
    pillar.serve(lab, None, Setup("nfs"))
    made = served.read_text()
    for older in (
        f"{made}# of an older lab\n",
        "# made by lab/pillar.py at each `up` from pillar.sls and pillar-nfs.sls\n",
    ):
        served.write_text(older)
        pillar.serve(lab, None, Setup("nfs"))
        assert served.read_text() == made
    served.write_text("hamysql: {}\n")
    pillar.serve(lab, None, Setup("nfs"))
    assert served.read_text() == "hamysql: {}\n"


@pytest.mark.parametrize(("kind", "disk"), [("iscsi", "san1/lun1.img"), ("nfs", "nas1/export.img")])
def test_a_snapshot_has_the_storages_disk_and_is_of_one_kind(lab: Lab, kind: str, disk: str) -> None:
    with_disks(with_storage(lab, kind))
    snapshot.save(lab, "kept")
    path = lab.dir / "nodes" / disk
    path.write_text("changed")
    snapshot.restore(lab, "kept", IMAGE)
    assert path.read_text() == f"{kind} {disk[:4]}"
    assert snapshot.setup_of(lab, "kept") == Setup(kind)
    snapshot.need(lab, "kept", IMAGE)
    snapshot.need(lab, "kept", IMAGE, Setup(kind))
    with pytest.raises(LabError, match=f"made with --storage {kind}, not drbd"):
        snapshot.need(lab, "kept", IMAGE, Setup("drbd"))
    with pytest.raises(LabError, match="made with --release bookworm, not trixie"):
        snapshot.need(lab, "kept", IMAGE, Setup(kind, "trixie"))


def test_a_lab_or_a_snapshot_without_a_setup_has_the_first_of_everything(lab: Lab) -> None:
    with_disks(lab)
    snapshot.save(lab, "old")
    (snapshot.folder(lab, "old") / "setup.json").unlink()
    assert snapshot.setup_of(lab, "old") == lab.setup == Setup("drbd", "bookworm", "mariadb")


def test_a_flavor_that_a_release_lacks_names_the_one_that_has_it() -> None:
    with pytest.raises(LabError, match="--flavor mysql is not there on bookworm: add --release trixie"):
        Setup().changed(flavor="mysql")
    assert Setup().changed(release="trixie", flavor="mysql").changed("nfs") == Setup("nfs", "trixie", "mysql")


def test_the_repositories_are_those_of_the_release(lab: Lab) -> None:
    sections = pillar.compose(Setup(release="trixie", flavor="mysql"))["hamysql"]
    names = {key: item["name"] for key, item in sections["repo"]["repositories"].items()}
    assert names == {key: f"deb [trusted=yes] file:/srv/repo/{key} trixie main" for key in ("main", "crmsh", "mysql")}
    assert sections["mysql"]["flavor"] == "mysql"
    assert pillar.compose(Setup(release="trixie"))["hamysql"]["mysql"]["flavor"] == "mariadb"


def test_a_running_lab_does_not_lose_its_storage(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with_storage(lab, "nfs")
    monkeypatch.setattr(lifecycle.host, "check", lambda *_: None)
    monkeypatch.setattr(node, "power_status", lambda *_: "on")
    with pytest.raises(LabError, match="with --storage nfs --release bookworm: take it down first, or add --fresh"):
        lifecycle.up(lab, api.Progress(), storage="iscsi", release="trixie")
    assert lab.storage == "nfs"
    assert not (lab.salt / "pillar").exists()


def test_the_file_servers_new_disk_has_a_file_system(lab: Lab) -> None:
    server = with_storage(lab, "nfs").topology.storage
    assert server
    node.make_disks(lab, server, IMAGE)
    disk = lab.node_dir(server) / "export.img"
    with disk.open("rb") as file:
        file.seek(1080)
        assert file.read(2) == b"\x53\xef"  # ext4's magic number
    assert disk.stat().st_blocks * 512 < disk.stat().st_size / 4


@pytest.mark.parametrize("kind", ["iscsi", "nfs"])
def test_the_server_is_set_up_once_by_a_script_with_its_addresses(lab: Lab, kind: str) -> None:
    server = with_storage(lab, kind).topology.storage
    assert server
    script = storage.setup(lab, server)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    address = {"iscsi": "for address in 10.77.1.14 10.77.2.14; do", "nfs": "/srv/mysql 10.77.2.0/24(rw,sync,"}[kind]
    assert address in script
    assert "{" not in re.sub(r"\$\{|\|\| \{", "", script)
    assert script.startswith(f"set -eu\n[ ! -e {storage.DONE} ] || exit 0\n")
    assert script.endswith(f": >{storage.DONE}\n")


REGISTRATION = (
    "PR_REG_START: 0\ninitiator_fabric=iSCSI\ninitiator_node=iqn.2004-01.org.example:db1\nres_holder=1\nPR_REG_END: 0\n"
)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (REGISTRATION, "initiator_fabric=iSCSI,initiator_node=iqn.2004-01.org.example:db1,res_holder=1"),
        (
            REGISTRATION + REGISTRATION.replace("db1", "db2"),
            "initiator_fabric=iSCSI,initiator_node=iqn.2004-01.org.example:db2,res_holder=1",
        ),
        ("No Registrations or Reservations", ""),
        (None, ""),
    ],
)
def test_the_target_is_told_the_reservations_that_it_has_kept(tmp_path: Path, kept: str | None, told: str) -> None:
    (tmp_path / "pr").mkdir()
    (tmp_path / "pr/res_aptpl_metadata").touch()
    if kept is not None:
        (tmp_path / "kept").write_text(kept)
    subprocess.run(["sh", "-eu", "-c", f"lun=.; kept=kept; {san.RESTORE}"], cwd=tmp_path, check=True)
    assert (tmp_path / "pr/res_aptpl_metadata").read_text() == told


@pytest.mark.parametrize(("kind", "port"), [("iscsi", 3260), ("nfs", 2049)])
def test_only_the_storages_traffic_is_cut_and_only_for_the_nodes_that_are_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str, port: int
) -> None:
    said: list[str] = []
    monkeypatch.setattr(node, "ssh", lambda _lab, item, command, **_: said.append(f"{item.name}: {command}"))
    monkeypatch.setattr(node, "power_status", lambda *_: "on")
    server = with_storage(lab, kind).topology.storage
    assert server
    storage.cut(lab, [lab.node("db2")])
    healed, cut = said
    assert "iptables -F LAB-IN" in healed
    assert cut.startswith(f"{server.name}: set -e; ")
    drops = [command for command in cut.split("; ") if "DROP" in command]
    assert drops == [
        f"iptables -A LAB-IN -s 10.77.2.12 -p tcp --dport {port} -j DROP",
        f"iptables -A LAB-OUT -d 10.77.2.12 -p tcp --sport {port} -j DROP",
    ]
    storage.cut(lab)
    assert said[-1].count("DROP") == 4
    monkeypatch.setattr(node, "power_status", lambda *_: "off")
    said.clear()
    storage.heal(lab)
    assert said == []


def test_a_lab_with_drbd_has_no_storage_to_cut(lab: Lab) -> None:
    with pytest.raises(LabError, match="no storage besides the nodes' own disks"):
        storage.cut(lab)
    storage.heal(lab)


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
