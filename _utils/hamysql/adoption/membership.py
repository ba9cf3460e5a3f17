"""The nodes, their links and corosync, in the pillar's terms. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from hamysql.adoption.described import Described
from hamysql.adoption.look import Found
from hamysql.resolved.sections import Section
from hamysql.schema.language import TODO
from hamysql.system.sections import section

Looks = Mapping[str, Found]  # by minion

# Options of corosync.conf that hamysql writes by itself, or that say nothing there.
_TOTEM_OWN = (
    "version",
    "cluster_name",
    "transport",
    "crypto_cipher",
    "crypto_hash",
    "token",
    "secauth",
    "rrp_mode",
    "config_version",
)
_LINK_OWN = ("ringnumber", "linknumber", "bindnetaddr", "mcastaddr", "mcastport", "ttl")
_LOG_OWN = ("fileline", "to_stderr", "to_logfile", "logfile", "to_syslog", "debug", "timestamp")
_TOKEN = 3000  # milliseconds; corosync's own token (corosync.conf(5))


def _section(sections: Sequence[Section], name: str) -> Section:
    return next((part for part in sections if part["name"] == name), section(name))


def describe(found: Described, looks: Looks) -> None:
    """The nodes, their links and corosync, from the first node that has the file; they must not differ."""
    every = [look["corosync"] for look in looks.values()]
    sections = next((item for item in every if item), [])
    if any(other != sections for other in every):
        found.unfit.append("the nodes have different files /etc/corosync/corosync.conf")
    totem = _section(sections, "totem")
    options = dict(totem["options"])
    interfaces = [dict(part["options"]) for part in totem["sections"] if part["name"] == "interface"]
    name = options.get("cluster_name", "")
    found.put(name or TODO, "cluster", "name")
    if not name:
        found.lacks(
            "corosync.conf has no totem.cluster_name; the name that you choose makes corosync start anew",
            "cluster",
            "name",
        )
    members = [dict(part["options"]) for part in _section(sections, "nodelist")["sections"] if part["name"] == "node"]
    if not members:
        found.unfit.append(
            "corosync.conf has no nodelist; the one that hamysql writes makes corosync start anew on both nodes"
        )
    for minion, look in looks.items():
        own = {text.partition("/")[0] for item in look["interfaces"].values() for text in item["addresses"]}
        mine = next((item for item in members if own & {*item.values()} or item.get("name") == look["nodename"]), {})
        links = [value for key, value in sorted(mine.items()) if key.startswith("ring") and key.endswith("_addr")]
        links = links or _bound(look, interfaces) or [TODO]
        found.put(minion, "cluster", "nodes", look["nodename"], "minion_id")
        found.put(links, "cluster", "nodes", look["nodename"], "addresses")
        if mine.get("name", look["nodename"]) != look["nodename"]:
            why = f"corosync.conf calls {look['nodename']} {mine['name']}, and hamysql has what `uname -n` prints"
            found.lacks(why, "cluster", "nodes", look["nodename"])
    if len(members) > len(looks):
        found.unfit.append(f"corosync.conf has {len(members)} nodes, expected {len(looks)}")
    _corosync(found, looks, sections, options, interfaces)


def _bound(look: Found, interfaces: Sequence[Mapping[str, str]]) -> list[str]:
    """The addresses of a node in the networks that corosync is bound to, where there is no list of nodes."""
    links = []
    for given in interfaces:
        for item in look["interfaces"].values():
            for text in item["addresses"]:
                own = ipaddress.ip_interface(text)
                if given.get("bindnetaddr") in (str(own.network.network_address), str(own.ip)):
                    links.append(str(own.ip))
    return links


def _corosync(
    found: Described,
    looks: Looks,
    sections: Sequence[Section],
    options: Mapping[str, str],
    interfaces: Sequence[Mapping[str, str]],
) -> None:
    found.say(
        "As corosync runs now. A line that you take out becomes hamysql's own value: changing-settings.md says when.",
        "corosync",
    )
    transport = options.get("transport", "knet")
    found.put(transport, "corosync", "transport")
    found.put(options.get("token", str(_TOKEN)), "corosync", "token")
    first = interfaces[0] if interfaces else {}
    found.put(first.get("mcastport"), "corosync", "port")
    if transport == "udp":
        found.put(first.get("mcastaddr"), "corosync", "mcastaddr")
        found.put(first.get("ttl"), "corosync", "ttl")
    if transport == "knet":
        on = options.get("secauth", "off") in ("on", "yes")
        found.put(options.get("crypto_cipher", "aes256" if on else "none"), "corosync", "crypto_cipher")
        found.put(options.get("crypto_hash", "sha256" if on else "none"), "corosync", "crypto_hash")
        encrypted = found.pillar["corosync"]["crypto_hash"] != "none"
        if encrypted and any(look["key"] == "binary" for look in looks.values()):
            why = (
                "corosync's key is no text, as corosync-keygen makes it, and a pillar has a text. Another key makes corosync start "
                "anew: `salt-run hamysql.secrets` makes one"
            )
            found.lacks(why, "corosync", "authkey")
    log = dict(_section(sections, "logging")["options"])
    found.put(log.get("logfile"), "corosync", "logfile")
    further = {
        "totem": {key: value for key, value in options.items() if key not in _TOTEM_OWN},
        "interface": {key: value for key, value in first.items() if key not in _LINK_OWN},
        "logging": {key: value for key, value in log.items() if key not in _LOG_OWN},
    }
    for part, given in further.items():
        for key, value in given.items():
            found.put(value, "corosync", "options", part, key)
    device = [part for part in _section(sections, "quorum")["sections"] if part["name"] == "device"]
    if device:
        found.lacks("a quorum device: hamysql deploys one of its own, on a minion (hamysql:quorum:device)", "corosync")
