"""From what the pillar says to finished values: merge, validate, derive. Pure; see ``pillar.py`` for every key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname
from typing import Any

from hamysql import (
    corosync,
    drbd_link,
    drbdconf,
    fencing,
    firewall,
    node_ids,
    rules,
    rules_mysql,
    rules_tls,
    storage_config,
)
from hamysql.errors import ConfigError, Problem
from hamysql.pillar import SCHEMA
from hamysql.rules_fencing import OPT_OUT
from hamysql.schema import Report, check, kind

Config = dict[str, Any]


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


def layered(parameters: Sequence[Mapping[str, Any]], pillar: Any) -> Any:
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
    known_link: drbd_link.Known | None = None,
    known_ids: Mapping[str, int] | None = None,
) -> Config:
    """Validate and derive.

    merged
        The result of ``layered``.
    minion_id, nodename
        The minion on which this runs, and what ``uname -n`` prints there; ``None`` to leave that to preflight.
    known_link
        What that node has of the link that replication uses; see :mod:`hamysql.drbd_link`. Nothing by default.
    known_ids
        The ids that the nodes have in its corosync.conf; see :mod:`hamysql.node_ids`. None by default.

    Returns the configuration in the shape of the pillar, with derived values added. Raises ``ConfigError`` with every
    problem found.
    """
    if not isinstance(merged, Mapping):
        raise ConfigError([Problem("hamysql", kind(merged), "a mapping")])
    report = Report()
    config = check(SCHEMA, merged, "hamysql", report)
    rules.check_all(config, report, minion_id, nodename)
    if report.problems:
        raise ConfigError(sorted(set(report.problems), key=lambda problem: problem.path))
    return derive(config, minion_id, known_link or drbd_link.Known(), known_ids or {})


def derive(config: Config, minion_id: str, known_link: drbd_link.Known, known_ids: Mapping[str, int]) -> Config:
    """Add to a valid configuration what follows from it."""
    ids, config["cluster"]["ids_from"] = node_ids.chosen(list(config["cluster"]["nodes"]), known_ids)
    config["cluster"]["nodes"] = {name: config["cluster"]["nodes"][name] for name in ids}
    nodes, drbd = config["cluster"]["nodes"], config["storage"]["drbd"]
    links = min(len(node["addresses"]) for node in nodes.values())
    given_link = drbd["link"] if config["storage"]["backend"] == "drbd" else None  # of others nobody has checked it
    drbd["link"], drbd["link_from"] = drbd_link.chosen(given_link, known_link.link, links)
    drbd["link_problem"] = known_link.problem
    for name, node in nodes.items():
        node["minion_id"] = node["minion_id"] or name
        node["id"] = ids[name]
        node["disk"] = node["disk"] or (drbd["disk"] if config["storage"]["backend"] == "drbd" else None)
        node["replication"] = node["addresses"][drbd["link"]]
    config["self"] = next(name for name, node in nodes.items() if node["minion_id"] == minion_id)
    config["peer"] = next(name for name in nodes if name != config["self"])
    vip = config["vip"]
    vip["interfaces"] = {name: node["vip_interface"] or vip["interface"] for name, node in nodes.items()}
    vip["interface"] = vip["interfaces"][config["self"]]
    vip["watch"] = vip["watch"] is True
    drbd["minor"] = int(drbd["device"].removeprefix("/dev/drbd"))
    drbd["disk"] = nodes[config["self"]]["disk"]
    storage_config.derive(config)
    device = config["quorum"]["device"]
    config["quorum"]["device"] = device if device["address"] else {}
    fencing.derive(config)
    _derive_warnings(config)
    _derive_mysql(config)
    _derive_repositories(config)
    _derive_packages(config)
    settings = config["corosync"]
    if settings["transport"] != "knet":
        settings.update(crypto_cipher="none", crypto_hash="none")
    settings.update(encrypted=settings["crypto_hash"] != "none", log_folder=dirname(settings["logfile"]))
    settings["sections"] = corosync.build(config)
    settings["text"] = corosync.export(settings["sections"])
    drbd["global_sections"] = drbdconf.build_global(drbd)
    kernels = drbdconf.KERNELS if config["storage"]["backend"] == "drbd" else ()
    drbd["resource_sections"] = {kernel: drbdconf.build_resource(config, kernel) for kernel in kernels}
    if config["firewall"]["backend"] == "auto":
        config["firewall"]["backend"] = "iptables"
    _derive_firewall(config)
    _derive_pacemaker(config["pacemaker"])
    return config


def _derive_warnings(config: Config) -> None:
    config["warnings"] = []
    if not config["fencing"]["enabled"]:
        config["warnings"].append(
            f"Fencing is off ({OPT_OUT}): when the nodes lose sight of each other, both may write, and what one "
            "of them wrote will be lost. Do not run a database that matters like this."
        )


def _derive_mysql(config: Config) -> None:
    mysql = config["mysql"]
    own = {
        "bind-address": config["vip"]["address"],
        "port": str(mysql["port"]),
        "datadir": mysql["datadir"],
        "socket": mysql["socket"],
        "pid-file": mysql["pid_file"],
        "user": mysql["user"],
        "log-error": mysql["error_log"],
        **rules_tls.derive(config),
    }
    # Where the server listens: at these addresses instead of the virtual IP, if any, and at these ports.
    mysql["addresses"] = rules_mysql.addresses(config)
    mysql["ports"] = [mysql["port"], *rules_mysql.extra_ports(config)]
    if mysql["addresses"]:
        del own["bind-address"]
    given = mysql.pop("config")
    server = given.get("mysqld", {})
    mysql["options"] = {**given, "mysqld": {**own, **server}}
    mysql["option_lines"] = {group: list(option_lines(options)) for group, options in mysql["options"].items()}
    mysql["config"] = mysql.pop("config_file")
    mysql["log_folder"] = dirname(mysql["error_log"])
    for database in mysql["databases"]:
        if database["collate"] is None and database["character_set"] is None:
            database["character_set"] = "utf8mb4"
    passwords = mysql.pop("passwords")
    for user in mysql["users"]:
        user["password"] = user["password"] or passwords.get(f"{user['name']}@{user['host'].lower()}")
        for grant in user["grants"]:
            grant["grant_option"] = grant["grant_option"] is True


def option_lines(options: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one group of an option file; a list is an option that is given several times."""
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            yield name if one is None else f"{name} = {quoted_option(one)}"


