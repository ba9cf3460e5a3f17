"""How long clients wait when something fails or is moved: ``python -m bench.failover``.

In one run and in the same lab the article's settings (`bench/article.py`) and hamysql's defaults, fencing included, are
deployed on bare nodes one after the other. A client writes through the virtual IP, one row after the other, while a node's
power is cut, the service is moved, the server is killed or hangs, and the standby's power is cut; its longest time without an
acknowledged write is the figure, and every row that was acknowledged has to be there afterwards. A power cut moves the service to
the other node, so that each of them is cut in turn.

Results go to ``bench/results/failover.json`` after each run, the median run's timeline to ``docs/failover.svg``, both nodes' logs
of each run to ``.lab/bench/log``. A whole bench takes about an hour; ``--runs`` makes it shorter. ``--only`` and ``--settings``
measure some of it, and keep what the results have of the rest. ``--storage iscsi`` and ``nfs`` measure the other two kinds, with
hamysql's defaults only: the article's settings have no fencing, without which hamysql deploys neither. Their results go to
``failover-iscsi.json`` and ``failover-nfs.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from bench import article, timeline
from lab import api
from lab.context import PROJECT
from lab.topology import STORAGES

RESULTS = PROJECT / "bench" / "results"
DRAWINGS = PROJECT / "docs"
SETTINGS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "article": article.settings,
    "hamysql": lambda pillar: pillar,
}
CASES = ("power_cut", "switchover", "mysqld_killed", "mysqld_hung", "standby_power_cut")
LIMIT = 60  # seconds without an answer until a run counts as not served again
BEFORE = 5  # seconds of writing before something is done
AFTER = 5  # seconds of writing without a gap, then a run is over
LEAST = 15  # seconds after what was done in which a gap may still begin
SCORES = "attrd_updater --query --all --name master-p_drbd_mysql"
SERVER = "$(cat /run/mysqld/mysqld.pid)"
# A node on which the server never ran has no log of it.
LAST_WORDS = "[ ! -e {log} ] || tail -n 60 {log}"


class Client:
    """A probe in the background, and what it says of itself meanwhile."""

    def __init__(self, lab: api.Lab) -> None:
        self._running = api.start_probe(lab, 3600)
        self._tick: dict[str, Any] = {}
        self._outcome: list[api.Outcome] = []
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        self._outcome.append(self._running.finish(self._seen))

    def _seen(self, tick: dict[str, Any]) -> None:
        self._tick = tick

    def writes_for(self, seconds: float, limit: float) -> bool:
        """Wait until it has been writing for so long without a gap of half a second."""
        end = time.monotonic() + limit
        since = time.monotonic()
        while time.monotonic() < end:
            if not self._thread.is_alive():
                raise api.LabError("the probe has ended by itself")
            if not self._tick or self._tick["waiting"] > 0.5 or not self._tick["acknowledged"]:
                since = time.monotonic()
            elif time.monotonic() - since >= seconds:
                return True
            time.sleep(0.2)
        return False

    def end(self) -> api.Outcome:
        """Stop writing, read everything back."""
        self._running.stop()
        self._thread.join()
        if not self._outcome:
            raise api.LabError("the probe did not end well")
        return self._outcome[0]


class Bench:
    """A deployed lab with some settings, and what can be done to it."""

    def __init__(self, lab: api.Lab, settings: str, storage: str) -> None:
        self.lab, self.settings, self.storage = lab, settings, storage
        self.cases: dict[str, Callable[[str, str], None]] = {
            "power_cut": lambda active, _: self._power_off(active),
            "switchover": self._move,
            "mysqld_killed": lambda active, _: self._server(active, f"kill -KILL {SERVER}"),
            "mysqld_hung": lambda active, _: self._server(active, f"kill -STOP {SERVER}"),
            "standby_power_cut": lambda _, standby: self._power_off(standby),
        }

    def run(self, case: str, number: int) -> dict[str, Any]:
        """Do it once, from a healthy cluster to a healthy cluster."""
        active = self.settled()
        (standby,) = {node.name for node in self.lab.topology.data_nodes} - {active}
        client = Client(self.lab)
        try:
            if not client.writes_for(BEFORE, 60):
                raise api.LabError("nothing can be written to a healthy cluster")
            began = time.time()
            self.cases[case](active, standby)
            time.sleep(max(0.0, began + LEAST - AFTER - time.time()))
            served = client.writes_for(AFTER, LIMIT)
            if not served and case == "mysqld_hung":
                self._server(active, f"kill -CONT {SERVER}")
        finally:
            outcome = client.end()
        result: dict[str, Any] = {
            "node": standby if case == "standby_power_cut" else active,
            "gap_seconds": outcome.longest_gap_seconds,
            "served_again": served,
            "acknowledged": outcome.acknowledged,
            "lost": outcome.lost,
        }
        self.healthy()
        logs = {name: self._log(name, began) for name in (active, standby)}
        for name, text in logs.items():
            (self.lab.logs / f"{self.settings}-{case}-{number}-{name}.log").write_text(text)
        if case == "power_cut":
            result["parts"] = timeline.parts(logs[standby], began, outcome.gap_ended)
        return result

    def healthy(self) -> str:
        """Wait until everything is as it should be; returns the active node."""
        for name in self.lab.topology.names:
            api.power(self.lab, name, "on")
        return str(api.wait_until(self.lab, "a healthy cluster", api.healthy, timeout=300)["active"])

    def settled(self) -> str:
        """Wait until the cluster is healthy and pacemaker has nothing left to do; returns the active node."""
        active = self.healthy()
        api.ssh(self.lab, active, "crm_resource --cleanup >/dev/null; crm_resource --wait --timeout=120", timeout=150)
        if self.storage == "drbd":
            what = "both replicas to be scored as up to date"
            api.wait_for(lambda: self._scored(active), what, timeout=90, interval=1)
        return active

    def _scored(self, active: str) -> bool:
        """Whether each replica's monitor has seen that it is up to date.

        That of one that has just come back has not, and its next one has pacemaker plan anew; in the middle of a failover that
        takes time, which a cluster that has been whole for half a minute does not need.
        """
        return api.ssh(self.lab, active, SCORES).count('value="10000"') == 2

    def _power_off(self, name: str) -> None:
        api.power(self.lab, name, "off")

    def _server(self, active: str, command: str) -> None:
        api.ssh(self.lab, active, command)

    def _move(self, active: str, standby: str) -> None:
        if self.settings == "hamysql":
            moved = api.salt_json(self.lab, active, "hamysql_cib.move", standby)
            if moved != {active: True}:
                raise api.LabError(f"hamysql_cib.move: {moved}")
        else:
            wait = "crm_resource --wait --timeout=120"
            api.ssh(
                self.lab,
                active,
                f"crm resource move g_mysql {standby}; {wait}; crm resource clear g_mysql",
                timeout=180,
            )

    def _log(self, name: str, began: float) -> str:
        """A node's journal since then, and the last words of its server."""
        words = LAST_WORDS.format(log="/var/log/mysql/error.log")
        command = f"journalctl --no-pager --output=short-unix --since=@{int(began)}; {words}"
        return api.ssh(self.lab, name, command, timeout=60)


