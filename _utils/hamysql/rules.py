"""What must hold between the values of a pillar, once each value by itself is well-formed.

Every rule looks only at parts that have no problem yet, adds what it finds to the report and never raises.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from hamysql import values as v
from hamysql.rules_corosync import check_corosync
from hamysql.rules_data import check_accounts, check_paths, check_ping_timeout, check_secrets
from hamysql.rules_fencing import check_fencing, check_quorum
from hamysql.rules_mysql import check_server
from hamysql.rules_storage import check_storage
from hamysql.rules_tls import check_tls
from hamysql.schema import Report, closest

Config = dict[str, Any]


def check_all(config: Config, report: Report, minion_id: str, nodename: str | None) -> None:
    """Apply every rule."""
    check_nodes(config, report)
    check_self(config, report, minion_id, nodename)
    check_vip(config, report)
    check_fencing(config, report)
    check_quorum(config, report)
    check_corosync(config, report)
    check_repositories(config, report)
    check_packages(config, report)
    check_firewall(config, report)
    check_storage(config, report)
    check_paths(config, report)
    check_ping_timeout(config, report)
    check_server(config, report)
    check_tls(config, report)
    check_secrets(config, report)
    check_accounts(config, report)
    check_monitors(config, report)


def check_monitors(config: Config, report: Report) -> None:
    """pacemaker knows an operation by its name and interval: two monitors with the same one are one of them."""
    operations = config["pacemaker"]["operations"]["p_drbd_mysql"]
    given = {name: operations[name]["interval"] for name in ("monitor_promoted", "monitor_unpromoted")}
    if None not in given.values() and len({v.seconds(interval) for interval in given.values()}) == 1:
        path = "hamysql:pacemaker:operations:p_drbd_mysql:monitor_unpromoted:interval"
        report.add(path, given["monitor_unpromoted"], "another interval than that of monitor_promoted")


def _all_addresses(config: Config) -> Iterator[tuple[str, str]]:
    for name, node in config["cluster"]["nodes"].items():
        for number, address in enumerate(node["addresses"]):
            if address is not None:
                yield f"hamysql:cluster:nodes:{name}:addresses:{number}", address


def check_nodes(config: Config, report: Report) -> None:
    path = "hamysql:cluster:nodes"
    nodes = config["cluster"]["nodes"]
    if len(nodes) != 2 and not any(problem.path.startswith(path) for problem in report.problems):
        report.add(path, f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}", "exactly two data nodes")
    seen: dict[str, str] = {}
    for where, address in _all_addresses(config):
        if address in seen:
            report.add(where, repr(address), f"an address of its own: {seen[address]} has this one")
        seen.setdefault(address, where)
    minions: dict[str, str] = {}
    for name, node in nodes.items():
        minion = node["minion_id"] or name
        if minion in minions:
            report.add(f"{path}:{name}:minion_id", repr(minion), f"a minion of its own: {minions[minion]} has this one")
        minions.setdefault(minion, name)
        if not node["addresses"] and not report.bad_under(f"{path}:{name}:addresses"):
            report.add(f"{path}:{name}:addresses", "no address", "one address for each link")
    if len(nodes) == 2 and not report.bad_under(path):
        (first, one), (second, two) = nodes.items()
        if len(one["addresses"]) != len(two["addresses"]):
            found = f"{len(two['addresses'])}, where {first} has {len(one['addresses'])}"
            report.add(f"{path}:{second}:addresses", found, "as many addresses on both nodes, one for each link")
        elif any(_version(a) != _version(b) for a, b in zip(one["addresses"], two["addresses"])):
            found = "IPv4 and IPv6 on the same link"
            report.add(f"{path}:{second}:addresses", found, f"the addresses in the same order and family as {first}'s")


def check_self(config: Config, report: Report, minion_id: str, nodename: str | None) -> None:
    path = "hamysql:cluster:nodes"
    nodes = config["cluster"]["nodes"]
    if not nodes or report.bad_under(path):
        return
    names = [name for name, node in nodes.items() if (node["minion_id"] or name) == minion_id]
    if not names:
        ids = ", ".join(repr(node["minion_id"] or name) for name, node in nodes.items())
        report.add(
            path, f"no node with this minion's id {minion_id!r}", f"the minion_id of one node to be it; there are {ids}"
        )
    elif nodename is not None and names[0] != nodename:
        report.add(
            f"{path}:{names[0]}",
            f"the key {names[0]!r} for the minion {minion_id!r}",
            f"{nodename!r}, which is what `uname -n` prints there (corosync, pacemaker and DRBD know a node by it)",
        )


def check_vip(config: Config, report: Report) -> None:
    vip = config["vip"]
    address, prefix = vip["address"], vip["prefix"]
    path, nodes = "hamysql:vip:interface", config["cluster"]["nodes"]
    nameless = [name for name, node in nodes.items() if node["vip_interface"] is None]
    if vip["interface"] is None and not report.bad_under(path) and (nameless or not nodes):
        where = " and ".join(f"hamysql:cluster:nodes:{name}:vip_interface" for name in nameless)
        report.add(path, "nothing", f"{v.INTERFACE.expected}" + (f", or {where}" if where else ""))
    if address is None:
        return
    for where, other in _all_addresses(config):
        if other == address:
            report.add("hamysql:vip:address", repr(address), f"an address that no node has; it is {where}")
    if prefix is not None and prefix > _max_prefix(address):
        report.add(
            "hamysql:vip:prefix", str(prefix), f"1 to {_max_prefix(address)} for an IPv{_version(address)} address"
        )


def check_repositories(config: Config, report: Report) -> None:
    for name, repository in config["repo"]["repositories"].items():
        path = f"hamysql:repo:repositories:{name}"
        if repository["disable_after_install"] and not repository["packages"]:
            report.add(f"{path}:packages", "no package", "what to install from it before it is disabled")
        for key, value in repository.items():
            if isinstance(value, str) and "://" in value and "@" in value.partition("://")[2].split("/")[0]:
                report.add(
                    f"{path}:{key}",
                    "a user name or password in an address",
                    "them in /etc/apt/auth.conf.d or the like: repository files can be read by everybody",
                )


def check_packages(config: Config, report: Report) -> None:
    """A version is for a package that hamysql installs, whether this site needs it or not."""
    known = set(
        _names({key: value for key, value in config["package"].items() if key not in ("versions", "masked_units")})
    )
    known |= {name for repository in config["repo"]["repositories"].values() for name in repository["packages"]}
    if report.bad_under("hamysql:repo") or report.bad_under("hamysql:package"):
        return
    for name in config["package"]["versions"]:
        if name not in known:
            report.hints -= 1
            close = closest(name, sorted(map(str, known))) if report.hints >= 0 else None
            nearest = f"{close!r}, the nearest that is, or " if close else ""
            expected = f"{nearest}it in hamysql:package:further as well"
            report.add(f"hamysql:package:versions:{name}", "a package that is not among those to install", expected)


def _names(packages: Any) -> Iterator[str]:
    if isinstance(packages, dict):
        for value in packages.values():
            yield from _names(value)
    elif isinstance(packages, list):
        yield from packages


def check_firewall(config: Config, report: Report) -> None:
    address = config["vip"]["address"]
    for number, network in enumerate(config["firewall"]["client_networks"]):
        if network is not None and address is not None and ipaddress.ip_network(network).version != _version(address):
            report.add(
                f"hamysql:firewall:client_networks:{number}",
                repr(network),
                f"an IPv{_version(address)} network, as the VIP {address} is one",
            )


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version


def _max_prefix(address: str) -> int:
    return ipaddress.ip_address(address).max_prefixlen
