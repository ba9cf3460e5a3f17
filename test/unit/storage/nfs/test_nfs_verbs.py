"""The guards of the verbs that change an export: each refuses by itself, and nothing on the export is changed."""

from __future__ import annotations

import json
import os

import machines
import pytest

from hamysql.errors import CommandFailed, Refused
from hamysql.storage import lock as storage_lock
from hamysql.storage import verbs as common
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.nfs import verbs
from hamysql.storage.nfs.mark import NFS_FOLDER, NFS_MARK
from hamysql.system import root
from hamysql.system.command import Result

ID = "627a22bb-ecf0-48ff-814b-c8b47add52c8"
SOURCE = "192.0.2.50:/srv/galaxy-db"


class Node:
    """One node with an export, which is a folder where it would be mounted; ``ran`` are its programs."""

    def __init__(self, folder):
        self.export, self.latches, self.ran, self.fails = root.at(verbs.PLACE), Latches(), [], ""
        self.export.mkdir(parents=True)
        self.mounted, self.install = False, lambda: (self.export / NFS_FOLDER / "mysql").mkdir()
        self.site = {
            "cluster": {"name": "galaxy-db"},
            "storage": {"nfs": {"source": SOURCE, "version": "4.1", "mount_options": "vers=4.1,hard"}},
            "mysql": {"flavor": "mariadb", "user": "root", "group": "root", "install_db": "mariadb-install-db"},
        }

    def run(self, argv, **_):
        if argv[0] == "findmnt":
            return Result(0, f"{SOURCE}\n") if self.mounted else Result(1, "")
        self.ran.append(argv[0])
        if argv[0] == self.fails:
            raise CommandFailed(argv, 1, "Operation not permitted")
        if argv[0] in ("mount", "umount"):
            assert self.mounted is (argv[0] == "umount")
            self.mounted = argv[0] == "mount"
        if argv[0] == "mariadb-install-db":
            self.install()
        return Result(0, "")

    def marked(self, mark=ID):
        (self.export / NFS_MARK).write_text(json.dumps({"cluster": "galaxy-db", "id": mark}))

    def latched(self, stage, backend="nfs"):
        self.latches.write(Latch("galaxy-db", "mysql", SOURCE, stage, ID, backend=backend))

    def refuses(self, match, verb, *arguments):
        """The verb is refused: neither the export nor the latch is changed, and nothing stays mounted."""
        before = sorted(map(str, self.export.rglob("*"))), self.latches.read("mysql", "nfs")
        with pytest.raises(Refused, match=match):
            verb(self.run, self.site, *arguments)
        assert (sorted(map(str, self.export.rglob("*"))), self.latches.read("mysql", "nfs")) == before
        assert not self.mounted
        assert "mariadb-install-db" not in self.ran


@pytest.fixture
def node(tmp_path):
    machines.program(tmp_path, "mount.nfs")
    with root.below(tmp_path):
        yield Node(tmp_path)


def test_the_first_database_on_an_export_is_not_made_in_the_folder_that_only_root_can_enter():
    assert storage_lock.FOLDER not in verbs.PLACE.parents


# --- looking


def test_without_tools_or_with_a_server_that_does_not_answer_it_says_so(node):
    node.fails = "mount"
    node.refuses(f"{SOURCE}: .*Operation not permitted", verbs.look)
    root.at("/usr/sbin/mount.nfs").unlink()
    node.refuses(f"{SOURCE}: there is no program mount.nfs", verbs.look)


def test_what_a_killed_run_has_left_mounted_is_taken_away_first(node):
    node.mounted = True
    assert verbs.look(node.run, node.site) is False
    assert node.ran == ["umount", "mount", "umount"]


# --- claiming


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.CLAIMED])
def test_a_node_with_a_latch_does_not_claim(node, stage):
    node.latched(stage)
    node.refuses(f"latch is about {SOURCE} already .{stage.name}.", verbs.claim, node.latches)
    assert node.ran == []


@pytest.mark.parametrize("stage", [None, Stage.CLAIMED])
def test_an_export_with_anything_on_it_is_not_claimed(node, stage):
    if stage:
        node.latched(stage)
    (node.export / "letters").mkdir()
    node.refuses("is not empty: letters", verbs.claim, node.latches)
    (node.export / "letters").rmdir()
    node.marked("another")
    node.refuses("is not empty: .*another", verbs.claim, node.latches)