def quoted_option(value: str) -> str:
    """A value in an option file: in quotes where ``#``, blanks, quotes or escapes would be read as something else."""
    if value and not set(value) & set("#\\'\"") and value == value.strip():
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _derive_firewall(config: Config) -> None:
    rules = firewall.build(config)
    config["firewall"]["rules"] = rules
    config["firewall"]["files"] = {
        family: firewall.restore_text(rules[family]) if family in rules else "" for family in firewall.FAMILIES
    }
    tools = {
        "ipv4": ("/usr/sbin/iptables", "/etc/hamysql/firewall.rules"),
        "ipv6": ("/usr/sbin/ip6tables", "/etc/hamysql/firewall.rules6"),
    }
    config["firewall"]["boot"] = [list(tools[family]) for family in rules]


def _derive_pacemaker(pacemaker: Config) -> None:
    pacemaker["configure"] = pacemaker["configure"] or ""
    pacemaker["hand_over"] = pacemaker["hand_over"] is True
    pacemaker["operations"] = {
        resource: {name: given(operation) for name, operation in operations.items()}
        for resource, operations in pacemaker["operations"].items()
    }


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def _derive_packages(config: Config) -> None:
    package = config["package"]
    wanted = [
        *package["cluster"],
        *(package["quorum"]["device"] if config["quorum"]["device"] else []),
        *_fencing_packages(config["fencing"]["devices"], package["fencing"]),
        *package["crm"],
        *storage_config.packages(config),
        *(package["firewall"] if config["firewall"]["backend"] != "none" else []),
        *package["database"],
        *(package["tls"] if config["mysql"]["tls"]["enabled"] else []),
        *package["further"],
    ]
    temporary = [
        name
        for repo in config["repo"]["repositories"].values()
        if repo["disable_after_install"]
        for name in repo["packages"]
    ]
    package["names"] = [name for name in dict.fromkeys(wanted) if name not in temporary]
    package["hold"] = package["hold"] is True
    versions = package["versions"]
    package["pkgs"] = _with_versions(package["names"], versions)
    package["quorum"]["server"] = _with_versions(package["quorum"]["server"], versions)
    for repository in config["repo"]["repositories"].values():
        repository["packages"] = _with_versions(repository["packages"], versions)


def _with_versions(names: Sequence[str], versions: Mapping[str, str]) -> list[str | dict[str, str]]:
    return [{name: versions[name]} if name in versions else name for name in names]


def _fencing_packages(devices: list[Config], packages: Mapping[str, list[str]]) -> list[str]:
    through_ipmitool = any(device["agent"] in fencing.IPMI_AGENTS for device in devices)
    through_disk = any(device["agent"] == "fence_sbd" for device in devices)
    return [
        *(packages["agents"] if devices else []),
        *(packages["ipmi"] if through_ipmitool else []),
        *(packages["sbd"] if through_disk else []),
    ]


def _derive_repositories(config: Config) -> None:
    """Split each repository in what pkgrepo.managed is given, and what is borrowed from it."""
    repositories = config["repo"]["repositories"]
    for name, repository in repositories.items():
        packages, temporary = repository.pop("packages"), repository.pop("disable_after_install") is True
        options = given(repository)
        if str(options.get("name", "")).startswith(("deb ", "deb-src ")):
            options.setdefault("file", f"/etc/apt/sources.list.d/hamysql-{name}.list")
            options.setdefault("aptkey", False)  # keys are files named by signed-by: apt-key is gone
            if re.search(r"\[[^]]*\btrusted=yes\b", options["name"]):
                options["trusted"] = True
        repositories[name] = {"options": options, "packages": packages, "disable_after_install": temporary}
