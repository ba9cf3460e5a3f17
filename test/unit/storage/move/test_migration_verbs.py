"""The verbs of a move on one node, called by hand: each looks for itself, and leaves nothing mounted."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import machines
import pytest
from minion import load

from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.storage import latch
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.move import switch as move_switch
from hamysql.storage.move import verbs as move_verbs
from hamysql.system import kernels, root, wait
from hamysql.system.command import Result

OLD = Latch("galaxy-db", "galaxy", "/dev/sdb", Stage.INITIALISED, "e7c4c235a46d231d")
CIB = """<cib epoch="1"><configuration><crm_config/><nodes/><resources>
<clone id="ms_drbd_mysql"><primitive id="p_drbd_mysql"><instance_attributes id="i"><nvpair id="n" name="drbd_resource" value="galaxy"/></instance_attributes></primitive></clone>
<group id="g_mysql"><primitive id="p_fs_mysql"><instance_attributes id="j"><nvpair id="o" name="device" value="/dev/drbd3"/>
<nvpair id="p" name="directory" value="{}"/><nvpair id="q" name="fstype" value="xfs"/></instance_attributes></primitive>
<primitive id="p_mysql"/></group></resources><constraints/></configuration></cib>"""

DATADIR, LUN = "/var/lib/mysql", "/dev/lun"
STOPPED = """<primitive id="p_mysql"><meta_attributes id="m"><nvpair id="r" name="target-role" value="Stopped"/></meta_attributes>
</primitive>"""


# The DRBD in use is whole, and one of the pillar's name or number is not.
PROC = """version: 8.4.11 (api:1/proto:86-101)
 0: cs:WFConnection ro:{}/Unknown ds:UpToDate/DUnknown C r-----
    oos:0
 3: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    oos:0
"""
WHOLE = {"peer-role": "Secondary", "connection-state": "Connected", "peer_devices": [{"peer-disk-state": "UpToDate"}]}
RESOURCES = [
    {"name": "mysql", "role": "Primary", "devices": [{"disk-state": "Diskless"}]},
    {"name": "galaxy", "role": "Primary", "devices": [{"disk-state": "UpToDate"}], "connections": [WHOLE]},
]


@pytest.fixture(autouse=True)
def _machine(tmp_path, monkeypatch):
    """The node's files are below a folder, and nobody waits."""
    monkeypatch.setitem(wait.until.__kwdefaults__, "clock", itertools.count(step=3600).__next__)
    monkeypatch.setitem(wait.until.__kwdefaults__, "sleep", lambda seconds: None)
    with root.below(tmp_path):
        yield


class Machine:
    """A node with the old storage mounted; ``ran`` are the programs that change something."""

    def __init__(self, folder, kind="shared", lvm=None):
        self.folder, self.kind = Latches().folder, kind
        self.data, self.place = root.at(DATADIR), root.at(move_verbs.PLACE)
        for path in (self.folder, self.data / "mysql", self.place, root.at("/proc")):
            path.mkdir(parents=True)
        (self.data / "ibdata1").write_text("rows")
        self.source, self.ran, self.mounted, self.active = "/dev/drbd3", [], False, False
        self.fails, self.uuid, self.cib = "", "627a22bb", CIB.format(DATADIR)
        self.empty = False
        latch.write(OLD, self.folder)
        module = self.module = load("_modules/hamysql_migration.py", "migration_module")
        module.run = self.run
        machines.put(root.at(kernels.BOOT), "boot\n")
        machines.disk(root.at(LUN), 2**17)
        self.proc = root.at("/proc/drbd")
        self.proc.write_text(PROC.format("Primary"))
        self.site = {
            "cluster": {"name": "galaxy-db"},
            "storage": {
                "backend": kind, "drbd": {"resource": "mysql", "minor": 0},
                "shared": {"device": LUN, "lvm": lvm or {}},
                "nfs": {"source": "192.0.2.50:/srv"},
                "filesystem": {"device": "/dev/lun", "type": "nfs" if kind == "nfs" else "xfs", "options": "noatime"},
            },
            "mysql": {"datadir": DATADIR},
        }  # fmt: skip
        module.__salt__ = {
            "hamysql.config": lambda **_: self.site,
            "hamysql_mysql.active": lambda: self.active,
        }

    def open(self, pid, name, path):
        """A process has a file of the datadir open."""
        machines.put(root.at(f"/proc/{pid}/comm"), f"{name}\n")
        machines.link(root.at(f"/proc/{pid}/fd/3"), path)
        machines.link(root.at(f"/proc/{pid}/cwd"), "/")

    def run(self, argv, *, timeout=60, accept=(0,), **_):
        if argv[0] == "cibadmin":
            return Result(0, self.cib)
        if argv[0] == "findmnt" and argv[-1] == str(move_verbs.PLACE):
            return Result(0, "the new storage\n") if self.mounted else Result(1, "")
        if argv[0] == "findmnt":
            return Result(0, f"{self.source}\n") if self.source else Result(1, "")
        if argv[0] == "wipefs":
            return Result(0, json.dumps({"signatures": [{"type": "xfs", "offset": "0x0", "uuid": self.uuid}]}))
        if argv[0] == "drbdsetup":
            return Result(0, json.dumps(RESOURCES))
        if argv[0] == "vgchange":
            self.ran.append(f"{'' if argv[2] == 'y' else 'de'}activate {argv[3]}")
            return Result(0, "")
        if argv[0] == "rsync":
            assert self.mounted, "the copy goes to the root file system"
            self.ran.append("rsync" + " all" * ("--ignore-times" in argv))
            assert argv[-2] == f"{DATADIR}/"
            if not self.empty:
                (root.at(argv[-1]) / "mysql").mkdir(parents=True, exist_ok=True)
        else:
            self.ran.append(argv[0])
        if self.fails == argv[0]:
            raise CommandFailed(argv, 11, "No space left on device")
        if argv[0] in ("mount", "umount"):
            self.mounted = argv[0] == "mount"
        return Result(0, "")

    def prepared(self, stage=Stage.FILESYSTEM):
        move_switch.begin(self.kind, True, self.folder)
        known = Latch("galaxy-db", "mysql", "/dev/lun", stage, "627a22bb", backend=self.kind)
        latch.write(known, self.folder)
        return self

    @property
    def stage(self):
        return latch.read("mysql", self.kind, self.folder).stage


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path).prepared()


