"""Two minions are asked, and a pillar is written: what :mod:`hamysql.master.proposal` decides, with Salt's master."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hamysql.errors import HamysqlError, Refused
from hamysql.master import secretfile
from hamysql.master.members import Members, NoAnswer, clusters
from hamysql.master.proposal import judged, plan, text
from hamysql.master.proposal.plan import Looks, Vip
from hamysql.master.salt import Master
from hamysql.schema.language import TODO

Say = Callable[[str], None]


def propose(
    master: Master, minions: Sequence[str], vip: str | None, path: str | None, cluster: str | None, say: Say
) -> dict[str, Any]:
    """Propose a pillar; see the runner."""
    place = secretfile.check_place(path, master.served) if path else None
    address = _checked(vip)
    if len(set(minions)) != 2:
        raise Refused(
            "a cluster has two nodes: name two minions, such as `hamysql.propose db1.example.org db2.example.org`"
        )
    pillars = master.pillars()
    members = Members("proposal", {minion: minion for minion in minions}, master.call)
    looks = _look(members)
    found = _links(members, looks)
    proposed = _vip(members, plan.vip(address, found, looks))
    name = cluster or plan.cluster_name(looks, list(clusters(pillars)))
    proposal = plan.proposal(looks, found, proposed, name)
    made = text.text(proposal)
    todo = list(text.todo(text.pillar(made)))
    unfit, warnings = _judged(members, looks, text.pillar(made), todo)
    unfit = [*proposal.unfit, *_taken_lines(members, address, proposed, found), *unfit]
    warnings += [f"{minion} has a pillar `hamysql` already" for minion in minions if minion in pillars]
    if place:
        secretfile.write(place, made, master.owner)
    else:
        say(made)
    return {"file": str(place) if place else None, "todo": todo, "unfit": unfit, "warnings": warnings}


def _checked(vip: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(str(vip))) if vip is not None else None
    except ValueError:
        raise Refused(f"vip={vip} is no address: say vip=192.0.2.100") from None


def _look(members: Members) -> Looks:
    """What both machines have; the formula's modules come to them first."""
    members.ask("saltutil.sync_all", refresh=False)
    members.ask("saltutil.refresh_pillar", wait=True, timeout=30)  # it has the minion load new modules, too
    looks = members.ask("hamysql_proposal.look", patience=60)
    for minion, look in looks.items():
        if look["stale"]:
            raise HamysqlError(f"{minion} keeps an older version of hamysql in memory: {members.restart(minion)}")
    one, two = looks.values()
    if one["nodename"] == two["nodename"]:
        raise Refused(
            f"both machines are called {one['nodename']} (`uname -n`): a node is known by that name, so give each its own"
        )
    return looks


def _links(members: Members, looks: Looks) -> tuple[plan.Link, ...]:
    """The links that both machines have proven, each by asking the other one."""
    candidates = plan.candidates(looks)
    reached = {}
    for index, minion in enumerate(members.minions):
        pairs = [[link.addresses[index], link.addresses[1 - index]] for link in candidates]
        reached[minion] = members.ask("hamysql_proposal.reached", [minion], pairs=pairs)[minion] if pairs else []
    return plan.links(candidates, looks, reached)


def _vip(members: Members, wanted: Vip) -> Vip:
    """The first of the candidates that nobody has, as either machine sees it."""
    if not wanted.candidates:
        return wanted
    taken = _taken(members, wanted.interfaces, wanted.candidates)
    free = next((address for address in wanted.candidates if address not in taken), TODO)
    return replace(wanted, address=free, candidates=(free,) if free != TODO else ())


def _taken(members: Members, interfaces: Sequence[str], addresses: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for minion, interface in zip(members.minions, interfaces):
        if TODO not in (interface, *addresses):
            asked = {"interface": interface, "addresses": list(addresses)}
            found |= set(members.ask("hamysql_proposal.taken", [minion], patience=60, **asked)[minion])
    return found


def _taken_lines(members: Members, given: str | None, proposed: Vip, links: Sequence[plan.Link]) -> list[str]:
    """Whether somebody has the address that was given for the virtual IP."""
    if given is None:
        return []
    taken = given in _taken(members, proposed.interfaces, [given]) or any(given in link.addresses for link in links)
    return [f"vip={given}: somebody has this address already"] if taken else []


def _judged(
    members: Members, looks: Looks, pillar: Mapping[str, Any], todo: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What preflight would say of it. A pillar that does not even resolve is unfit in the words of the minion that says so."""
    whole = judged.with_secrets(judged.filled(pillar))
    try:
        understood = members.ask("hamysql_proposal.understood", patience=60, pillar=whole)
    except NoAnswer as exc:
        if exc.silent:
            raise
        return list(exc.failed.values()), []
    return judged.findings(looks, understood, todo)
