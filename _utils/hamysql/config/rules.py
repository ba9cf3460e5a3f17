"""What must hold between the values of a pillar, once each value by itself is well-formed.

Every rule looks only at parts that have no problem yet, adds what it finds to the report and never raises.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from hamysql.backup.settings import check_backup
from hamysql.cib import names as cib_names
from hamysql.config import places
from hamysql.config.packages import check_packages, check_repositories
from hamysql.corosync.settings import check_corosync
from hamysql.fencing.settings import check_fencing, check_quorum
from hamysql.firewall.settings import check_firewall
from hamysql.mysql.account_settings import check_accounts
from hamysql.mysql.judge import check_server
from hamysql.mysql.settings import check_given, check_secrets
from hamysql.mysql.tls.settings import check_tls
from hamysql.schema import values as v
from hamysql.schema.language import Report
from hamysql.schema.values import Config
from hamysql.storage import settings as storage_settings

_PING_MARGIN = 10  # seconds; for what the agent does besides, on a busy node


def check_all(config: Config, report: Report, minion_id: str, nodename: str | None) -> None:
    """Apply every rule."""
    check_nodes(config, report)
    check_self(config, report, minion_id, nodename)
    check_vip(config, report)
    check_fencing(config, report, storage_settings.for_fencing(config))
    check_quorum(config, report)
    check_corosync(config, report)
    check_repositories(config, report)
    check_packages(config, report)
    check_firewall(config, report)
    storage_settings.check_storage(config, report)
    for key, found, expected in places.problems(config):
        report.add(f"hamysql:{key}", found, expected)
    check_given(config, report)
    check_ping_timeout(config, report)
    check_server(config, report, (config["corosync"]["port"], *storage_settings.taken(config)))
    check_tls(config, report)
    check_secrets(config, report)
    check_accounts(config, report)
    check_monitors(config, report)
    check_backup(config, report)


def check_ping_timeout(config: Config, report: Report) -> None:
    """A monitor that pacemaker ends itself says nothing of a hang, and the stop after it waits for a server that cannot end."""
    mysql, monitor = config["mysql"], config["pacemaker"]["operations"][cib_names.SERVER]["monitor"]["timeout"]
    ping, storage = mysql["ping_timeout"], mysql["storage_timeout"]
    if None not in (ping, storage, monitor) and ping + storage + _PING_MARGIN > v.seconds(monitor):
        report.add(
            "hamysql:mysql:ping_timeout",
            f"{ping} s, and a storage_timeout of {storage} s",
            f"together at least {_PING_MARGIN} s less than the timeout of {cib_names.SERVER}'s monitor ({monitor})",
        )


def check_monitors(config: Config, report: Report) -> None:
    """pacemaker knows an operation by its name and interval: two monitors with the same one are one of them."""
    for resource, operations in config["pacemaker"]["operations"].items():
        given = {name: operations[name]["interval"] for name in _OF_ROLES if name in operations}
        if given and None not in given.values() and len({v.seconds(interval) for interval in given.values()}) == 1:
            path = f"hamysql:pacemaker:operations:{resource}:monitor_unpromoted:interval"
            report.add(path, given["monitor_unpromoted"], "another interval than that of monitor_promoted")


_OF_ROLES = ("monitor_promoted", "monitor_unpromoted")


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
        elif any(v.family(a) != v.family(b) for a, b in zip(one["addresses"], two["addresses"])):
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
            "hamysql:vip:prefix", str(prefix), f"1 to {_max_prefix(address)} for an IPv{v.family(address)} address"
        )


def _max_prefix(address: str) -> int:
    return ipaddress.ip_address(address).max_prefixlen
