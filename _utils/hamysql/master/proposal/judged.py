"""What preflight would say of a proposal: the surveys that the machines would give with the pillar filled in. Pure.

What nobody has filled in yet gets a stand-in, and what is said of a stand-in is left out.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hamysql.master import secretfile
from hamysql.master.proposal.plan import Looks
from hamysql.preflight import judge
from hamysql.schema.language import TODO
from hamysql.schema.values import Config
from hamysql.survey import Survey

SECRET = "x" * 128  # stands for what `hamysql.secrets` makes, too

_STAND_INS: Mapping[str, object] = {
    "prefix": 24,
    "interface": "eth0",
    "vip_interface": "eth0",
    "username": "x",
    "password": "x",
    "disk": "/dev/sdx",
    "name": "proposal",
}
_VIPS = {4: "203.0.113.254", 6: "2001:db8:ffff::fe"}
_CLIENTS = {4: "203.0.113.0/24", 6: "2001:db8:ffff::/64"}
_ADDRESSES = ("addresses", "ip")  # each has to be another one


def filled(pillar: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a proposed pillar with a stand-in for each TODO."""
    address = pillar["vip"]["address"]
    if address == TODO:  # the proposed prefix is that of the first link
        address = next(iter(pillar["cluster"]["nodes"].values()))["addresses"][0]
    version = 4 if address == TODO else ipaddress.ip_address(address).version
    numbers = itertools.count(201)

    def fill(value: Any, key: str) -> Any:
        if isinstance(value, Mapping):
            return {name: fill(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [fill(item, key) for item in value]
        if value != TODO:
            return value
        if key == "client_networks":
            return _CLIENTS[version]
        if key == "address":
            return _VIPS[version]
        return f"203.0.113.{next(numbers)}" if key in _ADDRESSES else _STAND_INS[key]

    whole: dict[str, Any] = fill(pillar, "")
    return whole


def with_secrets(pillar: Config) -> Config:
    """The same pillar, with a stand-in for each secret that it lacks."""
    for secret in secretfile.missing(pillar):
        below = pillar
        for key in secret[:-1]:
            below = below.setdefault(key, {})
        below[secret[-1]] = SECRET if secret == secretfile.AUTHKEY else SECRET[:32]
    return pillar


def surveys(looks: Looks, understood: Mapping[str, Mapping[str, Any]]) -> dict[str, Survey]:
    """What the machines would say of themselves.

    understood
        What ``hamysql_proposal.understood`` has returned of the pillar, by minion.
    """
    found = {}
    for minion, look in looks.items():
        said = understood[minion]
        facts = {
            "nodename": look["nodename"],
            "system": look["system"],
            "clock": [0.0, 0.0],
            "interfaces": look["interfaces"],
            "storage": said["storage"],
            "packages": said["packages"],
            "unreachable": [],
            "absent": [],
            "vip_owner": "",
            "tls": {},
            "foreign": "",
        }
        cluster: dict[str, object] = {
            "running": False,
            "dc": None,
            "quorum": False,
            "maintenance": False,
            "nodes": {},
            "resources": [],
        }
        storage: dict[str, object] = {"latch": {}, "status": {}, "signatures": [], "generation": {}}
        survey = {
            "code": "",
            "pillar": "",
            "stale": False,
            "settings": said["settings"],
            "storage": storage,
            "cluster": {**cluster, "failures": [], "fencing": []},
            "database": False,
            "pending": [],
            "facts": facts,
        }
        found[look["nodename"]] = cast(Survey, survey)
    return found


def findings(
    looks: Looks, understood: Mapping[str, Mapping[str, Any]], todo: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What is unfit, and what should be known, as sentences."""
    unfit: list[str] = []
    known: list[str] = []
    for finding in judge.judge(surveys(looks, understood)):
        if finding.path and any(_about(finding.path, path) for path in todo):
            continue
        (unfit if finding.refuses else known).append(str(finding))
    for minion, said in understood.items():
        missing = [name for name, version in said["packages"].items() if not version]
        if missing and looks[minion]["system"]["name"] in ("Debian", "Ubuntu"):  # elsewhere nobody was asked
            unfit.append(
                f"{looks[minion]['nodename']}: the repositories do not offer {', '.join(missing)}: `apt-get update`, or "
                "hamysql:repo:repositories"
            )
    return unfit, known


def _about(path: str, todo: str) -> bool:
    """Whether a finding is about a value that nobody has filled in, whichever node's it is."""
    return path == todo or todo.startswith(f"{path}:") or path.startswith(f"{todo}:")
