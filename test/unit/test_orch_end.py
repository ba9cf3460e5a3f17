"""How an orchestration ends: its lock goes with it, in a process that lives on and runs the next one, too."""

from __future__ import annotations

import pytest
from test_orch_plan import PHASES, Site, survey, working

from hamysql.deployment import Deployment
from hamysql.errors import HamysqlError
from hamysql.master import Lock

MEMBERS, SUMMARY = PHASES[0], PHASES[-1]


@pytest.fixture
def site(tmp_path):
    """Orchestrations of a cluster at work, all in this process, with the real lock."""
    site = Site(working)
    site.module.__opts__["cachedir"] = str(tmp_path)
    site.module.deployments.Lock = Lock
    return site


@pytest.fixture
def another(site):
    """Begins another orchestration of the same cluster and gives up at once; raises where it is locked out."""

    def begin():
        Deployment(site.module.__opts__, None, "2").lock.release()

    return begin


def test_from_its_first_phase_to_its_last_there_is_no_other(site, another):
    for phase in PHASES[:-1]:
        assert getattr(site.module, phase)(phase)["result"] is True
        with pytest.raises(HamysqlError, match="job 1; wait for it to end"):
            another()
    assert getattr(site.module, SUMMARY)(SUMMARY)["result"] is True
    another()
    assert getattr(site.module, MEMBERS)(MEMBERS)["result"] is True, "the next one in the same process"


def test_one_that_fails_is_over(site, another):
    site.surveys["db1"] = survey("db1")
    site.surveys["db1"]["storage"]["size"] = None
    assert getattr(site.module, MEMBERS)(MEMBERS)["result"] is False
    another()


def test_one_that_is_cut_off_is_over(site, another):
    def cut_off(*_):
        raise SystemExit

    site.call = cut_off
    with pytest.raises(SystemExit):
        getattr(site.module, MEMBERS)(MEMBERS)
    another()


def test_one_whose_last_phase_never_comes_is_over_when_it_is_forgotten(site, another):
    assert getattr(site.module, MEMBERS)(MEMBERS)["result"] is True
    site.module.__context__.clear()
    another()


def test_a_lock_can_be_released_twice_and_then_be_anothers(tmp_path):
    where = {"cachedir": str(tmp_path)}
    first = Lock(where, "galaxy-db", "1")
    first.release()
    with Lock(where, "galaxy-db", "2"):
        first.release()
        with pytest.raises(HamysqlError, match="job 2"):
            Lock(where, "galaxy-db", "3")
    Lock(where, "galaxy-db", "4").release()
