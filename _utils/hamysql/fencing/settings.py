"""What the pillar may say of fencing, of the quorum device and of the cluster's properties: keys and rules."""

from __future__ import annotations

from dataclasses import dataclass

from hamysql.cib import properties as cib_properties
from hamysql.cib.properties import FALSE
from hamysql.fencing import values as f
from hamysql.fencing.devices import LAST_LEVEL, WORTH, levels_of, names_of
from hamysql.fencing.options import check_device
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Report, Section
from hamysql.schema.values import Config

FENCE_DEVICE = Section(
    {
        "agent": v.required(f.FENCE_AGENT),
        "level": v.count(1, 9, "a level of the node's fencing topology"),
        "timeout": v.count(5, 3600, "seconds"),
        "options": f.OPTIONS,
        "secrets": f.SECRETS,
    }
)

FENCING = Section(
    {
        "i_accept_data_loss_without_fencing": v.BOOLEAN,
        "delay": v.count(0, 300, "seconds"),
        "favoured": v.NAME,
        "timeout": v.count(5, 3600, "seconds"),
        "monitor_interval": v.count(10, 86400, "seconds"),
        "devices": Names(
            v.NAME,
            Items(FENCE_DEVICE, "a list of fence devices"),
            "a mapping of nodes to the devices that cut them off",
        ),
        "sbd": Section(
            {
                "device": v.DEVICE,
                "watchdog": v.DEVICE,
                "watchdog_timeout": v.count(1, 600, "seconds"),
                "config_file": v.PATH,
            }
        ),
    }
)

QUORUM = Section(
    {
        "device": Section(
            {
                "minion_id": v.NAME,
                "address": v.ADDRESS,
                "port": v.PORT,
                "algorithm": v.one_of("ffsplit", "lms"),
                "timeout": v.count(1250, 150000, "milliseconds"),  # qnetd takes a heartbeat (0.8 of it) of 1 to 120 s
            }
        )
    }
)


OPT_OUT = "hamysql:fencing:i_accept_data_loss_without_fencing"
WHY_FENCING = (
    "without fencing both halves of a partition may go on writing, and one half's data is lost afterwards: set "
    f"{OPT_OUT}: true only where losing data is acceptable"
)
PROPERTIES = "hamysql:pacemaker:properties"

WATCHDOG = (
    "not to be set: with it pacemaker takes a lost node for one that its own watchdog has ended. Only sbd without a disk does "
    "that, and of two nodes it ends the survivor as well, which has no quorum either; hamysql:fencing:sbd is sbd with a disk"
)
OWN_PROPERTIES = ("cluster-name", "cluster-infrastructure", "dc-version", "have-watchdog", "last-lrm-refresh")


@dataclass(frozen=True)
class Data:
    """What the storage has to do with fencing.

    reserved
        Reservations on the data's own disk cut off any node.
    optional
        An operator may decide to do without fencing; otherwise the storage's own rules say why not.
    disks
        Those that hold the data, or may.
    """

    reserved: bool = False
    optional: bool = False
    disks: tuple[str, ...] = ()


def check_fencing(config: Config, report: Report, data: Data) -> None:
    fencing = config["fencing"]
    path = "hamysql:fencing"
    opted_out = fencing["i_accept_data_loss_without_fencing"] is True
    nodes = config["cluster"]["nodes"]
    devices = fencing["devices"]
    sbd = fencing["sbd"]["device"]
    for_all = bool(sbd) or data.reserved  # what cuts off any node
    for node, given in devices.items():
        where = f"{path}:devices:{node}"
        if node not in nodes:
            report.add(where, f"the key {node!r}", f"one of the cluster's nodes: {', '.join(nodes)}")
        for number, device in enumerate(given):
            check_device(device, f"{where}:{number}", report)
        # sbd's disk and reservations come last
        levels = levels_of([*(device["level"] for device in given), *[None] * (bool(sbd) + data.reserved)])
        if max(levels, default=0) > LAST_LEVEL and not report.bad_under(where):
            report.add(
                where,
                f"a device in level {max(levels)}",
                f"levels up to {LAST_LEVEL}, each device's after those before it",
            )
    _check_names(devices, bool(sbd), list(nodes), report)
    _check_sbd(config, report, data.disks)
    if (devices or for_all) and opted_out and data.optional:
        report.add(OPT_OUT, "true, and there are fence devices", "one of the two: with devices it is not needed")
    elif not opted_out and not report.bad_under(path) and not report.bad_under("hamysql:cluster"):
        if not devices and not for_all:
            report.add(f"{path}:devices", "no fence device", f"a device for each node; {WHY_FENCING}")
        for node in nodes if devices and not for_all else ():
            if not devices.get(node):
                report.add(f"{path}:devices:{node}", "no fence device", f"a device that cuts off {node}; {WHY_FENCING}")
    favoured = fencing["favoured"]
    if favoured is not None and favoured not in (*WORTH, *nodes):
        report.add(f"{path}:favoured", repr(favoured), f"'standby', 'active' or one of the nodes: {', '.join(nodes)}")
    _check_properties(config, report, opted_out, data.reserved)


