"""Packages and repositories of Enterprise Linux: the formula's own states by Salt's own modules upon a real dnf, with real packages."""

from __future__ import annotations

import os
import shutil

import pytest
from rpm_world import PROGRAMS, Machine

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root"),
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)),
        reason=f"one of {', '.join(PROGRAMS)} is missing (Debian: dnf, rpm, createrepo-c, util-linux)",
    ),
]
needs_versionlock = pytest.mark.skipif(
    not os.path.exists("/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py"),
    reason="dnf's versionlock is missing (Debian: dnf-plugins-core)",
)
LOCK = "python3-dnf-plugin-versionlock"  # its name on Enterprise Linux, by which Salt looks for it

# Runs states one after the other. Returned for each: its result, its changes, its comment.
STATES = """
import json, pathlib, sys
from salt_node import Node
from support import load_pillar

folder, system, steps = json.loads(sys.argv[1])
node = Node(pathlib.Path(folder), load_pillar("minimal"), system)
said = []
for function, name, options, test in steps:
    done = node.call("state.single", function, name, test=test, **options)
    if isinstance(done, list):
        said.append([None, {}, str(done)])
        continue
    (ret,) = done.values()
    said.append([ret["result"], ret["changes"], ret["comment"]])
print(json.dumps(said))
node.end()
"""


class States:
    def __init__(self, machine, system):
        self.machine, self.system, self.number = machine, system, 0

    def __call__(self, *steps):
        """Each step is a state's function, its name and options, and whether it is in test mode."""
        self.number += 1
        return self.machine.salt(STATES, str(self.machine.folder / f"salt{self.number}"), self.system, steps)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path, 9)


@pytest.fixture
def states(machine):
    return States(machine, "el9")


def repository(address, **more):
    return {"name": "ha", "humanname": "High availability", "baseurl": address, "gpgcheck": 0, **more}


def enabled(machine):
    return [line.split()[0] for line in machine.dnf("repolist", "--enabled").splitlines()[1:]]


TWICE_AND_FORETOLD = [(None, True), (True, True), (True, False), (True, False)]


def four_times(function, name, options):
    return [(function, name, options, test) for test in (True, False, False, True)]


def outcome(said):
    return [(result, bool(changes)) for result, changes, _ in said]


def test_a_repository_is_added_disabled_and_enabled_again_and_test_mode_knows(machine, states):
    options = {key: value for key, value in repository(machine.build("ha", "alpha-1.0-1")).items() if key != "name"}
    on, off = (four_times(f"hamysql_repository.{verb}", "ha", options) for verb in ("enabled", "disabled"))
    assert outcome(states(*on)) == TWICE_AND_FORETOLD
    assert enabled(machine) == ["ha"]
    assert outcome(states(*off)) == TWICE_AND_FORETOLD
    assert enabled(machine) == []
    assert outcome(states(*on)) == TWICE_AND_FORETOLD
    assert enabled(machine) == ["ha"]


def test_a_repository_is_added_used_for_one_package_and_disabled_again(machine, states):
    # Its other package is newer than what is there: whoever left it enabled would get that with the next update.
    main = repository(machine.build("site", "corosync-3.0-1"), name="site")
    borrowed = repository(machine.build("ha", "crmsh-4.6-1", "corosync-9.0-1"))
    name, options = main.pop("name"), {"pkgs": ["crmsh"], "repository": borrowed}
    said = states(
        ("hamysql_repository.enabled", name, main, False),
        ("hamysql_package.installed", "label", {"pkgs": ["corosync"]}, False),
        *four_times("hamysql_package.borrowed", "label", options),
    )
    assert outcome(said[:2]) == [(True, True), (True, True)], said
    assert outcome(said[2:]) == TWICE_AND_FORETOLD, said
    assert said[2][1] == {"crmsh": {"old": "", "new": "installed"}}
    assert machine.installed() == ["corosync-3.0-1", "crmsh-4.6-1"]
    assert enabled(machine) == ["site"]


def test_a_borrowed_repository_that_somebody_enabled_is_disabled_again(machine, states):
    borrowed = repository(machine.build("ha", "crmsh-4.6-1"))
    step = ("hamysql_package.borrowed", "label", {"pkgs": ["crmsh"], "repository": borrowed})
    states((*step, False))
    file = machine.folder / "yum.repos.d" / "ha.repo"
    file.write_text(file.read_text().replace("enabled=0", "enabled=1"))
    assert enabled(machine) == ["ha"]
    assert outcome(states((*step, True), (*step, False), (*step, False))) == [(None, True), (True, True), (True, False)]
    assert enabled(machine) == []


def test_a_repository_without_the_package_is_disabled_all_the_same(machine, states):
    borrowed = repository(machine.build("ha", "other-1-1"))
    ((result, _, comment),) = states(
        ("hamysql_package.borrowed", "label", {"pkgs": ["crmsh"], "repository": borrowed}, False)
    )
    assert result is False
    assert "crmsh" in comment
    assert enabled(machine) == []
    assert machine.installed() == []


