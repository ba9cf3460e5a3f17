"""While packages are installed, no service of the cluster is started or stopped by their scripts.

Debian's maintainer scripts ask ``/usr/sbin/policy-rc.d`` before they start, restart or stop a service (invoke-rc.d(8),
deb-systemd-invoke(1p)); exit code 101 forbids it. An administrator's own file is put aside meanwhile and still decides
about all other services.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
MARK = "# hamysql: only while packages are being installed"
SCRIPT = """\
#!/bin/sh
{mark}
case "$1" in
{units}) exit 101 ;;
esac
if [ -x {saved} ]; then exec {saved} "$@"; fi
exit 0
"""


def saved_path(policy: Path) -> Path:
    """Where the administrator's own file is meanwhile."""
    return policy.with_name(f"{policy.name}.hamysql-saved")


def left_over(policy: Path = POLICY) -> bool:
    """Whether a killed run left its file behind."""
    try:
        return MARK in policy.read_text(errors="replace")
    except OSError:
        return saved_path(policy).exists()


def remove(policy: Path = POLICY) -> None:
    """Take our file away and put the administrator's back, if there was one."""
    saved = saved_path(policy)
    if saved.exists():
        saved.replace(policy)
    elif left_over(policy):
        policy.unlink()


@contextmanager
def quiet_services(units: Collection[str], policy: Path = POLICY) -> Iterator[None]:
    """Forbid maintainer scripts to start or stop ``units`` (full unit names) inside the ``with`` block."""
    remove(policy)
    if policy.exists():
        policy.replace(saved_path(policy))
    try:
        names = sorted({name for unit in units for name in (unit, unit.removesuffix(".service"))})
        new = policy.with_name(f"{policy.name}.hamysql-new")
        new.write_text(SCRIPT.format(mark=MARK, units="|".join(names), saved=saved_path(policy)))
        new.chmod(0o755)
        os.replace(new, policy)
        yield
    finally:
        remove(policy)
