"""The policy that keeps services quiet during an installation: it goes away again, whatever happens."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hamysql.system import debian

UNITS = ("corosync.service", "mariadb.service")


def ask(policy: Path, *arguments: str) -> int:
    return subprocess.run([policy, *arguments], check=False).returncode


@pytest.fixture
def policy(tmp_path):
    return tmp_path / "policy-rc.d"


def test_the_clusters_services_are_forbidden_and_all_others_allowed(policy):
    with debian.quiet_services(UNITS, policy):
        assert ask(policy, "corosync", "start") == 101
        assert ask(policy, "corosync.service", "restart") == 101
        assert ask(policy, "mariadb.service", "stop") == 101
        assert ask(policy, "ssh", "restart") == 0
    assert not list(policy.parent.iterdir())


def test_the_guard_goes_away_when_the_installation_fails(policy):
    with pytest.raises(ZeroDivisionError), debian.quiet_services(UNITS, policy):
        raise ZeroDivisionError
    assert not list(policy.parent.iterdir())


def test_an_administrators_policy_still_decides_about_others_and_comes_back(policy):
    text = '#!/bin/sh\n[ "$1" = ssh ] && exit 101\nexit 104\n'
    policy.write_text(text)
    policy.chmod(0o750)
    with debian.quiet_services(UNITS, policy):
        assert ask(policy, "corosync", "start") == 101
        assert ask(policy, "ssh", "start") == 101
        assert ask(policy, "cron", "start") == 104
    assert policy.read_text() == text
    assert policy.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in policy.parent.iterdir()] == ["policy-rc.d"]


@pytest.mark.parametrize("had_one", [True, False])
def test_what_a_killed_run_left_is_found_and_taken_away(policy, had_one):
    if had_one:
        policy.write_text("#!/bin/sh\nexit 104\n")
        policy.chmod(0o755)
    assert not debian.guard_left_over(policy)
    killed = debian.quiet_services(UNITS, policy)
    killed.__enter__()
    # `killed` never reaches its end before the test does
    assert debian.guard_left_over(policy)
    with debian.quiet_services(UNITS, policy):
        assert ask(policy, "corosync", "start") == 101
        assert ask(policy, "cron", "start") == (104 if had_one else 0)
    assert not debian.guard_left_over(policy)
    assert policy.exists() is had_one
