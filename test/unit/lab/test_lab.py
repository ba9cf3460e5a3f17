"""The parts of the lab that can be wrong without a node."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from lab import cli, lifecycle, show
from lab.__main__ import PASSED_ON, main
from lab.basics import host
from lab.basics.context import Lab
from lab.basics.errors import HostError, LabError
from lab.basics.progress import Progress
from lab.basics.setup import RELEASES
from lab.devices import bmc
from lab.machines import image, node, repo, snapshot
from lab.software import client, deploy, pillar, probe, salt, settings, status
from lab.wires import network
from support import ROOT, parameters


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(dir=tmp_path / "lab")


def test_two_folders_are_two_labs(tmp_path: Path) -> None:
    one, other = Lab(dir=tmp_path / "one"), Lab(dir=tmp_path / "other")
    node = one.topology.nodes[0]
    assert len({one.namespace, other.namespace}) == len({one.run_dir, other.run_dir}) == 2
    assert one.umid(node) != other.umid(node)


def test_paths_of_sockets_stay_short_however_deep_the_project_is(tmp_path: Path) -> None:
    deep = Lab(dir=tmp_path / ("x" * 200))
    longest = deep.run_dir / "uml" / deep.umid(deep.topology.nodes[0]) / "mconsole"
    assert len(str(longest)) < 107


def test_the_local_repository_has_every_package_that_the_formula_installs_on_debian() -> None:
    wanted: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            wanted.update(value)

    family = parameters("Debian")[1]
    package = dict(family["package"])
    del package["masked_units"], package["selinux"]  # SELinux is off on the nodes
    del package["firewall"]["firewalld"]  # of which their kernel lacks what it needs
    collect(package)
    collect(family["flavors"]["mariadb"]["package"])
    assert wanted
    assert wanted <= {name for names in repo.PACKAGES.values() for name in names}


def test_the_image_is_another_one_when_a_file_of_the_nodes_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "lab", project / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements-override.txt", project)
    monkeypatch.setattr(image, "PROJECT", project)
    monkeypatch.setattr(image, "GUEST", project / "lab/machines/guest")
    monkeypatch.setattr(image, "__file__", str(project / "lab/machines/image.py"))
    monkeypatch.setattr(repo, "__file__", str(project / "lab/machines/repo.py"))
    before = image.key(RELEASES["bookworm"])
    assert image.key(RELEASES["bookworm"]) == before
    script = project / "lab/machines/guest/usr/local/sbin/lab-init"
    script.write_text(script.read_text() + "# changed\n")
    changed = image.key(RELEASES["bookworm"])
    assert changed != before
    script.chmod(0o644)
    assert image.key(RELEASES["bookworm"]) not in (before, changed)
    assert image.key(RELEASES["trixie"]) != image.key(RELEASES["bookworm"])


def test_everything_that_is_wrong_with_a_machine_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(host.platform, "machine", lambda: "aarch64")
    with pytest.raises(HostError) as caught:
        host.check(print, tmp_path / "with space")
    for part in ("as root", "/dev/net/tun", "aarch64", "' ' in it"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_verb_on_a_lab_that_is_down_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAMYSQL_LAB_DIR", str(tmp_path))
    for words in (["ssh", "db1"], ["salt", "*", "test.ping"], ["probe", "--seconds", "1"], ["power", "db1", "on"]):
        monkeypatch.setattr("sys.argv", ["lab", *words])
        assert main() == 1
        assert "the lab is down" in capsys.readouterr().err


def test_status_of_a_lab_that_never_ran_has_all_fields(lab: Lab) -> None:
    report = status.collect(lab)
    assert set(report) == {"cluster", "vip", "active", "database", "backend", "nodes"}
    off = {"power": "off", "reachable": False, "member": False, "drbd": None, "path": None}
    assert report["nodes"] == {"db1": off, "db2": off}
    assert lifecycle.leftovers(lab) == []


CRM_MON = """<pacemaker-result><summary><current_dc present="true" with_quorum="{quorum}"/></summary>
<nodes><node name="db1" online="{db1}"/><node name="db2" online="true"/></nodes>
<resources><group id="g_mysql"><resource id="p_mysql" role="{role}" failed="false"><node name="db2"/></resource></group>
</resources></pacemaker-result>"""


def test_the_view_with_quorum_counts() -> None:
    alone = ET.fromstring(CRM_MON.format(quorum="false", db1="true", role="Stopped"))
    quorate = ET.fromstring(CRM_MON.format(quorum="true", db1="false", role="Started"))
    assert status._cluster_view([alone, quorate]) == ({"db2"}, "db2")
    assert status._cluster_view([quorate, alone]) == ({"db2"}, "db2")
    assert status._cluster_view([alone]) == ({"db1", "db2"}, None)
    assert status._cluster_view([]) == (set(), None)


def test_drbd_84_is_read_from_proc() -> None:
    text = (
        "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 059B1B470318F053F5077D5 \n"
        " 0: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----\n"
        "    ns:0 nr:93310 dw:683082 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0\n"
    )
    found = status.DRBD.search(text)
    assert found
    assert found.groupdict() == {"connection": "Connected", "role": "Secondary", "disk": "UpToDate"}
    assert status.DRBD.search("version: 8.4.11\n 0: cs:Unconfigured\n") is None


def test_the_labs_own_pillar_can_be_probed(lab: Lab) -> None:
    (lab.salt / "pillar").mkdir(parents=True)
    (lab.salt / "pillar/lab.sls").symlink_to(pillar.PILLAR)
    login = settings.read(lab).probe_login()
    assert (login["host"], login["port"], login["user"], login["database"]) == ("10.77.1.100", 3306, "probe", "probe")


def test_a_pillar_that_is_not_plain_yaml_is_named(lab: Lab) -> None:
    (lab.salt / "pillar").mkdir(parents=True)
    (lab.salt / "pillar/lab.sls").write_text("{% if x %}\n")
    with pytest.raises(LabError, match=r"lab\.sls cannot be read"):
        settings.read(lab)


class _Server:
    """A database that forgets some of what it acknowledged, and is away at some times."""

    def __init__(self, forgets: set[int], fails: set[int]) -> None:
        self.rows: set[int] = set()
        self.forgets, self.fails = forgets, fails

    def query(self, _connection: object, sql: str, *values: object) -> tuple[object, ...]:
        if sql.startswith("SELECT number"):
            return tuple((row,) for row in self.rows)
        if sql.startswith("INSERT"):
            number = int(str(values[1]))
            if number in self.fails:
                raise OSError("away")
            if number not in self.forgets:
                self.rows.add(number)
        return ()


@pytest.mark.parametrize(("forgets", "lost"), [(set(), 0), ({1, 7}, 2)])
def test_probe_counts_what_was_acknowledged_and_is_not_there(
    monkeypatch: pytest.MonkeyPatch, forgets: set[int], lost: int
) -> None:
    server = _Server(forgets, fails={3, 4})
    monkeypatch.setattr(client, "_query", server.query)
    monkeypatch.setattr(client, "_connect", lambda login: object())
    monkeypatch.setattr(client, "_close", lambda connection: None)
    monkeypatch.setattr(client.pymysql, "connect", lambda **_: type("Connection", (), {"close": lambda self: None})())
    outcome = client.probe({}, 0.3)
    assert outcome["lost"] == lost
    assert outcome["errors"] == 2
    assert outcome["acknowledged"] > 5
    assert outcome["longest_gap_seconds"] >= 2 * client.PAUSE


TALKER = """
import json
for number in range(3000):
    print(json.dumps({"elapsed": number, "acknowledged": number, "waiting": 0.0}))
