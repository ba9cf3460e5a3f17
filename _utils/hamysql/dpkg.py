"""dpkg after an installation that was cut off: until that is finished, it refuses every other one."""

from __future__ import annotations

from pathlib import Path

from hamysql.command import Run

UPDATES = Path("/var/lib/dpkg/updates")


def interrupted(updates: Path = UPDATES) -> bool:
    """Whether dpkg was cut off: it left journal files with numbers for names, as apt looks for them."""
    return updates.is_dir() and any(path.name.isdigit() for path in updates.iterdir())


def finish(run: Run) -> None:
    """Configure what was unpacked; nobody is asked, and configuration files stay as they are."""
    argv = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
    run(argv, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=1800)
