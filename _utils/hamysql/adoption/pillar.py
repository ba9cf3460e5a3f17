"""The pillar that describes a cluster which somebody else has built. Pure.

What has no key is told twice: as a comment beside the place where it would be, and as a finding.
"""

from __future__ import annotations

import ipaddress

from hamysql.adoption import cluster as adoption_cluster
from hamysql.adoption import membership
from hamysql.adoption.cluster import Cluster
from hamysql.adoption.described import Described
from hamysql.adoption.look import Found
from hamysql.adoption.membership import Looks
from hamysql.cib import names
from hamysql.schema.language import TODO
from hamysql.schema.values import Config
from hamysql.storage import backends

# What stands for a part of hamysql's own in the pillar, and the agent that somebody else has for it.
_AGENTS = {
    names.ADDRESS: ("vip", "agent"),
    names.FILE_SYSTEM: ("storage", "filesystem", "agent"),
    names.SERVER: ("mysql", "agent"),
}
# The server's options with keys of their own, and the names of the same for its agent.
_SERVER = {
    "datadir": ("datadir",),
    "socket": ("socket",),
    "pid-file": ("pid", "pid_file"),
    "port": (),
    "user": ("user",),
    "log-error": ("log", "error_log"),
}


def describe(looks: Looks) -> Described:
    """The pillar of a cluster, from what both of its nodes say."""
    found = Described()
    clusters = [look["cluster"] for look in looks.values()]
    cluster = next((item for item in clusters if item), None)
    for look in looks.values():
        found.unfit += [f"{look['nodename']}: {why}" for why in look["why"]]
    membership.describe(found, looks)
    if cluster is None:
        return found
    if any(other and other != cluster for other in clusters):
        found.unfit.append(
            "the nodes have different cluster configurations: start pacemaker on both, and look at `crm_mon -1`"
        )
    found.unfit += cluster["unclear"]
    _vip(found, looks, cluster)
    _fencing(found, looks, cluster)
    _storage(found, looks, cluster)
    found.put([TODO], "firewall", "client_networks")
    found.say(
        "Who reaches the database besides the nodes. hamysql's firewall closes its port to all others.", "firewall"
    )
    _server(found, looks, cluster)
    _pacemaker(found, cluster)
    _names(found, cluster)
    return found


def _vip(found: Described, looks: Looks, cluster: Cluster) -> None:
    params = cluster["params"].get(names.ADDRESS, {})
    address = params.get("ip", TODO)
    there = {minion: _home(look, address) for minion, look in looks.items()}
    prefix = params.get("cidr_netmask") or next((prefix for _, prefix in there.values() if prefix), None)
    found.put(address, "vip", "address")
    found.put(_prefix(prefix), "vip", "prefix")
    nics = {minion: params.get("nic") or nic or TODO for minion, (nic, _) in there.items()}
    if len({*nics.values()}) == 1:
        found.put(next(iter(nics.values())), "vip", "interface")
    else:
        for minion, look in looks.items():
            found.put(nics[minion], "cluster", "nodes", look["nodename"], "vip_interface")
    _agent(found, cluster, names.ADDRESS)


def _prefix(given: str | None) -> int | str:
    """The length of a prefix; agents take a netmask as well."""
    if not given:
        return TODO
    try:
        return ipaddress.ip_network(f"0.0.0.0/{given}").prefixlen if not given.isdecimal() else int(given)
    except ValueError:
        return given


def _home(look: Found, address: str) -> tuple[str, str]:
    """The interface in whose network an address is, and the length of its prefix; the address itself aside."""
    try:
        target = ipaddress.ip_address(address)
    except ValueError:
        return "", ""
    for name, item in look["interfaces"].items():
        for text in item["addresses"]:
            own = ipaddress.ip_interface(text)
            if own.ip != target and target in own.network:
                return name, str(own.network.prefixlen)
    return "", ""


def _agent(found: Described, cluster: Cluster, name: str) -> None:
    """The agent stays what it is, where the pillar can say so."""
    path = _AGENTS[name]
    agent = cluster["agents"].get(name)
    if agent:
        found.put(agent, *path)
        found.say("Without this line the resource gets hamysql's own agent, and runs on meanwhile.", *path)


