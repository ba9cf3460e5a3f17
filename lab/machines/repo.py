"""The local apt repositories from which the formula installs: filled once, used without a network.

They are two, as on many a site: ``main``, and ``crmsh`` with what only crmsh needs, which the formula adds, installs
from, and disables again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.basics.host import run

SUITE = "bookworm"

# Everything that a pillar for the lab can ask for. Their dependencies come along, recommended packages do not.
PACKAGES = {
    "main": (
        *("corosync", "pacemaker", "pacemaker-cli-utils", "resource-agents", "fence-agents", "sbd"),
        *("corosync-qdevice", "corosync-qnetd", "drbd-utils", "xfsprogs", "e2fsprogs", "lvm2", "gdisk", "parted"),
        *("mariadb-server", "mariadb-client", "open-iscsi", "sg3-utils", "nfs-common", "nfs-kernel-server"),
        *("iptables", "iptables-persistent", "nftables", "ipmitool", "psmisc", "multipath-tools", "rsync", "openssl"),
        "pcs",
    ),
    "crmsh": ("crmsh",),
}


def fill(tree: Path, target: Path, log: Path) -> None:
    """Download the packages as seen from the bare node in ``tree`` and index them under ``target``.

    A package belongs to the first repository that needs it, so "crmsh" gets only what "main" lacks.
    """
    archives = tree / "var/cache/apt/archives"
    run(["chroot", tree, "apt-get", "update"], log=log, timeout=600)
    wanted: list[str] = []
    for name, packages in PACKAGES.items():
        wanted += packages
        command: list[str | Path] = [
            "chroot",
            tree,
            "apt-get",
            "install",
            "-y",
            "--download-only",
            "--no-install-recommends",
            *wanted,
        ]
        run(command, log=log, timeout=1800, env={"DEBIAN_FRONTEND": "noninteractive"})
        pool = target / name / "pool"
        pool.mkdir(parents=True)
        have = {path.name for path in target.glob("*/pool/*.deb")}
        for deb in sorted(archives.glob("*.deb")):
            if deb.name not in have:
                shutil.copy(deb, pool)
        _index(target / name, name, log)
    for deb in archives.glob("*.deb"):
        deb.unlink()


def _index(repository: Path, label: str, log: Path) -> None:
    folder = f"dists/{SUITE}/main/binary-amd64"
    (repository / folder).mkdir(parents=True)
    packages = run(["env", "-C", repository, "apt-ftparchive", "packages", "pool"], timeout=300).stdout
    (repository / folder / "Packages").write_text(packages)
    fields = {"Codename": SUITE, "Suite": SUITE, "Label": f"hamysql-lab-{label}", "Components": "main"}
    fields["Architectures"] = "amd64"
    options = [word for key, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    release = run(["env", "-C", repository, "apt-ftparchive", *options, "release", f"dists/{SUITE}"], log=log).stdout
    (repository / f"dists/{SUITE}/Release").write_text(release)
