"""Nodes with databases of different series, and machines of another release whose versions nobody knows yet."""

from __future__ import annotations

import pytest
from test_preflight import OPERATING, WINDOW, settle, survey

from hamysql.preflight import judge as preflight_judge
from hamysql.preflight import mixed

NEWER = {**OPERATING, "pacemaker": "3.0.0-1", "mariadb-server": "1:11.8.3-0+deb13u1"}


@pytest.fixture
def site():
    """db1 serves with Debian 12; db2 is a blank machine with Debian 13."""
    made = {name: survey(name) for name in ("db1", "db2")}
    for name, packages, release in (("db1", OPERATING, "12"), ("db2", NEWER, "13")):
        made[name]["facts"] |= {"packages": dict(packages), "system": {"name": "Debian", "release": release}}
        made[name]["database"] = name == "db1"
    settle({"db1": made["db1"]})
    return made


def judged(site, newer=""):
    return {str(found): found.refuses for found in preflight_judge.judge(site, WINDOW, newer)}


@pytest.mark.parametrize(("newer", "refuses"), [("", True), ("db2", False), ("db1", True)])
def test_where_no_version_is_known_before_an_installation_the_release_tells(site, newer, refuses):
    site["db2"]["facts"]["packages"] = dict.fromkeys(NEWER, "")
    told = "db2: found Debian 13, expected the same major version as on db1, which has 12"
    assert judged(site, newer) == {told: refuses}
    site["db2"]["facts"]["system"]["release"] = "12.11"
    assert judged(site) == {}


def test_the_release_of_an_older_machine_is_refused_with_the_word_as_well(site):
    site["db1"]["facts"] |= {"packages": NEWER, "system": {"name": "Debian", "release": "13"}}
    site["db2"]["facts"] |= {"packages": dict.fromkeys(NEWER, ""), "system": {"name": "Debian", "release": "12"}}
    assert list(judged(site, "db2").values()) == [True]


def test_between_settled_members_it_is_a_warning(site):
    settle(site)
    site["db2"]["facts"]["packages"] = dict.fromkeys(NEWER, "")
    assert list(judged(site).values()) == [False]


@pytest.mark.parametrize(
    ("version", "than", "parts", "expected"),
    [
        ("1:11.8.3-1", "1:10.11.6-0+deb12u1", 2, True),
        ("1:10.11.6", "1:10.6.18", 2, True),
        ("1:10.6.18", "1:10.11.6", 2, False),
        ("1:10.11.9", "1:10.11.6", 2, False),
        ("3.0.0", "2.1.5~rc1", 1, True),
        ("9.7.4", "8.0.36", 2, True),
    ],
)
def test_which_version_is_the_newer_one(version, than, parts, expected):
    assert (preflight_judge.number(version, parts) > preflight_judge.number(than, parts)) is expected


def test_the_older_node_cannot_take_over_once_the_newer_one_serves(site):
    assert mixed.behind(site) == []
    assert "db2 has mariadb-server 11.8, and db1 has 10.11: once db2 has served, db1 cannot take over" in mixed.ahead(
        site
    )
    for name in site:
        site[name]["database"] = name == "db2"
    assert mixed.ahead(site) == ""
    assert mixed.behind(site) == [
        "db1 cannot take over: it has mariadb-server 10.11, and db2 serves with 11.8. Replace db1 by a machine with that series: "
        "hamysql.orch.replace_node"
    ]
    site["db1"]["facts"]["packages"]["mariadb-server"] = "1:11.8.1-1"
    assert mixed.behind(site) == []


def test_where_no_node_serves_or_a_version_is_unknown_nothing_is_said(site):
    for name in site:
        site[name]["database"] = False
    assert (mixed.behind(site), mixed.ahead(site)) == ([], "")
    site["db2"]["database"] = True
    site["db1"]["facts"]["packages"]["mariadb-server"] = ""
    assert (mixed.behind(site), mixed.ahead(site)) == ([], "")