def test_a_mark_that_is_made_at_the_same_time_is_not_replaced(node):
    def late(event, arguments):
        if event == "os.link":
            node.marked("another")

    with machines.watching(late), pytest.raises(Refused, match=r"bears the mark of .*another.* by now"):
        verbs.claim(node.run, node.site, node.latches)
    assert [path.name for path in node.export.iterdir()] == [NFS_MARK]
    assert "another" in (node.export / NFS_MARK).read_text()
    assert not node.mounted


# --- the first data


@pytest.mark.parametrize(("stage", "backend"), [(None, ""), (Stage.INITIALISED, "nfs"), (Stage.CLAIMED, "shared")])
def test_a_node_that_was_not_chosen_makes_nothing(node, stage, backend):
    node.marked()
    if stage:
        node.latched(stage, backend)
    node.refuses("was not chosen to make the first data", verbs.initialise_datadir, node.latches)
    assert node.ran == []


@pytest.mark.parametrize("mark", [None, "another"])
def test_without_this_nodes_mark_nothing_is_made(node, mark):
    node.latched(Stage.CLAIMED)
    if mark:
        node.marked(mark)
    node.refuses(f"bears .*{mark or 'no mark'}.*, not this node's", verbs.initialise_datadir, node.latches)


def test_through_a_link_nothing_is_made(node, tmp_path):
    node.latched(Stage.CLAIMED)
    node.marked()
    os.symlink(tmp_path, node.export / NFS_FOLDER)
    node.refuses(f"is a symbolic link there, to {tmp_path}", verbs.initialise_datadir, node.latches)


def test_an_export_that_takes_roots_rights_away_says_how_to_export_it(node):
    node.latched(Stage.CLAIMED)
    node.marked()
    node.fails = "chown"
    with pytest.raises(Refused, match="is it exported with no_root_squash"):
        verbs.initialise_datadir(node.run, node.site, node.latches)
    assert node.latches.read("mysql", "nfs").stage is Stage.CLAIMED
    assert not node.mounted


@pytest.mark.parametrize("happens", [lambda node: None, lambda node: node.marked("another")])
def test_a_database_that_is_not_on_the_export_is_not_recorded(node, happens):
    node.latched(Stage.CLAIMED)
    node.marked()
    node.install = lambda: happens(node)
    with pytest.raises(Refused, match="holds no database: run again"):
        verbs.initialise_datadir(node.run, node.site, node.latches)
    assert node.latches.read("mysql", "nfs").stage is Stage.CLAIMED
    assert not node.mounted


def test_what_an_earlier_run_has_left_is_put_aside(node):
    node.latched(Stage.CLAIMED)
    node.marked()
    (node.export / NFS_FOLDER / "half").mkdir(parents=True)
    assert verbs.initialise_datadir(node.run, node.site, node.latches) is True
    assert [path.name for path in node.export.glob(f"{NFS_FOLDER}-unfinished-*/*")] == ["half"]
    assert node.latches.read("mysql", "nfs").stage is Stage.DATADIR


# --- whose data it is


@pytest.mark.parametrize("stage", [None, Stage.CLAIMED])
def test_incomplete_data_is_not_handed_over(node, stage):
    if stage:
        node.latched(stage)
    with pytest.raises(Refused, match=f"not complete here: {stage.name if stage else 'nothing was made'}"):
        common.seal(node.latches, "nfs")


@pytest.mark.parametrize(("stage", "backend"), [(Stage.INITIALISED, "nfs"), (Stage.CLAIMED, "shared")])
def test_a_latch_about_other_data_is_not_replaced(node, stage, backend):
    node.latched(stage, backend)
    node.refuses(f"latch is about {ID} on .* already", verbs.adopt, node.latches, "another")


@pytest.mark.parametrize(("mark", "filled"), [(None, True), ("another", True), (ID, False)])
def test_an_export_without_that_mark_or_without_data_is_not_taken_over(node, mark, filled):
    if mark:
        node.marked(mark)
    if filled:
        (node.export / NFS_FOLDER / "mysql").mkdir(parents=True)
    node.refuses(f"does not hold data with the mark {ID}", verbs.adopt, node.latches, ID)


def test_an_export_that_cannot_be_seen_is_not_taken_over(node):
    node.fails = "mount"
    node.refuses(f"does not hold data with the mark {ID}", verbs.adopt, node.latches, ID)
