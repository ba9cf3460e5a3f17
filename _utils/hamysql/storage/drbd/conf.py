"""DRBD's configuration files, for kernel modules of 8.4 and 9.

Sources: drbd.conf-8.4(5) and drbd.conf-9.0(5); on fencing crm-fence-peer.sh's own text (drbd-utils).
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable

from hamysql.corosync import conf as corosync_conf
from hamysql.resolved import Resolved
from hamysql.resolved.cluster import Corosync, Node
from hamysql.resolved.sections import Section
from hamysql.resolved.storage import Drbd
from hamysql.schema.language import Secret
from hamysql.storage.drbd import values as words
from hamysql.system.sections import section

KERNELS = ("8.4", "9")  # of the module; they differ in what they call fencing


# Options of the section "global" that have no value: they are there, or not.
SWITCHES = ("disable-ip-verification", "udev-always-use-vnr")

# What DRBD goes by without a rate (drbd.conf(5)): its controller begins with the one, and looks so many tenths of a second ahead.
RATE_DEFAULTS = [("c-plan-ahead", "20"), ("resync-rate", "250k")]

# Seconds that the election of a controller may take after corosync has noticed the loss.
ELECTION = 20


def global_text(drbd: Drbd) -> str:
    """The text of global_common.conf."""
    return _export(_global(drbd))


def resource_text(config: Resolved, kernel: str) -> str:
    """The text of the resource's file for a kernel module, one of ``KERNELS``. It holds the shared secret."""
    return Secret(_export(build_resource(config, kernel)))


def _global(drbd: Drbd) -> list[Section]:
    given = {name: value for name, value in drbd["options"]["global"].items() if name not in SWITCHES}
    switches = [(name, "") for name in SWITCHES if drbd["options"]["global"].get(name) == "yes"]
    return [section("global", [("usage-count", drbd["usage_count"]), *_quoted(given), *switches])]


def build_resource(config: Resolved, kernel: str) -> list[Section]:
    """The sections of the resource's file for a kernel module, one of ``KERNELS``."""
    drbd = config["storage"]["drbd"]
    extra = {name: _quoted(options) for name, options in drbd["options"].items()}
    # Commands: 8.4 wants strings there, and takes a bare keyword for none.
    extra["handlers"] = [(name, words.name(command)) for name, command in drbd["options"]["handlers"].items()]
    for name, options in fencing_sections(config, kernel).items():
        extra[name] = [*options, *extra[name]]
    parts = [
        section(
            "startup",
            [("wfc-timeout", drbd["wfc_timeout"]), ("degr-wfc-timeout", drbd["degr_wfc_timeout"]), *extra["startup"]],
        ),
        section("disk", [("on-io-error", drbd["on_io_error"]), *rate_options(drbd["rate"]), *extra["disk"]]),
        section(
            "net",
            [
                ("protocol", drbd["protocol"]),
                ("cram-hmac-alg", drbd["cram_hmac_alg"]),
                ("shared-secret", Secret(words.quoted(drbd["shared_secret"] or ""))),
                *_verify(drbd),
                *extra["net"],
            ],
        ),
        *(section(name, extra[name]) for name in ("handlers", "options") if extra[name]),
        *(_node(name, node, drbd) for name, node in config["cluster"]["nodes"].items()),
    ]
    return [section(f"resource {words.name(drbd['resource'])}", sections=parts)]


def fencing_sections(config: Resolved, kernel: str) -> dict[str, list[tuple[str, str]]]:
    """What DRBD is told about fencing, by section of its configuration, for a kernel module of 8.4 or 9.

    With ``resource-and-stonith`` a primary that has lost its peer holds all writes until the peer can write no more. The handler
    waits for pacemaker to have fenced it, and goes on without that proof when its own time is over, so it gets more than
    pacemaker needs: the time to notice the loss, to elect a controller, and to try all fence devices. It waits longer still for a
    controller (``dc-timeout > timeout``, says the handler's own text): with none it fails, and the writes are held for good.
    """
    fencing = config["fencing"]
    if not fencing["enabled"]:
        return {}
    patience = _notice(config["corosync"]) + ELECTION + fencing["stonith_timeout"]
    handler = f"--timeout {patience} --dc-timeout {patience + ELECTION}"
    if kernel.startswith("8."):
        return {
            "disk": [("fencing", "resource-and-stonith")],
            "handlers": [
                ("fence-peer", f'"/usr/lib/hamysql/fence-peer fence {handler}"'),
                ("after-resync-target", '"/usr/lib/hamysql/fence-peer unfence"'),
            ],
        }
    return {
        "net": [("fencing", "resource-and-stonith")],
        "handlers": [
            ("fence-peer", f'"/usr/lib/drbd/crm-fence-peer.9.sh {handler}"'),
            ("unfence-peer", '"/usr/lib/drbd/crm-unfence-peer.9.sh"'),
        ],
    }


def _notice(settings: Corosync) -> int:
    """Seconds until corosync takes a silent node for dead: its token, and the consensus about that (corosync.conf(5))."""
    return math.ceil((int(settings["token"]) + corosync_conf.consensus(settings)) / 1000)


def _verify(drbd: Drbd) -> list[tuple[str, str]]:
    """The digest of a verification; both sides have to have the same, or none."""
    alg = drbd["verify"]["alg"]
    return [("verify-alg", alg)] if alg and "verify-alg" not in drbd["options"]["net"] else []


def rate_options(rate: str | None) -> list[tuple[str, str]]:
    """The rate of a resynchronisation.

    Since 8.4 ``resync-rate`` is only where DRBD's controller begins; ``c-plan-ahead 0`` turns the controller off, and
    the rate is what it says, as it was with DRBD 8.3's ``syncer { rate 10M; }``.
    """
    return [] if rate == "auto" or rate is None else [("c-plan-ahead", "0"), ("resync-rate", rate)]


def _node(name: str, node: Node, drbd: Drbd) -> Section:
    return section(
        f"on {words.name(name)}",
        [
            ("device", f"{drbd['device']} minor {drbd['minor']}"),
            ("disk", words.name(str(node["disk"]))),
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
    return [(name, words.value(value)) for name, value in options.items()]


def _export(sections: Iterable[Section], depth: int = 0) -> str:
    indent = "  " * depth
    lines = []
    for part in sections:
        options = [f"{indent}  {name} {value}".rstrip() + ";\n" for name, value in part["options"]]
        lines += [f"{indent}{part['name']} {{\n", *options, _export(part["sections"], depth + 1), f"{indent}}}\n"]
    return "".join(lines)
