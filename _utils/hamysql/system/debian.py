"""Debian's package tools: services that stay quiet, dpkg after an installation that was cut off, apt's package sources.

While packages are installed, no service of the cluster is started or stopped by their scripts. Debian's maintainer scripts ask
``/usr/sbin/policy-rc.d`` before they start, restart or stop a service (invoke-rc.d(8), deb-systemd-invoke(1p)); exit code 101
forbids it. An administrator's own file is put aside meanwhile and still decides about all other services.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hamysql.system.command import Run

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
UPDATES = Path("/var/lib/dpkg/updates")
_OPTIONS = re.compile(r"\[[^]]*\]")


def saved_path(policy: Path) -> Path:
    """Where the administrator's own file is meanwhile."""
    return policy.with_name(f"{policy.name}.hamysql-saved")


def guard_left_over(policy: Path = POLICY) -> bool:
    """Whether a killed run left its file behind."""
    try:
        return MARK in policy.read_text(errors="replace")
    except OSError:
        return saved_path(policy).exists()


def remove_guard(policy: Path = POLICY) -> None:
    """Take our file away and put the administrator's back, if there was one."""
    saved = saved_path(policy)
    if saved.exists():
        saved.replace(policy)
    elif guard_left_over(policy):
        policy.unlink()


@contextmanager
def quiet_services(units: Collection[str], policy: Path = POLICY) -> Iterator[None]:
    """Forbid maintainer scripts to start or stop ``units`` (full unit names) inside the ``with`` block."""
    remove_guard(policy)
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
        remove_guard(policy)


def dpkg_interrupted(updates: Path = UPDATES) -> bool:
    """Whether dpkg was cut off: it left journal files with numbers for names, as apt looks for them.

    Until that is finished, it refuses every other installation.
    """
    return updates.is_dir() and any(path.name.isdigit() for path in updates.iterdir())


def finish_dpkg(run: Run) -> None:
    """Configure what was unpacked; nobody is asked, and configuration files stay as they are."""
    argv = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
    run(argv, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=1800)


def with_source(text: str, source: str, enabled: bool) -> str:
    """The text of a file of package sources (sources.list(5), one-line style) with one line for ``source``.

    The line is commented out unless ``enabled``. The text is the same where it has that already. Other lines of the same type,
    address and suite give way, since apt would warn of them.
    """
    wanted = source if enabled else f"# {source}"
    lines = text.splitlines()
    others = [line for line in lines if _place(line) != _place(source)]
    mine = [line for line in lines if _place(line) == _place(source)]
    if len(mine) == 1 and mine[0].startswith("#") is not enabled and _entry(mine[0]).split() == source.split():
        return text
    return "\n".join([*others, wanted, ""])


def _entry(line: str) -> str:
    """What a line says, or would say if it were not commented out."""
    return line.strip("# ").partition("#")[0]


def _place(line: str) -> list[str]:
    return _OPTIONS.sub("", _entry(line)).split()[:3]
