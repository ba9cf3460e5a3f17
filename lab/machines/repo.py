"""The local apt repositories from which the formula installs: filled once, used without a network.

There are several, as on many a site: ``main``, and ``crmsh`` with what only crmsh needs, which the formula adds, installs
from, and disables again. Where the release can have it, ``mysql`` has MySQL from Oracle and what that needs, of Debian's sid.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.basics.host import run
from lab.basics.setup import Release

# Everything that a pillar for the lab can ask for. Their dependencies come along, recommended packages do not.
PACKAGES = {
    "main": (
        *("corosync", "pacemaker", "pacemaker-cli-utils", "resource-agents", "fence-agents", "sbd"),
        *("corosync-qdevice", "corosync-qnetd", "drbd-utils", "xfsprogs", "e2fsprogs", "lvm2", "gdisk", "parted"),
        *(
            "mariadb-server",
            "mariadb-client",
            "mariadb-backup",
            "restic",
            "open-iscsi",
            "sg3-utils",
            "nfs-common",
            "nfs-kernel-server",
        ),
        *("iptables", "iptables-persistent", "nftables", "ipmitool", "psmisc", "multipath-tools", "rsync", "openssl"),
        "pcs",
    ),
    "crmsh": ("crmsh",),
}


# What no release has, with the flavour that needs it.
SID = {"mysql": ("mysql-server", "mysql-client")}
PREFERENCES = "Package: *\nPin: release n=sid\nPin-Priority: 100\n"


def fill(tree: Path, target: Path, log: Path, release: Release) -> None:
    """Download the packages as seen from the bare node in ``tree`` and index them under ``target``.

    A package belongs to the first repository that needs it, so "crmsh" gets only what "main" lacks.
    """
    archives = tree / "var/cache/apt/archives"
    run(["chroot", tree, "apt-get", "update"], log=log, timeout=600)
    wanted: list[str] = []
    for name, packages in PACKAGES.items():
        wanted += packages
        _download(tree, wanted, log)
        _keep(archives, target, name, release, log)
    for flavor in set(SID).intersection(release.flavors):
        with _sid(tree, log):
            _download(tree, ["--target-release=sid", *SID[flavor]], log)
        _keep(archives, target, flavor, release, log)
    for deb in archives.glob("*.deb"):
        deb.unlink()


def _download(tree: Path, words: Sequence[str], log: Path) -> None:
    command = ["apt-get", "install", "-y", "--download-only", "--no-install-recommends", *words]
    run(["chroot", tree, *command], log=log, timeout=1800, env={"DEBIAN_FRONTEND": "noninteractive"})


@contextmanager
def _sid(tree: Path, log: Path) -> Iterator[None]:
    """The tree's sources and sid's, whose index may be older than it says that it stays valid."""
    sources, preferences = tree / "etc/apt/sources.list.d/sid.list", tree / "etc/apt/preferences.d/sid"
    mirror = next(
        line.split()[1] for line in (tree / "etc/apt/sources.list").read_text().splitlines() if line.startswith("deb ")
    )
    sources.write_text(f"deb [check-valid-until=no] {mirror} sid main\n")
    preferences.write_text(PREFERENCES)
    run(["chroot", tree, "apt-get", "update"], log=log, timeout=600)
    try:
        yield
    finally:
        sources.unlink()
        preferences.unlink()


def _keep(archives: Path, target: Path, name: str, release: Release, log: Path) -> None:
    """Copy what has been downloaded and is in no repository yet into this one."""
    pool = target / name / "pool"
    pool.mkdir(parents=True)
    have = {path.name for path in target.glob("*/pool/*.deb")}
    for deb in sorted(archives.glob("*.deb")):
        if deb.name not in have:
            shutil.copy(deb, pool)
    _index(target / name, name, release.codename, log)


def _index(repository: Path, label: str, suite: str, log: Path) -> None:
    folder = f"dists/{suite}/main/binary-amd64"
    (repository / folder).mkdir(parents=True)
    packages = run(["env", "-C", repository, "apt-ftparchive", "packages", "pool"], timeout=300).stdout
    (repository / folder / "Packages").write_text(packages)
    fields = {"Codename": suite, "Suite": suite, "Label": f"hamysql-lab-{label}", "Components": "main"}
    fields["Architectures"] = "amd64"
    options = [word for key, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    release = run(["env", "-C", repository, "apt-ftparchive", *options, "release", f"dists/{suite}"], log=log).stdout
    (repository / f"dists/{suite}/Release").write_text(release)
