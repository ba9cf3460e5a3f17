"""How long clients wait when something fails or is moved: ``python -m bench.failover``.

In one run and in the same lab the settings of the 2013 procedure that hamysql replaces (`bench/article.py`) and hamysql's defaults,
fencing included, are
deployed on bare nodes one after the other. A client writes through the virtual IP, one row after the other, while something is
done to the cluster: ``CASES`` has what. Its longest time without an acknowledged write is the figure (``gap_seconds``), and every
row that was acknowledged has to be there afterwards. A power cut moves the service to the other node, so that each of them is cut
in turn.

The case ``both_cold`` cuts both nodes' power and switches both on at once. How long a machine takes to boot says nothing about the
settings. So its ``gap_seconds`` begins when corosync on either node says that both nodes are members again, and ends with the first
acknowledged write. It is 0 when a node has served before that. ``outage_seconds`` beside it is the whole time without a write.

Results go to ``bench/results/failover.json`` after each run, the median run's timeline to ``docs/failover.svg``, both nodes' logs
of each run to ``.lab/bench/log``. A whole bench takes some hours; ``--runs`` makes it shorter. ``--only`` and ``--settings``
measure some of it, and keep what the results have of the rest. ``--storage iscsi`` and ``nfs`` measure the other two kinds, with
hamysql's defaults only: the procedure's settings have no fencing, without which hamysql deploys neither. Their results go to
``failover-iscsi.json`` and ``failover-nfs.json``.

``--table`` and ``--draw`` measure nothing. From the results that are kept they print the tables of docs/figures.md, or draw a
picture.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from bench import article, timeline
from lab import api
from lab.basics.context import PROJECT
from lab.basics.setup import FLAVORS, RELEASES, Setup
from lab.basics.topology import STORAGES

RESULTS = PROJECT / "bench" / "results"
DRAWINGS = PROJECT / "docs"
SETTINGS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "article": article.settings,
    "hamysql": lambda pillar: pillar,
}
# What readers call the settings; others are called by their own name.
NAMES = {"article": "2013 procedure"}
ACTIVE, STANDBY, BOTH = "active", "standby", "both"
OFF, BOOTED = "off", "booted"


@dataclass(frozen=True)
class Case:
    """What is done to a cluster, and how long its run may take.

    words
        The row of a table of docs/figures.md.
    node
        The node to which it is done: ``active``, ``standby`` or ``both``.
    limit
        Seconds without an answer until a run counts as not served again.
    least
        Seconds in which a gap may still begin; they are counted from what was done, or from what is in ``until``.
    until
        What the node does by itself before that, within ``limit``: it goes ``off``, or it has ``booted`` again.
    """

    words: str
    node: str = ACTIVE
    limit: float = 60
    least: float = 15
    until: str = ""


# A node that shuts down leaves when its services have stopped: with the 2013 procedure's settings that took 140 s. One that comes
# back joins the cluster some 30 s after its boot. A monitor notices that a cable or an address is gone, and the next one may be
# far off.
CASES = {
    "power_cut": Case("active node's power cut"),
    "switchover": Case("planned switchover"),
    "mysqld_killed": Case("mysqld killed"),
    "mysqld_hung": Case("mysqld hangs"),
    "standby_power_cut": Case("standby's power cut", STANDBY),
    "reboot": Case("active node rebooted", limit=300, least=60, until=BOOTED),
    "poweroff": Case("active node shut down", limit=300, until=OFF),
    "standby_reboot": Case("standby rebooted", STANDBY, limit=300, least=60, until=BOOTED),
    "client_cable": Case("active node's cable to the clients cut", limit=120),
    "vip_deleted": Case("virtual IP deleted", limit=120),
    "both_cold": Case("both nodes' power cut, from their membership on", BOTH, limit=300),
}
BEFORE = 5  # seconds of writing before something is done
AFTER = 5  # seconds of writing without a gap, then a run is over
# corosync's word on who is a member: "[QUORUM] Sync members[2]: 1 2" when a membership forms, then "[QUORUM] Members[2]: 1 2".
MEMBERS = re.compile(r"corosync\S* +(?:\w+ +)?\[QUORUM\] (?:Sync members|Members)\[(?P<number>\d+)\]:")
BOOT = "cat /proc/sys/kernel/random/boot_id"
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
        self.cases: dict[str, Callable[[str, str], object]] = {
            "power_cut": lambda active, _: self._power_off(active),
            "switchover": self._move,
            "mysqld_killed": lambda active, _: self._server(active, f"kill -KILL {SERVER}"),
            "mysqld_hung": lambda active, _: self._server(active, f"kill -STOP {SERVER}"),
            "standby_power_cut": lambda _, standby: self._power_off(standby),
            "reboot": lambda active, _: self._shut_down(active, "reboot"),
            "poweroff": lambda active, _: self._shut_down(active, "poweroff"),
            "standby_reboot": lambda _, standby: self._shut_down(standby, "reboot"),
            "client_cable": lambda active, _: api.net(self.lab, active, "cut", link="0"),
            "vip_deleted": lambda active, _: self._address(active, "delete"),
            "both_cold": self._cold,
        }
        # What nobody else makes good: the cable each time, the rest when the service did not come back.
        self.undo: dict[str, Callable[[str], object]] = {
            "mysqld_hung": lambda active: self._server(active, f"kill -CONT {SERVER}"),
            "client_cable": lambda active: api.net(self.lab, active, "heal", link="0"),
            "vip_deleted": lambda active: self._address(active, "add"),
        }

    def run(self, case: str, number: int) -> dict[str, Any]:
        """Do it once, from a healthy cluster to a healthy cluster."""
        what = CASES[case]
        active = self.settled()
        (standby,) = {node.name for node in self.lab.topology.data_nodes} - {active}
        node = {ACTIVE: active, STANDBY: standby, BOTH: BOTH}[what.node]
        boot = self._boot(node) if what.until == BOOTED else ""
        client = Client(self.lab)
        try:
            if not client.writes_for(BEFORE, 60):
                raise api.LabError("nothing can be written to a healthy cluster")
            began = time.time()
            self.cases[case](active, standby)
            self._wait_for(what, node, boot)
            since = time.time() if what.until else began
            time.sleep(max(0.0, since + what.least - AFTER - time.time()))
            served = client.writes_for(AFTER, what.limit)
            if case in self.undo and (case == "client_cable" or not served):
                self.undo[case](active)
        finally:
            outcome = client.end()
        result: dict[str, Any] = {
            "node": node,
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
        if case == "both_cold":
            result |= cold(logs.values(), began, outcome)
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

    def _shut_down(self, name: str, verb: str) -> None:
        """Have it reboot or power off as an administrator does; ssh's connection may break at it."""
        api.ssh(self.lab, name, f"systemctl {verb}", check=False)

    def _boot(self, name: str) -> str:
        """What a node calls its present boot; nothing while it cannot be asked."""
        try:
            return api.ssh(self.lab, name, BOOT, check=False, timeout=10).strip()
        except api.LabError:
            return ""

    def _wait_for(self, case: Case, name: str, boot: str) -> None:
        """Wait until the node has done what belongs to the case, or the case's limit is over.

        It is the node that was shut down which is asked, and not the one that serves meanwhile.
        """
        end = time.monotonic() + case.limit
        while case.until and time.monotonic() < end:
            if case.until == OFF and api.power(self.lab, name, "status") == "off":
                return
            if case.until == BOOTED and self._boot(name) not in ("", boot):
                return
            time.sleep(2)

    def _address(self, name: str, verb: str) -> None:
        """Delete the virtual IP from a node, or add it there unless it is back."""
        vip = self._vip()
        words = f"ip address {verb} {vip['address']}/{vip['prefix']} dev {vip['interface']}"
        api.ssh(self.lab, name, words, check=verb == "delete")

    def _vip(self) -> dict[str, Any]:
        """The virtual IP's address, prefix and interface: the pillar that is served has them."""
        return dict(yaml.safe_load((self.lab.salt / "pillar" / "lab.sls").read_text())["hamysql"]["vip"])

    def _cold(self, active: str, standby: str) -> None:
        """Cut the power of both nodes, then switch both on; each at once, as a machine room's power goes and comes."""
        for action in ("off", "on"):
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name, action=action: api.power(self.lab, name, action), (active, standby)))

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