def deploy(lab: api.Lab, settings: str, storage: str, progress: api.Progress) -> Bench:
    """Bare nodes, then the orchestration with these settings, and with the data on this kind of storage."""
    pillar = SETTINGS[settings](api.pillar_for(storage))
    if storage == "drbd":  # the synchronisation is what a run waits for before it begins, not what it measures
        pillar["hamysql"]["storage"]["drbd"]["rate"] = "100M"
    path = lab.dir / f"{settings}.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, pillar=path, fresh=True, storage=storage)
    api.deploy(lab, progress)
    if settings == "article":
        changed = article.regrouped(api.ssh(lab, "db1", "cibadmin --query"))
        api.ssh(lab, "db1", "cibadmin --replace --xml-pipe", stdin=changed)
    return Bench(lab, settings, storage)


def summary(runs: dict[str, dict[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Median, minimum and maximum of each case, and hamysql's median against the article's."""
    figures = {
        settings: {
            case: {
                "median": statistics.median(gaps),
                "minimum": min(gaps),
                "maximum": max(gaps),
                "lost": sum(run["lost"] for run in found),
                "not_served_again": sum(not run["served_again"] for run in found),
            }
            for case, found in cases.items()
            if (gaps := [run["gap_seconds"] for run in found])
        }
        for settings, cases in runs.items()
    }
    old, new = figures.get("article", {}), figures.get("hamysql", {})
    ratios = {case: round(new[case]["median"] / old[case]["median"], 2) for case in new if case in old}
    # Against a server that stays away until somebody looks there is no ratio.
    if old.get("mysqld_hung", {}).get("not_served_again"):
        ratios.pop("mysqld_hung", None)
    return {"figures": figures, "ratios": ratios, "runs": runs}


def median_run(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose gap is the median; of an even number the lower one."""
    return sorted(found, key=lambda run: float(run["gap_seconds"]))[(len(found) - 1) // 2]


def show(result: dict[str, Any], progress: api.Progress) -> None:
    """The table: seconds without an acknowledged write."""
    table = Table("", "article: median", "min", "max", "hamysql: median", "min", "max", "ratio", "lost")
    old, new = (result["figures"].get(name, {}) for name in SETTINGS)
    for case in dict.fromkeys([*old, *new]):
        row = [case]
        for values in (old.get(case), new.get(case)):
            if values is None:
                row += ["-"] * 3
            elif values["not_served_again"]:
                row += ["not served again", "", ""]
            else:
                row += [f"{values[name]:.1f}" for name in ("median", "minimum", "maximum")]
        row.append(str(result["ratios"].get(case, "-")))
        row.append(str(sum(values[case]["lost"] for values in (old, new) if case in values)))
        table.add_row(*row)
    progress.console.print(table)


def kept(path: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The runs in a file of results, by settings and case; none without a file."""
    return dict(json.loads(path.read_text())["runs"]) if path.exists() else {}


def keep(result: dict[str, Any], path: Path, drawing: Path) -> None:
    """Write the results, and the drawing of the median runs."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    rows = {
        name: median_run(cases["power_cut"])["parts"]
        for name, cases in result["runs"].items()
        if cases.get("power_cut")
    }
    if rows:
        drawing.write_text(
            timeline.svg(rows, "power cut of the active node: seconds until each part is done (median run)")
        )


def main() -> int:
    """Measure, print, keep the results; the bench's lab is down afterwards."""
    given = arguments()
    lab, progress = api.Lab(dir=PROJECT / ".lab" / "bench"), api.Progress()
    runs = kept(given.output)
    try:
        for settings in given.settings:
            bench = deploy(lab, settings, given.storage, progress)
            for case in given.only or CASES:
                runs.setdefault(settings, {})[case] = []
                for number in range(given.runs):
                    found = bench.run(case, number + 1)
                    runs[settings][case].append(found)
                    progress.say(
                        f"{settings}, {case}, {number + 1} of {given.runs}, {found['node']}: {found['gap_seconds']:.1f} s"
                        f"{'' if found['served_again'] else ', not served again'}, {found['lost']} of"
                        f" {found['acknowledged']} lost {found.get('parts', '')}"
                    )
                    keep(summary(runs), given.output, given.drawing)
    finally:
        api.down(lab, progress)
    show(summary(runs), progress)
    lost = sum(run["lost"] for cases in runs.values() for found in cases.values() for run in found)
    return 1 if lost else 0


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for, with where the results and the drawing go."""
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=6, help="of each case (default: 6)")
    parser.add_argument("--only", choices=CASES, action="append", help="only this case, and keep the others")
    parser.add_argument("--storage", choices=STORAGES, default=STORAGES[0], help="where the data is (default: drbd)")
    parser.add_argument(
        "--settings",
        choices=list(SETTINGS),
        action="append",
        help="only these, and keep the others",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="where results are kept, with the drawing beside them (default: bench/results, the drawing in docs)",
    )
    given = parser.parse_args(words)
    name = "failover" if given.storage == STORAGES[0] else f"failover-{given.storage}"
    given.drawing = given.output.with_suffix(".svg") if given.output else DRAWINGS / f"{name}.svg"
    given.output = given.output or RESULTS / f"{name}.json"
    given.settings = given.settings or (list(SETTINGS) if given.storage == STORAGES[0] else ["hamysql"])
    if given.storage != STORAGES[0] and "article" in given.settings:
        parser.error("the article's settings have no fencing, and hamysql deploys only drbd without it")
    return given


if __name__ == "__main__":
    sys.exit(main())
