"""What preflight has to say of DRBD: its kernel module, and the link that it replicates over, on which the members agree. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hamysql.finding import Finding, Machine
from hamysql.pending import STOPPED
from hamysql.storage.drbd import link
from hamysql.storage.steps import Agreed
from hamysql.survey import Surveys

LINK = "hamysql:storage:drbd:link"


def judge(machines: Sequence[Machine], surveys: Surveys) -> Iterator[Finding]:
    """Every finding about members whose data is on DRBD."""
    for machine in machines:
        yield from _replication(machine)
        yield from _module(machine)
        yield from _script(machine)
    yield from _disagreement(surveys)


def _replication(machine: Machine) -> Iterator[Finding]:
    """What replicates over the clients' cable though it could have another one, and a note of the link that is no good."""
    site, name = machine.settings, machine.name
    drbd, own = site["storage"]["drbd"], site["cluster"]["nodes"][name]
    if drbd["link_problem"]:
        expected = f"the index of one of its links. This is ignored: link {drbd['link']} is used"
        yield Finding(name, drbd["link_problem"], expected, LINK, refuses=False)
    places = [machine.addresses.get(address) for address in own["addresses"]]
    clients = site["vip"]["interface"]
    if len(places) < 2 or places[drbd["link"]] != clients:
        return
    others = [number for number, place in enumerate(places) if place not in (None, clients)]
    how = f"; then {STOPPED}" if machine.settled else ""
    expected = (
        f"a link of its own: set {LINK}: {others[-1]}{how}"
        if others
        else "a link of its own: an address on another interface"
    )
    seen = f"the replication (link {drbd['link']}, {own['replication']}) on {clients}, which has the VIP as well"
    yield Finding(name, seen, expected, LINK, refuses=False)


def _module(machine: Machine) -> Iterator[Finding]:
    """The kernel's module is there, or comes with a package."""
    packages = machine.settings["package"]["names"]
    arrives = any(re.search(r"drbd.*(dkms|module)|kmod-drbd", package) for package in packages)
    if not machine.storage["module"]["loadable"] and not arrives:
        seen = "no kernel module drbd for the running kernel"
        expected = "the module drbd: install it, or name its package in hamysql:package:further"
        yield Finding(machine.name, seen, expected, "hamysql:storage:backend", not machine.settled)


# crm-fence-peer.9.sh reads what pacemaker writes from 2.1.7 on since drbd-utils 9.28 (its ChangeLog, "in_ccm").
_READS, _WRITES = (9, 28), (2, 1, 7)


def _script(machine: Machine) -> Iterator[Finding]:
    """With DRBD 9 the handler of lost peers is DRBD's own script, which has to understand this pacemaker."""
    utils = [
        version for name, version in machine.packages.items() if re.fullmatch(r"drbd[0-9x]*-utils", name) and version
    ]
    pacemaker = machine.packages.get("pacemaker", "")
    if not machine.storage["module"]["version"].startswith("9.") or not utils or not pacemaker:
        return
    if _numbers(utils[0]) < _READS and _numbers(pacemaker) >= _WRITES:
        seen = f"DRBD 9 and drbd-utils {utils[0]} with pacemaker {pacemaker}"
        expected = (
            "drbd-utils 9.28 or newer: the crm-fence-peer.9.sh of older ones misreads this pacemaker, and takes a lost peer for a "
            "live one, so that all writes are held"
        )
        yield Finding(machine.name, seen, expected, "hamysql:package:drbd", not machine.settled)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a package's version, without its epoch and revision."""
    return tuple(map(int, re.findall(r"[0-9]+", re.split(r"[-~+]", version.rpartition(":")[2])[0])))


def _disagreement(surveys: Surveys) -> Iterator[Finding]:
    """Members that would replicate over different links. The orchestration has them agree, where no DRBD is in the way."""
    agreed = link.agree(link.sides(surveys))
    if agreed is None:
        return
    for name in (*agreed.takers, *agreed.stuck):
        seen = f"link {surveys[name]['settings']['storage']['drbd']['link']} for replication"
        expected = f"link {agreed.link}, as on {agreed.owner}: "
        if name in agreed.takers:
            yield Finding(name, seen, f"{expected}hamysql.orch has this node take it", LINK, refuses=False)
        else:
            told = f"{expected}name one in the pillar of both, and {STOPPED}"
            yield Finding(name, seen, told, LINK)


def agreed(surveys: Surveys) -> Iterator[Agreed]:
    """A node that was installed again does not know the link of the cluster, and would take the default. Preflight tells who
    cannot take the other one's."""
    agreed = link.agree(link.sides(surveys))
    if agreed is None or agreed.stuck:
        return
    for node in agreed.takers:
        yield Agreed(
            node,
            LINK,
            f"link {surveys[node]['settings']['storage']['drbd']['link']}",
            f"link {agreed.link}, as on {agreed.owner}",
            f"{node} takes link {agreed.link} for replication, as {agreed.owner} has it",
            "keep_link",
            {"link": agreed.link},
        )
