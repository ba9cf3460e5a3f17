"""Fence devices: from the pillar to what pacemaker and the nodes' files need. Pure.

Source: Pacemaker Explained, "Fencing".
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from hamysql.cib import build as cib_build
from hamysql.cib import model as cib_model
from hamysql.cib import names as cib_names
from hamysql.fencing import reservations
from hamysql.resolved import Resolved
from hamysql.resolved.cluster import FenceDevice, Fencing, Level
from hamysql.schema.language import Secret
from hamysql.schema.values import Config

# Where pacemaker looks for a parameter whose value in the CIB is only MAGIC (Pacemaker Administration; cibsecret(8)).
SECRETS = "/var/lib/pacemaker/lrm/secrets"
MAGIC = "lrm://"

# Agents that do their work through ipmitool, which their package only recommends.
IPMI_AGENTS = frozenset(
    "fence_ipmilan fence_ipmilanplus fence_idrac fence_ilo3 fence_ilo4 fence_ilo5 fence_imm".split()
)

PROVING = cib_model.PROVING

# They start ipmitool several times for each fencing; this one does without most of its work (files/ipmitool.sh says how).
IPMITOOL = "/usr/lib/hamysql/ipmitool"
# A takeover needs a node to be off, not to be on again. So their devices only switch off where pacemaker wants a reboot: half as
# many logins to a board, and one power_wait instead of two, seconds where boards are slow. An alert of pacemaker's switches on.
POWER_ON = "/usr/lib/hamysql/power-on"
POWER_ON_ID = "a_power_on"
POWER_ON_ATTEMPTS = 3  # as in files/power-on.sh, each after a pause of 5 s

# pacemaker knows no further one (Pacemaker Explained, "Fencing Topologies").
LAST_LEVEL = 9
# Seconds on top of what delays and agents may take until pacemaker calls a fencing failed: an action starts late where the node
# that has to run it is just being elected controller. (pacemaker 2.1.5 leaves the delays out of its own account.)
MARGIN = 15
# Seconds of head start of the favoured node when both live and shoot each other. One of them may begin a second later: pacemaker's
# controller may sleep for one before it looks at a loss (do_pe_invoke_callback; transition-delay makes that rare). The rest is for
# boards that do not take the same time; `hamysql.fence_test` measures theirs, and says what they need. It is what the real loss of
# the favoured node costs, so it is short, and by default it is the standby's. With a quorum device only the half that has its vote
# shoots at all.
HEAD_START = 2
# What the group with the database is worth (pacemaker's ``priority``) where not a node by its name is favoured, but whichever has a
# role: with ``priority-fencing-delay`` the node that has the most is shot later, and a negative worth makes that the other one.
WORTH = {"active": 1, "standby": -1}


def derive(config: Config) -> None:
    """Complete a valid configuration's ``fencing``, and the cluster properties that follow from it.

    ``fencing:devices`` becomes a list of ``{"id", "node", "level", "agent", "options", "secrets", "timeout", "delay"}``; ``levels``
    is ``{node: [{"level", "devices": [ids]}]}``; times are in seconds; ``secret_files`` are those that this node needs.
    ``power_on`` are the nodes that their devices only switch off, and ``ipmitool`` says whether a device starts ours.
    ``reservations`` is the device that cuts off any node by reservations on the shared LUN (:mod:`hamysql.fencing.reservations`).
    """
    fencing, properties = config["fencing"], config["pacemaker"]["properties"]
    fencing["favoured"] = fencing["favoured"] or "standby"
    if fencing["delay"] is None:
        fencing["delay"] = 0 if config["quorum"]["device"] else HEAD_START
    _derive_sbd(config)
    devices = [
        _device(node, number, {**device, "level": level}, fencing)
        for node, given in fencing["devices"].items()
        for number, (device, level) in enumerate(zip(given, levels_of(device["level"] for device in given)), 1)
    ]
    fencing["i_accept_data_loss_without_fencing"] = fencing["i_accept_data_loss_without_fencing"] is True
    reserved = reservations.device(config, fencing["timeout"], fencing["delay"], fencing["favoured"])
    fencing["enabled"] = bool(devices or reserved)
    fencing["devices"] = devices
    fencing["reservations"] = reserved
    fencing["ipmitool"] = any(device["options"].get("ipmitool_path") == IPMITOOL for device in devices)
    fencing["power_on"] = [] if fencing["sbd"] or reserved else _off_is_enough(devices)
    fencing["levels"] = _levels(devices)
    if reserved:  # the last resort of each node: what switches it off brings it back as well
        for node in config["cluster"]["nodes"]:
            levels = fencing["levels"].setdefault(node, [])
            levels.append(
                {"level": max((level["level"] for level in levels), default=0) + 1, "devices": [reserved["id"]]}
            )
    properties["stonith-enabled"] = "true" if fencing["enabled"] else "false"
    if not fencing["enabled"]:
        fencing["secret_files"] = []
        return
    fencing["stonith_timeout"] = stonith_timeout(fencing)
    properties.setdefault("stonith-timeout", f"{fencing['stonith_timeout']}s")
    if fencing["favoured"] in WORTH and fencing["delay"]:
        properties["priority-fencing-delay"] = f"{fencing['delay']}s"
    # A node runs only the devices that cut off the other one, and is not told the secrets of its own.
    fencing["secret_files"] = [
        {
            "id": f"{device['id'].removeprefix(cib_names.FENCE)}-{name}".replace("_", "-"),
            "path": f"{SECRETS}/{device['id']}/{name}",
            "value": value,
            "sign": _sign(value),
        }
        for device in devices
        if device["node"] != config["self"]
        for name, value in device["secrets"].items()
    ]


def _derive_sbd(config: Config) -> None:
    """A shared disk for poison pills is the last device of each node; all that is needed for it follows from the watchdog's time.

    sbd(8): a node that cannot read its slot ends within the watchdog's time, and whoever has written a pill waits for twice that
    (msgwait) before it counts as fenced.
    """
    fencing = config["fencing"]
    sbd = fencing["sbd"]
    fencing["sbd_file"] = sbd["config_file"]
    if not sbd["device"]:
        fencing["sbd"] = {}
        return
    sbd["msgwait"] = 2 * sbd["watchdog_timeout"]
    # fence_sbd gives up after its power_timeout; pacemaker after the device's timeout, which has to be at least twice msgwait
    options = {"devices": sbd["device"], "power_timeout": str(sbd["msgwait"] + 10)}
    for node in config["cluster"]["nodes"]:
        device = {"agent": "fence_sbd", "level": None, "timeout": 2 * sbd["msgwait"] + 20, "options": options}
        fencing["devices"].setdefault(node, []).append({**device, "secrets": {}})


def _off_is_enough(devices: Iterable[FenceDevice]) -> list[str]:
    """Have devices switch off where pacemaker wants a reboot, and return the nodes that are to be switched on afterwards.

    Not where the pillar says itself what a reboot is. Not to be called where a node may have been cut off by sbd's disk or by
    reservations: `stonith_admin --unfence` tries the devices of all levels, and would lift that as well.
    """
    nodes = []
    for device in devices:
        if device["agent"] in IPMI_AGENTS and "pcmk_reboot_action" not in device["options"]:
            device["options"]["pcmk_reboot_action"] = "off"
            nodes.append(device["node"])
    return list(dict.fromkeys(nodes))


def _device(node: str, number: int, device: Config, fencing: Config) -> FenceDevice:
    timeout = device["timeout"] or fencing["timeout"]
    options = dict(device["options"])
    if device["agent"] in IPMI_AGENTS:
        options.setdefault("ipmitool_path", IPMITOOL)
    options |= {"pcmk_host_list": node, "pcmk_host_check": "static-list"}
    options |= {f"pcmk_{action}_timeout": f"{timeout}s" for action in ("reboot", "off", "on")}
    delay = fencing["delay"] if node == fencing["favoured"] else 0
    if delay:
        options["pcmk_delay_base"] = f"{delay}s"
    name = names_of(node, number)[-1]
    return {
        "id": name,
        "node": node,
        "level": device["level"],
        "agent": device["agent"],
        "options": options,
        "secrets": dict(device["secrets"]),
        "timeout": timeout,
        "delay": delay,
    }


def names_of(node: str, number: int) -> list[str]:
    """The ids of a node's first so many devices."""
    first = f"{cib_names.FENCE}{node}"
    return [first if count == 1 else f"{first}_{count}" for count in range(1, number + 1)]


