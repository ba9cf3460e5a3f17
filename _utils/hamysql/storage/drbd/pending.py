"""What DRBD in the kernel has of its configuration, and what becomes of a change. Pure.

The values in service are those of ``drbdsetup show``. Whether they differ is for ``drbdadm --dry-run adjust`` to say, which
knows units and defaults and prints the commands that it would run: options of the disk, the network and the resource are
live; those that both sides compare when they connect are taken over by both at the same moment. It would also connect and
attach again what an operator or an error has taken apart; that is no change of a setting.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hamysql.errors import ParseError
from hamysql.pending import BOTH, DEFAULT, KEEP, LIVE, REFUSED, REPLACE, RESTART, STORAGE, TOGETHER, Pending
from hamysql.resolved import Resolved
from hamysql.resolved.cluster import Node
from hamysql.resolved.storage import Drbd
from hamysql.storage.drbd import conf as drbd_conf
from hamysql.storage.drbd import replica

# The commands of drbdsetup that change options of a running resource, and the section of `drbdsetup show` with their values.
VERBS = {"disk-options": "disk", "net-options": "net", "resource-options": "options", "peer-device-options": "disk"}

# Options of the network that both sides compare when they connect. Where they differ, both drop the connection for good
# (StandAlone): drbd_do_auth, receive_protocol and receive_SyncParam in DRBD 8.4's drbd_receiver.c.
COMPARED = frozenset(
    "protocol cram-hmac-alg shared-secret after-sb-0pri after-sb-1pri after-sb-2pri allow-two-primaries data-integrity-alg"
    " verify-alg csums-alg".split()
)

_PATHS = {
    ("disk", "on-io-error"): "storage:drbd:on_io_error",
    ("disk", "resync-rate"): "storage:drbd:rate",
    ("disk", "c-plan-ahead"): "storage:drbd:rate",
    ("disk", "fencing"): "fencing",
    ("net", "fencing"): "fencing",
    ("net", "protocol"): "storage:drbd:protocol",
    ("net", "cram-hmac-alg"): "storage:drbd:cram_hmac_alg",
    ("net", "shared-secret"): "storage:drbd:shared_secret",
    ("net", "verify-alg"): "storage:drbd:verify:alg",
}


@dataclass(frozen=True)
class Running:
    """A resource in the kernel: what it is made of, and its options by section."""

    minor: str = ""
    disk: str = ""
    addresses: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """One command that an adjustment consists of. ``options`` is all that the section will have."""

    verb: str
    options: Mapping[str, str]


def parse_show(text: str) -> Running | None:
    """Read what `drbdsetup show RESOURCE` prints (8.4 and 9); ``None`` where the resource is not configured."""
    minor = disk = ""
    addresses: list[str] = []
    options: dict[str, dict[str, str]] = {}
    sections: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            sections.append(line.split()[0])
        elif line == "}":
            if not sections:
                raise ParseError("drbdsetup show printed a closing brace without its section")
            sections.pop()
        elif match := re.match(r"([\w-]+)(?:\s+(\"[^\"]*\"|[^;]*))?;", line):
            name, value = match[1], (match[2] or "yes").strip().strip('"')
            section = sections[-1] if sections else ""
            if section in VERBS.values():
                options.setdefault(section, {})[name] = value
            elif name == "device":
                minor = value.rpartition("minor ")[2]
            elif name == "disk":
                disk = value
            elif name == "address" or (name.startswith("_") and name.endswith("_host")):
                addresses.append(value)
    return Running(minor, disk, tuple(sorted(addresses)), options) if text.strip() else None


def parse_commands(text: str) -> tuple[Command, ...]:
    """Read what `drbdadm --dry-run adjust RESOURCE` prints. It holds the shared secret."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        words = shlex.split(line)
        verb = words[1] if len(words) > 1 and "drbdsetup" in words[0] else words[0]
        pairs = (word[2:].partition("=") for word in words if word.startswith("--"))
        found.append(Command(verb, {name: value for name, equals, value in pairs if equals}))
    return tuple(found)


def with_disk(config: Resolved, disk: str) -> Resolved:
    """The configuration with this node's disk under the name that the kernel has for it.

    A name is no more than how DRBD found its disk: another one for the same disk changes nothing in service, and is used when
    DRBD starts the next time. To drbdadm it is another disk, and an adjustment would detach the one and attach the other.
    """
    here, cluster, storage = config["self"], config["cluster"], config["storage"]
    node: Node = {**cluster["nodes"][here], "disk": disk}
    drbd: Drbd = {**storage["drbd"], "disk": disk}
    named: Resolved = {
        **config,
        "cluster": {**cluster, "nodes": {**cluster["nodes"], here: node}},
        "storage": {**storage, "drbd": drbd},
    }
    drbd["resource_texts"] = {kernel: drbd_conf.resource_text(named, kernel) for kernel in drbd_conf.KERNELS}
    return named


