"""The options that the pillar gives to the server, as the server reads them. Pure.

It reads an option under many names: ``-`` for ``_``, capitals, ``loose-``, ``skip-``, ``enable-``, the beginning of the name,
and in each of several groups. :func:`readings` undoes that before anything is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Flavour
from hamysql.mysql.tls import files as tls_files
from hamysql.schema.values import Config

# Options that hamysql writes itself; the key of the pillar that sets each.
OWN_MYSQL = {
    "datadir": "set hamysql:mysql:datadir",
    "socket": "set hamysql:mysql:socket",
    "pid_file": "set hamysql:mysql:pid_file",
    "port": "set hamysql:mysql:port",
    "user": "set hamysql:mysql:user",
    "log_error": "set hamysql:mysql:error_log",
}
# The same where the pillar sets up TLS.
OWN_TLS = {f"ssl_{name}": f"set {tls_files.PATH}:{name}" for name in tls_files.FILES} | {
    tls_files.SECURE: f"set {tls_files.PATH}:required"
}
_LISTENS = ("bind_address", "extra_port", "admin_port", "admin_address")


@dataclass(frozen=True)
class Reading:
    """How the server reads an option: its name with ``_``, in small letters, and its value (``None``: given without one)."""

    name: str
    value: str | None


@cache
def known(flavour: Flavour) -> frozenset[str]:
    """The options about which there is a rule: a beginning of such a name stands for the longer one."""
    tables = flavour.options
    return frozenset(
        {*OWN_MYSQL, *OWN_TLS, *tables.guarded, *tables.elsewhere, *tables.logs, *tables.logged, *_LISTENS}
    )


def readings(flavour: Flavour, given: str, value: str | None) -> Iterator[Reading]:
    """Each way in which a server may read an option: with ``skip-`` and the like undone, and an abbreviated name completed."""
    off, on = flavour.options.off, flavour.options.on
    waiting = [(given.replace("-", "_").lower(), value)]
    seen: list[tuple[str, str | None]] = []
    while waiting:
        name, said = waiting.pop()
        if (name, said) in seen:
            continue
        seen.append((name, said))
        prefix, _, rest = name.partition("_")
        if prefix in off and rest:
            waiting.append((rest, "off"))
        elif prefix in on and rest:
            waiting.append((rest, "on" if said is None else said))
        elif prefix == "plugin" and set(_meant(flavour, rest)) & known(flavour):
            waiting.append((rest, said))  # each option of a plugin has a second name
        if prefix == "skip" or prefix not in (*off, *on):  # there are options that are called skip_... themselves
            for whole in _meant(flavour, name):
                yield Reading(whole, said)


def _meant(flavour: Flavour, name: str) -> list[str]:
    """The options that a name may stand for."""
    if name in known(flavour) or name in flavour.options.whole:
        return [name]
    return [whole for whole in known(flavour) if whole.startswith(name)] or [name]


def server_options(config: Config) -> Iterator[tuple[str, str, Reading]]:
    """Each option that a server may read: its group and name in the pillar, and how it is read; one of a list at a time."""
    flavour = registry.of(config["mysql"])
    for group, options in config["mysql"]["config"].items():
        if group.lower() in flavour.options.clients:  # names of groups have no case to it
            continue
        for name, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                for reading in readings(flavour, name, one):
                    yield group, name, reading


def addresses(config: Config) -> list[str]:
    """Where the pillar has the server listen instead of the virtual IP; empty where it says nothing."""
    found = [
        part.strip()
        for _, _, reading in server_options(config)
        if reading.name == "bind_address" and reading.value
        for part in reading.value.split(",")
    ]
    return list(dict.fromkeys(found))


def extra_ports(config: Config) -> list[int]:
    """The further ports at which the pillar has the server listen."""
    found = [
        int(reading.value)
        for _, _, reading in server_options(config)
        if reading.name in ("extra_port", "admin_port") and reading.value and int(reading.value)
    ]
    return list(dict.fromkeys(found))
