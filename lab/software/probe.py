"""``probe``: a client writes through the virtual IP while things break, and then counts what is missing."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.software import settings
from lab.wires import network

CLIENT = Path(__file__).parent / "client.py"

Tick = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """What a probe has seen. ``lost`` are rows that were acknowledged and are not there.

    The longest gap between two acknowledgements has a beginning and an end, in seconds since the epoch.
    """

    acknowledged: int
    lost: int
    longest_gap_seconds: float
    gap_began: float
    gap_ended: float
    errors: int
    last_error: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Running:
    """A probe at work in the background."""

    def __init__(self, lab: Lab, seconds: float) -> None:
        if not network.exists(lab):
            raise LabError("the lab is down: start it with `python -m lab up`")
        request = {"do": "probe", "login": settings.read(lab).probe_login(), "seconds": seconds}
        self._process = _client(lab, request)
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # From the start: a client whose words nobody takes stops writing when the pipe is full, which is after some minutes.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put(None)

    def stop(self) -> None:
        """Stop writing before the time is over; the reading back follows."""
        self._process.terminate()

    def finish(self, tick: Tick | None = None) -> Outcome:
        """Wait for the end and return what was seen."""
        process = self._process
        assert process.stderr is not None
        result = None
        for line in iter(self._said.get, None):
            message = json.loads(line)
            result = message.get("result", result)
            if tick and "result" not in message:
                tick(message)
        error = process.stderr.read().strip()
        if process.wait() or result is None:
            raise LabError(f"the probe did not end well: {error.splitlines()[-1] if error else 'no reason given'}")
        return Outcome(**result)


def ping(lab: Lab) -> tuple[bool, str]:
    """Does the database answer on the virtual IP, and what is the error if not?"""
    try:
        process = _client(lab, {"do": "ping", "login": settings.read(lab).probe_login()})
        out, err = process.communicate(timeout=10)
        answer = json.loads(out or "{}")
        return bool(answer.get("answers")), str(answer.get("error") or err.strip())
    except (LabError, ValueError, subprocess.TimeoutExpired) as exc:
        return False, str(exc)


def _client(lab: Lab, request: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        lab.in_namespace(sys.executable, CLIENT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # an interrupt on the terminal goes to the command line, which decides
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request))
    process.stdin.close()
    process.stdin = None
    return process