def deploy(
    lab: api.Lab,
    settings: str,
    storage: str,
    progress: api.Progress,
    release: str | None = None,
    flavor: str | None = None,
) -> Bench:
    """Bare nodes, then the orchestration with these settings, and with the data on this kind of storage.

    release, flavor
        Of Debian and of the database; the lab's first ones by default.
    """
    wanted = Setup().changed(storage, release, flavor)
    pillar = SETTINGS[settings](api.pillar_for(lab, *astuple(wanted)))
    if storage == "drbd":  # the synchronisation is what a run waits for before it begins, not what it measures
        pillar["hamysql"]["storage"]["drbd"]["rate"] = "100M"
    path = lab.dir / f"{settings}.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, pillar=path, fresh=True, **asdict(wanted))
    api.deploy(lab, progress)
    if settings == "article":
        changed = article.regrouped(api.ssh(lab, "db1", "cibadmin --query"))
        api.ssh(lab, "db1", "cibadmin --replace --xml-pipe", stdin=changed)
    return Bench(lab, settings, storage)


def membership(journal: str, began: float, number: int = 2) -> float | None:
    """When corosync first said after ``began`` that so many nodes are members, in seconds since the epoch; None if never.

    journal
        ``journalctl --output=short-unix`` of a node.
    """
    for line in journal.splitlines():
        found, said = timeline.LINE.match(line), MEMBERS.search(line)
        if found and said and float(found["time"]) >= began and int(said["number"]) == number:
            return float(found["time"])
    return None