def test_a_repository_that_cannot_be_reached_is_disabled_all_the_same(machine, states):
    gone = repository(f"file://{machine.folder}/gone")
    ((result, _, comment),) = states(
        ("hamysql_package.borrowed", "label", {"pkgs": ["crmsh"], "repository": gone}, False)
    )
    assert result is False, comment
    assert enabled(machine) == []


@pytest.mark.parametrize(
    ("version", "there"), [("1.0-1", "corosync-1.0-1"), ("1.1-2", "corosync-1.1-2"), ("*", "corosync-2.0-1")]
)
def test_a_version_is_installed_and_kept(machine, states, version, there):
    main = repository(machine.build("site", "corosync-1.0-1", "corosync-1.1-2", "corosync-2.0-1"), name="site")
    name, pkgs = main.pop("name"), [{"corosync": version}] if version != "*" else ["corosync"]
    states(("hamysql_repository.enabled", name, main, False))
    said = states(*four_times("hamysql_package.installed", "label", {"pkgs": pkgs}))
    assert outcome(said) == TWICE_AND_FORETOLD, said
    assert machine.installed() == [there]


def test_a_version_that_no_repository_has_fails_and_changes_nothing(machine, states):
    main = repository(machine.build("site", "corosync-1.0-1"), name="site")
    name = main.pop("name")
    _, (result, changes, _) = states(
        ("hamysql_repository.enabled", name, main, False),
        ("hamysql_package.installed", "label", {"pkgs": [{"corosync": "7.7-7"}]}, False),
    )
    assert (result, changes) == (False, {})
    assert machine.installed() == []


@needs_versionlock
def test_held_packages_stay_when_dnf_upgrades_and_are_held_once(machine, states):
    address = machine.build("site", "corosync-1.0-1", "pacemaker-1.0-1", f"{LOCK}-1-1")
    main = repository(address, name="site")
    name, options = main.pop("name"), {"pkgs": ["corosync", LOCK], "hold": True}
    said = states(
        ("hamysql_repository.enabled", name, main, False),
        ("pkg.installed", "pacemaker", {}, False),
        *four_times("hamysql_package.installed", "label", options),
    )
    assert outcome(said[2:]) == TWICE_AND_FORETOLD, said
    machine.build("site", "corosync-1.1-1", "pacemaker-1.1-1")
    machine.dnf("-y", "--refresh", "upgrade")
    assert machine.installed() == ["corosync-1.0-1", "pacemaker-1.1-1", f"{LOCK}-1-1"]
    locks = [line for line in machine.dnf("versionlock", "list").splitlines() if line.startswith("corosync-")]
    assert len(locks) == 1


@needs_versionlock
def test_a_held_package_gets_another_version_when_the_pillar_names_it(machine, states):
    main = repository(machine.build("site", "corosync-1.0-1", "corosync-1.1-1", f"{LOCK}-1-1"), name="site")
    name = main.pop("name")
    states(
        ("hamysql_repository.enabled", name, main, False),
        ("hamysql_package.installed", "label", {"pkgs": [{"corosync": "1.0-1"}, LOCK], "hold": True}, False),
    )
    said = states(("hamysql_package.installed", "label", {"pkgs": [{"corosync": "1.1-1"}, LOCK], "hold": True}, False))
    assert said[0][0] is True, said
    assert machine.installed() == ["corosync-1.1-1", f"{LOCK}-1-1"]


def module(machine):
    """A repository with a module of two streams, as Enterprise Linux 8 has it, and the step that adds it."""
    older, newer = "mariadb-server-10.3-1.module", "mariadb-server-10.11-1.module"
    site = repository(machine.build("site", older, newer), name="site")
    rpms = {"10.3": "mariadb-server-0:10.3-1.module.noarch", "10.11": "mariadb-server-0:10.11-1.module.noarch"}
    machine.streams("site", "mariadb", rpms, default="10.3")
    return ("hamysql_repository.enabled", site.pop("name"), site, False)


INSTALL = ("hamysql_package.installed", "label", {"pkgs": ["mariadb-server"]}, False)


def test_without_a_stream_the_distribution_s_default_is_installed(machine, states):
    states(module(machine), INSTALL)
    assert machine.installed() == ["mariadb-server-10.3-1.module"]


def test_a_stream_decides_which_version_is_installed_and_another_one_is_refused(machine, states):
    said = states(
        module(machine),
        *four_times("hamysql_package.stream", "mariadb:10.11", {}),
        INSTALL,
        *(("hamysql_package.stream", "mariadb:10.3", {}, test) for test in (True, False)),
    )
    assert outcome(said[1:5]) == TWICE_AND_FORETOLD, said
    assert machine.installed() == ["mariadb-server-10.11-1.module"]
    for result, changes, comment in said[-2:]:
        assert (result, changes) == (False, {})
        assert "found the stream mariadb:10.11 enabled, expected mariadb:10.3" in comment
    assert "10.11 [e]" in machine.dnf("module", "list", "mariadb")


def test_a_stream_that_no_repository_has_is_an_error(machine, states):
    _, (result, changes, comment) = states(module(machine), ("hamysql_package.stream", "mariadb:11.8", {}, False))
    assert (result, changes) == (False, {})
    assert "mariadb:11.8" in comment
