"""The nodes' base image: bare Debian with ssh and a salt-minion, made once and shared by all nodes.

The cache's key is a hash of everything that the image is made from: the release, the package lists, Salt's version, the files
under ``guest/`` and this code. A change of any of them makes another image. The nodes' kernel is a package of their release, which
the image keeps beside the disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lab.basics.context import PROJECT, Lab
from lab.basics.errors import LabError
from lab.basics.host import run
from lab.basics.setup import Release
from lab.machines import repo

GUEST = Path(__file__).parent / "guest"
SIZE = "4G"  # sparse
KEEP = 3  # images in the cache
STEPS = 5  # of build()

# Salt's pkg and pkgrepo modules need python3-apt; kmod loads drbd; iptables is here for its alternatives (see _configure).
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "iproute2", "kmod", "less", "procps", "openssh-server", "iptables"),
    *("python3", "python3-apt", "ca-certificates", "iputils-ping"),
)

# What would only cost time in a node that lives for minutes.
MASKED_UNITS = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("getty@tty1.service", "console-getty.service", "e2scrub_reap.service"),
    *("modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service"),
    *("modprobe@fuse.service", "modprobe@loop.service", "systemd-journal-flush.service", "systemd-pstore.service"),
    *("dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "kmod-static-nodes.service"),
)
ENABLED_UNITS = ("ssh.service", "lab-init.service", "lab-cables.service", "salt-minion.service")
# systemd starts every generator at each daemon-reload, which package scripts ask for a dozen times; the nodes have nothing
# for these to find, and in a node a process costs 20 ms.
MASKED_GENERATORS = (
    *(
        "cryptsetup",
        "debug",
        "gpt-auto",
        "hibernate-resume",
        "integritysetup",
        "rc-local",
        "run",
        "ssh",
        "system-update",
    ),
    "veritysetup",
)

# The kernel is a program of the nodes' release, and may need a newer C library than the host's.
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
C_LIBRARY = ("libc.so.6", "ld-linux-x86-64.so.2")

Step = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """A finished image in the cache."""

    dir: Path

    @property
    def disk(self) -> Path:
        """The raw file system that the nodes' copy-on-write files are based on."""
        return self.dir / "base.img"

    @property
    def repository(self) -> Path:
        """The folder with the apt repositories; nodes see it at /srv/repo."""
        return self.dir / "repo"

    @property
    def kernel(self) -> Path:
        """The folder with the kernel's program ``linux.uml`` and the C library of its release."""
        return self.dir / "kernel"

    @property
    def key(self) -> str:
        """The hash of what it was made from."""
        return self.dir.name.removeprefix("image-")


def key(release: Release) -> str:
    """The hash of everything that an image is made from."""
    digest = hashlib.sha256()
    digest.update(repr((PACKAGES, repo.PACKAGES, repo.SID, MASKED_UNITS, MASKED_GENERATORS, SIZE, release)).encode())
    digest.update(metadata.version("salt").encode())
    override = PROJECT / "requirements-override.txt"
    for path in sorted([Path(__file__), Path(repo.__file__), override, *GUEST.rglob("*")]):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(PROJECT)} {os.access(path, os.X_OK)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def of(lab: Lab, release: Release) -> Image:
    """The image for the present key, whether it is there or not."""
    return Image(lab.cache / f"image-{key(release)}")


def build(lab: Lab, release: Release, step: Step) -> Image:
    """Make the image and the repositories, and put both into the cache in one move. ``step`` is told what is being done."""
    image = of(lab, release)
    work = lab.cache / f"building-{os.getpid()}"
    log = lab.logs / "image.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    _remove_leftovers(lab)
    tree = work / "tree"
    work.mkdir(parents=True)
    try:
        step("bare Debian (mmdebstrap)")
        _bootstrap(tree, release, log)
        step("local apt repositories")
        repo.fill(tree, work / "repo", log, release)
        _take_kernel(tree, work / "kernel", log)
        step(f"Salt {metadata.version('salt')}")
        _install_salt(tree, release, log)
        step("kernel modules and configuration")
        _configure(tree, log)
        step("file system")
        disk = work / "base.img"
        run(["mkfs.ext4", "-q", "-L", "root", "-m", "0", "-d", tree, disk, SIZE], log=log, timeout=300)
        _delete_tree(tree)
        if image.dir.exists():
            _delete_tree(image.dir)
        work.rename(image.dir)
    except BaseException:
        _delete_tree(work)
        raise
    _forget_old(lab, image)
    return image


def _bootstrap(tree: Path, release: Release, log: Path) -> None:
    options = [
        f"--dpkgopt={line}" for line in (GUEST / "etc/dpkg/dpkg.cfg.d/lab").read_text().splitlines() if line[0] != "#"
    ]
    include = ",".join(PACKAGES)
    run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={include}", *options, release.codename, tree],
        log=log,
        timeout=1800,
    )


