"""The long tests in parts, of which CI runs one or two: ``python test/parts.py list``, ``due``, ``run [PART]``, ``ci SECONDS``.

All of them take some five hours. A part takes 18 minutes at most in the lab, a deployment from bare nodes included, and needs no other part.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import records

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "test/cluster"
# A landing has so many commits.
LEAST, STRIDE = 5, 40
# Commits, some ten landings, for which a part that passed on somebody's machine need not come again.
RECENT = 200
# `make test` takes up to 45 minutes. With twice the grace the whole of CI takes 75 at most, and a part has 1.4 times what it should need.
LIMIT = 26 * 60  # seconds
# Seconds of a whole run of CI, which ends all that takes longer than 90 minutes; and the least that a part can do something in.
WHOLE, ROOM = 74 * 60, 12 * 60
SLOW = 1.2  # times what a part is expected to take: so much time has to be left for a second one
GRACE = 120  # seconds for the tests to take down their lab when the time is over, and for us to do so when they do not
RUNNING = "HAMYSQL_TEST_RUNNING"  # names the file in which the tests say what they are at


@dataclass(frozen=True)
class Some:
    """Tests of a file: all, those with some names, or those with one parameter."""

    file: str
    names: tuple[str, ...] = ()
    param: str = ""

    def has(self, nodeid: str) -> bool:
        """Whether the test is among them."""
        file, _, test = nodeid.removeprefix(f"{FOLDER}/").partition("::")
        name, _, param = test.removesuffix("]").partition("[")
        return file == self.file and (not self.names or name in self.names) and self.param in ("", param)


@dataclass(frozen=True)
class Part:
    """What is in it, in words; how many minutes it is expected to take; its tests."""

    words: str
    minutes: int
    tests: tuple[Some, ...]


# Tests that build on each other are in one part. Those of test_changes.py do so in two groups: what is applied in service, and what
# waits for a restart.
PARTS = (
    Part("disks: forgotten, replaced, split brain", 17, (Some("test_data_safety.py"),)),
    Part(
        "ten minutes of lost packets and busy processors",
        16,
        (Some("test_fenced_nodes.py", ("test_lost_packets_and_busy_processors_fence_nobody",)),),
    ),
    Part(
        "fencing: partition, hanging node, proof of the devices",
        16,
        (
            Some(
                "test_fenced_nodes.py",
                (
                    "test_nodes_that_lose_sight_of_each_other_leave_one_serving",
                    "test_a_hanging_node_is_cut_off_and_loses_nothing",
                    "test_the_devices_are_proven_one_node_at_a_time",
                ),
            ),
        ),
    ),
    Part(
        "changes in service: live, compared by both sides, other agents, refused",
        17,
        (
            Some(
                "test_changes.py",
                (
                    "test_what_is_live_is_applied_by_a_highstate_without_a_gap",
                    "test_what_both_sides_compare_is_taken_over_by_both_at_once_and_only_by_the_orchestration",
                    "test_other_agents_take_over_what_runs_and_nothing_stops",
                    "test_what_cannot_be_changed_in_place_is_refused_and_touches_nothing",
                ),
            ),
        ),
    ),
    Part(
        "changes that wait for a restart, restarts in turn, what left the pillar",
        15,
        (
            Some(
                "test_changes.py",
                (
                    "test_what_needs_a_restart_is_pending_for_a_highstate",
                    "test_nothing_is_restarted_while_an_operator_has_a_node_in_standby",
                    "test_the_orchestration_restarts_the_standby_first_also_when_it_is_killed_half_way",
                    "test_afterwards_nothing_is_pending_and_nothing_was_left_behind",
                    "test_what_left_the_pillar_leaves_the_cluster_and_what_others_made_stays",
                ),
            ),
        ),
    ),
    Part(
        "highstates at bad moments; a node alone after a total outage",
        18,
        (
            Some("test_highstate.py"),
            Some(
                "test_fenced_nodes.py",
                ("test_a_node_alone_after_a_total_outage_serves_when_its_operator_says_so",),
            ),
        ),
    ),
    Part(
        "a deployment killed at each moment",
        14,
        (Some("test_interrupted.py", ("test_killed_at_each_moment_and_run_again_it_converges",)),),
    ),
    Part(
        "a node's power cut at each moment of a deployment",
        18,
        (Some("test_interrupted.py", ("test_a_node_s_power_cut_at_each_moment_and_run_again_it_converges",)),),
    ),
    Part("quorum device and poison pills", 17, (Some("test_third_vote.py"),)),
    Part("a LUN with LVM, guarded by fence_scsi", 17, (Some("test_lun_guarded.py", param="scsi"),)),
    Part("a LUN on two paths, guarded by fence_mpath", 18, (Some("test_lun_guarded.py", param="mpath"),)),
    Part("the data moved to a LUN and back", 17, (Some("test_migration.py", param="iscsi"),)),
    Part("the data moved to NFS and back", 17, (Some("test_migration.py", param="nfs"),)),
    *(
        Part(
            f"10,000 pillars made from the schema, read by the real programs; no lab; {half} half",
            14,
            (Some("test_generated.py", param=half),),
        )
        for half in ("first", "second")
    ),
    Part(
        "cables, switches and gateways; a standby that is out of date",
        17,
        (
            Some(
                "test_everyday.py",
                (
                    "test_both_lose_the_clients_network_and_nothing_moves",
                    "test_a_cable_that_comes_and_goes_moves_the_service_once",
                    "test_a_standby_that_is_out_of_date_does_not_take_over_and_the_reason_is_told",
                    "test_the_service_goes_to_the_node_that_reaches_the_gateway_and_stays_when_nobody_does",
                ),
            ),
        ),
    ),
    Part(
        "orderly ends: both nodes at once, one while the other is down; another host name",
        17,
        (
            Some(
                "test_everyday.py",
                (
                    "test_a_host_name_with_a_domain_that_somebody_has_set_costs_nothing",
                    "test_both_at_once_and_nothing_is_lost",
                    "test_the_active_node_powers_off_while_the_other_one_is_down",
                ),
            ),
        ),
    ),
    Part(
        "ten minutes of a server without a free connection or processor",
        17,
        (Some("test_busy_server.py"),),
    ),
    Part("TLS of the clients: on, renewed, demanded, moved, refused", 16, (Some("test_clients_tls.py"),)),
    Part(
        "a LUN over iSCSI: deployed, paths lost, moved, power cut", 15, (Some("test_other_storage.py", param="iscsi"),)
    ),
    Part("NFS: deployed, paths lost, moved, power cut", 15, (Some("test_other_storage.py", param="nfs"),)),
    *(
        Part(f"combinations: {', '.join(names)}", 18, tuple(Some("test_combinations.py", param=name) for name in names))
        for names in (
            ("bookworm", "one-link"),
            ("trixie", "mysql"),
            ("three-links", "udpu"),
            ("multicast", "ipv6"),
            ("another-subnet", "host-route"),
            ("trixie-iscsi", "mysql-nfs"),
        )
    ),
    Part("the installation as its page says it, by gitfs; an update by gitfs", 16, (Some("test_readme.py"),)),
    Part("nodes with pcs and without crmsh", 14, (Some("test_pcs.py"),)),
    Part("the second day: switchover and maintenance, killed and run again", 18, (Some("test_second_day.py"),)),
    Part("backups: taken, killed, restored, made up for after a failover", 16, (Some("test_backups.py"),)),
    Part(
        "a backup replaces the data: undone, confirmed, and a power cut in the middle",
        18,
        (
            Some(
                "test_restores.py",
                (
                    "test_a_restore_is_shown_done_undone_and_confirmed",
                    "test_a_power_cut_in_the_middle_leaves_the_other_node_to_go_on",
                ),
            ),
        ),
    ),
    Part("checkpoints, an undo that is killed and run again, a report", 13, (Some("test_records.py"),)),
    Part("replicas compared, killed, found different, made equal; by the timer", 16, (Some("test_verify.py"),)),
    Part("a split brain shown, killed at each step, and ended", 14, (Some("test_split_brain.py"),)),
    Part("updates: killed at each step, with a boot of both nodes", 16, (Some("test_updates.py"),)),
    Part("secrets rotated in service, killed at each step", 18, (Some("test_rotation.py"),)),
    Part("machines given back, killed at each step, and the data taken up again", 14, (Some("test_teardown.py"),)),
    Part(
        "backups in a repository of restic: killed, restored, no secret in sight",
        10,
        (Some("test_repository_backups.py"),),
    ),
    Part(
        "a restore killed at each step, its undo as well",
        18,
        (Some("test_restores.py", ("test_killed_at_each_step_and_run_again_it_goes_on",)),),
    ),
    Part(
        "a node that died for good replaced, killed at each step",
        18,
        (
            Some(
                "test_replaced.py",
                (
                    "test_a_node_that_is_alive_is_not_replaced",
                    "test_a_blank_machine_of_the_same_name_takes_the_place_killed_at_each_step",
                ),
            ),
        ),
    ),
    Part(
        "a cluster of the 2013 procedure described, and not touched",
        14,
        (
            Some(
                "test_adopted.py",
                (
                    "test_the_cluster_is_described_and_nothing_is_touched",
                    "test_a_deployment_of_it_is_refused_and_the_service_runs_on",
                ),
            ),
        ),
    ),
    Part(
        "a larger disk in service, killed at each step, and one that grew while DRBD was down",
        17,
        (Some("test_grow.py"),),
    ),
    Part(
        "a restore to a second by binary logs, after a failover, killed at each step",
        18,
        (Some("test_point_in_time.py"),),
    ),
    Part(
        "a dead node replaced by one of another name and other addresses",
        16,
        (Some("test_replaced.py", ("test_a_machine_with_another_name_and_other_addresses_takes_the_place",)),),
    ),
    Part(
        "each daemon of the cluster killed on both nodes",
        18,
        (Some("test_daemons.py", ("test_the_cluster_gets_over_the_death_of_one_of_its_own",)),),
    ),
    Part(
        "other daemons killed, and units restarted by hand",
        16,
        (
            Some(
                "test_daemons.py",
                (
                    "test_the_death_of_another_daemon_is_not_noticed",
                    "test_a_restart_of_the_cluster_s_units_is_a_planned_move",
                    "test_the_database_s_own_unit_interrupts_nobody",
                ),
            ),
        ),
    ),
    Part("file systems that are full: either system, the data", 14, (Some("test_full_disks.py"),)),
    Part("from Debian 12 to Debian 13, a node at a time", 18, (Some("test_rolling_release.py"),)),
    Part(
        "a cluster of the 2013 procedure taken over in service, killed at each step",
        18,
        (
            Some(
                "test_adopted.py",
                (
                    "test_what_would_be_taken_over_is_shown_and_nothing_is_touched",
                    "test_it_is_taken_over_while_a_client_writes_though_it_is_killed_at_each_step",
                    "test_a_deployment_makes_what_is_left_and_a_second_one_changes_nothing",
                    "test_the_service_moves_and_comes_back",
                ),
            ),
        ),
    ),
    Part("a replica on a third machine: seeded, killed, seeded again, promoted", 18, (Some("test_replica.py"),)),
)


class PartError(argparse.ArgumentTypeError):
    """What was asked for is no part."""


def number(text: str) -> int:
    """A part's number, counted from 1."""
    if not text.isdecimal() or not 1 <= int(text) <= len(PARTS):
        raise PartError(
            f"PART={text}: expected a number from 1 to {len(PARTS)}; `make test-long-parts` says what is in which"
        )
    return int(text)