def _check_names(devices: Config, sbd: bool, nodes: list[str], report: Report) -> None:
    """Each device has its name from its node, and from the second one on a number: `db` with two has the name of a node `db_2`."""
    seen: dict[str, str] = {}
    for node in dict.fromkeys([*nodes, *devices]):
        for number, name in enumerate(names_of(node, len(devices.get(node, ())) + sbd)):
            where = f"hamysql:fencing:devices:{node}:{number}"
            if name in seen:
                expected = f"a name in the cluster of its own: {seen[name]} has it as well; rename one of the nodes"
                report.add(where, f"the fence device {name}", expected)
            seen.setdefault(name, where)


def _check_sbd(config: Config, report: Report, disks: tuple[str, ...]) -> None:
    device, path = config["fencing"]["sbd"]["device"], "hamysql:fencing:sbd:device"
    if device is None:
        return
    if device.startswith("/dev/drbd") or device in disks:
        report.add(
            path, repr(device), "a disk of its own that both nodes share: what holds the data has no room for it"
        )
    if config["fencing"]["sbd"]["config_file"] is None:
        report.add("hamysql:fencing:sbd:config_file", "nothing", "the file that sbd's unit reads its options from")


def check_quorum(config: Config, report: Report) -> None:
    device, path = config["quorum"]["device"], "hamysql:quorum:device"
    for one, other in (("minion_id", "address"), ("address", "minion_id")):
        if device[one] is not None and device[other] is None and not report.bad_under(f"{path}:{other}"):
            report.add(
                f"{path}:{other}", "nothing", f"the {other.replace('_', ' ')} of the third machine, beside its {one}"
            )
    for name, node in config["cluster"]["nodes"].items():
        if device["address"] is not None and device["address"] in node["addresses"]:
            report.add(f"{path}:address", repr(device["address"]), f"a third machine: it is an address of {name}")
        if device["minion_id"] is not None and device["minion_id"] == (node["minion_id"] or name):
            report.add(f"{path}:minion_id", repr(device["minion_id"]), f"a third machine: {name} is a data node")


def _check_properties(config: Config, report: Report, opted_out: bool, reserved: bool) -> None:
    fenced = config["fencing"]["devices"] or config["fencing"]["sbd"]["device"] or reserved
    for given, value in config["pacemaker"]["properties"].items():
        name, where = cib_properties.canonical(given), f"{PROPERTIES}:{given}"
        if name in OWN_PROPERTIES:
            report.add(where, "a property that pacemaker writes itself", "not to be set")
        if name != given and name in given.replace("_", "-").lower():
            report.add(where, "another spelling of a property", repr(name))
        for expected in cib_properties.wrong_property(given, str(value), opted_out):
            about_fencing = name in (*cib_properties.OPTIONAL, "no-quorum-policy")
            report.add(where, repr(value), f"{expected}; {WHY_FENCING}" if about_fencing else expected)
        if name == "stonith-enabled" and fenced and str(value).strip().lower() in FALSE:
            report.add(where, repr(value), "not to be set: fence devices that are not used protect nothing")
        if name == "stonith-watchdog-timeout" and str(value).strip().rstrip("smhin") != "0":
            report.add(where, repr(value), WATCHDOG)
        if name == "priority-fencing-delay":
            report.add(
                where, "a property that hamysql writes itself", "hamysql:fencing:favoured and delay to be set instead"
            )
        if name == "stonith-timeout" and fenced:
            report.add(where, "a property that hamysql computes", "the timeout of the fence devices to be set instead")
    for name, value in config["pacemaker"]["rsc_defaults"].items():
        for expected in cib_properties.wrong_default("rsc_defaults", name, str(value)):
            report.add(f"hamysql:pacemaker:rsc_defaults:{name}", repr(value), expected)
