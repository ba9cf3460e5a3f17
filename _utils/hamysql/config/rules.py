"""What the pillar ``hamysql`` may say: every key, and what must hold between their values, each well-formed by itself.

Every rule looks only at parts that have no problem yet, adds what it finds to the report and never raises. Defaults are in
``hamysql/parameters/``, not here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from hamysql.backup.settings import BACKUP, check_backup
from hamysql.cib import names as cib_names
from hamysql.config import packages, places
from hamysql.config.packages import REPOSITORY, check_packages, check_repositories
from hamysql.corosync.settings import COROSYNC, check_corosync
from hamysql.fencing.settings import FENCING, QUORUM, check_fencing, check_quorum
from hamysql.firewall.settings import FIREWALL, check_firewall
from hamysql.mysql.account_settings import check_accounts
from hamysql.mysql.judge import check_server
from hamysql.mysql.settings import INIT_SCRIPT, MYSQL, check_given, check_secrets
from hamysql.mysql.tls.settings import check_tls
from hamysql.replica.settings import REPLICAS, check_replicas
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Report, Section, Value
from hamysql.schema.values import Config
from hamysql.storage import backends

PROPERTIES = Names(v.OPTION_NAME, v.required(v.PROPERTY_VALUE), "a mapping of names to values")

OPERATION = Section(
    {"interval": v.TIME, "timeout": v.TIME, "OCF_CHECK_LEVEL": v.count(0, 20, "how deep the agent looks")}
)


def _never(value: object) -> str:
    if value not in (0, "0", "0s") or isinstance(value, bool):
        raise ValueError
    return "0s"


# pacemaker ignores what it is told to repeat and cannot: crm_verify calls that an error.
ONCE = Section({**OPERATION.keys, "interval": Value("'0s': only a monitor is repeated", _never)})


def _operations(*names: str) -> Section:
    return Section({name: OPERATION if name.startswith("monitor") else ONCE for name in names})


NODE = Section(
    {
        "minion_id": v.NAME,
        "addresses": Items(v.ADDRESS, "a list of addresses, one for each link"),
        "disk": v.DEVICE,
        "vip_interface": v.INTERFACE,
    }
)

CLUSTER = Section(
    {
        "name": v.required(v.NAME, "the name that its members share"),
        "nodes": Names(v.NAME, NODE, "a mapping with two nodes; each key is what `uname -n` prints there"),
    }
)

VIP = Section(
    {
        "address": v.required(v.ADDRESS, "the address under which the database is reached"),
        "prefix": v.required(v.count(1, 128, "the length of its network's prefix")),
        "interface": v.INTERFACE,
        "agent": v.one_of("ocf:hamysql:address", "ocf:heartbeat:IPaddr2"),
        "watch": v.BOOLEAN,
        "reachable": Items(v.REACHABLE, "a list of addresses"),
    }
)


def _pacemaker() -> Section:
    return Section(
        {
            "hand_over": v.BOOLEAN,
            "python": v.PATH,
            "properties": PROPERTIES,
            "rsc_defaults": PROPERTIES,
            "operations": Section(
                {
                    cib_names.ADDRESS: _operations("start", "stop", "monitor"),
                    cib_names.WATCHER: _operations("start", "stop", "monitor"),
                    **{
                        name: _operations(*of)
                        for kind in backends.KINDS.values()
                        for name, of in kind.operations.items()
                    },
                    cib_names.FILE_SYSTEM: _operations("start", "stop", "monitor"),
                    cib_names.SERVER: _operations("start", "stop", "monitor"),
                }
            ),
            # Secret as a whole: a parameter of a resource may be a password.
            "configure": Value("text in the language of `crm configure`", v.lines, secret=True),
        }
    )


def schema() -> Section:
    """All keys; those of each kind of storage that there is are among them."""
    return Section(
        {
            "cluster": CLUSTER,
            "vip": VIP,
            "fencing": FENCING,
            "quorum": QUORUM,
            "corosync": COROSYNC,
            "repo": Section({"repositories": Names(v.NAME, REPOSITORY, "a mapping of names to repositories")}),
            "package": packages.section(),
            "firewall": FIREWALL,
            "storage": backends.section(),
            "mysql": MYSQL,
            "backup": BACKUP,
            "replicas": REPLICAS,
            "pacemaker": _pacemaker(),
        }
    )


# --- between the values

_PING_MARGIN = 10  # seconds; for what the agent does besides, on a busy node


def check_all(config: Config, report: Report, minion_id: str, nodename: str | None) -> None:
    """Apply every rule."""
    check_nodes(config, report)
    check_self(config, report, minion_id, nodename)
    check_vip(config, report)
    check_fencing(config, report, backends.for_fencing(config))
    check_quorum(config, report)
    check_corosync(config, report)
    check_repositories(config, report)
    check_packages(config, report)
    check_firewall(config, report)
    backends.check(config, report)
    for key, found, expected in places.problems(config):
        report.add(f"hamysql:{key}", found, expected)
    check_given(config, report)
    check_ping_timeout(config, report)
    check_server(config, report, (config["corosync"]["port"], *backends.taken(config)))
    check_tls(config, report)
    check_secrets(config, report)
    check_accounts(config, report)
    check_monitors(config, report)
    check_backup(config, report)
    check_replicas(config, report)


def check_ping_timeout(config: Config, report: Report) -> None:
    """A monitor that pacemaker ends itself says nothing of a hang, and the stop after it waits for a server that cannot end."""
    mysql, monitor = config["mysql"], config["pacemaker"]["operations"][cib_names.SERVER]["monitor"]["timeout"]
    ping, storage = mysql["ping_timeout"], mysql["storage_timeout"]
    if mysql["agent"] == INIT_SCRIPT:
        return  # it does not look
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
    nameless = [
        name
        for name, node in nodes.items()
        if node["vip_interface"] is None and not report.bad_under(f"hamysql:cluster:nodes:{name}:vip_interface")
    ]
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
