"""From what the pillar says to finished values: merge, validate, derive. Pure; see :mod:`hamysql.config.rules` for every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from posixpath import dirname
from typing import Any, cast

from hamysql.backup.settings import derive_backup
from hamysql.config import rules as config_rules
from hamysql.config.packages import derive_packages, derive_repositories
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import node_ids
from hamysql.corosync.oldest import REASON
from hamysql.corosync.settings import encrypts as corosync_encrypts
from hamysql.corosync.settings import ports as corosync_ports
from hamysql.errors import ConfigError, Problem
from hamysql.fencing import devices
from hamysql.fencing.settings import OPT_OUT
from hamysql.firewall.settings import derive_firewall
from hamysql.mysql.settings import derive_mysql
from hamysql.mysql.settings import ports as mysql_ports
from hamysql.replica.settings import derive_replicas, server_ids
from hamysql.resolved import Resolved
from hamysql.schema.language import Report, check, kind
from hamysql.schema.values import Config, given
from hamysql.storage import backends


def merge(base: Any, over: Any) -> Any:
    """``over`` upon ``base``: mappings key by key, everything else replaces. A key with nothing below it changes nothing."""
    if over is None:
        return base
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    result = dict(base)
    for key, value in over.items():
        result[key] = merge(result[key], value) if key in result else value
    return result


def layered(parameters: Sequence[Mapping[str, object]], pillar: Any) -> Any:
    """Merge the formula's own parameters, general to particular, with the pillar.

    A layer may have the keys ``backends`` and ``flavors``: what is under the storage's backend and the database's flavor in use
    comes on top of all layers, below the pillar.
    """
    base: Any = {}
    for layer in parameters:
        base = merge(base, layer)
    choices = [(base.pop(name, {}), section, key) for name, section, key in _CHOICES]
    chosen = merge(base, pillar)
    for options, section, key in choices:
        try:
            base = merge(base, options[chosen[section][key]])
        except (KeyError, TypeError, IndexError):
            pass  # nothing for it; or the schema will say what is wrong, or the rules that a value is missing
    return merge(base, pillar)


_CHOICES = (("backends", "storage", "backend"), ("flavors", "mysql", "flavor"))


def resolve(
    merged: Any,
    *,
    minion_id: str,
    nodename: str | None,
    noted: Any = None,
    known_ids: Mapping[str, int] | None = None,
) -> Resolved:
    """Validate and derive.

    merged
        The result of ``layered``.
    minion_id, nodename
        The minion on which this runs, and what ``uname -n`` prints there; ``None`` to leave that to preflight.
    noted
        What that node has noted for its kind of storage, see :meth:`hamysql.storage.kind.Kind.noted`. Nothing by default.
    known_ids
        The ids that the nodes have in its corosync.conf; see :mod:`hamysql.corosync.node_ids`. None by default.

    Returns the configuration in the shape of the pillar, with derived values added. Raises ``ConfigError`` with every
    problem found.
    """
    if not isinstance(merged, Mapping):
        raise ConfigError([Problem("hamysql", kind(merged), "a mapping")])
    report = Report()
    config = check(config_rules.schema(), merged, "hamysql", report)
    config_rules.check_all(config, report, minion_id, nodename)
    if report.problems:
        raise ConfigError(sorted(set(report.problems), key=lambda problem: problem.path))
    return derive(config, minion_id, noted, known_ids or {})


def derive(config: Config, minion_id: str, noted: Any, known_ids: Mapping[str, int]) -> Resolved:
    """Add to a valid configuration what follows from it."""
    ids, config["cluster"]["ids_from"] = node_ids.chosen(list(config["cluster"]["nodes"]), known_ids)
    config["cluster"]["nodes"] = {name: config["cluster"]["nodes"][name] for name in ids}
    nodes = config["cluster"]["nodes"]
    for name, node in nodes.items():
        node["minion_id"] = node["minion_id"] or name
        node["id"] = ids[name]
    config["self"] = next(name for name, node in nodes.items() if node["minion_id"] == minion_id)
    config["peer"] = next(name for name in nodes if name != config["self"])
    vip = config["vip"]
    vip["interfaces"] = {name: node["vip_interface"] or vip["interface"] for name, node in nodes.items()}
    vip["interface"] = vip["interfaces"][config["self"]]
    vip["watch"] = vip["watch"] is True
    backends.derive(config, noted)
    device = config["quorum"]["device"]
    config["quorum"]["device"] = device if device["address"] else {}
    devices.derive(config)
    _derive_warnings(config)
    numbers = server_ids(config)
    derive_mysql(config)
    derive_backup(config)
    derive_replicas(config, numbers)
    derive_repositories(config)
    derive_packages(config)
    settings = config["corosync"]
    if not corosync_encrypts(settings):
        settings.update(crypto_cipher="none", crypto_hash="none")
    settings.update(encrypted=settings["crypto_hash"] != "none", log_folder=dirname(settings["logfile"]))
    finished = cast(Resolved, config)  # but for the texts and rules that are made of it here
    settings["sections"] = corosync_conf.build(finished)
    settings["text"] = corosync_conf.export(settings["sections"])
    storage = backends.used(config)
    storage.finish(finished)
    derive_firewall(config, [*corosync_ports(config), *storage.ports(config), *mysql_ports(config)])
    _derive_pacemaker(config["pacemaker"])
    return finished


def _derive_warnings(config: Config) -> None:
    config["warnings"] = []
    if not config["fencing"]["enabled"]:
        config["warnings"].append(
            f"Fencing is off ({OPT_OUT}): when the nodes lose sight of each other, both may write, and what one "
            "of them wrote will be lost. Do not run a database that matters like this."
        )
    if config["corosync"]["series"] == 1:
        config["warnings"].append(f"{REASON}.")


def _derive_pacemaker(pacemaker: Config) -> None:
    pacemaker["configure"] = pacemaker["configure"] or ""
    pacemaker["hand_over"] = pacemaker["hand_over"] is True
    pacemaker["operations"] = {
        resource: {name: given(operation) for name, operation in operations.items()}
        for resource, operations in pacemaker["operations"].items()
    }
