"""Interrupted at any moment, and run again: the orchestration killed, or a node's power cut, in each phase and step.

It takes about half an hour, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import itertools

import pytest

from lab import api

pytestmark = pytest.mark.long

# The beginnings of the lines that an orchestration's progress has, in their order.
MOMENTS = (
    *("[1/", "[2/", "- create_metadata", "- up", "- wait_connected", "- skip_initial_sync", "- seed"),
    *("- make_filesystem", "- initialise_datadir", "- release", "- seal", "- starting corosync", "[5/", "[7/", "[8/"),
)


class Once:
    """Do something when a moment comes, and only the first time."""

    def __init__(self, moment, do):
        self.moment, self.do, self.came, self.did = moment, do, False, None

    def __call__(self, line):
        if line.strip().startswith(self.moment) and not self.came:
            self.came = True
            self.did = self.do()


def _converged(lab, progress):
    api.wait_until(lab, "the cluster to be healthy", api.healthy, timeout=300)
    assert api.deploy(lab, progress).changes == {}
    outcome = api.start_probe(lab, 3).finish()
    assert outcome.acknowledged > 0
    assert outcome.lost == outcome.errors == 0


def test_killed_at_each_moment_and_run_again_it_converges(lab, progress, figures):
    api.up(lab, progress, fresh=True, storage="drbd")
    came = []
    for moment in MOMENTS:
        kill = Once(moment, lambda: api.kill_orchestration(lab))
        try:
            result = api.orchestrate(lab, progress, watch=kill)
        except api.LabError:
            assert kill.did  # nothing but the kill keeps an orchestration from returning its states
        else:
            # An earlier kill came when the job was on its way already, so this step had nothing left to do.
            assert not kill.came
            assert not result.failures
        came += [moment] if kill.came else []
    api.deploy(lab, progress)
    _converged(lab, progress)
    figures.append(f"killed {len(came)} times, then converged: {' '.join(came)}")
    assert {"[1/", "[2/", "- seed", "- starting corosync", "[5/", "[7/", "[8/"} <= set(came)


def test_a_node_s_power_cut_at_each_moment_and_run_again_it_converges(lab, progress, figures):
    api.up(lab, progress, fresh=True, storage="drbd")
    came = []
    for moment, name in zip(MOMENTS, itertools.cycle(("db1", "db2")), strict=False):
        cut = Once(moment, lambda name=name: api.power(lab, name, "off"))
        result = api.orchestrate(lab, progress, watch=cut)
        if cut.came:
            came.append(f"{name} at {moment}")
            assert any(name in reason for reason in result.failures.values()), result.failures
            api.power(lab, name, "on")
            api.wait_for_minions(lab, progress)
    api.deploy(lab, progress)
    _converged(lab, progress)
    figures.append(f"power cut {len(came)} times, then converged: {', '.join(came)}")
    assert {"[2/", "- make_filesystem", "[5/", "[7/"} <= {where.partition(" at ")[2] for where in came}
