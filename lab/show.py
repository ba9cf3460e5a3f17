"""How results look on a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.basics.context import Lab
from lab.basics.progress import Progress
from lab.software import probe as prober
from lab.software.deploy import Deployment


def json_or(as_json: bool, value: Any, otherwise: Callable[[], None]) -> None:
    """JSON on standard output, or the readable form."""
    if as_json:
        print(json.dumps(value, indent=2))
    else:
        otherwise()


def status(report: dict[str, Any], progress: Progress) -> None:
    """The table of ``status``."""
    on_drbd = report["backend"] in (None, "drbd")
    further = (
        ("DRBD role", "DRBD disk", "DRBD connection") if on_drbd else (f"path to the storage ({report['backend']})",)
    )
    table = Table("node", "power", "member", *further)
    for name, facts in report["nodes"].items():
        drbd = facts["drbd"] or {}
        values = [drbd.get(key) for key in ("role", "disk", "connection")] if on_drbd else [facts["path"]]
        columns = [value or "-" for value in values]
        power = facts["power"] if facts["power"] != "on" or facts["reachable"] else "on, ssh does not answer"
        table.add_row(name, power, "yes" if facts["member"] else "no", *columns)
    progress.console.print(table)
    answer = "answers" if report["database"] else "does not answer"
    active = report["active"] or "no node"
    progress.say(
        f"cluster {report['cluster'] or '-'}: active on {active}, the database {answer} on {report['vip'] or '-'}"
    )


def deployment(result: Deployment, progress: Progress) -> None:
    """How long the orchestration took; its own summary, which was shown, has counted the changes."""
    progress.say(f"deployed in {result.seconds:.0f} s")


def what_next(lab: Lab, progress: Progress) -> None:
    """What to type now: a client, three operations of the second day, and a power cut."""
    steps = (
        ("probe --seconds 60", "write through the virtual IP; the others in a second terminal"),
        ("salt-run hamysql.status", "who serves, since when and why"),
        (
            f'salt-run state.orchestrate hamysql.orch.switchover pillar=\'{{"hamysql_to": "{lab.topology.names[1]}"}}\'',
            "move the service, and measure the gap",
        ),
        ("salt-run hamysql.report", "all that both nodes have to say, without secrets"),
        (f"power {lab.topology.names[0]} off", "cut the power of a node; `status` shows the other one take over"),
        ("down", "end it all (`make clean` removes its files as well)"),
    )
    lines = (f"  # {what}\n  .venv/bin/python -m lab {words}" for words, what in steps)
    progress.say("\n".join(("\nTry next:", *lines)))


def probe(lab: Lab, seconds: float, progress: Progress, *, quiet: bool) -> prober.Outcome:
    """Run a probe in the foreground, with its progress unless ``quiet``; an interrupt ends the writing, not the count."""
    running = prober.Running(lab, seconds)
    with progress.stage("probe"):

        def tick(message: dict[str, Any]) -> None:
            waiting = message["waiting"]
            state = f"waiting for {waiting:.1f} s" if waiting > 1 else "writing"
            progress.bar(message["elapsed"], seconds, f"{message['acknowledged']} acknowledged, {state}")

        while True:
            try:
                return running.finish(None if quiet else tick)
            except KeyboardInterrupt:
                running.stop()


def outcome(result: prober.Outcome) -> None:
    """The table of ``probe``."""
    table = Table(show_header=False)
    for name, value in result.as_dict().items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)