def test_the_first_pass_reads_all_and_the_next_what_has_changed(machine):
    done = machine.module.copy_()
    assert (done["files"], done["read"]) == (1, 1)
    assert machine.ran == ["mount", "rsync all", "sync", "umount"]
    machine.ran.clear()
    machine.module.copy_()
    assert machine.ran == ["mount", "rsync all", "rsync", "sync", "umount"]
    assert machine.stage is Stage.FILESYSTEM


def test_the_last_pass_completes_the_new_storage(machine):
    machine.module.copy_()
    machine.module.final()
    assert (machine.stage, machine.mounted) == (Stage.DATADIR, False)
    assert latch.in_use(machine.folder) == [OLD]
    # Once the server has run again, it is none any more.
    machine.module.copy_()
    assert machine.stage is Stage.FILESYSTEM


def test_a_volume_is_active_for_the_copy_only(tmp_path):
    machine = Machine(tmp_path, lvm={"volume_group": "galaxy"}).prepared()
    machine.module.copy_()
    assert machine.ran == ["activate galaxy", "mount", "rsync all", "sync", "umount", "deactivate galaxy"]


def test_an_export_gets_the_data_in_its_folder(tmp_path):
    machine = Machine(tmp_path, "nfs").prepared(Stage.CLAIMED)
    (machine.place / ".hamysql.json").write_text(json.dumps({"cluster": "galaxy-db", "id": "627a22bb"}))
    machine.module.copy_()
    assert (machine.place / "mysql" / "mysql").is_dir()
    (machine.place / ".hamysql.json").write_text(json.dumps({"cluster": "galaxy-db", "id": "another"}))
    with pytest.raises(Refused, match="bears"):
        machine.module.copy_()
    assert not machine.mounted


@pytest.mark.parametrize("program", ["rsync", "sync"])
def test_a_copy_that_fails_leaves_nothing_mounted_and_no_note(machine, program):
    machine.fails = program
    with pytest.raises(CommandFailed, match="No space left"):
        machine.module.final()
    assert (machine.stage, machine.mounted) == (Stage.FILESYSTEM, False)
    assert not (machine.folder / latch.NEXT / move_switch.COPIED).exists()


@pytest.mark.parametrize("source", ["", "/dev/sda1"])
def test_what_is_not_the_old_storage_is_not_copied_over_the_new_one(machine, source):
    """Debian's package makes a database in the folder below the mount point."""
    machine.source = source
    with pytest.raises(Refused, match="nothing is changed"):
        machine.module.final()
    assert "rsync all" not in machine.ran
    assert (machine.stage, machine.mounted) == (Stage.FILESYSTEM, False)


def test_a_copy_without_a_database_is_none(machine):
    machine.empty = True
    with pytest.raises(Refused, match="has ended, and the new storage holds no database: run again"):
        machine.module.final()
    assert (machine.stage, machine.mounted) == (Stage.FILESYSTEM, False)


def test_a_datadir_that_changes_below_the_copy_is_no_copy(machine):
    real = machine.run

    def moved(argv, **how):
        if argv[0] == "rsync":
            machine.source = "/dev/sda1"
        return real(argv, **how)

    machine.module.run = moved
    with pytest.raises(Refused, match="is not mounted from /dev/drbd3 here, but from /dev/sda1: nothing is changed"):
        machine.module.final()
    assert (machine.stage, machine.mounted) == (Stage.FILESYSTEM, False)


