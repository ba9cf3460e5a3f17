"""A firewall that is in this test alone: the pillar, the module and the state know it through the registry, without a change elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from minion import load

from hamysql.errors import CommandFailed
from hamysql.firewall import backends, settings
from hamysql.firewall.face import Firewall
from hamysql.ports import Access, by_family
from hamysql.schema import values as v
from support import ROOT


@dataclass(frozen=True)
class Seen:
    rules: tuple[str, ...] | None

    @property
    def exists(self) -> bool:
        return self.rules is not None

    @property
    def lines(self) -> list[str]:
        return list(self.rules or ())

    def plain(self) -> dict[str, Any]:
        return {"table": self.rules and list(self.rules)}


class Toy(Firewall[Seen]):
    """It has one line for each rule, and a program that reads and replaces all of them."""

    name = "toy"
    what = "toy's table"

    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> dict[str, Any]:
        rules = {family: [self.line(access) for access in accesses] for family, accesses in wanted.items()}
        return {"rules": rules, "service": "toy.service"}

    @staticmethod
    def line(access: Access) -> str:
        return f"{access.protocol} {access.ports} at {access.to or 'all'}: {' '.join(access.sources) or 'nobody'}"

    def read(self, run: Any, family: str) -> Seen:
        said = run(["toy", family, "read"])
        return Seen(tuple(said.splitlines()) if said else None)

    def seen(self, plain: Mapping[str, Any]) -> Seen:
        return Seen(plain["table"] and tuple(plain["table"]))

    def loaded(self, rules: Sequence[str] | None) -> Seen:
        return Seen(rules and tuple(rules))

    def converged(self, seen: Seen, rules: Sequence[str]) -> bool:
        return seen == self.loaded(rules)

    def load(self, run: Any, family: str, rules: Sequence[str], seen: Seen) -> None:
        run(["toy", family, "load"], stdin="\n".join(rules))

    def remove(self, run: Any, family: str, seen: Seen) -> None:
        run(["toy", family, "load"], stdin="")


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(backends.BACKENDS, "toy", Toy())
    monkeypatch.setitem(settings.FIREWALL.keys, "backend", v.one_of("auto", *backends.BACKENDS, "none"))


class Kernel:
    """What the toy's program has loaded in each family, with the module and the state that use it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.loaded: dict[str, str] = {}
        self.installed = True
        self.module, self.state = (load(f"{folder}/hamysql_firewall.py", "toy") for folder in ("_modules", "_states"))
        self.module.run = self.run
        self.module.__salt__ = self.state.__salt__ = {"hamysql.config": lambda: config}
        for verb in ("read", "apply", "remove", "obstacles"):
            self.state.__salt__[f"hamysql_firewall.{verb}"] = getattr(self.module, verb)

    def run(self, argv: list[str], stdin: str | None = None) -> str:
        if not self.installed:
            raise CommandFailed(argv, 127, "toy: not found")
        if argv[2] == "load":
            self.loaded[argv[1]] = stdin or ""
        return self.loaded.get(argv[1], "")

    def apply(self, state: str, test: bool = False, **options: str) -> dict[str, Any]:
        self.state.__opts__ = {"test": test}
        return getattr(self.state, state)("toy", **options)


@pytest.fixture
def config(resolve, pillar):
    package, firewall = {"firewall": {"toy": ["toyd"]}}, {"backend": "toy", "client_networks": ["192.0.2.0/24"]}
    return resolve({**pillar("minimal"), "package": package, "firewall": firewall})


def test_who_may_reach_which_port_is_said_in_its_words(config):
    firewall = config["firewall"]
    assert (firewall["backend"], firewall["service"]) == ("toy", "toy.service")
    assert firewall["rules"] == {
        "ipv4": [
            "udp (5404, 5405) at all: 192.0.2.12/32",
            "tcp (7788,) at all: 192.0.2.12/32",
            "tcp (3306,) at 192.0.2.100: 192.0.2.11/32 192.0.2.12/32 192.0.2.0/24",
        ]
    }
    assert "files" not in firewall, "another firewall's"


def test_the_state_loads_its_rules_and_takes_them_away(config):
    kernel, rules = Kernel(config), config["firewall"]["rules"]["ipv4"]
    predicted = kernel.apply("managed", test=True)
    assert (predicted["result"], predicted["comment"]) == (None, "The toy's table would be changed.")
    assert kernel.loaded == {}
    done = kernel.apply("managed")
    assert done["changes"] == predicted["changes"] == {"ipv4": {"old": [], "new": rules}}
    assert kernel.apply("managed")["changes"] == {}
    kernel.loaded["ipv4"] += "\ntcp (22,) at all: nobody"
    assert kernel.apply("managed")["changes"]["ipv4"]["new"] == rules
    assert kernel.apply("absent", backend="toy")["changes"] == {"ipv4": {"old": rules, "new": []}}
    assert kernel.apply("absent", backend="toy")["changes"] == {}


def test_what_comes_with_its_package_is_not_missed_in_test_mode(config):
    kernel = Kernel(config)
    kernel.installed = False
    assert kernel.apply("managed", test=True)["changes"]["ipv4"]["old"] == []
    assert "toy: not found" in kernel.apply("managed")["comment"]


def test_auto_is_still_the_first_one(resolve, pillar):
    assert resolve(pillar("minimal"))["firewall"]["backend"] == "iptables"
    assert backends.named("none") is backends.named("auto") is backends.BACKENDS["iptables"]


def test_each_family_in_use_gets_its_own_sources():
    accesses = [
        Access("udp", (1,), ("192.0.2.1", "2001:db8::1", "192.0.2.1")),
        Access("tcp", (2,), ("192.0.2.1", "2001:db8::/64"), "ipv6", "2001:db8::9"),
    ]
    found = by_family(accesses, ["192.0.2.5"])
    assert found == {
        "ipv4": [Access("udp", (1,), ("192.0.2.1/32",), "ipv4")],
        "ipv6": [
            Access("udp", (1,), ("2001:db8::1/128",), "ipv6"),
            Access("tcp", (2,), ("2001:db8::/64",), "ipv6", "2001:db8::9"),
        ],
    }
    assert list(by_family(accesses[:1], ["192.0.2.5"])) == ["ipv4"]


def test_no_code_outside_of_the_firewall_names_one():
    files = [path for folder in ("_utils", "_modules", "_states", "_runners") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    code = {path: path.read_text(encoding="utf-8") for path in files if path.parent.name != "firewall"}
    names = set(backends.BACKENDS) - {"toy"}
    assert [str(path.relative_to(ROOT)) for path, text in code.items() if names & words(text)] == []
    assert "iptables" in words("import iptables, x")


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
