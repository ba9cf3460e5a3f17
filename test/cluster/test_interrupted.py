"""Interrupted at any moment, and run again: the orchestration killed, or a node's power cut, in each phase and step.

It takes about half an hour, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import itertools
import re

import pytest

from lab import api

pytestmark = pytest.mark.long

# The beginnings of the lines that an orchestration's progress has, in their order.
MOMENTS = (
    *("[1/", "[2/", "- create_metadata", "- up", "- wait_connected", "- skip_initial_sync", "- seed"),
    *("- make_filesystem", "- initialise_datadir", "- release", "- seal", "- starting corosync", "[5/", "[7/", "[8/"),
)


class Next:
    """Do something with the line at the first of these moments that comes, once. A step may be done already, and not come at all."""

    def __init__(self, moments, do):
        self.moments, self.do, self.came = moments, do, None

    def __call__(self, line):
        moment = next((moment for moment in self.moments if line.strip().startswith(moment)), None)
        if moment and not self.came:
            self.came = moment
            self.do(line)


def interrupted(moments, do, run):
    """Run it again and again, interrupted at the next of the moments that comes each time, until none is left; yields that moment.

    A step that was on its way already when its moment came may be done all the same, so the moments after it are still to come.
    """
    left = list(moments)
    while left:
        at = Next(left, do)
        run(at)
        if at.came is None:
            return
        yield at.came
        left = left[left.index(at.came) + 1 :]


def _converged(lab, progress):
    api.wait_until(lab, "the cluster to be healthy", api.healthy, timeout=300)
    assert api.deploy(lab, progress).changes == {}
    outcome = api.start_probe(lab, 3).finish()
    assert outcome.acknowledged > 0
    assert outcome.lost == outcome.errors == 0


def test_killed_at_each_moment_and_run_again_it_converges(lab, progress, figures):
    api.up(lab, progress, fresh=True, storage="drbd")
    killed = []

    def run(at):
        killed.clear()
        try:
            result = api.orchestrate(lab, progress, watch=at)
        except api.LabError:
            assert sum(killed) > 0  # nothing but the kill keeps an orchestration from returning its states
        else:
            assert not at.came
            assert not result.failures

    came = list(interrupted(MOMENTS, lambda _: killed.append(api.kill_orchestration(lab)), run))
    api.deploy(lab, progress)
    _converged(lab, progress)
    figures.append(f"killed {len(came)} times, then converged: {' '.join(came)}")
    assert {"[1/", "[2/", "- seed", "- starting corosync", "[5/", "[7/", "[8/"} <= set(came)


def test_a_node_s_power_cut_at_each_moment_and_run_again_it_converges(lab, progress, figures):
    api.up(lab, progress, fresh=True, storage="drbd")
    names = itertools.cycle(("db1", "db2"))
    cut = []

    def run(at):
        result = api.orchestrate(lab, progress, watch=at)
        if at.came:
            told = any(cut[-1] in reason for reason in result.failures.values())
            # The accounts are made on the node that serves, and want nothing of the other one.
            assert told or (at.came == "[8/" and not result.failures), result.failures
            api.power(lab, cut[-1], "on")
            api.wait_for_minions(lab, progress)

    def off(line):
        working = re.findall(r"db\d", line.partition(" on ")[2].partition(":")[0])
        cut.append(working[0] if len(working) == 1 else next(names))  # a step of one node does without the other
        api.power(lab, cut[-1], "off")

    came = list(interrupted(MOMENTS, off, run))
    api.deploy(lab, progress)
    _converged(lab, progress)
    where = ", ".join(f"{name} at {moment}" for name, moment in zip(cut, came, strict=True))
    figures.append(f"power cut {len(came)} times, then converged: {where}")
    assert {"[2/", "- make_filesystem", "[5/", "[7/"} <= set(came)