print(json.dumps({"result": {"acknowledged": 3000, "lost": 0, "longest_gap_seconds": 0.1, "gap_began": 0, "gap_ended": 1,
                             "errors": 0, "last_error": ""}}))
"""


def test_a_probe_writes_on_though_nobody_takes_its_words_for_a_long_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are more than a pipe holds."""
    client_process = subprocess.Popen(
        [sys.executable, "-c", TALKER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    monkeypatch.setattr(network, "exists", lambda lab: True)
    monkeypatch.setattr(probe, "_client", lambda lab, request: client_process)
    (lab.salt / "pillar").mkdir(parents=True)
    (lab.salt / "pillar/lab.sls").symlink_to(pillar.PILLAR)
    running = probe.Running(lab, 1)
    assert client_process.wait(timeout=30) == 0
    ticks: list[dict[str, object]] = []
    assert running.finish(ticks.append).acknowledged == 3000
    assert len(ticks) == 3000


def test_an_orchestration_that_could_not_run_is_quoted(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    err.write_text("")
    out.write_text("Rendering SLS 'base:hamysql.orch' failed: unknown tag")
    with pytest.raises(LabError, match="unknown tag"):
        deploy._states(out, err)
    out.write_text(
        json.dumps({"data": {"m": ["No matching sls found for 'hamysql.orch' in env 'base'"]}, "retcode": 1})
    )
    with pytest.raises(LabError, match="No matching sls"):
        deploy._states(out, err)
    out.write_text(
        json.dumps({"data": {"m": {"a": {"__id__": "x", "result": False, "comment": "why", "changes": {}}}}})
    )
    assert deploy.Deployment(deploy._states(out, err), 1.0).failures == {"x": "why"}


def test_a_snapshot_gives_the_disks_back_and_keeps_them_sparse(lab: Lab) -> None:
    for item in lab.topology.nodes:
        folder = lab.node_dir(item)
        folder.mkdir(parents=True)
        for name in ("root.cow", "data.img"):
            with (folder / name).open("wb") as disk:
                disk.write(f"{item.name} {name}".encode())
                disk.truncate(64 << 20)
        (folder / "image").write_text("key")
    snapshot.save(lab, "installed")
    disk = lab.node_dir(lab.topology.nodes[0]) / "data.img"
    disk.write_bytes(b"changed")
    with pytest.raises(LabError, match="has changed since"):
        snapshot.restore(lab, "installed", "another key")
    snapshot.restore(lab, "installed", "key")
    assert disk.read_bytes().startswith(b"db1 data.img")
    assert disk.stat().st_size == 64 << 20
    assert disk.stat().st_blocks * 512 < 1 << 20
    assert snapshot.names(lab) == ["installed"]


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b"])
def test_a_snapshots_name_stays_in_its_folder(lab: Lab, name: str) -> None:
    with pytest.raises(LabError, match="cannot be a snapshot's name"):
        snapshot.folder(lab, name)


def test_the_labs_pillar_fences_each_node_by_its_own_bmc(lab: Lab) -> None:
    devices = yaml.safe_load(pillar.PILLAR.read_text())["hamysql"]["fencing"]["devices"]
    assert list(devices) == list(lab.topology.names)
    for name, (device,) in devices.items():
        assert device["options"]["ip"] == lab.topology.bmc_address(lab.node(name))
        assert (device["options"]["username"], device["secrets"]["password"]) == (bmc.USER, bmc.PASSWORD)


def test_a_third_machine_is_there_only_when_it_was_asked_for(lab: Lab) -> None:
    assert lab.topology.names == ("db1", "db2")
    lab.dir.mkdir()
    lab.qdevice.touch()
    assert lab.topology.names == ("db1", "db2", "qd1")
    assert [node.name for node in lab.topology.data_nodes] == ["db1", "db2"]


def test_both_nodes_see_the_same_shared_disk_and_lock_only_their_own(lab: Lab) -> None:
    seen = []
    for item in lab.topology.data_nodes:
        node.make_disks(lab, item, "key")
        folder = lab.run_dir / "nodes" / item.name
        seen.append([node._disk(lab, folder, number, disk) for number, disk in enumerate(item.disks)])
    (own, shared), (other, same) = seen
    assert own.startswith("ubdb=")
    assert own != other
    assert shared == same
    assert shared.startswith("ubdcc=")
    assert (lab.dir / "nodes" / "lun.img").stat().st_size == 8 << 20


@pytest.mark.parametrize(
    "title", ["", "from setproctitle import setproctitle as t; t('salt-run state.orchestrate x MainProcess')"]
)
def test_an_orchestration_is_killed_whether_or_not_its_process_has_given_itself_a_title(
    lab, monkeypatch, title
) -> None:
    code = f"{title}\nprint(flush=True)\nimport time\ntime.sleep(60)"
    words = [] if title else ["state.orchestrate", "hamysql.orch"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setattr(network, "pids", lambda lab: [process.pid])
        assert deploy.kill_orchestration(lab) == 1
        assert process.wait(timeout=10) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()


def test_two_labs_masters_share_no_folder(tmp_path: Path) -> None:
    from salt.config import master_config

    seen = []
    for name in ("one", "other"):
        lab = Lab(dir=tmp_path / name)
        salt.configure(lab)
        opts = master_config(str(lab.salt / "etc/master"))
        seen.append({key: opts[key] for key in ("pki_dir", "cachedir", "sock_dir", "extension_modules", "pidfile")})
    one, other = seen
    assert not set(one.values()) & set(other.values())


def test_a_node_is_on_also_while_its_process_becomes_another_program(lab) -> None:
    """As it does several times in a row when its power comes on: ip, taskset, and the kernel, which starts itself once more."""
    item = lab.topology.nodes[0]
    again = '[ $1 = 0 ] && echo && read line; exec sh -c "$0" "$0" $(($1 - 1)) "$2"'
    command = ["sh", "-c", again, again, "500", f"umid={lab.umid(item)}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    seen = set()
    try:
        while not select.select([process.stdout], [], [], 0)[0]:
            seen.add(node.power_status(lab, item))
    finally:
        process.kill()
        process.communicate()
    assert seen == {"on"}
    assert node.power_status(lab, item) == "off"


def test_the_progress_of_a_deployment_has_one_count_and_nothing_stray(capsys: pytest.CaptureFixture[str]) -> None:
    said = "[1/9] members\ncluster galaxy-db, virtual IP 10.77.1.100\n73 changes made in 806 s\nTrue\n"
    with subprocess.Popen(["printf", "%s", said], stdout=subprocess.PIPE, text=True) as follower:
        watched: list[str] = []
        progress = Progress()
        deploy._show(follower, progress, watched.append)
    show.deployment(deploy.Deployment({"0": {"__id__": "a", "changes": {"b": {}}}}, 806.4), progress)
    shown = capsys.readouterr().err.splitlines()
    assert shown == [*said.splitlines()[:-1], "deployed in 806 s"]
    assert watched == said.splitlines()[:-1]


def test_what_it_says_to_try_next_can_be_typed(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    show.what_next(lab, Progress())
    lines = capsys.readouterr().err.splitlines()
    commands = [shlex.split(line.split("-m lab ")[1]) for line in lines if "-m lab " in line]
    operations = [words[1:] for words in commands if words[0] == "salt-run"]
    assert len(operations) == 3
    for function, *arguments in operations:
        if function == "state.orchestrate":
            name, said = arguments
            assert (ROOT / "hamysql" / "orch" / f"{name.removeprefix('hamysql.orch.')}.sls").is_file()
            # Without a node it is refused.
            assert json.loads(said.removeprefix("pillar=")) == {"hamysql_to": lab.topology.names[1]}
        else:
            runner = (ROOT / "_runners" / "hamysql.py").read_text(encoding="utf-8")
            assert f"\ndef {function.removeprefix('hamysql.')}(" in runner
    for words in commands:
        if words[0] not in PASSED_ON:
            cli.parser().parse_args(words)
