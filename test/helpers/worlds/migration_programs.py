"""The programs of a move between two kinds of storage, see ``migration_world``: pacemaker's, mounts, and the copy.

What may never happen is an ``AssertionError`` at the program that would do it.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from lun_nfs_world import Nas
from machines import is_mounted, mount, umount
from printed import crm_mon, resource, running
from storage_nodes import DIRECTORY, Node

from hamysql.storage.move import verbs as move_verbs
from hamysql.system.command import Result

CIB = """<cib epoch="{epoch}" num_updates="0"><configuration><crm_config/><nodes/><resources>{replica}<group id="g_mysql">
<primitive id="p_fs_mysql"><instance_attributes id="j"><nvpair id="o" name="device" value="{device}"/>
<nvpair id="p" name="directory" value="{directory}"/><nvpair id="q" name="fstype" value="{type}"/></instance_attributes></primitive>
<primitive id="p_mysql"/></group></resources><constraints/><tags><tag id="{tag}"><obj_ref id="p_mysql"/><obj_ref id="g_mysql"/>
<obj_ref id="ms_drbd_mysql"/></tag></tags></configuration></cib>"""
REPLICA = """<clone id="ms_drbd_mysql"><primitive id="p_drbd_mysql"><instance_attributes id="i">
<nvpair id="n" name="drbd_resource" value="mysql"/></instance_attributes></primitive></clone>"""


class Programs:
    """Mixed into a world; each goes on to the world's own where it is not about the move."""

    def _crm_mon(self, node: Node, argv: list[str]) -> Result:
        started = {"p_mysql": self.serving is not None, "p_fs_mysql": self.mounted}
        resources = [resource(name, self.home if there else None) for name, there in started.items()]
        return Result(0, crm_mon(running(resources=resources)))

    def _cibadmin(self, node: Node, argv: list[str]) -> Result:
        if "--query" in argv:
            return Result(0, self.xml)
        assert argv == ["--sync-call", "--patch", "--xml-pipe"]
        self._take(ET.tostring(ET.fromstring(self.stdin)[0], "unicode"))
        return self._said("cibadmin")

    def _crm_diff(self, node: Node, argv: list[str]) -> Result:
        """A patch that has all of the new configuration in it."""
        assert Path(argv[1]).read_text() == self.xml, "somebody else was faster"
        return Result(1, f"<diff>{Path(argv[3]).read_text()}</diff>")

    def _said(self, program: str) -> Result:
        failed = self.fails == (self.verb, program)
        return Result(1, "", "no space left") if failed else Result(0, "")

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        if argv[-1] == str(move_verbs.PLACE):
            return Result(0, "the new storage\n") if is_mounted(self.copy(node)) else Result(1, "")
        if argv[-1] != DIRECTORY:
            return super()._findmnt(node, argv)
        return Result(0, f"{self._mounts_of(self.cib)[0]}\n") if is_mounted(self.datadir(node)) else Result(1, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert self.cib == self.other, "a file system was made over the data in use"
        assert not is_mounted(self.copy(node))
        shutil.rmtree(self.stores[self.kind])
        self.stores[self.kind].mkdir()
        return super()._mkfs(node, argv)

    def _mount(self, node: Node, argv: list[str]) -> Result:
        place = self.copy(node)
        if argv[-1] != str(move_verbs.PLACE):
            return super()._mount(node, argv)
        assert not is_mounted(place), "mounted twice: the first one would stay for ever"
        done = super()._mount(node, [*argv[:-1], DIRECTORY])
        if not done.returncode:
            node.mounted = False  # that is the cluster's place
            if isinstance(self, Nas):
                umount(self.place(node))
            mount(place, self.stores["nfs"].parent if self.kind == "nfs" else self.stores[self.kind])
        return done

    def _umount(self, node: Node, argv: list[str]) -> Result:
        if argv != [str(move_verbs.PLACE)]:
            return super()._umount(node, argv)
        umount(self.copy(node))
        return Result(0, "")

    def _secondary(self, node: Node, argv: list[str]) -> Result:
        if is_mounted(self.copy(node)):
            return Result(11, "", "State change failed: (-12) Device is held open by someone")
        return super()._secondary(node, argv)

    def _sync(self, node: Node, argv: list[str]) -> Result:
        return Result(0, "")

    def _rsync(self, node: Node, argv: list[str]) -> Result:
        """What of it :mod:`hamysql.storage.move.copying` needs; its quick check knows whole seconds."""
        source, target = (node.root / word.strip("/") for word in argv[-2:])
        assert is_mounted(self.copy(node)), "the copy goes to the root file system"
        assert is_mounted(source), "what is copied is not the old storage"
        assert source == self.datadir(node)
        assert self.cib == self.other
        listed = [word.partition("=")[2] for word in argv if word.startswith("--files-from=")]
        names = Path(listed[0]).read_bytes().decode().split("\0")[:-1] if listed else list(_files(source))
        for name in names:
            old, new = source / name, target / name
            if "--ignore-times" in argv or not new.exists() or _quick(old) != _quick(new):
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(old, new)
        if "--delete" in argv:
            for name in {*_files(target)} - {*_files(source)}:
                (target / name).unlink()
        return self._said("rsync")


def _files(folder: Path) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        yield from (str(Path(where, name).relative_to(folder)) for name in names)


def _quick(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_size, int(seen.st_mtime)