def levels_of(given: Iterable[int | None]) -> list[int]:
    """The level of each of a node's devices: the given one; without one, the next after all that are listed before it."""
    found: list[int] = []
    for level in given:
        found.append(level or max(found, default=0) + 1)
    return found


def _levels(devices: list[FenceDevice]) -> dict[str, list[Level]]:
    """The order in which each node's devices are tried; those of one level only help together."""
    levels: dict[str, dict[int, list[str]]] = {}
    for device in devices:
        levels.setdefault(device["node"], {}).setdefault(device["level"], []).append(device["id"])
    return {
        node: [{"level": level, "devices": found[level]} for level in sorted(found)] for node, found in levels.items()
    }


def stonith_timeout(fencing: Config) -> int:
    """Seconds until a fencing has failed: all levels of a node may have to be tried, one after another.

    Each device of the favoured node waits for its head start anew. Those of one level are all switched off, and then all on again,
    which is not delayed (pacemaker: ``advance_topology_level`` and ``op_phase_on`` in fenced_remote.c, ``get_action_delay_base`` in
    fenced_commands.c). ``priority-fencing-delay`` is waited for once.
    """
    devices, reserved = {device["id"]: device for device in fencing["devices"]}, fencing["reservations"]
    sums = []
    for node, levels in fencing["levels"].items():
        if reserved:
            devices[reserved["id"]] = {**reserved, "delay": reserved["delays"].get(node, 0)}
        seconds = 0
        for level in levels:
            given = [devices[name] for name in level["devices"]]
            seconds += sum(device["timeout"] + device["delay"] for device in given)
            seconds += sum(device["timeout"] for device in given) if len(given) > 1 else 0
        sums.append(seconds)
    once = fencing["delay"] if fencing["favoured"] in WORTH else 0
    return int(max(sums)) + once + MARGIN