def _install_salt(tree: Path, release: Release, log: Path) -> None:
    """Put Salt into a virtual environment of the node's Python, with the host's tools and no compiler.

    uv picks wheels for the node's Python, whatever Python the host has. The environment sees the distribution's packages, because
    Salt needs python3-apt.
    """
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        raise LabError(f"{uv} is missing: make the virtual environment again (make clean, make .venv/.installed)")
    venv = tree / "opt/salt"
    packages = venv / f"lib/python{release.python}/site-packages"
    platform = ["--python-version", release.python, "--python-platform", "x86_64-manylinux_2_28"]
    override: list[str | Path] = ["--override", PROJECT / "requirements-override.txt"]
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--python",
        sys.executable,
        "--target",
        packages,
        *platform,
        *override,
    ]
    run([*command, "--link-mode=copy", f"salt=={metadata.version('salt')}"], log=log, timeout=1800)
    shutil.rmtree(packages / "bin", ignore_errors=True)  # scripts for the host's Python
    (venv / "bin").mkdir()
    (venv / "bin/python3").symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {release.python}\n"
    )
    for name in ("salt-minion", "salt-call"):
        function = name.replace("-", "_")
        script = venv / "bin" / name
        script.write_text(f"#!/opt/salt/bin/python3\nfrom salt.scripts import {function}\n\n{function}()\n")
        script.chmod(0o755)
        (tree / "usr/bin" / name).symlink_to(f"/opt/salt/bin/{name}")
    run(
        ["chroot", tree, "python3", "-m", "compileall", "-q", "-j", "0", "/opt/salt/lib"],
        log=log,
        timeout=600,
        check=False,
    )


def _take_kernel(tree: Path, kernel: Path, log: Path) -> None:
    """Give the tree the kernel's modules, and put its program and the C library that this was linked with into ``kernel``."""
    kernel.mkdir()
    run(["chroot", tree, "sh", "-c", "cd /tmp && apt-get download user-mode-linux"], log=log, timeout=600)
    (package,) = (tree / "tmp").glob("user-mode-linux_*.deb")
    run(["dpkg-deb", "--extract", package, kernel / "package"], log=log)
    package.unlink()
    (modules,) = (kernel / "package/usr/lib/uml/modules").iterdir()
    shutil.copytree(modules, tree / "lib/modules" / modules.name, dirs_exist_ok=True)
    run(["chroot", tree, "depmod", "-a", modules.name], log=log)
    shutil.copy(kernel / "package/usr/bin/linux.uml", kernel)
    shutil.rmtree(kernel / "package")
    (kernel / "lib").mkdir()
    for name in C_LIBRARY:
        shutil.copy(tree / LIBRARIES.relative_to("/") / name, kernel / "lib")


def _configure(tree: Path, log: Path) -> None:
    # The nodes' kernel has nf_tables without the ip and inet families, so iptables-nft fails in it.
    for tool in ("iptables", "ip6tables"):
        run(["chroot", tree, "update-alternatives", "--set", tool, f"/usr/sbin/{tool}-legacy"], log=log)
    shutil.copytree(GUEST, tree, dirs_exist_ok=True)
    # The formula brings its own repositories; the host's have no route from here.
    (tree / "etc/apt/sources.list").write_text("# see sources.list.d\n")
    for path in [*(tree / "etc/ssh").glob("ssh_host_*"), *(tree / "var/lib/apt/lists").glob("*_*")]:
        path.unlink()
    (tree / "etc/fstab").write_text("")  # the kernel command line mounts the root; its journal needs no fsck
    (tree / "etc/resolv.conf").write_text("")
    for folder in ("root/.ssh", "etc/salt/pki/minion", "srv/repo", "srv/seed"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "root/.ssh").chmod(0o700)
    run(["chroot", tree, "systemctl", "mask", *MASKED_UNITS], log=log)
    generators = tree / "etc/systemd/system-generators"
    generators.mkdir(parents=True)
    for name in MASKED_GENERATORS:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")
    run(["chroot", tree, "systemctl", "enable", *ENABLED_UNITS], log=log)
    run(["chroot", tree, "systemctl", "set-default", "multi-user.target"], log=log)


def _delete_tree(path: Path) -> None:
    if not path.exists():
        return
    if path.name == "tree" or (path / "tree").exists():
        # mmdebstrap mounts proc and sys in the tree while it works: never follow one that a kill left there.
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((item for item in mounts if item.startswith(f"{path}/")), reverse=True):
            run(["umount", "--lazy", mount])
    shutil.rmtree(path)


def _remove_leftovers(lab: Lab) -> None:
    """Delete what a build that was killed left behind. The caller holds the cache's lock, so no other build is at work."""
    for path in lab.cache.glob("building-*"):
        _end_processes_in(path)
        _delete_tree(path)


def _end_processes_in(folder: Path) -> None:
    """End what a killed build started and left at work: processes that have the folder as root or in their command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                inside = os.readlink(entry / "root").startswith(str(folder))
                if inside or str(folder).encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue


def _forget_old(lab: Lab, image: Image) -> None:
    """Keep the newest few images: developing the lab makes many of them."""
    in_use = {link.resolve() for link in Path("/run").glob("hamysql-*/image*")}
    others = [path for path in lab.cache.glob("image-*") if path != image.dir and path.resolve() not in in_use]
    for path in sorted(others, key=lambda item: item.stat().st_mtime)[: -(KEEP - 1)]:
        _delete_tree(path)
