"""What an update would bring: what may be mixed for the time being, and what is refused."""

from __future__ import annotations

import pytest

from hamysql.master.second_day import versions

SITE = {
    "package": {
        "database": ["mariadb-server"],
        "names": ["corosync", "pacemaker"],
        "owned": ["corosync", "mariadb-server"],
    },
    "mysql": {"flavor": "mariadb"},
}


def seen(*items, **more):
    updates = [{"name": name, "old": old, "new": new} for name, old, new in items]
    found = {"updates": updates, "left": [], "kernels": [], "without": [], "boot": "", "mark": None}
    return {**found, **more}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (("mariadb-server", "1:10.11.6-0+deb12u1", "1:10.11.9-0+deb12u1"), ""),
        (("mariadb-server", "1:10.11.6-0", "1:11.4.2-0"), "db1: mariadb-server would go from 10.11 to 11.4"),
        (("mariadb-server", "1:10.6.1", "1:10.11.1"), "db1: mariadb-server would go from 10.6 to 10.11"),
        (("pacemaker", "2.1.5-1+deb12u1", "2.1.7-1"), ""),
        (("pacemaker", "2.1.5-1+deb12u1", "3.0.0-1"), "db1: pacemaker would go from 2 to 3"),
        (("corosync", "2.4.5", "3.1.7"), "db1: corosync would go from 2 to 3"),
        (("kmod-drbd9x", "9.1.0", "9.2.0"), ""),
        (("bash", "4.4", "5.2"), ""),
        (("pacemaker", "installed", ""), "db1: the package manager would remove pacemaker"),
        (("bash", "installed", ""), ""),
    ],
)
def test_versions_that_may_not_be_mixed_are_told(item, reason):
    found = versions.against({"db1": seen(item)}, SITE)
    assert [line.startswith(reason) for line in found] == ([True] if reason else [])


def test_nodes_whose_repositories_differ_are_refused():
    old = "3.1.7-1"
    both = {"db1": seen(("corosync", old, "3.1.7-2")), "db2": seen(("corosync", old, "3.1.7-3"))}
    assert versions.against(both, SITE) == [
        "the repositories of the nodes have different versions of corosync: db1 3.1.7-2, db2 3.1.7-3"
    ]
    assert versions.against({**both, "db2": seen()}, SITE) == []


def test_what_is_left_alone_is_told_and_what_does_not_go_back():
    found = {"db1": seen(("mysql-server", "8.0.36", "8.0.37"), left=["salt-minion"])}
    site = {"package": {**SITE["package"], "database": ["mysql-server"]}, "mysql": {"flavor": "mysql"}}
    remarks = versions.remarks(found, site)
    assert remarks[0].startswith("db1 leaves salt-minion as they are")
    assert remarks[1].startswith("WARNING: once the updated database has served")
    assert versions.remarks({"db1": seen(("mariadb-server", "1:10.11.6", "1:10.11.7"))}, SITE) == []


def test_the_lines_have_what_the_cluster_owns_first():
    found = seen(
        ("bash", "5.1", "5.2"),
        ("corosync", "3.1.7", "3.1.8"),
        ("old", "installed", ""),
        ("new", "", "1"),
        boot="it asks",
    )
    assert versions.lines("db1", found, SITE) == [
        "~ db1: corosync 3.1.7 -> 3.1.8",
        "~ db1: bash 5.1 -> 5.2",
        "+ db1: new 1",
        "- db1: old installed",
        "~ db1 boots: it asks",
    ]
