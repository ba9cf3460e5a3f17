"""What is judged before anything is changed: whether the machines are what the pillar says, and fit to become a cluster.

Pure: the surveys of all members go in, every finding comes out at once. What concerns the data is for its kind of storage to say.

On a member that belongs to an initialised cluster a finding refuses nothing, most of the time: a degraded cluster has to be able to
converge, and nothing that is found there is a reason not to repair the rest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from hamysql.corosync import node_ids, oldest
from hamysql.finding import Finding, Machine
from hamysql.preflight import foreign as foreign_cluster
from hamysql.storage import backends
from hamysql.survey import Survey, Surveys

# Where the states are tested or at least rendered, see docs/platforms.md.
SUPPORTED = {
    "Debian": ("12", "13"),
    "Ubuntu": ("22", "24"),
    "Enterprise Linux": ("8", "9", "10"),
    "SUSE": ("15", "16"),
}
RENDERED = {"Enterprise Linux": ("6",)}  # and never deployed

CLOCK = 10  # seconds by which two members' clocks may differ

NODES = "hamysql:cluster:nodes"


def judge(surveys: Surveys, window: tuple[float, float] | None = None, newer: str = "") -> tuple[Finding, ...]:
    """Every finding about every member, in the order of the members.

    surveys
        What ``hamysql_node.survey`` returned, of *all* members.
    window
        The master's time before the members were asked and after all had answered; without it clocks are not compared.
    newer
        A member that may have newer major versions than the others: a new release of the system, one node at a time.

    Where a member has a cluster of somebody else's, that alone is told: what else is found there is that cluster's.
    """
    if others_made := foreign(surveys):
        return others_made
    first = next(iter(surveys))
    ours = _cluster(surveys[first])
    others = [name for name, survey in surveys.items() if _cluster(survey) != ours]
    if others:  # then it is not known what anything shall be compared with
        expected = f"what {first} has: the same pillar on all members"
        return tuple(Finding(name, "other nodes in its pillar", expected, "hamysql:cluster") for name in others)
    machines = [Machine.from_survey(name, survey) for name, survey in surveys.items()]
    found = [finding for machine in machines for finding in _alone(machine)]
    found += [
        *_links(machines),
        *_vip_owner(machines),
        *_versions(machines, newer),
        *_series(machines),
        *_accounts(machines),
        *_one_link(machines[0]),
    ]
    found += [Finding(name, seen, expected, NODES) for name, seen, expected in node_ids.disagreement(surveys)]
    found += backends.findings(machines, surveys)
    found += _clocks(machines, window) if window else []
    order = list(surveys)
    return tuple(sorted(found, key=lambda finding: order.index(finding.node)))


def foreign(surveys: Surveys) -> tuple[Finding, ...]:
    """The members with a cluster that hamysql has not made: nothing may be written there, whatever else is found."""
    machines = [Machine.from_survey(name, survey) for name, survey in surveys.items()]
    return tuple(
        Finding(
            machine.name, f"a cluster that hamysql has not made ({machine.foreign})", foreign_cluster.EXPECTED, NODES
        )
        for machine in machines
        if machine.foreign
    )


def _cluster(survey: Survey) -> dict[str, object]:
    """What a member's pillar says of the cluster. The link of the replication and the ids may be the node's own memory."""
    given = survey["settings"]["cluster"]
    cluster: dict[str, object] = {key: value for key, value in given.items() if key != "ids_from"}
    nodes = {
        name: {key: value for key, value in node.items() if key not in ("replication", "id")}
        for name, node in given["nodes"].items()
    }
    return {**cluster, "nodes": nodes}


def refusal(findings: Iterable[Finding], evidence: Iterable[str] = ()) -> str:
    """The text of one error with all that forbids going on; "" where nothing does.

    evidence
        What else was found, by others, as sentences.
    """
    reasons = [f"  - {finding}" for finding in findings if finding.refuses]
    if reasons:
        count = len(reasons)
        heading = f"preflight has found {count} thing{'' if count == 1 else 's'} to put right, and nothing was touched:"
        reasons.insert(0, heading)
    return "\n".join([*reasons, *evidence])


def _alone(machine: Machine) -> Iterator[Finding]:
    """What can be said about a member without looking at the others."""
    name, settings = machine.name, machine.settings
    if machine.nodename != name:
        expected = f"the node's key {name!r}, by which corosync, pacemaker and DRBD know it"
        yield Finding(name, f"{machine.nodename!r} as `uname -n`", expected, f"{NODES}:{name}")
    release = machine.system["release"].partition(".")[0]
    if release in RENDERED.get(machine.system["name"], ()):
        seen = f"{machine.system['name']} {machine.system['release']}"
        yield Finding(name, seen, f"a system that can be deployed: {oldest.REASON}")
    elif release not in SUPPORTED.get(machine.system["name"], ()):
        known = ", ".join(f"{system} {' or '.join(releases)}" for system, releases in SUPPORTED.items())
        seen = f"{machine.system['name']} {machine.system['release']}"
        yield Finding(name, seen, f"an operating system that hamysql knows: {known}", refuses=not machine.settled)
    for number, address in enumerate(settings["cluster"]["nodes"][name]["addresses"]):
        if address not in machine.addresses:
            there = ", ".join(found for found in machine.addresses if not ipaddress.ip_address(found).is_loopback)
            seen = f"no address {address} on any interface (there are: {there or 'none'})"
            path = f"{NODES}:{name}:addresses:{number}"
            yield Finding(name, seen, "an address that the node has", path, not machine.settled)
    # On a member of a cluster at work as well: its highstate would end there, before the good files are replaced.
    for kind, problems in machine.tls.items():
        for problem in problems:
            yield Finding(name, problem["found"], problem["expected"], problem["path"], kind == "refused")
    yield from _vip_network(machine)


def _vip_network(machine: Machine) -> Iterator[Finding]:
    """The interface of the VIP has to be there. Another network than its own is a matter of routes, which nobody here can see."""
    vip, name = machine.settings["vip"], machine.name
    interface = machine.interfaces.get(vip["interface"])
    if interface is None:
        there = ", ".join(found for found in machine.interfaces if found != "lo")
        seen = f"no interface {vip['interface']} (there are: {there or 'none'})"
        own = machine.settings["cluster"]["nodes"][name]["vip_interface"]
        path = f"{NODES}:{name}:vip_interface" if own else "hamysql:vip:interface"
        yield Finding(name, seen, "the interface of the VIP", path, not machine.settled)
        return
    address = ipaddress.ip_address(vip["address"])
    networks = [ipaddress.ip_interface(text) for text in interface["addresses"]]
    others = [own for own in networks if own.version == address.version and own.ip != address]
    if not any(address in own.network for own in others):
        seen = f"{', '.join(map(str, others)) or 'no address'} on {vip['interface']}"
        expected = (
            f"one in the network of the VIP {address}, or routes to it. The router needs a route to "
            f"{address}/{address.max_prefixlen} that ends in the network of {vip['interface']} itself. A route by way of a node's "
            "own address does not follow a failover. Clients in that network need such a route, too: they cannot reach the VIP "
            "without it. The nodes need a route back to the clients"
        )
        yield Finding(name, seen, expected, "hamysql:vip:address", refuses=False)


def _one_link(machine: Machine) -> Iterator[Finding]:
    """All nodes have as many links, so it is told once."""
    settings = machine.settings
    if len(settings["cluster"]["nodes"][machine.name]["addresses"]) > 1:
        return
    users = ", ".join(["corosync", *backends.used(settings).links])
    expected = (
        f"two, on cables of their own: {users} and the clients all depend on this one network. When it is lost, the nodes lose "
        "sight of each other, and fencing decides which of them goes on. Give each node a second address"
    )
    yield Finding(machine.name, "one link between the nodes", expected, f"{NODES}:NODE:addresses", refuses=False)


def _links(machines: Sequence[Machine]) -> Iterator[Finding]:
    """Addresses that are on their node, and do not answer the peer.

    A ping that is not answered proves nothing by itself, since sites filter them; that no neighbour answers for an address of the
    same network does: nobody can send anything there.
    """
    there = {address for machine in machines for address in machine.addresses}
    for machine in machines:
        nodes = machine.settings["cluster"]["nodes"]
        for peer in (name for name in nodes if name != machine.name):
            for number, (own, address) in enumerate(zip(nodes[machine.name]["addresses"], nodes[peer]["addresses"])):
                if address in machine.unreachable and own in machine.addresses and address in there:
                    proven = address in machine.absent
                    seen = f"no answer to a ping from {own} to {address} of {peer}"
                    seen += "" if proven else " (a packet filter may have kept it back)"
                    path = f"{NODES}:{peer}:addresses:{number}"
                    refuses = proven and not machine.settled
                    yield Finding(machine.name, seen, f"link {number} to work", path, refuses)


def _vip_owner(machines: Sequence[Machine]) -> Iterator[Finding]:
    """The VIP is nobody's, or the active member's."""
    if any(machine.running for machine in machines):
        return
    path = "hamysql:vip:address"
    macs = {interface["mac"] for machine in machines for interface in machine.interfaces.values()}
    for machine in machines:
        address = machine.settings["vip"]["address"]
        if address in machine.addresses:
            seen = f"the VIP {address} on {machine.addresses[address]}, where pacemaker does not run"
            yield Finding(machine.name, seen, "an address that only the cluster sets", path, not machine.settled)
        elif machine.vip_owner and machine.vip_owner not in macs:
            seen = f"an answer for the VIP {address} from {machine.vip_owner}, which is no member"
            yield Finding(machine.name, seen, "an address that no other machine uses", path)


def _versions(machines: Sequence[Machine], newer: str) -> Iterator[Finding]:
    """Members that would talk to each other in different versions; what is not installed counts by its candidate."""
    for one, two in combinations(machines, 2):
        both = {name: (one.packages[name], two.packages[name]) for name in one.packages if name in two.packages}
        if not all(first and second for first, second in both.values()):
            yield from _releases(one, two, newer)
        own, others = (backends.used(machine.settings).versions(machine) for machine in (one, two))
        both |= {name: (own[name], others[name]) for name in own if name in others}
        series = set(one.settings["package"]["database"])
        for name, (first, second) in both.items():
            parts = 2 if name in series else 1  # of a database: 10.6 and 10.11 are as far apart as 10 and 11
            if first and second and major(first, parts) != major(second, parts):
                expected = f"the same major version as on {one.name}, which has {first}"
                ahead = two.name if number(first, parts) < number(second, parts) else one.name
                refuses = not (one.settled and two.settled) and ahead != newer
                yield Finding(two.name, f"{name} {second}", expected, "hamysql:package", refuses)
                if name in series and ahead == newer:
                    older = one.name if ahead == two.name else two.name
                    says = f"a database that is older than that on {ahead}"
                    expected = f"a node that is replaced next: once {ahead} has served, {older} cannot take over"
                    yield Finding(older, says, expected, "hamysql:package", refuses=False)


def _releases(one: Machine, two: Machine, newer: str) -> Iterator[Finding]:
    """A machine whose repositories are not there yet offers no versions; that they will differ, its release tells before."""
    first, second = one.system["release"], two.system["release"]
    if one.system["name"] == two.system["name"] and major(first) != major(second):
        ahead = two.name if number(first) < number(second) else one.name
        refuses = not (one.settled and two.settled) and ahead != newer
        expected = f"the same major version as on {one.name}, which has {first}"
        yield Finding(two.name, f"{two.system['name']} {second}", expected, "", refuses)


def _series(machines: Sequence[Machine]) -> Iterator[Finding]:
    """The configuration is written for one series of corosync; another one does not start with it, or reads something else.

    Where the members have different ones, :func:`_versions` says so.
    """
    versions = {machine.name: machine.packages.get("corosync", "") for machine in machines}
    if len(set(map(major, versions.values()))) > 1:
        return
    for machine in machines:
        version, series = versions[machine.name], machine.settings["corosync"]["series"]
        if version and major(version) != str(series):
            path = "hamysql:corosync:series"
            yield Finding(machine.name, f"corosync {version}", f"corosync {series}", path, not machine.settled)


def _accounts(machines: Sequence[Machine]) -> Iterator[Finding]:
    """Files have the numbers of their owners. Packages number an account as they come, so it may have another one on each node.

    The agent gives the files to its node's account before it starts the server. On a file server root may not do that.
    """
    for one, two in combinations(machines, 2):
        if one.account and two.account and one.account != two.account:
            own, others = (":".join(map(str, machine.account)) for machine in (two, one))
            seen = f"the account {two.settings['mysql']['user']} with the numbers {own}"
            expected = f"{others}, as on {one.name}: else all files of the data change their owner in each failover"
            yield Finding(two.name, seen, expected, "hamysql:mysql:user", not backends.used(one.settings).local)


def major(version: str, parts: int = 1) -> str:
    """The first parts of a version of a package: ``major("1:10.11.6-0+deb12u1", 2)`` is ``"10.11"``."""
    return ".".join(re.split(r"[.~+-]", version.rpartition(":")[2])[:parts])


def number(version: str, parts: int = 1) -> tuple[int, ...]:
    """The same as numbers, which can be compared: ``number("1:10.11.6-0+deb12u1", 2)`` is ``(10, 11)``."""
    return tuple(int(part) for part in major(version, parts).split(".") if part.isdecimal())


def _clocks(machines: Sequence[Machine], window: tuple[float, float]) -> Iterator[Finding]:
    """Clocks that provably differ: members are surveyed at the same time, and not in the same instant.

    A survey began after the members were asked and ended before all had answered, so a member's clock is ahead of the
    master's by no more than its first time is ahead of the asking, and by no less than its last one of the last answer.
    """
    asked, answered = window
    for one, two in combinations(machines, 2):
        most = {machine.name: machine.clock[0] - asked for machine in (one, two)}
        least = {machine.name: machine.clock[1] - answered for machine in (one, two)}
        for ahead, behind in ((one, two), (two, one)):
            apart = least[ahead.name] - most[behind.name]
            if apart > CLOCK:
                seen = f"a clock that is at least {apart:.0f} s ahead of {behind.name}'s"
                refuses = not (one.settled and two.settled)
                yield Finding(ahead.name, seen, f"{CLOCK} s at most: synchronise the clocks", "", refuses)
