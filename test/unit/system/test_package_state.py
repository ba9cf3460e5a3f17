"""The package state: the guard is up while packages are installed, a borrowed repository ends disabled."""

from __future__ import annotations

import importlib.util
from functools import partial

import pytest

from hamysql.master import shown
from hamysql.system import debian
from support import ROOT

REPOSITORY = {"name": "deb file:/srv/crm ./", "file": "/etc/apt/sources.list.d/hamysql-crm.list"}


class World:
    """What the state reaches for: packages, one repository, and whether the guard was up when something happened."""

    def __init__(self, module, policy) -> None:
        self.module, self.policy = module, policy
        self.installed: dict[str, str] = {}
        self.held: set[str] = set()
        self.disabled: bool | None = None
        self.fails = self.raises = False
        self.log: list[tuple[str, bool]] = []
        self.guard = ""
        module.__opts__ = {"test": False}
        module.__grains__ = {"os_family": "Debian"}
        module.__salt__ = {
            "pkg.version": lambda name: self.installed.get(name, ""),
            "pkg.refresh_db": lambda: self.note("refresh"),
            "hamysql.config": lambda: {"package": {"masked_units": ["mariadb.service"]}},
        }
        module.__states__ = {
            "pkg.installed": self.install,
            "hamysql_repository.enabled": partial(self.repository, disabled=False),
            "hamysql_repository.disabled": partial(self.repository, disabled=True),
        }

    def note(self, what: str) -> None:
        self.log.append((what, debian.guard_left_over(self.policy)))

    def install(self, name, pkgs, hold=None, update_holds=None, install_recommends=True):
        assert hold in (None, True), "False would release what an administrator holds"
        assert update_holds is hold, "what is held would never get another version"
        assert install_recommends is False
        self.note("install")
        self.guard = self.policy.read_text() if self.policy.exists() else ""
        if self.raises:
            raise RuntimeError("dpkg was interrupted")
        wanted = dict(next(iter(package.items())) if isinstance(package, dict) else (package, "1") for package in pkgs)
        missing = {package: version for package, version in wanted.items() if self.installed.get(package) != version}
        changed = [*missing, *(set(wanted) - self.held if hold else ())]
        if self.module.__opts__["test"] and changed:
            return {"name": name, "result": None, "changes": dict.fromkeys(changed), "comment": "would be"}
        if self.fails:
            return {"name": name, "result": False, "changes": {}, "comment": "no such package"}
        assert not missing or self.disabled is not True, "the repository that has them is disabled"
        self.installed.update(missing)
        self.held |= set(wanted) if hold else set()
        return {"name": name, "result": True, "changes": dict.fromkeys(changed), "comment": "done"}

    def repository(self, name, file, disabled):
        changed, test = self.disabled is not disabled, self.module.__opts__["test"]
        self.note("disable" if disabled else "enable")
        if not test:
            self.disabled = disabled
        changes = {"disabled": {"old": None, "new": disabled}} if changed else {}
        return {"name": name, "result": None if changes and test else True, "changes": changes, "comment": "repo"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("tested_hamysql_package", ROOT / "_states" / "hamysql_package.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "POLICY", policy)
    quiet = debian.quiet_services
    monkeypatch.setattr(debian, "quiet_services", lambda units: quiet(units, policy))
    left = debian.guard_left_over
    monkeypatch.setattr(debian, "guard_left_over", lambda path=policy: left(path))
    return World(module, policy)


def test_packages_are_installed_with_the_guard_up_and_it_is_gone_afterwards(world):
    ret = world.module.installed("label", ["corosync"])
    assert (ret["result"], set(ret["changes"])) == (True, {"corosync"})
    assert world.log == [("install", True)]
    assert not world.policy.exists()
    for unit in ("corosync.service", "mariadb.service", "firewalld.service"):
        assert unit in world.guard, "one that closes ports is the administrator's to start"
    assert world.module.installed("label", ["corosync"])["changes"] == {}


@pytest.mark.parametrize("defect", ["fails", "raises"])
def test_the_guard_is_gone_after_a_failure_too(world, defect):
    setattr(world, defect, True)
    if defect == "raises":
        with pytest.raises(RuntimeError):
            world.module.installed("label", ["corosync"])
    else:
        assert world.module.installed("label", ["corosync"])["result"] is False
    assert not world.policy.exists()


def test_a_borrowed_repository_is_enabled_used_and_disabled_again(world):
    ret = world.module.borrowed("label", ["crmsh"], REPOSITORY)
    assert ret["result"] is True
    assert "crmsh" in ret["changes"]
    assert world.log == [("enable", True), ("refresh", True), ("install", True), ("disable", True)]
    assert world.disabled is True


@pytest.mark.parametrize("defect", ["fails", "raises"])
def test_a_borrowed_repository_is_disabled_even_when_the_installation_fails(world, defect):
    setattr(world, defect, True)
    if defect == "raises":
        with pytest.raises(RuntimeError):
            world.module.borrowed("label", ["crmsh"], REPOSITORY)
    else:
        assert world.module.borrowed("label", ["crmsh"], REPOSITORY)["result"] is False
    assert world.disabled is True
    assert not world.policy.exists()


def test_a_second_run_neither_enables_the_repository_nor_installs(world):
    world.module.borrowed("label", ["crmsh"], REPOSITORY)
    world.log.clear()
    for test in (True, False):
        world.module.__opts__["test"] = test
        ret = world.module.borrowed("label", ["crmsh"], REPOSITORY)
        assert (ret["result"], ret["changes"]) == (True, {})
    assert world.log == [("disable", False)] * 2


def test_a_repository_that_somebody_enabled_again_is_disabled(world):
    world.installed["crmsh"] = "1"
    world.disabled = False
    world.module.__opts__["test"] = True
    foreseen = world.module.borrowed("label", ["crmsh"], REPOSITORY)
    assert (foreseen["result"], foreseen["changes"]) == (None, {"repo": REPOSITORY["name"]})
    assert shown.states({"hamysql_package_|-x_|-label_|-borrowed": foreseen}) == [
        "~ repository deb file:/srv/crm ./: disabled"
    ]
    assert world.disabled is False
    world.module.__opts__["test"] = False
    assert world.module.borrowed("label", ["crmsh"], REPOSITORY)["changes"] == foreseen["changes"]
    assert world.disabled is True


def test_a_borrowed_package_is_held_like_the_others_also_when_it_is_there_already(world):
    world.module.borrowed("label", ["crmsh"], REPOSITORY)
    assert world.held == set()
    world.log.clear()
    assert world.module.borrowed("label", ["crmsh"], REPOSITORY, hold=True)["changes"]
    assert world.held == {"crmsh"}
    assert "enable" not in [what for what, _ in world.log]
    assert world.module.borrowed("label", ["crmsh"], REPOSITORY, hold=True)["changes"] == {}


def test_a_borrowed_package_has_the_version_that_the_pillar_names(world):
    world.module.borrowed("label", ["crmsh"], REPOSITORY)
    newer = [{"crmsh": "2"}]
    world.module.__opts__["test"] = True
    ret = world.module.borrowed("label", newer, REPOSITORY)
    assert (ret["result"], ret["changes"]) == (None, {"crmsh": {"old": "1", "new": "2"}})
    world.module.__opts__["test"] = False
    assert world.module.borrowed("label", newer, REPOSITORY)["result"] is True
    assert (world.installed, world.disabled) == ({"crmsh": "2"}, True)
    for version in ("2", "2*"):
        world.log.clear()
        assert world.module.borrowed("label", [{"crmsh": version}], REPOSITORY)["changes"] == {}
        assert [what for what, _ in world.log] == ["disable"]


def test_test_mode_predicts_and_touches_nothing(world):
    world.module.__opts__["test"] = True
    assert world.module.installed("label", ["corosync"])["result"] is None
    ret = world.module.borrowed("label", ["crmsh"], REPOSITORY)
    assert (ret["result"], set(ret["changes"])) == (None, {"crmsh"})
    assert (world.installed, world.disabled, world.policy.exists()) == ({}, None, False)


def test_what_an_interrupted_run_left_is_reported_and_removed(world):
    world.policy.write_text(f"#!/bin/sh\n{debian.MARK}\nexit 101\n")
    world.installed["corosync"] = "1"
    world.module.__opts__["test"] = True
    assert world.module.installed("label", ["corosync"])["result"] is None
    assert world.policy.exists()
    world.module.__opts__["test"] = False
    ret = world.module.installed("label", ["corosync"])
    assert (ret["result"], list(ret["changes"])) == (True, [str(world.policy)])
    assert not world.policy.exists()


def test_an_installation_that_was_cut_off_is_finished_with_the_guard_up(world, tmp_path, monkeypatch):
    updates = tmp_path / "updates"
    updates.mkdir()
    interrupted = debian.dpkg_interrupted
    monkeypatch.setattr(debian, "dpkg_interrupted", lambda: interrupted(updates))
    world.module.run = lambda argv, **options: (world.note(argv[0]), (updates / "0001").unlink())
    assert world.module.installed("label", ["corosync"])["result"] is True
    (updates / "0001").touch()
    world.log.clear()
    world.module.__opts__["test"] = True
    assert world.module.installed("label", ["corosync"])["result"] is None
    assert (updates / "0001").exists()
    world.module.__opts__["test"] = False
    assert set(world.module.installed("label", ["corosync"])["changes"]) == {"dpkg"}
    assert world.log == [("install", False), ("dpkg", True), ("install", True)]
    assert world.module.installed("label", ["corosync"])["changes"] == {}
