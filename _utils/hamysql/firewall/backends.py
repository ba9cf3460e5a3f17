"""The kinds of firewall that hamysql knows: the one place that names them."""

from __future__ import annotations

from typing import Any

from hamysql.firewall.face import Firewall
from hamysql.firewall.firewalld import Firewalld
from hamysql.firewall.iptables import Iptables
from hamysql.firewall.nftables import Nftables

BACKENDS: dict[str, Firewall[Any]] = {firewall.name: firewall for firewall in (Iptables(), Nftables(), Firewalld())}
AUTO, NONE = "auto", "none"


def chosen(backend: str) -> str:
    """The pillar's ``firewall:backend``, with ``auto`` decided: the first one."""
    return next(iter(BACKENDS)) if backend == AUTO else backend


def named(backend: str) -> Firewall[Any]:
    """The firewall of a name; the first one for ``auto`` and ``none``, where its rules are known and nobody loads them."""
    return BACKENDS[chosen(AUTO if backend == NONE else backend)]
