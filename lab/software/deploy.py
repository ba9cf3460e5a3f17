"""The deployment: the real ``salt-run state.orchestrate hamysql.orch``, with its progress shown beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.progress import Progress
from lab.software import salt
from lab.wires import network

PHASE = re.compile(r"^\[(?P<number>\d+)/(?P<of>\d+)\] ")
TIMEOUT = 1800  # seconds
GRACE = 5  # seconds that the follower gets after the orchestration's end


@dataclass(frozen=True)
class Deployment:
    """What one orchestration returned: its states, as Salt gives them."""

    states: dict[str, dict[str, Any]]
    seconds: float

    @property
    def changes(self) -> dict[str, Any]:
        """The changes of the states that have some, by state id."""
        return {state["__id__"]: state["changes"] for state in self.states.values() if state.get("changes")}

    @property
    def failures(self) -> dict[str, str]:
        """The comments of the states that failed."""
        failed = (state for state in self.states.values() if state.get("result") is False)
        comments = {state["__id__"]: str(state.get("comment", "")) for state in failed}
        # The phases behind the one that failed only say that they were not run.
        return {
            name: text for name, text in comments.items() if not text.startswith("One or more requisite")
        } or comments


def deploy(lab: Lab, progress: Progress, *, test: bool = False) -> Deployment:
    """Run the orchestration, show its progress, and return its states; a failed one raises with the reasons.

    test
        Only say what would change.
    """
    result = orchestrate(lab, progress, test=test)
    if result.failures:
        reasons = "\n".join(f"  - {name}: {comment}" for name, comment in result.failures.items())
        raise LabError(f"the deployment failed:\n{reasons}\n(all of it: {lab.logs / 'orchestrate.json'})")
    return result


def orchestrate(
    lab: Lab,
    progress: Progress,
    *,
    sls: str = "hamysql.orch",
    test: bool = False,
    pillar: Mapping[str, str] | None = None,
    watch: Callable[[str], None] | None = None,
) -> Deployment:
    """Like :func:`deploy`, for those who expect a failure: it is returned, not raised.

    sls
        The orchestration, the deployment by default.
    pillar
        What it is told besides: ``{"hamysql_to": "db2"}``.
    watch
        Called with each line of the progress when it comes, to do something at that moment.
    """
    out, err = lab.logs / "orchestrate.json", lab.logs / "orchestrate.log"
    words = ["state.orchestrate", sls, "--out=json", *(["test=True"] if test else [])]
    words += [f"pillar={json.dumps(dict(pillar))}"] if pillar else []
    started = time.monotonic()
    follower = _start(lab, ["hamysql.follow", "--out=quiet"], None, err)
    try:
        orchestration = _start(lab, words, out, err)
        threading.Thread(target=_end_follower, args=(orchestration, follower), daemon=True).start()
        _show(follower, progress, watch)
        orchestration.wait(timeout=TIMEOUT)
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"the orchestration did not end within {TIMEOUT} s (see {err})") from exc
    finally:
        for process in (follower, orchestration):
            if process.poll() is None:
                process.kill()
                process.wait()
    return Deployment(_states(out, err), time.monotonic() - started)


def _start(lab: Lab, words: list[str], out: Path | None, err: Path) -> subprocess.Popen[str]:
    command = salt.command(lab, "salt-run", *words)
    with out.open("w") if out else err.open("w") as stdout, err.open("a") as stderr:
        target = stdout if out else subprocess.PIPE
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=target, stderr=stderr, text=True)


def _end_follower(orchestration: subprocess.Popen[str], follower: subprocess.Popen[str]) -> None:
    """The follower ends by itself, unless the orchestration died too early or too badly to say anything."""
    orchestration.wait()
    try:
        follower.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        follower.kill()


def kill_orchestration(lab: Lab) -> int:
    """Kill the orchestration that runs on the lab's master, as a lost terminal or an out-of-memory kill does.

    Returns how many processes it had; 0 where none runs.
    """
    killed = 0
    for pid, words in network.commands(lab).items():
        if "state.orchestrate" in words:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def _show(follower: subprocess.Popen[str], progress: Progress, watch: Callable[[str], None] | None) -> None:
    assert follower.stdout is not None
    for line in follower.stdout:
        text = line.rstrip()
        if text in ("True", "False"):
            continue  # what the runner returned, which Salt prints behind its lines
        if watch:
            watch(text)
        if phase := PHASE.match(text):
            done = int(phase["number"]) - (0 if " done " in text else 1)
            progress.bar(done, int(phase["of"]), text.partition("] ")[2])
        progress.say(text)


def _states(out: Path, err: Path) -> dict[str, dict[str, Any]]:
    """Salt's JSON as states by their key; anything else than states is an error of the orchestration as a whole."""
    text = out.read_text()
    try:
        returned = json.loads(text)
        (states,) = returned.get("data", returned).values()
        if not all(isinstance(state, dict) for state in states.values()):
            raise ValueError("not states")
    except (ValueError, AttributeError) as exc:
        tail = (text.strip() or err.read_text().strip()).splitlines()[-15:]
        raise LabError("the orchestration could not be run:\n" + "\n".join(tail)) from exc
    return dict(states)
