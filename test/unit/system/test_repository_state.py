"""The repository state: what it leaves to Salt's own, and what it does itself under Salt 3006."""

from __future__ import annotations

import importlib.util

import pytest

from support import ROOT

LINE = "deb file:/srv/crm ./"


class World:
    """The state in a Salt of some version; what Salt's own state was asked for."""

    def __init__(self, file) -> None:
        spec = importlib.util.spec_from_file_location("tested_repository", ROOT / "_states" / "hamysql_repository.py")
        self.state = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.state)
        self.asked: list[dict] = []
        self.fails = False
        self.options = {"name": LINE, "file": str(file)}
        self.state.__opts__ = {"test": False}
        self.state.__states__ = {"pkgrepo.managed": self.managed}
        self.grains("Debian", 3006)

    def grains(self, family: str, version: int) -> None:
        self.state.__grains__ = {"os_family": family, "saltversioninfo": [version, 1]}

    def managed(self, **options):
        self.asked.append(options)
        return {"name": LINE, "result": not self.fails, "changes": {}, "comment": "Salt's"}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "crm.list")


@pytest.mark.parametrize(
    ("family", "version", "on", "off"),
    [
        ("Debian", 3008, {"disabled": False}, {"disabled": True}),
        ("RedHat", 3008, {"enabled": True}, {"enabled": False}),
        ("RedHat", 3006, {"enabled": True}, {"enabled": False}),
    ],
)
def test_salts_own_state_does_it_where_it_can(world, family, version, on, off, tmp_path):
    world.grains(family, version)
    assert world.state.enabled(**world.options)["comment"] == "Salt's"
    assert world.state.disabled(**world.options)["comment"] == "Salt's"
    assert world.asked == [{**world.options, **on}, {**world.options, **off}]
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_a_line_in_a_file_is_salts_too(world):
    world.state.enabled("ppa:someone/something")
    assert world.asked == [{"name": "ppa:someone/something", "disabled": False}]


@pytest.mark.parametrize("trusted", [True, False])
def test_salt_3006_gets_the_line_written(world, trusted, tmp_path):
    options = {**world.options, "trusted": trusted}
    file = tmp_path / "crm.list"
    for state, text in ((world.state.enabled, f"{LINE}\n"), (world.state.disabled, f"# {LINE}\n")) * 2:
        world.state.__opts__["test"] = True
        assert (state(**options)["result"], state(**options)["changes"]) == (None, {"repo": LINE})
        world.state.__opts__["test"] = False
        assert state(**options)["changes"] == {"repo": LINE}
        assert file.read_text() == text
        for test in (True, False):
            world.state.__opts__["test"] = test
            assert (state(**options)["result"], state(**options)["changes"]) == (True, {})
    assert world.asked == ([] if trusted else [options] * 2), "only the key is Salt's work"


def test_without_its_key_no_repository_is_enabled(world, tmp_path):
    world.fails = True
    assert world.state.enabled(**world.options)["result"] is False
    assert list(tmp_path.iterdir()) == []
