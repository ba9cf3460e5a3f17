"""Two minions are asked for the cluster that somebody else has built on them, and the pillar that describes it is written.

Nothing is changed on them. What decides is in :mod:`hamysql.adoption`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hamysql.adoption import pillar as adoption_pillar
from hamysql.adoption import sealed
from hamysql.adoption.described import Described
from hamysql.adoption.look import Found, Secrets
from hamysql.errors import HamysqlError, Problem, Refused
from hamysql.master import secretfile
from hamysql.master.members import Members
from hamysql.master.proposal import commented, judged, text
from hamysql.master.salt import Master
from hamysql.schema.language import TODO
from hamysql.schema.values import Config
from hamysql.system.command import Run

Looks = Mapping[str, Found]
Placed = dict[tuple[str, ...], Any]

# What makes the cluster the one that it is: a value there that hamysql does not take is told, and stays in the text.
_KEPT = ("cluster", "vip")
_NOTHING: Mapping[str, list[str]] = {"renamed": [], "changes": [], "actions": [], "waits": []}


def adopt(master: Master, run: Run, minions: Sequence[str], path: str | None, say: Callable[[str], None]) -> Config:
    """Describe a cluster; see the runner."""
    place = secretfile.check_place(path, master.served) if path else None
    beside = secretfile.check_place(str(_beside(place)), master.served) if place else None
    if len(set(minions)) != 2:
        raise Refused(
            "a cluster has two nodes: name both minions, such as `hamysql.adopt db1.example.org db2.example.org`"
        )
    members = Members("adoption", {minion: minion for minion in minions}, master.call)
    looks = _look(members)
    found = adoption_pillar.describe(looks)
    outcome = _outcome(members, found) if _fit(members, found) else dict(_NOTHING)
    secrets = _secrets(members, found, run) if place else {}
    made = commented.text(found, minions, str(beside) if secrets else "")
    returned: Config = {"file": None, "secrets": [], "secrets_file": None}
    if place and beside:
        if secrets:
            secretfile.write(beside, secretfile.text(secrets), master.owner)
            returned |= {"secrets_file": str(beside), "secrets": [":".join(("hamysql", *keys)) for keys in secrets]}
        try:
            secretfile.write(place, made, master.owner)
        except HamysqlError:
            if secrets:
                beside.unlink()
            raise
        returned["file"] = str(place)
    else:
        say(made)
    todo = list(text.todo(text.pillar(made)))
    return {**returned, "todo": todo, "unfit": found.unfit, "warnings": found.warnings, "adopt": found.adopt, **outcome}


def _beside(place: Path) -> Path:
    return place.with_name(f"{place.stem}-secrets{place.suffix}")


def _look(members: Members) -> Looks:
    """What both nodes say; the formula's modules come to them first."""
    members.ask("saltutil.sync_all", refresh=False)
    members.ask("saltutil.refresh_pillar", wait=True, timeout=30)  # it has the minion load new modules, too
    looks: Looks = members.ask("hamysql_adopt.look", patience=60)
    for minion, look in looks.items():
        if look["stale"]:
            raise HamysqlError(f"{minion} keeps an older version of hamysql in memory: {members.restart(minion)}")
    if not any(look["cluster"] for look in looks.values()):
        raise Refused(
            "neither node has a cluster's configuration, so there is nothing to adopt: use `salt-run hamysql.propose`"
        )
    return looks


def _whole(found: Described) -> Config:
    """The pillar with something in the place of each TODO and of each secret."""
    given = copy.deepcopy(found.pillar)
    for devices in given.get("fencing", {}).get("devices", {}).values():
        for device in devices:
            device["secrets"] = dict.fromkeys(device.get("secrets", ()), "x")
    return judged.with_secrets(judged.filled(given))


def _fit(members: Members, found: Described) -> bool:
    """Take out of the pillar what hamysql does not take; returns whether it takes the rest. What cannot be taken out is told."""
    while True:
        said = members.ask("hamysql_adopt.problems", patience=60, pillar=_whole(found))
        problems = {item["path"]: str(Problem(**item)) for part in said.values() for item in part}
        dropped = False
        for path, sentence in problems.items():
            keys = path.split(":")[1:]
            dropped |= bool(keys) and keys[0] not in _KEPT and found.drop(keys, sentence)
        if not dropped:
            found.unfit += problems.values()
            return not problems


def _outcome(members: Members, found: Described) -> dict[str, list[str]]:
    """What the cluster would do about it, by one node."""
    first = next(iter(members.minions))
    answers = members.answers("hamysql_adopt.outcome", [first], 120, pillar=_whole(found))
    found.unfit += [*answers.silent.values(), *answers.failed.values()]
    seen = {"unclear": [], **_NOTHING, **answers.values.get(first, {})}
    found.unfit += seen.pop("unclear")
    return seen


def _secrets(members: Members, found: Described, run: Run) -> Placed:
    """The secrets that the nodes have, for the second file: they come sealed, for this run alone."""
    with sealed.key(run) as key:
        answers = members.ask("hamysql_adopt.sealed", patience=60, certificate=key.certificate)
        opened = [cast(Secrets, key.opened(answer)) for answer in answers.values()]
    secrets = dict(_placed(opened, found))
    for node in found.pillar["cluster"]["nodes"]:
        if ("fencing", "devices", node) in secrets:
            del found.pillar["fencing"]["devices"][node]
    return secrets


def _placed(opened: Sequence[Secrets], found: Described) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each secret with its place in the pillar. Fence devices come whole: a list in a second file replaces that of the first."""
    if found.pillar.get("corosync", {}).get("crypto_hash", "none") != "none":
        yield from _same(found, secretfile.AUTHKEY, [item["authkey"] for item in opened])
    backend = found.pillar.get("storage", {}).get("backend", "")
    for keys in dict.fromkeys(tuple(keys) for item in opened for keys, _ in item["storage"]):
        values = [value for item in opened for other, value in item["storage"] if tuple(other) == keys]
        yield from _same(found, ("storage", backend, *keys), values)
    for node, devices in found.pillar.get("fencing", {}).get("devices", {}).items():
        whole = copy.deepcopy(devices)
        for device, name in zip(whole, found.fences[node]):
            for option in device.get("secrets", ()):
                known = [item["fences"].get(name, {}).get(option) for item in opened]
                device["secrets"][option] = next(filter(None, known), TODO)
        if any(device.get("secrets") for device in whole):
            yield ("fencing", "devices", node), whole


def _same(found: Described, path: tuple[str, ...], values: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """A secret that both nodes have to have alike; none where they differ, which is told."""
    given = set(values) - {""}
    if len(given) > 1:
        found.unfit.append(f"the nodes have different secrets for hamysql:{':'.join(path)}")
    elif given:
        yield path, given.pop()