def _fencing(found: Described, looks: Looks, cluster: Cluster) -> None:
    nodes = [look["nodename"] for look in looks.values()]
    devices: dict[str, list[Config]] = {}
    for fence in cluster["fences"]:
        if not fence["nodes"]:
            found.lacks(
                f"the fence device {fence['id']} does not say which node it cuts off (pcmk_host_list)", "fencing"
            )
        for node in fence["nodes"]:
            if node not in nodes:
                found.lacks(
                    f"the fence device {fence['id']} is for {node}, which is no node of this cluster", "fencing"
                )
                continue
            device: Config = {"agent": fence["agent"], "options": fence["options"]}
            if fence["secrets"]:
                device["secrets"] = dict.fromkeys(fence["secrets"], TODO)
            devices.setdefault(node, []).append(device)
            found.fences.setdefault(node, []).append(fence["id"])
            said = f"This was {fence['id']}. hamysql makes it anew under its own name: nothing runs on it, and nothing stops"
            found.say(said, "fencing", "devices", node)
    if cluster["fencing"] and devices:
        found.put(devices, "fencing", "devices")
        return
    found.put(True, "fencing", "i_accept_data_loss_without_fencing")
    why = (
        "no node is fenced: when the nodes lose sight of each other, both may write, and what one of them wrote is lost"
    )
    found.say(f"{why}. Give each node a device instead, see fencing.md.", "fencing")
    found.warnings.append(why)


def _storage(found: Described, looks: Looks, cluster: Cluster) -> None:
    kind = next((look["kind"] for look in looks.values() if look["kind"]), "")
    if not kind:
        found.unfit.append("the kind of storage is not recognised: hamysql knows " + ", ".join(backends.KINDS))
        return
    values = adoption_cluster.values(cluster)
    said = backends.KINDS[kind].described(values, {look["nodename"]: look["storage"] for look in looks.values()})
    found.put(kind, "storage", "backend")
    for key, value in said.section.items():
        found.put(value, "storage", kind, key)
    for node, given in said.nodes.items():
        if node in found.pillar["cluster"]["nodes"]:
            for key, value in given.items():
                found.put(value, "cluster", "nodes", node, key)
    for text in said.unclear:
        found.lacks(text, "storage", kind)
    links = {node: found.pillar["cluster"]["nodes"].get(node, {}).get("addresses", []) for node in said.addresses}
    places = {
        links[node].index(address) if address in links[node] else None for node, address in said.addresses.items()
    }
    if len(places) == 1 and None not in places:
        found.put(places.pop(), "storage", kind, "link")
    elif said.addresses:
        told = ", ".join(f"{node}: {address}" for node, address in said.addresses.items())
        found.lacks(
            f"the copies talk to each other at addresses that are no link of corosync's ({told})", "storage", kind
        )
    mount = cluster["params"].get(names.FILE_SYSTEM, {})
    found.put(mount.get("fstype"), "storage", "filesystem", "type")
    found.put(mount.get("options"), "storage", "filesystem", "options")
    _agent(found, cluster, names.FILE_SYSTEM)
    if (agent := cluster["agents"].get(names.REPLICA)) is not None:
        found.put(agent, "storage", kind, "agent")


def _server(found: Described, looks: Looks, cluster: Cluster) -> None:
    params = cluster["params"].get(names.SERVER, {})
    for option, keys in _SERVER.items():
        given = {look["server"].get(option, "") for look in looks.values()} - {""}
        value = next((params[key] for key in keys if params.get(key)), "") or (given.pop() if len(given) == 1 else "")
        found.put(value, "mysql", (keys or (option,))[-1])
    directory = cluster["params"].get(names.FILE_SYSTEM, {}).get("directory")
    datadir = found.pillar.get("mysql", {}).get("datadir")
    if directory and datadir not in (None, directory):
        found.lacks(
            f"the data is in {datadir}, and {directory} is mounted: hamysql mounts the data directory itself",
            "mysql",
            "datadir",
        )
    found.put(directory, "mysql", "datadir")
    bound = {look["server"].get("bind-address", "") for look in looks.values()} - {""}
    if bound and bound != {found.pillar["vip"]["address"]}:
        found.put(sorted(bound)[0], "mysql", "config", "mysqld", "bind-address")
        found.say(
            "hamysql's own is the virtual IP. To change it, the server has to start anew.",
            "mysql",
            "config",
            "mysqld",
            "bind-address",
        )
    _agent(found, cluster, names.SERVER)
    found.say("Databases and accounts that are not named here stay as they are.", "mysql")


def _pacemaker(found: Described, cluster: Cluster) -> None:
    for section, key in (("crm_config", "properties"), ("rsc_defaults", "rsc_defaults")):
        for name, value in cluster["settings"][section].items():
            found.put(value, "pacemaker", key, name)
    found.say("The times of operations become hamysql's own: nothing stops for that.", "pacemaker")
    for text in cluster["others"]:
        found.say(f"stays as it is, and is not hamysql's: {text}", "pacemaker")


def _names(found: Described, cluster: Cluster) -> None:
    """Those that hamysql owns after a takeover, which renames them."""
    for ours, theirs in cluster["names"].items():
        found.adopt.append(ours)
        if ours != theirs:
            found.say(
                f"{theirs} becomes {ours} when hamysql takes the cluster over: nothing stops for that", "pacemaker"
            )