def cold(journals: Iterable[str], began: float, outcome: api.Outcome) -> dict[str, float]:
    """``gap_seconds`` of a run in which both nodes boot, from their membership on, and the whole ``outage_seconds``.

    The nodes' journals differ by some milliseconds: the first to say so counts.
    """
    times = [when for journal in journals if (when := membership(journal, began)) is not None]
    if not times:
        raise api.LabError("corosync on neither node says that both nodes were members again")
    gap = max(0.0, outcome.gap_ended - min(times))
    return {"gap_seconds": round(gap, 2), "outage_seconds": outcome.longest_gap_seconds}


def summary(runs: dict[str, dict[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Median, minimum and maximum of each case, and hamysql's median against the 2013 procedure's."""
    figures = {
        settings: {case: _figures(found) for case, found in cases.items() if found} for settings, cases in runs.items()
    }
    old, new = figures.get("article", {}), figures.get("hamysql", {})
    # Against a service that stays away until somebody looks, or that was never away, there is no ratio.
    ratios = {
        case: round(new[case]["median"] / old[case]["median"], 2)
        for case in new
        if case in old
        and not old[case]["not_served_again"]
        and not new[case]["not_served_again"]
        and old[case]["median"] > 0
    }
    return {"figures": figures, "ratios": ratios, "runs": runs}


def _figures(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What a case's runs come to; ``outage`` is the median of the whole outages, where the gap is a part of it."""
    gaps = [run["gap_seconds"] for run in found]
    figures = {
        "median": statistics.median(gaps),
        "minimum": min(gaps),
        "maximum": max(gaps),
        "lost": sum(run["lost"] for run in found),
        "not_served_again": sum(not run["served_again"] for run in found),
    }
    outages = [run["outage_seconds"] for run in found if "outage_seconds" in run]
    return {**figures, "outage": statistics.median(outages)} if outages else figures


def table(columns: Mapping[str, Mapping[str, list[dict[str, Any]]]], ratios: Mapping[str, float] | None = None) -> str:
    """A table of Markdown: a row for each case that one of the columns has.

    columns
        The runs of each case, by what is above them.
    ratios
        The last column, if there is one.
    """
    head = ["", *columns, *(["ratio"] if ratios is not None else [])]
    lines = [_row(head), "|---" * len(head) + "|\n"]
    for case, what in CASES.items():
        if any(cases.get(case) for cases in columns.values()):
            cells = [_cell(cases.get(case, [])) for cases in columns.values()]
            lines.append(_row([what.words, *cells, *([str(ratios.get(case, ""))] if ratios is not None else [])]))
    return "".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"


def _cell(found: list[dict[str, Any]]) -> str:
    """The median with the minimum and the maximum, one of them if all are the same; how often there was none."""
    if not found:
        return ""
    figures = _figures(found)
    if away := figures["not_served_again"]:
        return "for good" if away == len(found) else f"for good in {away} of {len(found)}"
    median, least, most = (f"{figures[name]:.1f}" for name in ("median", "minimum", "maximum"))
    outage = f"; outage {figures['outage']:.1f}" if "outage" in figures else ""
    return (median if least == most else f"{median} ({least} to {most})") + outage


def tables(folder: Path) -> list[str]:
    """The tables of docs/figures.md from a folder of results: of both settings on DRBD, and of the other two kinds of storage."""
    drbd, iscsi, nfs = (kept(folder / f"{name}.json") for name in ("failover", "failover-iscsi", "failover-nfs"))
    first = {
        f"{NAMES['article']}, no fencing": drbd.get("article", {}),
        "hamysql, fencing included": drbd.get("hamysql", {}),
    }
    second = {"a LUN over iSCSI": iscsi.get("hamysql", {}), "NFS": nfs.get("hamysql", {})}
    return [table(first, summary(drbd)["ratios"]), table(second)]


def median_run(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose gap is the median; of an even number the lower one."""
    return sorted(found, key=lambda run: float(run["gap_seconds"]))[(len(found) - 1) // 2]


def show(result: dict[str, Any], progress: api.Progress) -> None:
    """The table: seconds without an acknowledged write."""
    table = Table("", "2013: median", "min", "max", "hamysql: median", "min", "max", "ratio", "lost")
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
    draw(result["runs"], drawing)


def draw(runs: Mapping[str, Mapping[str, list[dict[str, Any]]]], drawing: Path) -> None:
    """Draw the median runs of the power cuts; nothing where there are none."""
    rows = {
        NAMES.get(name, name): median_run(cases["power_cut"])["parts"]
        for name, cases in runs.items()
        if cases.get("power_cut")
    }
    if rows:
        drawing.write_text(timeline.svg(rows, "seconds after the power cut (median run)"))


def main() -> int:
    """Measure, print, keep the results; the bench's lab is down afterwards."""
    given = arguments()
    if given.table:
        print("\n".join(tables(given.output.parent)), end="")
        return 0
    if given.draw:
        draw(kept(given.output), given.drawing)
        return 0
    lab, progress = api.Lab(dir=PROJECT / ".lab" / "bench"), api.Progress()
    runs = kept(given.output)
    try:
        for settings in given.settings:
            bench = deploy(lab, settings, given.storage, progress, given.release, given.flavor)
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
    parser.add_argument(
        "--table", action="store_true", help="only print the tables of docs/figures.md, from the results that are kept"
    )
    parser.add_argument("--draw", action="store_true", help="only draw the picture, from the results that are kept")
    parser.add_argument("--storage", choices=STORAGES, default=STORAGES[0], help="where the data is (default: drbd)")
    parser.add_argument("--release", choices=RELEASES, help="of Debian, with --output (default: bookworm)")
    parser.add_argument("--flavor", choices=FLAVORS, help="the database, with --output (default: mariadb)")
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
    if (given.release or given.flavor) and not given.output:
        parser.error("--release and --flavor want --output: docs/figures.md has the figures of the first platform")
    name = "failover" if given.storage == STORAGES[0] else f"failover-{given.storage}"
    given.drawing = given.output.with_suffix(".svg") if given.output else DRAWINGS / f"{name}.svg"
    given.output = given.output or RESULTS / f"{name}.json"
    given.settings = given.settings or (list(SETTINGS) if given.storage == STORAGES[0] else ["hamysql"])
    if given.storage != STORAGES[0] and "article" in given.settings:
        parser.error("the 2013 procedure (settings `article`) has no fencing, and hamysql deploys only drbd without it")
    return given


if __name__ == "__main__":
    sys.exit(main())
