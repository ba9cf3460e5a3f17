"""How an orchestration ends: its lock goes with it, in a process that lives on and runs the next one, too."""

from __future__ import annotations

import os

import pytest
from orchestration import PHASES, Site, survey, working

from hamysql.errors import HamysqlError
from hamysql.master import deployment as deployments
from hamysql.master.deployment import Deployment
from hamysql.master.salt import Lock

MEMBERS, SUMMARY = PHASES[0], PHASES[-1]
MEMBERS_PHASE = "members"


def said(site):
    return [(event["state"], event["phase"]) for event in site.events]


@pytest.fixture
def site(tmp_path):
    """Orchestrations of a cluster at work, all in this process, with the real lock."""
    site = Site(working)
    site.module.__opts__["cachedir"] = str(tmp_path)
    deployments.Lock = Lock
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
    assert said(site) == [("start", MEMBERS_PHASE), ("failed", MEMBERS_PHASE)]
    assert site.events[-1]["text"] == "SystemExit"


def test_one_that_is_locked_out_says_so_to_its_followers(site):
    with Lock(site.module.__opts__, "galaxy-db", "0"):
        ret = getattr(site.module, MEMBERS)(MEMBERS)
    assert ret["result"] is False
    assert said(site) == [("failed", MEMBERS_PHASE)]
    assert site.events[0]["text"] == ret["comment"]
    assert "job 0; wait for it to end" in ret["comment"]
    assert (site.events[0]["jid"], site.events[0]["pid"]) == ("1", os.getpid())


def test_one_that_finds_no_cluster_says_so_to_its_followers(site, monkeypatch):
    def none(_):
        raise HamysqlError("no accepted minion has a `hamysql` pillar")

    site.members = none
    ret = getattr(site.module, MEMBERS)(MEMBERS)
    assert (ret["result"], said(site)) == (False, [("failed", MEMBERS_PHASE)])


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