def config_text(config: Resolved, kernel: str) -> str:
    """The configuration that the pillar wants, for `drbdadm --config-file -`. It holds the shared secret.

    kernel
        For which kernel module: one of ``drbd_conf.KERNELS``.
    """
    drbd = config["storage"]["drbd"]
    return drbd["global_text"] + drbd["resource_texts"][kernel]


def pending(
    config: Resolved, running: Running, full: Running, commands: tuple[Command, ...], replaced: bool = False
) -> Iterator[Pending]:
    """What a running resource has not taken over.

    config
        The resolved configuration.
    running, full
        What is in service: only what is not the default, and with ``--show-defaults``.
    commands
        What the adjustment to the pillar consists of.
    replaced
        Whether the other node takes the place of one that died for good: the adjustment connects to it. False by default.
    """
    yield from _identity(config, running, replaced)
    kind = LIVE
    if any(
        VERBS.get(command.verb) == "net" and COMPARED & {*_changed("net", running, full, command)}
        for command in commands
    ):
        kind = BOTH  # all that differs: an adjustment does not do a part of it
    # Taken apart by an operator or an error: an adjustment would put it together again as well.
    if not replaced and not all(command.verb in VERBS for command in commands):
        kind = RESTART
    for command in commands:
        section = VERBS.get(command.verb, "")
        if section:
            given = config["storage"]["drbd"]["options"].get(section, {})
            yield from _options(kind, section, running, full, command, given)


def _identity(config: Resolved, running: Running, replaced: bool) -> Iterator[Pending]:
    drbd = config["storage"]["drbd"]
    nodes = config["cluster"]["nodes"]
    ends = {name: drbd_conf.endpoint(node["replication"], drbd["port"]) for name, node in nodes.items()}
    addresses = tuple(sorted(ends.values()))
    if running.minor and running.minor != str(drbd["minor"]):
        yield Pending(
            REFUSED, STORAGE, "hamysql:storage:drbd:device", f"/dev/drbd{running.minor}", drbd["device"], TOGETHER
        )
    disk = replica.disk(config)
    if running.disk not in ("", "none", disk):
        yield Pending(REFUSED, STORAGE, "hamysql:storage:drbd:disk", running.disk, disk, KEEP)
    if not running.addresses and replaced:  # an adjustment that was cut off has disconnected already
        where = f"hamysql:cluster:nodes:{config['peer']}:addresses:{drbd['link']}"
        yield Pending(LIVE, STORAGE, where, "no connection", ends[config["peer"]])
    elif running.addresses and ends[config["self"]] in running.addresses and running.addresses != addresses:
        where = f"hamysql:cluster:nodes:{config['peer']}:addresses:{drbd['link']}"
        others = [address for address in running.addresses if address != ends[config["self"]]]
        kind, advice = (LIVE, "") if replaced else (REFUSED, REPLACE)
        if others:
            yield Pending(kind, STORAGE, where, " and ".join(others), ends[config["peer"]], advice)
    elif running.addresses and not set(running.addresses) <= set(addresses):
        ports = {address.rpartition(":")[2] for address in running.addresses}
        where = "link" if ports == {str(drbd["port"])} else "port"
        old, new = " and ".join(running.addresses), " and ".join(addresses)
        yield Pending(REFUSED, STORAGE, f"hamysql:storage:drbd:{where}", old, new, TOGETHER)


def _options(
    kind: str, section: str, running: Running, full: Running, command: Command, given: Mapping[str, str]
) -> Iterator[Pending]:
    """``given`` are the options that the pillar names as drbd.conf does."""
    now, every = running.options.get(section, {}), full.options.get(section, {})
    found = _changed(section, running, full, command)
    for name in found:
        where = "" if name in given else _PATHS.get((section, name), "")
        where = where or f"storage:drbd:options:{section}:{name}"
        old, new = every.get(name, now.get(name, DEFAULT)), command.options.get(name, DEFAULT)
        if name == "shared-secret":
            old, new = "another secret", "the pillar's"
        yield Pending(kind, STORAGE, f"hamysql:{where}", old, new)
    if not found:
        yield Pending(kind, STORAGE, f"hamysql:storage:drbd:options:{section}", "other options", "the pillar's")


def _changed(section: str, running: Running, full: Running, command: Command) -> list[str]:
    now, every = running.options.get(section, {}), full.options.get(section, {})
    return [name for name in sorted({*command.options, *now}) if _differs(name, now, every, command.options)]


def _differs(name: str, now: Mapping[str, str], every: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    if name.startswith("_"):  # DRBD 9 keeps the peer's name among the options
        return False
    if name not in wanted:
        return True  # in service, and not the default
    return _number(every.get(name, now.get(name, DEFAULT))) != _number(wanted[name])


def _number(value: str) -> str:
    match = re.fullmatch(r"(\d+)([kmg]?)", value.lower())
    return str(int(match[1]) * 1024 ** " kmg".index(match[2] or " ")) if match else value