def _sign(value: str) -> Secret:
    """What cibsecret writes beside a secret: pacemaker refuses a value that does not match it."""
    return Secret(hashlib.md5(value.encode(), usedforsecurity=False).hexdigest())


def unused_secrets(config: Resolved, found: Iterable[str], cib: ET.Element | None) -> list[str]:
    """Which files hold a secret of a device that left the pillar.

    found
        All files below :data:`SECRETS`.
    cib
        The cluster's configuration, ``None`` where there is none. As long as a device is in it, it can be needed.
    """
    used = {file["path"] for file in config["fencing"]["secret_files"]}
    for device in cib.iter("primitive") if cib is not None else ():
        used |= {f"{SECRETS}/{device.get('id')}/{pair.get('name')}" for pair in device.iter("nvpair")}
    nodes = "|".join(map(re.escape, config["cluster"]["nodes"]))
    ours = re.compile(rf"{SECRETS}/{cib_names.FENCE}(?:{nodes})(?:_\d+)?/[^/]+")
    return sorted(path for path in found if ours.fullmatch(path) and path.removesuffix(".sign") not in used)


def left_stopped(cib: ET.Element) -> list[str]:
    """The fence devices that a fence test has stopped: while none is under way, one that was killed has left them."""
    return [
        device.get("id", "")
        for device in cib.iterfind("configuration/resources//primitive")
        if any(cib_model.is_proving(pair) for pair in device.iterfind("meta_attributes/nvpair"))
    ]


def to_stop(cib: ET.Element, names: Iterable[str]) -> list[tuple[str, bool]]:
    """Which of these fence devices a fence test has to stop, and whether each has another ``target-role`` that has to go first.

    Of two roles in one set pacemaker heeds the first. "Started" is what a device without a role does as well. One that somebody has
    stopped stays as it is.
    """
    found = []
    for name in names:
        pairs = cib.findall(
            f"configuration/resources//primitive[@id='{name}']/meta_attributes/nvpair[@name='target-role']"
        )
        others = [pair.get("value", "") for pair in pairs if not cib_model.is_proving(pair)]
        if all(value.lower() == "started" for value in others):
            found.append((name, bool(others)))
    return found


def elements(config: Resolved) -> dict[str, list[ET.Element]]:
    """What fencing adds to the CIB: ``{section: [elements]}``.

    Secrets are not in it: pacemaker reads them from a file of the node that runs the agent.
    """
    fencing = config["fencing"]
    resources, constraints, topology = [], [], []
    for device in fencing["devices"]:
        name = device["id"]
        options = {**device["options"], **dict.fromkeys(device["secrets"], MAGIC)}
        resources.append(cib_build.fence_device(device, fencing["monitor_interval"], options))
        away = {"id": f"l_{name.removeprefix('p_')}", "rsc": name, "node": device["node"], "score": "-INFINITY"}
        constraints.append(ET.Element("rsc_location", away))
    if fencing["reservations"]:
        resources.append(reservations.element(fencing["reservations"], fencing["monitor_interval"]))
    for node, levels in fencing["levels"].items():
        if len(levels) > 1 or len(levels[0]["devices"]) > 1:
            for level in levels:
                said = {"id": f"fl_{node}_{level['level']}", "target": node, "index": str(level["level"])}
                said["devices"] = ",".join(level["devices"])
                topology.append(ET.Element("fencing-level", said))
    alerts = [_power_on(fencing)] if fencing["power_on"] else []
    return {"resources": resources, "constraints": constraints, "fencing-topology": topology, "alerts": alerts}


def _power_on(fencing: Fencing) -> ET.Element:
    """The alert that switches nodes on again: of all that happens, it is told of fencings only."""
    limit = max(
        sum(device["timeout"] for device in fencing["devices"] if device["node"] == node)
        for node in fencing["power_on"]
    )
    alert = ET.Element("alert", id=POWER_ON_ID, path=POWER_ON)
    ET.SubElement(ET.SubElement(alert, "select"), "select_fencing")
    own = {"hamysql_nodes": " ".join(fencing["power_on"]), "hamysql_timeout": str(limit)}
    time = {"timeout": f"{POWER_ON_ATTEMPTS * (limit + 10)}s"}
    for tag, values in (("meta_attributes", time), ("instance_attributes", own)):
        cib_model.pairs(alert, tag, f"{POWER_ON_ID}-{tag}", values)
    return alert
