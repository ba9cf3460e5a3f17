"""DRBD's configuration files as trees, in the syntax that kernel 8.4 and 9 share (drbd.conf-8.4(5), drbd.conf-9.0(5))."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from hamysql.schema import Secret
from hamysql.tree import Section, section


def build_global(drbd: dict[str, Any]) -> list[Section]:
    """The sections of global_common.conf."""
    return [section("global", [("usage-count", drbd["usage_count"]), *_quoted(drbd["options"]["global"])])]


def build_resource(config: dict[str, Any]) -> list[Section]:
    """The sections of the resource's file."""
    drbd = config["storage"]["drbd"]
    extra = {name: _quoted(options) for name, options in drbd["options"].items()}
    parts = [
        section(
            "startup",
            [("wfc-timeout", drbd["wfc_timeout"]), ("degr-wfc-timeout", drbd["degr_wfc_timeout"]), *extra["startup"]],
        ),
        section("disk", [("on-io-error", drbd["on_io_error"]), *_rate(drbd["rate"]), *extra["disk"]]),
        section(
            "net",
            [
                ("protocol", drbd["protocol"]),
                ("cram-hmac-alg", drbd["cram_hmac_alg"]),
                ("shared-secret", Secret(f'"{drbd["shared_secret"]}"')),
                *extra["net"],
            ],
        ),
        *(section(name, extra[name]) for name in ("handlers", "options") if extra[name]),
        *(_node(name, node, drbd) for name, node in config["cluster"]["nodes"].items()),
    ]
    return [section(f"resource {drbd['resource']}", sections=parts)]


def _rate(rate: str | None) -> list[tuple[str, str]]:
    """The rate of a resynchronisation.

    Since 8.4 ``resync-rate`` is only where DRBD's controller begins; ``c-plan-ahead 0`` turns the controller off, and
    the rate is what it says, as it was with the article's ``syncer { rate 10M; }``.
    """
    return [] if rate == "auto" or rate is None else [("c-plan-ahead", "0"), ("resync-rate", rate)]


def _node(name: str, node: dict[str, Any], drbd: dict[str, Any]) -> Section:
    return section(
        f"on {name}",
        [
            ("device", f"{drbd['device']} minor {drbd['minor']}"),
            ("disk", node["disk"]),
            ("meta-disk", "internal"),
            ("address", endpoint(node["replication"], drbd["port"])),
        ],
    )


def endpoint(address: str, port: int) -> str:
    """An address and port as DRBD writes them."""
    if ipaddress.ip_address(address).version == 6:
        return f"ipv6 [{address}]:{port}"
    return f"ipv4 {address}:{port}"


def _quoted(options: dict[str, str]) -> list[tuple[str, str]]:
    """Words stand as they are, everything else in quotes (its characters were checked with the pillar)."""
    return [
        (name, value if re.fullmatch(r"[A-Za-z0-9_./-]+", value) else f'"{value}"') for name, value in options.items()
    ]


def export(sections: Iterable[Section], depth: int = 0) -> str:
    """The text of a configuration file. It holds the shared secret."""
    indent = "  " * depth
    lines = []
    for part in sections:
        options = [f"{indent}  {name} {value};\n" for name, value in part["options"]]
        lines += [f"{indent}{part['name']} {{\n", *options, export(part["sections"], depth + 1), f"{indent}}}\n"]
    return "".join(lines)
