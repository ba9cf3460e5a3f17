"""What the running corosync has of its configuration, and what becomes of a change. Pure.

The running values are corosync's own map (``corosync-cmapctl``). ``corosync-cfgtool -R`` makes all nodes read their files
again; what cannot be changed by that keeps its old value in the map, and corosync logs it ("Modified entry ... cannot be changed
at run-time", ``exec/cfg.c``). corosync 3.1 could also take over new addresses, ports and keys, but only where every node's file
has them already: nodes that do it one after the other lose sight of each other, so those are refused. A key has an operation of its
own (:mod:`hamysql.corosync.key`). So is another third vote:
until its daemon runs on both nodes, with a certificate for each, it only raises the number of votes that are needed, and the
cluster would not survive the loss of a node. What is about a node that died for good is taken over in service all the same, by the
operation that replaces it (:mod:`hamysql.corosync.replaced`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from hamysql.corosync import replaced as replaced_node
from hamysql.errors import ParseError
from hamysql.pending import COROSYNC, DEFAULT, LIVE, REFUSED, REPLACE, RESTART, TOGETHER, Pending
from hamysql.resolved import Resolved
from hamysql.resolved.sections import Section

_LINE = re.compile(r"^(\S+) \(\w+\) = (.*)$")
_SECTIONS = ("totem.", "nodelist.", "quorum.", "logging.", "system.")

# Written by corosync itself, or by an operator for the moment (votequorum(5)).
_NOT_OURS = re.compile(
    r"nodelist\.local_node_pos|totem\.interface\.\d+\.bindnetaddr|totem\.config_version"
    r"|quorum\.(cancel_wait_for_all|expected_votes_tracking)"
)
_TOGETHER = re.compile(
    r"totem\.(version|cluster_name|transport|crypto_\w+|keyfile)|nodelist\..*"
    r"|totem\.interface\.\d+\.(mcastport|mcastaddr|broadcast|ttl)"
)
_VOTE = re.compile(r"quorum\.(two_node|device\..*)")  # one takes the other's place
# knet is told once how to use its links, when it starts, and a reload has the map say otherwise. So nothing is reloaded while
# this is pending; the start takes over the rest as well.
_LINK_MODE = "totem.link_mode"
_AT_START = re.compile(r"totem\.(netmtu|threads|ip_version|nodeid|clear_node_high_bit)|quorum\.provider|system\..*")

AUTHKEY = "hamysql:corosync:authkey"
ROTATE = f"`salt-run state.orchestrate hamysql.orch.rotate_secrets` changes it in service. Without that, {TOGETHER}"

_PATHS = {
    "totem.cluster_name": "cluster:name",
    "totem.transport": "corosync:transport",
    "totem.token": "corosync:token",
    "totem.crypto_cipher": "corosync:crypto_cipher",
    "totem.crypto_hash": "corosync:crypto_hash",
    "logging.logfile": "corosync:logfile",
}
_LINK_PATHS = {"mcastport": "corosync:port", "mcastaddr": "corosync:mcastaddr", "ttl": "corosync:ttl"}


def parse_map(text: str) -> dict[str, str]:
    """Read what `corosync-cmapctl` prints: the configuration in service, by key. Raises ``ParseError``."""
    found = {match[1]: match[2] for match in map(_LINE.match, text.splitlines()) if match}
    if "totem.version" not in found:
        raise ParseError(f"corosync-cmapctl printed no configuration: {text[:200]!r}")
    return {key: value for key, value in found.items() if key.startswith(_SECTIONS)}


def keys(sections: Iterable[Section]) -> dict[str, str]:
    """The same keys for a configuration file that is a tree (:func:`hamysql.corosync.conf.build`)."""
    return dict(_keys(sections, ""))


def _keys(sections: Iterable[Section], prefix: str) -> Iterator[tuple[str, str]]:
    nodes = 0
    for part in sections:
        options = dict(part["options"])
        name = f"{prefix}{part['name']}"
        if part["name"] == "interface":
            name += f".{options.pop('linknumber')}"
        elif part["name"] == "node":
            name, nodes = f"{name}.{nodes}", nodes + 1
        yield from ((f"{name}.{key}", str(value)) for key, value in options.items())
        yield from _keys(part["sections"], f"{name}.")


def pending(
    config: Resolved, running: Mapping[str, str], key_differs: bool, replaced: bool = False
) -> Iterator[Pending]:
    """What a running corosync has not taken over.

    config
        The resolved configuration.
    running
        What :func:`parse_map` returns.
    key_differs
        Whether the key file on this node is not the pillar's. Only hamysql writes it, and not while corosync runs.
    replaced
        Whether the other node takes the place of one that died for good, and this one is alone. False by default.
    """
    wanted = keys(config["corosync"]["sections"])
    # An option of all links is one setting, not one of each link.
    nodes = config["cluster"]["nodes"]
    theirs = replaced_node.keys_of(nodes[config["self"]]["id"], running, wanted)
    yield from dict.fromkeys(_keys_pending(running, wanted, list(nodes), theirs, replaced))
    yield from _third_vote(running, wanted)
    if key_differs:
        yield Pending(REFUSED, COROSYNC, AUTHKEY, "another key", "a new one", ROTATE)


def _keys_pending(
    running: Mapping[str, str], wanted: Mapping[str, str], names: list[str], theirs: set[str], replaced: bool
) -> Iterator[Pending]:
    """``theirs`` are the keys about the other node."""
    live = LIVE if running.get(_LINK_MODE) == wanted.get(_LINK_MODE) else RESTART
    for key in sorted({*wanted, *(name for name in running if not _NOT_OURS.fullmatch(name))}):
        old, new = running.get(key), wanted.get(key)
        if old == new or _VOTE.fullmatch(key):
            continue
        kind = REFUSED if _TOGETHER.fullmatch(key) else RESTART if _AT_START.fullmatch(key) else live
        if replaced and key in theirs:
            kind = live
        advice = "" if kind != REFUSED else REPLACE if key in theirs else TOGETHER
        yield Pending(kind, COROSYNC, path(key, names), old or DEFAULT, new or DEFAULT, advice)


def _third_vote(running: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Pending]:
    """All of it is one setting: the options that make two nodes quorate, or three votes."""
    names = sorted(filter(_VOTE.fullmatch, {*running, *wanted}))
    changed = [name for name in names if running.get(name) != wanted.get(name)]

    def words(values: Mapping[str, str]) -> str:
        return (
            ", ".join(f"{key.removeprefix('quorum.')} {values[key]}" for key in changed if key in values) or "nothing"
        )

    if changed:
        yield Pending(REFUSED, COROSYNC, "hamysql:quorum:device", words(running), words(wanted), TOGETHER)


def path(key: str, nodes: list[str]) -> str:
    """Where in the pillar a key of corosync's map comes from."""
    section, _, rest = key.partition(".")
    link = re.fullmatch(r"interface\.\d+\.(\w+)", rest)
    node = re.fullmatch(r"node\.(\d+)\.(\w+)", rest)
    if key in _PATHS:
        where = _PATHS[key]
    elif link:
        where = _LINK_PATHS.get(link[1], f"corosync:options:interface:{link[1]}")
    elif section == "nodelist":
        where = "cluster:nodes"
        address = re.fullmatch(r"ring(\d+)_addr", node[2]) if node else None
        if node and address and int(node[1]) < len(nodes):
            where += f":{nodes[int(node[1])]}:addresses:{address[1]}"
    else:
        where = f"corosync:options:{section}:{rest.replace('.', ':')}"
    return f"hamysql:{where}"
