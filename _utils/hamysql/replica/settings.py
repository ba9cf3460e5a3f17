"""What the pillar may say of asynchronous replicas (``hamysql:replicas``): its keys, their rules, and what follows. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from hamysql.mysql import values as m
from hamysql.mysql.flavours import registry
from hamysql.mysql.options import OWN_MYSQL, readings, server_options
from hamysql.mysql.settings import option_lines
from hamysql.schema import values as v
from hamysql.schema.language import Names, Report, Section
from hamysql.schema.values import Config

PATH = "hamysql:replicas"
LAG = 300  # seconds: a report may wait for so long, and most long statements of a primary end before
_MOST = 2**32 - 1

REPLICA = Section(
    {
        "minion_id": v.NAME,
        "address": v.required(v.ADDRESS, "its own: it comes from there, and its clients reach it there"),
        "server_id": v.count(1, _MOST),
        "lag": v.count(1, 30 * 86400, "seconds behind the cluster from which on the status complains"),
        "config": Names(v.OPTION_NAME, m.MYSQL_VALUE, "a mapping of options of its server to values"),
    }
)
REPLICAS = Names(v.NAME, REPLICA, "a mapping of names to replicas")


def check_replicas(config: Config, report: Report) -> None:
    """Each one can follow: the cluster writes binary logs that a power cut leaves whole, and backups are there to begin with."""
    replicas = config["replicas"]
    if not replicas:
        return
    flavour = registry.of(config["mysql"])
    if not flavour.replicates:
        report.add(
            PATH, f"a replica, and the flavour {flavour.name}", "nothing: hamysql has no replicas of that flavour yet"
        )
        return
    if not config["backup"]["binary_logs"]:
        report.add(
            "hamysql:backup:binary_logs",
            "no binary logs, and a replica",
            "true: a replica begins with a backup, and follows the binary logs",
        )
    for group, name, reading in server_options(config):
        rule = flavour.replication(config["mysql"]).guarded.get(reading.name)
        if rule and not rule.accepts(reading.value):
            report.add(f"hamysql:mysql:config:{group}:{name}", repr(reading.value), rule.expected)
    _check_apart(config, report)


def _check_apart(config: Config, report: Report) -> None:
    """No replica is a member, or another replica."""
    minions = {node["minion_id"] or name: name for name, node in config["cluster"]["nodes"].items()}
    addresses = {config["vip"]["address"]: "the virtual IP"}
    addresses |= {address: name for name, node in config["cluster"]["nodes"].items() for address in node["addresses"]}
    numbers = {_clusters_number(config): "the cluster"}
    for name, replica in config["replicas"].items():
        path = f"{PATH}:{name}"
        for key, value, taken in (
            ("minion_id", replica["minion_id"] or name, minions),
            ("address", replica["address"], addresses),
            ("server_id", replica["server_id"] or server_id(config, name), numbers),
        ):
            if value is not None and value in taken:
                report.add(f"{path}:{key}", repr(value), f"one of its own: {taken[value]} has this one")
            taken.setdefault(value, name)
        flavour = registry.of(config["mysql"])
        own = {*OWN_MYSQL, *flavour.replication(config["mysql"]).own}
        for option, value in replica["config"].items():
            for one in value if isinstance(value, list) else [value]:
                if any(reading.name in own for reading in readings(flavour, option, one)):
                    report.add(
                        f"{path}:config:{option}",
                        "an option that hamysql writes itself",
                        "not to be set here: a replica needs hamysql's value of it",
                    )


def server_id(config: Config, name: str) -> int:
    """The number of a replica's server, where the pillar does not say it: made from the names, and not the cluster's."""
    found = 1 + zlib.crc32(f"{config['cluster']['name']}/{name}".encode()) % _MOST
    return found if found != _clusters_number(config) else found % _MOST + 1


def _clusters_number(config: Config) -> int:
    """The number that the cluster's server has; see :func:`hamysql.mysql.settings.derive_mysql`."""
    given = [reading.value for _, _, reading in server_options(config) if reading.name == "server_id"]
    if given and str(given[-1]).isdigit():
        return int(str(given[-1]))
    return 1 + zlib.crc32(str(config["cluster"]["name"]).encode()) % _MOST


def server_ids(config: Config) -> dict[str, int]:
    """The number of each replica's server, of a configuration that was not finished yet."""
    return {name: given["server_id"] or server_id(config, name) for name, given in config["replicas"].items()}


def derive_replicas(config: Config, numbers: Mapping[str, int]) -> None:
    """Finish what the pillar leaves out, and the lines of each replica's option file.

    numbers
        See :func:`server_ids`.
    """
    for name, replica in config["replicas"].items():
        replica["minion_id"] = replica["minion_id"] or name
        replica["server_id"] = numbers[name]
        replica["lag"] = replica["lag"] or LAG
        own = replica.pop("config")
        replica["option_lines"] = list(_lines(config, replica, own))


def _lines(config: Config, replica: Config, own: Mapping[str, str | list[str] | None]) -> Iterator[str]:
    """The option file of a replica: what the cluster's server has, then what differs. The last one of a name counts."""
    flavour, mysql = registry.of(config["mysql"]), config["mysql"]
    kept_out = flavour.replication(mysql).apart
    for group, options in mysql["options"].items():
        if group.lower() in flavour.options.clients:
            continue
        yield f"[{group}]"
        taken = {
            name: value
            for name, value in options.items()
            if not any(reading.name.startswith(kept_out) for reading in readings(flavour, name, None))
        }
        yield from option_lines(taken)
    yield "[mysqld]"
    yield from option_lines(own)
    wanted = {"bind-address": replica["address"], "server-id": str(replica["server_id"])}
    yield from option_lines({**wanted, **flavour.replication(mysql).options})
