"""What the lab needs of the machine that it runs on, and the one place where it starts programs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.basics.errors import Broken, HostError, LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# program -> Debian package that brings it
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "apt-ftparchive": "apt-utils",
    "unshare": "util-linux",
}
# Where the nodes' kernel needs lab/machines/registers.c.
COMPILER = {"gcc": "build-essential"}
# What tests and linters run on real tools; without them those tests say why they are skipped.
TEST_PROGRAMS = {
    "cibadmin": "pacemaker-cli-utils",
    "crm": "crmsh",
    "corosync": "corosync",
    "createrepo_c": "createrepo-c",
    "dnf": "dnf-plugins-core",  # with dnf itself, and versionlock
    "drbdadm": "drbd-utils",
    "gpg": "gpg",
    "gpgconf": "gpgconf",
    "gpg-agent": "gpg-agent",
    "iptables-legacy": "iptables",
    "nft": "nftables",
    "firewalld": "firewalld",
    "dbus-daemon": "dbus-daemon",
    "ipmitool": "ipmitool",
    "mariadbd": "mariadb-server-core",
    "mariadb": "mariadb-client",
    "mariadb-backup": "mariadb-backup",
    "restic": "restic",
    "xfs_growfs": "xfsprogs",
    "lvextend": "lvm2",
    "mmdebstrap": "mmdebstrap",
    "multipath": "multipath-tools",
    "fence_ipmilan": "fence-agents",
    "ocf-tester": "resource-agents",
    "rpmbuild": "rpm",
    "semanage": "policycoreutils-python-utils",
    "xmllint": "libxml2-utils",
    "sfdisk": "fdisk",
    "shellcheck": "shellcheck",
}
NEED_DISK_MIB = 6000
NEED_MEMORY_MIB = 2500


def run(
    argv: Sequence[str | Path],
    *,
    log: Path | None = None,
    timeout: float = 60,
    check: bool = True,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program without a shell and return what it printed.

    With ``log`` its command line and output are appended to that file as well. A failure becomes a ``LabError`` with the
    last lines of the output, unless ``check`` is off.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, "PATH": f"{PATH}:{os.environ.get('PATH', '')}", "LC_ALL": "C.UTF-8", **(env or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"`{' '.join(words)}` did not end within {timeout:g} s") from exc
    except OSError as exc:
        raise LabError(f"`{words[0]}` cannot be run: {exc.strerror}") from exc
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as out:
            out.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}\n")
    if check and done.returncode:
        tail = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-8:])
        where = f" (all of it: {log})" if log else ""
        raise LabError(f"`{' '.join(words)}` ended with exit code {done.returncode}{where}: {tail or 'no output'}")
    return done


def wait_for(
    condition: Callable[[], object],
    what: str,
    *,
    timeout: float,
    interval: float = 0.3,
) -> object:
    """Poll ``condition`` until it returns something true, and return that.

    what
        What is waited for, as a part of a sentence ("db1's ssh to answer").
    timeout, interval
        Seconds.

    A ``LabError`` from the condition counts as "not yet" and is shown when the time is over; ``Broken`` ends the waiting.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except Broken:
            raise
        except LabError as exc:
            last = exc
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s for {what}, in vain; seen last: {last!s}")
        time.sleep(interval)


def which(program: str) -> str | None:
    """Where a program is, also in the sbin folders that an ordinary PATH may lack."""
    return shutil.which(program, path=f"{PATH}:{os.environ.get('PATH', '')}")


def more_registers(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has registers that the nodes' kernel does not know of, see :mod:`lab.machines.registers`."""
    return any("amx_tile" in line.split() for line in cpuinfo.read_text().splitlines() if line.startswith("flags"))


def missing_packages(programs: Mapping[str, str]) -> list[str]:
    """The Debian packages that are needed and not there."""
    return sorted({package for program, package in programs.items() if not which(program)})


def check(say: Callable[[str], None], need_space_in: Path) -> None:
    """Refuse at once where the lab cannot work, and install the programs that are missing.

    Raises ``HostError`` naming everything that is wrong, not only the first thing.
    """
    wrong = []
    if os.geteuid() != 0:
        wrong.append("the lab makes network namespaces and disk images and must be run as root (try: sudo make demo)")
    if not which("apt-get"):
        wrong.append("this is not a Debian-like system: apt-get is missing, and the nodes' kernel is a Debian package")
    if platform.machine() != "x86_64":
        wrong.append(f"the processor is {platform.machine()}, user-mode-linux exists for x86_64 only")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        how = "in a container: --device /dev/net/tun --cap-add NET_ADMIN"
        wrong.append(f"/dev/net/tun is missing or not accessible ({how})")
    if unsafe := re.search(r"[^\w./+@=-]", str(need_space_in)):
        wrong.append(f"the path {need_space_in} has a {unsafe[0]!r} in it, which the nodes' kernel cannot be told")
    existing = next(path for path in (need_space_in, *need_space_in.parents) if path.exists())
    free_mib = shutil.disk_usage(existing).free >> 20
    if free_mib < NEED_DISK_MIB:
        wrong.append(f"{existing} has {free_mib} MiB free, the lab needs {NEED_DISK_MIB}")
    memory_mib = shutil.disk_usage("/dev/shm").free >> 20
    if memory_mib < NEED_MEMORY_MIB:
        wrong.append(f"/dev/shm has {memory_mib} MiB free, the nodes' memory lives there and needs {NEED_MEMORY_MIB}")
    if wrong:
        raise HostError("the lab cannot run here:\n" + "\n".join(f"  - {reason}" for reason in wrong))
    install(say, PROGRAMS | (COMPILER if more_registers() else {}))


def install(say: Callable[[str], None], programs: Mapping[str, str]) -> None:
    """Install the packages of the programs that are missing, after saying so. None of their daemons is started."""
    packages = missing_packages(programs)
    if not packages:
        return
    if os.geteuid() != 0 or not which("apt-get"):
        raise HostError(f"these Debian packages are missing here, install them first: {', '.join(packages)}")
    say(f"installing what is missing on this machine: {', '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], timeout=600, env=quiet)
    with _no_daemons():
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], timeout=1200, env=quiet)
    still = missing_packages(programs)
    if still:
        raise HostError(f"apt-get installed {', '.join(still)}, but their programs are still not in the PATH")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Debian's packages start their daemons unless this says no: nobody asked for corosync on the host."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
