"""What is judged before anything is changed, and what is said of it: a member as it sees itself, and one thing that is wrong.

:mod:`hamysql.preflight.judge` judges what all clusters have in common, each kind of storage what it has of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hamysql.resolved import Resolved
from hamysql.survey import Interface, Survey


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it has to be: on which node, what was found, what is expected, and the pillar's key.

    A finding *refuses* where it would go into something that is about to be made. On a member that belongs to an initialised
    cluster it is a warning, most of the time.
    """

    node: str
    found: str
    expected: str
    path: str = ""
    refuses: bool = True

    def __str__(self) -> str:
        return f"{self.node}: found {self.found}, expected {self.expected}" + (f" ({self.path})" if self.path else "")


@dataclass(frozen=True)
class Machine:
    """One member's own view of itself; the fields are those of ``hamysql_node.facts``.

    clock
        The member's time at the beginning and at the end of its survey, in seconds since 1970.
    settled
        It belongs to an initialised cluster.
    running
        Pacemaker runs on it.
    storage
        What the kind of storage in use has to know of the machine.
    foreign
        What is there of a cluster that hamysql has not made, in words.
    account
        The numbers of the server's account and its group, where there is one.
    """

    name: str
    nodename: str
    system: Mapping[str, str]
    clock: tuple[float, float]
    interfaces: Mapping[str, Interface]
    packages: Mapping[str, str]
    unreachable: tuple[str, ...]
    absent: tuple[str, ...]
    vip_owner: str
    settled: bool
    running: bool
    storage: Any
    settings: Resolved = field(repr=False)
    tls: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    foreign: str = ""
    account: tuple[int, ...] = ()

    @classmethod
    def from_survey(cls, name: str, survey: Survey) -> Machine:
        """A machine from the plain dictionary that came over the bus (``hamysql_node.survey``)."""
        facts = survey["facts"]
        return cls(
            name=name,
            nodename=facts["nodename"],
            system=facts["system"],
            interfaces=facts["interfaces"],
            packages=facts["packages"],
            vip_owner=facts["vip_owner"],
            clock=(facts["clock"][0], facts["clock"][1]),
            unreachable=tuple(facts["unreachable"]),
            absent=tuple(facts["absent"]),
            settled=(survey["storage"]["latch"] or {}).get("stage") == "INITIALISED",
            running=bool(survey["cluster"]["running"]),
            storage=facts["storage"],
            settings=survey["settings"],
            tls=facts.get("tls", {}),
            foreign=facts.get("foreign", ""),
            account=tuple(facts.get("account", ())),
        )

    @property
    def addresses(self) -> dict[str, str]:
        """Every address of the machine without its prefix, and the interface that has it."""
        return {
            address.partition("/")[0]: name
            for name, interface in self.interfaces.items()
            for address in interface["addresses"]
        }
