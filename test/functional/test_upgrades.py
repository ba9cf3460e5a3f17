"""What apt would update, and the update, by the real apt and dpkg in a tree of their own; their packages have no files of ours."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from hamysql.errors import CommandFailed
from hamysql.system import command
from hamysql.system.upgrades import Apt, Update

needs_apt = pytest.mark.skipif(
    not shutil.which("apt-ftparchive") or os.geteuid(), reason="needs root and apt-ftparchive"
)
CONF = """\
Dir "{tree}";
Dir::State::status "{tree}/var/lib/dpkg/status";
Dir::Etc::trusted "/dev/null";
Dir::Bin::dpkg "/usr/bin/dpkg";
Dir::Bin::methods "/usr/lib/apt/methods";
DPkg::Options:: "--root={tree}";
DPkg::Options:: "--force-not-root,script-chrootless";
DPkg::Path "/usr/sbin:/usr/bin:/sbin:/bin";
DPkg::Chroot-Directory "/";
APT::Architecture "amd64";
APT::Sandbox::User "root";
"""


class Machine:
    """A tree with a package database, and a repository that is filled meanwhile."""

    def __init__(self, tree, repository):
        self.tree, self.repository = tree, repository
        for folder in (
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ):
            (tree / folder).mkdir(parents=True)
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/log/apt", "tmp"):
            (tree / folder).mkdir(parents=True)
        (tree / "var/lib/dpkg/status").touch()
        (tree / "var/lib/dpkg/available").touch()
        (tree / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
        (tree / "apt.conf").write_text(CONF.format(tree=tree))

    def offer(self, name, version, depends="", conflicts=""):
        build = self.repository / f"{name}-{version}"
        (build / "DEBIAN").mkdir(parents=True)
        lines = [
            f"Package: {name}",
            f"Version: {version}",
            "Architecture: all",
            "Maintainer: nobody <nobody@example.org>",
        ]
        lines += [f"Depends: {depends}"] if depends else []
        lines += [f"Conflicts: {conflicts}"] if conflicts else []
        (build / "DEBIAN/control").write_text("\n".join([*lines, "Description: a package without files", ""]))
        subprocess.run(["dpkg-deb", "--build", build, self.repository], check=True, capture_output=True)
        shutil.rmtree(build)
        index = subprocess.run(
            ["apt-ftparchive", "packages", "."], cwd=self.repository, check=True, capture_output=True
        )
        (self.repository / "Packages").write_bytes(index.stdout)

    def run(self, argv, *, env=None, **options):
        extra = {"APT_CONFIG": str(self.tree / "apt.conf"), "DPKG_ADMINDIR": str(self.tree / "var/lib/dpkg")}
        return command.run(argv, env={**(env or {}), **extra}, **options)

    def install(self, *names):
        self.run(["apt-get", "--yes", "--quiet=2", "install", *names], timeout=120)

    def version(self, name):
        return self.run(["dpkg-query", "--show", "--showformat=${Version}", name], accept=(0, 1)).stdout


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "repository").mkdir()
    made = Machine(tmp_path / "tree", tmp_path / "repository")
    for name in ("corosync", "linux-image-amd64", "salt-minion", "held", "pinned"):
        made.offer(name, "1.0")
    Apt().refresh(made.run)
    made.install("corosync", "linux-image-amd64", "salt-minion", "held", "pinned")
    return made


@needs_apt
def test_what_is_updated_left_and_held_again(machine):
    apt = Apt()
    assert apt.updates(machine.run, (), ()) == []
    for name in ("corosync", "salt-minion", "held", "pinned"):
        machine.offer(name, "2.0")
    machine.offer("linux-image-6.1.0-18-amd64", "6.1.76-1")
    machine.offer("linux-image-amd64", "2.0", "linux-image-6.1.0-18-amd64")
    apt.refresh(machine.run)
    machine.run(["apt-mark", "hold", "held", "corosync"])
    ours, left = ("corosync",), ("salt-*", "pinned")
    found = apt.updates(machine.run, left, ours)
    assert found == [
        Update("corosync", "1.0", "2.0"),
        Update("linux-image-6.1.0-18-amd64", "", "6.1.76-1"),
        Update("linux-image-amd64", "1.0", "2.0"),
    ]
    assert apt.kernels(found) == ["6.1.0-18-amd64"]
    apt.fetch(machine.run, found)
    assert machine.version("corosync") == "1.0"
    apt.install(machine.run, found, ours)
    versions = {
        name: machine.version(name) for name in ("corosync", "linux-image-amd64", "salt-minion", "held", "pinned")
    }
    assert versions == {
        "corosync": "2.0",
        "linux-image-amd64": "2.0",
        "salt-minion": "1.0",
        "held": "1.0",
        "pinned": "1.0",
    }
    assert machine.version("linux-image-6.1.0-18-amd64") == "6.1.76-1"
    assert sorted(apt.held(machine.run)) == ["corosync", "held"]
    assert apt.updates(machine.run, left, ours) == []


@needs_apt
def test_a_package_that_would_go_is_seen(machine):
    machine.offer("corosync-next", "2.0", conflicts="corosync")
    machine.offer("linux-image-amd64", "2.0", "corosync-next")
    Apt().refresh(machine.run)
    found = Apt().updates(machine.run, ("salt-*",), ())
    assert Update("corosync", "installed", "") in found


@needs_apt
def test_a_repository_that_does_not_answer_is_an_error(machine):
    shutil.rmtree(machine.repository)
    with pytest.raises(CommandFailed, match="apt-get"):
        Apt().refresh(machine.run)
