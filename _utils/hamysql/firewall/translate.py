"""What ``iptables-save`` prints, in the words of ``nft --json list table``, so that one reader judges both. Pure.

iptables-legacy is not seen by nft at all, and of iptables-nft nft does not show what a match such as `conntrack` compares with.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from hamysql.firewall.obstacles import Item

_LAYERS = {"ipv4": "ip", "ipv6": "ip6"}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return", "QUEUE": "queue"}
_SILENT = {"LOG", "NFLOG", "MARK", "CONNMARK"}
# A match's own name says nothing that its options do not say.
_PLAIN = {"tcp", "udp", "multiport", "conntrack", "state", "comment"}


def ruleset(saved: str, family: str) -> Iterator[Item]:
    """The chains and rules of the filter table of one family. Its name is none that nft's tables have: nft may list it, too."""
    place = {"family": _LAYERS[family], "table": "filter(iptables)"}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":"):
            name, policy = line[1:].split()[:2]
            hook = {"type": "filter", "hook": "input", "policy": policy.lower()} if name == "INPUT" else {}
            yield {"chain": {**place, "name": name, **hook}}
        elif table == "filter" and line.startswith("-A "):
            _, chain, *options = shlex.split(line)
            yield {"rule": {**place, "chain": chain, "expr": list(_statements(options, _LAYERS[family]))}}


def _statements(options: list[str], layer: str) -> Iterator[Item]:
    protocol, verdict, negated = "", None, False
    rest = iter(options)
    for option in rest:
        if option == "!":
            negated = True
            continue
        match option:
            case "-s" | "-d":
                left = {"payload": {"protocol": layer, "field": "saddr" if option == "-s" else "daddr"}}
                address, _, length = next(rest).partition("/")
                right: Any = {"prefix": {"addr": address, "len": int(length)}} if length.isdigit() else address
            case "-i":
                left, right = {"meta": {"key": "iifname"}}, next(rest)
            case "-p":
                protocol = next(rest)
                left, right = {"meta": {"key": "l4proto"}}, protocol
            case "--dport" | "--dports" if protocol in ("tcp", "udp"):
                left = {"payload": {"protocol": protocol, "field": "dport"}}
                right = {"set": [_port(one) for one in next(rest).split(",")]}
            case "--ctstate" | "--state":
                left, right = {"ct": {"key": "state"}}, next(rest).lower().split(",")
            case "-m" | "--comment":
                if next(rest) not in _PLAIN and option == "-m":
                    yield {"xt": None}
                continue
            case "-j" | "-g":
                verdict = option, next(rest)
                break  # what follows are the target's options
            case _:
                yield {"xt": None}  # it may match or not; its values are skipped as options of that kind
                continue
        yield {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}
        negated = False
    if verdict:
        yield from _decides(*verdict)


def _decides(option: str, target: str) -> Iterator[Item]:
    if target in _VERDICTS:
        yield {_VERDICTS[target]: None}
    elif target not in _SILENT:
        yield {"goto" if option == "-g" else "jump": {"target": target}}


def _port(text: str) -> Any:
    low, _, high = text.partition(":")
    return {"range": [int(low), int(high)]} if high else int(low)
