"""Stopping the server, or the whole service, and starting it again: nothing else of the configuration changes."""

from __future__ import annotations

import pytest

from hamysql import cib_desired, cib_drift, cib_model, cib_stop, cib_tools
from hamysql.errors import Refused


@pytest.fixture
def deployed(tools, site):
    """A CIB as a deployment makes it."""
    cib_tools.apply(tools.run, lambda _: cib_desired.desired(site))
    return tools.read()


def words(text):
    have = cib_model.index(cib_model.configuration(cib_model.parse(text)))
    return {name: cib_model.words(item) for name, item in have.items()}


@pytest.mark.parametrize("name", ["p_mysql", "g_mysql"])
def test_it_is_stopped_and_started_and_all_else_stays(tools, deployed, name):
    cib_tools.edit(tools.run, lambda live: cib_stop.stopped(live, name))
    stopped = tools.read()
    assert cib_stop.stopped_ones(stopped) == (name,)
    assert [line.partition(";")[0] for line in cib_drift.interventions(stopped)] == [f"{name} has target-role=Stopped"]
    assert {key for key, value in words(stopped).items() if value != words(deployed)[key]} == {name}
    assert cib_stop.stopped(stopped, name) == stopped
    cib_tools.edit(tools.run, cib_stop.started)
    assert words(tools.read()) == words(deployed)
    assert cib_stop.stopped_ones(tools.read()) == ()


def test_both_are_started_at_once(tools, deployed):
    for name in ("p_mysql", "g_mysql"):
        cib_tools.edit(tools.run, lambda live, name=name: cib_stop.stopped(live, name))
    assert cib_stop.stopped_ones(tools.read()) == ("p_mysql", "g_mysql")
    cib_tools.edit(tools.run, cib_stop.started)
    assert words(tools.read()) == words(deployed)


def test_what_is_stopped_stays_so_when_the_configuration_becomes_another_storage_s(tools, deployed, site):
    for name in ("p_mysql", "g_mysql"):
        cib_tools.edit(tools.run, lambda live, name=name: cib_stop.stopped(live, name))
    site["storage"]["backend"] = "shared"
    site["storage"]["filesystem"]["device"] = "/dev/disk/by-id/wwn-0x1"
    cib_tools.apply(tools.run, lambda _: cib_desired.desired(site))
    assert "ms_drbd_mysql" not in words(tools.read())
    assert cib_stop.stopped_ones(tools.read()) == ("p_mysql", "g_mysql")


def test_a_role_that_somebody_has_set_is_not_touched(tools, deployed):
    live = deployed.replace('<group id="g_mysql">', '<group id="g_mysql"><meta_attributes id="m"><nvpair id="r" name="target-role" value="Started"/></meta_attributes>')  # fmt: skip
    assert cib_stop.started(live) == live


def test_a_cluster_without_the_service(tools):
    with pytest.raises(Refused, match="has no p_mysql"):
        cib_stop.stopped(tools.read(), "p_mysql")
