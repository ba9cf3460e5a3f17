"""The rules of :mod:`hamysql.rules` that concern storage which the nodes share: a LUN, or an NFS export."""

from __future__ import annotations

import re
from typing import Any

from hamysql import rules_options
from hamysql.rules_data import check_drbd
from hamysql.rules_fencing import OPT_OUT
from hamysql.schema import Report
from hamysql.values import seconds

Config = dict[str, Any]

SHARED, NFS = "hamysql:storage:shared", "hamysql:storage:nfs"
# Options of a mount, and why the database must not have them or where they are set instead.
BAD_NFS_OPTIONS = {
    "soft": "'hard': a soft mount tells the database that a write has failed which the server has made, or will make",
    "softerr": "'hard': it ends like soft",
    "softreval": "it not to be set: it shows old contents as if they were the present ones",
    "nolock": "it not to be set: the server's locks keep a second database server away",
    "local_lock": "it not to be set: the server's locks keep a second database server away",
    "ro": "it not to be set: a database writes",
    "udp": "'proto=tcp', the only transport of NFS 4",
    "vers": f"{NFS}:version to be set instead",
    "nfsvers": f"{NFS}:version to be set instead",
    "minorversion": f"{NFS}:version to be set instead",
}
NOTICE = 30  # seconds; a lost path is noticed after 10, and a monitor begins its wait at any moment of that
WITHOUT_FENCING = {
    "shared": "a file system on a LUN that two nodes have mounted is destroyed, and nothing but fencing keeps a node that does "
    "not answer from having it mounted",
    "nfs": "the locks of an NFS server cover InnoDB's files and Aria's log and nothing else of a database, and a node that does "
    "not answer keeps them as long as it reaches the server, so that no failover ends",
}


def check_storage(config: Config, report: Report) -> None:
    backend = config["storage"]["backend"]
    if backend != "nfs":
        _check_filesystem(config["storage"]["filesystem"], report)
    if backend == "drbd":
        check_drbd(config, report)
        _check_drbd_options(config["storage"]["drbd"]["options"], report)
    elif backend in WITHOUT_FENCING:
        if config["fencing"]["i_accept_data_loss_without_fencing"] is True:
            report.add(OPT_OUT, f"true with storage:backend: {backend}", f"fence devices: {WITHOUT_FENCING[backend]}")
        for name, node in config["cluster"]["nodes"].items():
            if node["disk"] is not None:
                path = f"hamysql:cluster:nodes:{name}:disk"
                report.add(
                    path, repr(node["disk"]), f"nothing: with storage:backend: {backend} no node has its own disk"
                )
        (_check_shared if backend == "shared" else _check_nfs)(config, report)


def _check_shared(config: Config, report: Report) -> None:
    shared, nodes = config["storage"]["shared"], config["cluster"]["nodes"]
    device = shared["device"]
    if device is None and not report.bad_under(f"{SHARED}:device"):
        expected = "the LUN, under a name that both nodes have for it, such as '/dev/disk/by-id/wwn-0x600140512345678'"
        report.add(f"{SHARED}:device", "nothing", expected)
    if shared["reservations"] == "mpath" and device is not None and not device.startswith("/dev/mapper/"):
        report.add(f"{SHARED}:device", repr(device), "the multipath device below /dev/mapper, for reservations: mpath")
    if shared["lvm"]["size"] is not None and shared["lvm"]["volume_group"] is None:
        report.add(f"{SHARED}:lvm:volume_group", "nothing", "the volume group's name, beside its volume's size")
    _check_iscsi(shared["iscsi"], nodes, report)
    limit, monitor = (
        shared["iscsi"]["replacement_timeout"],
        config["pacemaker"]["operations"]["p_fs_mysql"]["monitor"]["timeout"],
    )
    if shared["iscsi"]["portal"] and None not in (limit, monitor) and limit + NOTICE > seconds(monitor):
        expected = f"at least {NOTICE} s less than the timeout of p_fs_mysql's monitor ({monitor}), which waits for it"
        report.add(f"{SHARED}:iscsi:replacement_timeout", f"{limit} s", expected)


def _check_iscsi(iscsi: Config, nodes: Config, report: Report) -> None:
    path = f"{SHARED}:iscsi"
    needs = {
        "portal": (("target",), "the address of the target's portal"),
        "target": (("portal", "username", "initiators"), "the target's name, as its portal reports it"),
        "username": (("password",), "the CHAP user's name, beside its password"),
        "password": (
            ("username",),
            "the CHAP password that the target knows: 12 to 255 characters (`openssl rand -hex 8`)",
        ),
    }
    for key, (others, expected) in needs.items():
        if iscsi[key] is None and any(iscsi[other] for other in others) and not report.bad_under(f"{path}:{key}"):
            report.add(f"{path}:{key}", "nothing", expected)
    initiators = iscsi["initiators"]
    for name in initiators:
        if name not in nodes:
            report.add(f"{path}:initiators:{name}", f"the key {name!r}", f"one of the nodes: {', '.join(nodes)}")
    if initiators and not report.bad_under(path):
        for name in nodes:
            if name not in initiators:
                report.add(f"{path}:initiators:{name}", "nothing", "a name for each node, or for none of them")
        if len(set(initiators.values())) < len(initiators):
            found, expected = (
                "the same name twice",
                "a name of its own for each node: a target takes two for one, and ends one's session",
            )
            report.add(f"{path}:initiators", found, expected)


def _check_nfs(config: Config, report: Report) -> None:
    nfs = config["storage"]["nfs"]
    for key, expected in (("server", "the NFS server's address or name"), ("export", "the path that it exports")):
        if nfs[key] is None and not report.bad_under(f"{NFS}:{key}"):
            report.add(f"{NFS}:{key}", "nothing", expected)
    for option in (nfs["options"] or "").split(","):
        name = option.partition("=")[0]
        if name in BAD_NFS_OPTIONS:
            report.add(f"{NFS}:options", repr(option), BAD_NFS_OPTIONS[name])
        elif re.fullmatch(r"v[0-9.]+", option):
            report.add(f"{NFS}:options", repr(option), f"{NFS}:version to be set instead")
        else:
            for wrong, expected in rules_options.wrong_mount("nfs", option):
                report.add(f"{NFS}:options", repr(wrong), expected)


def _check_drbd_options(options: Config, report: Report) -> None:
    for section, given in options.items():
        for name, value in given.items():
            where = f"hamysql:storage:drbd:options:{section}:{name}"
            if not report.bad_under(where):  # by check_drbd: it knows where else an option is set
                for expected in rules_options.wrong_drbd(section, name, str(value)):
                    report.add(where, repr(value), expected)


def _check_filesystem(filesystem: Config, report: Report) -> None:
    kind, path = filesystem["type"], "hamysql:storage:filesystem"
    if kind is None:
        return
    for option, expected in rules_options.wrong_mount(kind, filesystem["options"] or ""):
        report.add(f"{path}:options", repr(option), expected)
    arguments = filesystem["mkfs_options"]
    if not report.bad_under(f"{path}:mkfs_options"):
        for number, expected in rules_options.wrong_mkfs(kind, arguments):
            report.add(f"{path}:mkfs_options:{number}", repr(arguments[number]), expected)
