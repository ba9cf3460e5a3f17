"""What the pillar may say of the storage (``hamysql:storage``), and what follows: what all kinds share.

The keys and rules of each kind are in ``settings`` of its package.
"""

from __future__ import annotations

from typing import Any

from hamysql.fencing.settings import OPT_OUT, Data
from hamysql.schema import values as v
from hamysql.schema.language import Items, Report, Section, Value
from hamysql.schema.values import Config
from hamysql.storage import backends
from hamysql.storage import options as storage_options
from hamysql.storage.kind import Kind


def section() -> Section:
    """The keys of ``storage``."""
    return Section(
        {
            "backend": v.one_of(*backends.KINDS),
            **{name: kind.section for name, kind in backends.KINDS.items()},
            "filesystem": Section(
                {
                    "type": v.one_of("xfs", "ext4"),
                    "agent": v.one_of("ocf:hamysql:filesystem", "ocf:heartbeat:Filesystem"),
                    "options": Value("mount options, such as 'noatime'", v.mount_options),
                    "mkfs_options": Items(Value("one argument of mkfs", v.argument), "a list of mkfs arguments"),
                }
            ),
        }
    )


def _named(config: Config) -> Kind | None:
    """The kind that a pillar names; ``None`` where it names none that there is."""
    return backends.KINDS.get(config["storage"]["backend"])


def for_fencing(config: Config) -> Data:
    """What the rules of fencing have to know of the storage."""
    kind = _named(config)
    disks = [disk for each in backends.KINDS.values() for disk in each.disks(config)]
    disks += [node["disk"] for node in config["cluster"]["nodes"].values()]
    return Data(
        reserved=kind is not None and bool(kind.reservations(config)),
        optional=kind is not None and not kind.without_fencing,
        disks=tuple(disk for disk in disks if disk is not None),
    )


def taken(config: Config) -> list[int | None]:
    """The ports that the pillar has for any kind: the data may be moved to it."""
    return [port for kind in backends.KINDS.values() for port in kind.taken(config)]


def check_storage(config: Config, report: Report) -> None:
    kind = _named(config)
    if kind is None or kind.local:
        _check_filesystem(config["storage"]["filesystem"], report)
    if kind is None:
        return
    if kind.without_fencing and config["fencing"]["i_accept_data_loss_without_fencing"] is True:
        report.add(OPT_OUT, f"true with storage:backend: {kind.name}", f"fence devices: {kind.without_fencing}")
    for name, node in config["cluster"]["nodes"].items():
        if not kind.replicates and node["disk"] is not None:
            path = f"hamysql:cluster:nodes:{name}:disk"
            expected = f"nothing: with storage:backend: {kind.name} no node has its own disk"
            report.add(path, repr(node["disk"]), expected)
    kind.check(config, report)


def _check_filesystem(filesystem: Config, report: Report) -> None:
    kind, path = filesystem["type"], "hamysql:storage:filesystem"
    if kind is None:
        return
    for option, expected in storage_options.wrong_mount(kind, filesystem["options"] or ""):
        report.add(f"{path}:options", repr(option), expected)
    arguments = filesystem["mkfs_options"]
    if not report.bad_under(f"{path}:mkfs_options"):
        for number, expected in storage_options.wrong_mkfs(kind, arguments):
            report.add(f"{path}:mkfs_options:{number}", repr(arguments[number]), expected)


def derive(config: Config, noted: Any = None) -> None:
    """Complete a valid configuration's ``storage``; the nodes, and which of them this is, are complete.

    noted
        What this node has noted for the kind in use, see :meth:`hamysql.storage.kind.Kind.noted`.
    """
    storage, used = config["storage"], backends.used(config)
    storage["filesystem"]["directory"] = config["mysql"]["datadir"]
    storage.update(states=used.states, units=[], reservations=dict(used.reservations(config)))
    for kind in backends.KINDS.values():
        if kind is not used:
            kind.unused(config)
    used.derive(config, noted)


def packages(config: Config) -> list[str]:
    """The packages of the kind in use, and of the file system that lies on it."""
    kind, filesystem = backends.used(config), config["storage"]["filesystem"]
    return [*kind.packages(config), *(config["package"]["filesystem"][filesystem["type"]] if kind.local else [])]