def test_a_server_that_does_not_stop_is_set_back(machine):
    set_back = []
    machine.module.__salt__ |= {
        "hamysql_mysql.flush": lambda: {"settings": {"innodb_max_dirty_pages_pct": 90.0}},
        "hamysql_mysql.unflush": set_back.append,
        "hamysql_cluster.status": lambda: {"resources": [{"id": "p_mysql", "role": "Started", "node": "db1"}]},
    }
    machine.fails = "crm_diff"
    with pytest.raises(CommandFailed):
        machine.module.stop_server(timeout=0)
    assert set_back == [{"innodb_max_dirty_pages_pct": 90.0}]
    machine.cib = machine.cib.replace('<primitive id="p_mysql"/>', STOPPED)
    with pytest.raises(NotReady, match="pacemaker has stopped p_mysql; seen last: p_mysql Started on db1"):
        machine.module.stop_server(timeout=0)
    assert len(set_back) == 2


def test_below_a_server_there_is_no_last_pass(machine):
    machine.active = True
    with pytest.raises(Refused, match="a database server answers"):
        machine.module.final()
    machine.active = False
    machine.open(4711, "mariadbd", f"{DATADIR}/ibdata1")
    with pytest.raises(NotReady, match="nobody has anything in"):
        machine.module.final()
    assert machine.ran == []


@pytest.mark.parametrize("verb", ["copy_", "final"])
def test_nothing_is_copied_but_for_a_move(tmp_path, verb):
    machine = Machine(tmp_path)
    with pytest.raises(Refused, match="no move to shared is under way"):
        getattr(machine.module, verb)()
    machine.prepared(Stage.CLAIMED)
    with pytest.raises(Refused, match="shared is not ready for the data here: CLAIMED"):
        getattr(machine.module, verb)()
    assert machine.ran == []


def test_another_lun_gets_nothing(machine):
    machine.uuid = "another"
    with pytest.raises(Refused, match="does not hold what this node has made"):
        machine.module.copy_()
    assert machine.ran == []


def test_a_new_drbd_has_to_be_primary(tmp_path):
    machine = Machine(tmp_path)
    latch.write(replace(OLD, resource="mysql", backend="shared"), machine.folder)
    (machine.folder / "galaxy.json").unlink()
    machine.kind = machine.site["storage"]["backend"] = "drbd"
    machine.prepared()
    machine.proc.write_text(PROC.format("Secondary"))
    with pytest.raises(Refused, match="mysql is not Primary here"):
        machine.module.copy_()


def test_the_survey_of_a_node_in_the_middle(machine):
    seen = machine.module.survey()
    assert (seen["backend"], seen["moving"], seen["cib"]) == ("shared", "shared", "drbd")
    assert (seen["in_use"], seen["next"]["stage"]) == ([OLD.as_dict()], "FILESYSTEM")
    assert (seen["datadir"], seen["stopped"], seen["hands"]) == (DATADIR, [], [])
    assert seen["replication"] == "", "the DRBD in use, and not what the pillar has by default"
    machine.proc.write_text("version: 9.2.8 (api:2/proto:86-121)\n")
    assert machine.module.survey()["replication"] == ""
    machine.proc.write_text(PROC.format("Primary").partition(" 3:")[0])
    assert machine.module.survey()["replication"] == "DRBD is not configured, not UpToDate/UpToDate"


def test_begun_it_can_be_abandoned_and_begun_again(machine):
    machine.mounted = True
    assert machine.module.abandon() is True
    assert (machine.mounted, machine.module.abandon()) == (False, False)
    assert latch.moving_to(machine.folder) == ""
    assert machine.module.begin(seed=True) is True


def test_behind_the_switch_there_is_no_way_back(machine):
    with pytest.raises(Refused, match="not on shared yet"):
        machine.module.finish()
    latch.write(replace(latch.read("mysql", "shared", machine.folder), stage=Stage.INITIALISED), machine.folder)
    assert machine.module.switch() is True
    with pytest.raises(Refused, match="the data is on shared already"):
        machine.module.abandon()
    assert machine.module.switch() is False
    assert (machine.module.finish(), machine.module.finish()) == (True, False)


def test_what_the_other_node_may_have_switched_is_not_abandoned(machine):
    latch.write(replace(latch.read("mysql", "shared", machine.folder), stage=Stage.INITIALISED), machine.folder)
    role = '<meta_attributes id="m"><nvpair id="r" name="target-role" value="Stopped"/></meta_attributes>'
    machine.cib = machine.cib.replace('<group id="g_mysql">', f'<group id="g_mysql">{role}')
    assert machine.module.survey()["stopped"] == ["g_mysql"]
    with pytest.raises(Refused, match="may have been switched already"):
        machine.module.abandon()
