"""The module's verbs on one node, with commands that fail."""

from __future__ import annotations

import pytest
from storage_world import load

from hamysql.command import Result
from hamysql.errors import CommandFailed, NotReady


class Commands:
    """Stands for ``run``: remembers the command lines; those that contain one of ``fails`` fail."""

    def __init__(self, *fails):
        self.fails, self.log = fails, []

    def __call__(self, argv, **_):
        line = " ".join(argv)
        self.log.append(line)
        if any(part in line for part in self.fails):
            raise CommandFailed(argv, 1, f"no luck with {argv[-1]}")
        return Result(0, "")


@pytest.fixture
def fencing(resolve, pillar):
    """The module on db2, with the commands that fail."""

    def make(*fails):
        module = load("_modules/hamysql_fencing.py", "hamysql_fencing_module")
        module.run = Commands(*fails)
        site = resolve(pillar("fenced"), minion_id="db2", nodename="db2")
        module.__salt__ = {"hamysql.config": lambda: site}
        return module

    return make


SHOT = "stonith_admin --reboot db1"
BACK = [f"crm_resource --resource p_fence_db1_{number} --meta --delete-parameter target-role" for number in (2, 3)]


def test_the_devices_of_other_levels_are_out_of_use_meanwhile(fencing):
    module = fencing()
    assert module.prove("db1", 1) is True
    out, shot, back = module.run.log[:3], module.run.log[3], module.run.log[4:]
    assert all("p_fence_db1_" in line and "Stopped" in line for line in out[:2])
    assert shot.startswith(SHOT)
    assert [line for line in out + back if "--wait" in line] == [out[2], back[2]]
    assert back[:2] == BACK


@pytest.mark.parametrize("fails", [(SHOT,), ("Stopped",), (SHOT, "--wait")])
def test_whatever_fails_all_devices_are_back_in_use_and_the_result_is_the_first_failure(fencing, fails):
    module = fencing(*fails)
    with pytest.raises(CommandFailed) as caught:
        module.prove("db1", 1)
    assert [line for line in module.run.log if "--delete-parameter" in line] == BACK
    assert any(part in " ".join(caught.value.argv) for part in (*fails, "--wait"))


def test_a_wait_that_fails_afterwards_does_not_hide_that_the_node_was_fenced(fencing):
    module = fencing()
    waits = []

    def run(argv, **_):
        if "--wait" in argv:
            waits.append(argv)
            if len(waits) == 2:
                raise CommandFailed(argv, 124, "timed out")
        return Result(0, "")

    module.run = run
    assert module.prove("db1", 1) is True
    assert len(waits) == 2


@pytest.mark.parametrize(("more", "outcome"), [((), "db1 was fenced"), ((SHOT,), "stonith_admin --reboot db1")])
def test_a_device_that_stays_out_of_use_is_named_with_the_result_and_the_next_is_put_back(fencing, more, outcome):
    module = fencing(BACK[0], *more)
    with pytest.raises(NotReady) as caught:
        module.prove("db1", 1)
    assert outcome in str(caught.value)
    assert f"p_fence_db1_2, until `{BACK[0]}` succeeds" in str(caught.value)
    assert "p_fence_db1_3" not in str(caught.value)
    assert BACK[1] in module.run.log