def parts_of(nodeid: str) -> list[int]:
    """The numbers of the parts that have a test."""
    return [place for place, part in enumerate(PARTS, 1) if any(some.has(nodeid) for some in part.tests)]


def turn(count: int, landings: Iterable[int]) -> int:
    """How often it was another part's turn, from the number of commits.

    A commit of the record (``make tested``) is taken for a landing, which is one turn, and 40 commits without one are a turn as well.
    So no landing skips a part: with a record in each, all come in as many landings as there are parts.

    landings
        The number of commits up to each commit of the record, in their order. Those close to each other are of one landing.
    """
    turns = last = 0
    for place in landings:
        if place - last >= LEAST:
            turns, last = turns + -(-(place - last) // STRIDE), place
    return turns + (count - last) // STRIDE


def choose(turns: int, ago: Mapping[int, int | None]) -> int:
    """The part whose turn it is. What has passed lately on somebody's machine is passed over, unless all has.

    ago
        For each part, how many commits ago all of it had passed; None if that was never recorded.
    """
    places = [(turns + step) % len(PARTS) + 1 for step in range(len(PARTS))]
    return next((place for place in places if (since := ago.get(place)) is None or since > RECENT), places[0])


def turns(folder: Path = ROOT) -> tuple[int, str, bool]:
    """Whose turn it is, what that follows from, and whether all commits are there to be counted.

    A clone that has not got all commits has a turn as well: the hours since 1970 until its last commit.
    """
    shallow = records.git(folder, "rev-parse", "--is-shallow-repository")
    all_of_them = records.git(folder, "rev-list", "--topo-order", "--reverse", "HEAD")
    recorded = records.git(folder, "rev-list", "HEAD", "--", records.COMMITTED)
    if shallow == "false" and all_of_them and recorded is not None:
        hashes, of_the_record = all_of_them.split(), set(recorded.split())
        landings = [count for count, name in enumerate(hashes, 1) if name in of_the_record]
        return turn(len(hashes), landings), f"{len(hashes)} commits, {len(landings)} of them of the record", True
    reason = "this clone is shallow" if shallow == "true" else "git does not tell the number of commits here"
    last = int(records.git(folder, "log", "-1", "--format=%ct") or time.time())
    return last // 3600, f"{reason}: the part follows from the time of the last commit instead", False


def passed_ago(folder: Path, known: Mapping[str, records.Entry], tests: Iterable[str]) -> dict[int, int | None]:
    """For each part, the number of commits since its tests have all passed; None if one of them has not, or failed since."""
    oldest: dict[int, str] = {}
    for nodeid in tests:
        state, facts = records.newest(known.get(nodeid, {}))
        when = facts["time"] if state in ("passed", "skipped") else ""
        for place in parts_of(nodeid):
            oldest[place] = min(oldest.get(place, when), when)
    return {
        place: int(count)
        if when and (count := records.git(folder, "rev-list", "--count", f"--since={when}", "HEAD"))
        else None
        for place, when in oldest.items()
    }


def due(folder: Path = ROOT) -> tuple[int, int, str]:
    """The part that comes next, the one after it where time is left, and what that follows from.

    The second one is half of all parts away. So half as many landings have all of them, and the first ones alone come round as well.
    """
    whose, reason, counted = turns(folder)
    known = records.read(folder / records.COMMITTED)
    # Where commits are missing, all that was recorded would seem to be of lately.
    ago = passed_ago(folder, known, records.collected(folder, "long")) if counted else {}
    return choose(whose, ago), choose(whose + len(PARTS) // 2, ago), reason


def called(place: int, reason: str) -> str:
    """A part whose turn it is, in one line."""
    return f"long tests: part {place} of {len(PARTS)} ({PARTS[place - 1].words}); {reason}"


def shown(known: Mapping[str, records.Entry], tests: Sequence[str]) -> str:
    """The parts as a table of Markdown; the last column has the minutes of their last passes, where all tests have some."""
    lines = ["| part | what | minutes expected | measured |", "|---|---|---|---|"]
    for place, part in enumerate(PARTS, 1):
        ours = [known.get(nodeid, {}) for nodeid in tests if place in parts_of(nodeid)]
        seconds = [entry["passed"]["seconds"] for entry in ours if "passed" in entry]
        whole = ours and all("passed" in entry or "skipped" in entry for entry in ours)
        lines.append(f"| {place} | {part.words} | {part.minutes} | {f'{sum(seconds) / 60:.0f} ' if whole else ''}|")
    return "\n".join(lines) + "\n"


def run(words: Sequence[str], limit: float | None, grace: float = GRACE, after: Sequence[str] = ()) -> int:
    """Run tests for at most so many seconds; returns their exit code, or 1 with what was running said when the time is over.

    They are interrupted as by a terminal, so that they take down their lab and say what they have; then killed.

    after
        What is run when they had to be killed.
    """
    with tempfile.NamedTemporaryFile("r", prefix="hamysql-running-") as file:
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, RUNNING: file.name},
            start_new_session=True,
            preexec_fn=_can_be_interrupted,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            at = Path(file.name).read_text() or "nothing yet"
            print(f"\nThe tests were stopped after {limit:.0f} s. Running: {at}", flush=True)
            _stop(process, grace, after)
            print(
                f"\nThe tests have not ended within {limit:.0f} s. When they were stopped, this ran: {at}", flush=True
            )
            return 1
        except KeyboardInterrupt:
            _stop(process, grace, after)
            raise


def command(place: int | None) -> tuple[list[str], list[str]]:
    """What runs a part, or all; and what takes down a lab that it has left behind."""
    chosen = ["--part", str(place)] if place else []
    down = ["env", "HAMYSQL_LAB_DIR=.lab/test", sys.executable, "-m", "lab", "down"]
    return [sys.executable, "-m", "pytest", "-m", "long", *chosen, FOLDER], down


def room(elapsed: float) -> float | None:
    """Seconds that CI has for a part, ``LIMIT`` at most; None where nothing could come of it.

    elapsed
        Seconds that `make test` has taken: on a slow day the part gets less.
    """
    left = WHOLE - elapsed - 2 * GRACE
    return min(left, LIMIT) if left >= ROOM else None


def verdict(code: int, limit: float, has_passed: bool) -> tuple[int, str]:
    """The exit code of CI after a part, and why in words.

    code, limit
        How the part ended, and the seconds it had.
    has_passed
        Whether the record (`make tested`) has a pass of all of it. A part without one has never been seen to pass: its failure is told, and
        holds nobody up. From its first recorded pass on, it does.
    """
    if not code:
        return 0, "The part has passed."
    if not has_passed:
        return (
            0,
            "The part has failed. No pass of it is on record yet, so this run does not fail. Mend it, and record the pass.",
        )
    if limit < LIMIT:
        return 0, f"The part has not passed in the {limit:.0f} s that were left on a slow day. This run does not fail."
    return code, "The part has failed."


def ci(elapsed: float) -> int:
    """Run the part whose turn it is after `make test`, and a second one where it fits; see :func:`room` and :func:`verdict`."""
    first, second, reason = due()
    began = time.monotonic() - elapsed
    print(called(first, reason), flush=True)
    limit = room(elapsed)
    if limit is None:
        print(f"`make test` took {elapsed:.0f} s: there is no time for a part in this run", flush=True)
        return 0
    code = _judged(first, limit)
    limit = room(time.monotonic() - began)
    if second != first and limit is not None and limit >= PARTS[second - 1].minutes * 60 * SLOW:
        print(called(second, "there is time for a second part"), flush=True)
        code = _judged(second, limit) or code
    return code


def _judged(place: int, limit: float) -> int:
    """Run a part for CI, and say what came of it."""
    what, down = command(place)
    known, tests = records.read(ROOT / records.COMMITTED), records.collected(ROOT, "long")
    code, why = verdict(run(what, limit, after=down), limit, passed_ago(ROOT, known, tests).get(place) is not None)
    print(why, flush=True)
    return code


def _can_be_interrupted() -> None:
    """A shell has what it starts in the background ignore SIGINT, and whatever that starts as well."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop(process: subprocess.Popen[bytes], grace: float, after: Sequence[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if after:
            try:
                subprocess.run(after, cwd=ROOT, check=False, timeout=grace)
            except subprocess.TimeoutExpired:
                print(f"`{' '.join(after)}` did not end within {grace:.0f} s", flush=True)


def main(words: Sequence[str]) -> int:
    """What the Makefile calls."""
    verb, *given = words or ["list"]
    try:
        if verb == "due":
            place, _, reason = due()
            print(called(place, reason), file=sys.stderr)
            print(place)
            return 0
        if verb == "run":
            place = number(given[0]) if given else None
            what, down = command(place)
            return run(what, LIMIT if place else None, after=down)
        if verb == "ci":
            return ci(float(given[0]))
    except PartError as exc:
        print(exc, file=sys.stderr)
        return 2
    print(shown(records.read(ROOT / records.COMMITTED), records.collected(ROOT, "long")), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
