"""Following an orchestration: its events are printed as they come, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hamysql.master import progress
from hamysql.master.salt import TAG


def follow(
    listen: AbstractContextManager[Any], cluster: str | None, timeout: float, say: Callable[[str], None]
) -> bool:
    """Say what an orchestration says; see the runner.

    listen
        The master's event bus.
    """
    followed = progress.Followed(cluster)
    deadline = time.monotonic() + timeout
    with listen as bus:
        while time.monotonic() < deadline:
            event = bus.get_event(wait=5, tag=f"{TAG}/", auto_reconnect=True)
            if event is not None and followed.has(event):
                say(progress.line(event))
                if event.get("state") in progress.LAST:
                    return bool(event["state"] == "finished")
                deadline = time.monotonic() + timeout
            elif event is None and followed.pid and not progress.is_alive(_stat(followed.pid)):
                say(f"the orchestration (job {followed.jid}) ended without a result: it was killed. Run it again")
                return False
    say(f"nothing was heard for {timeout} s")
    return False


def _stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
