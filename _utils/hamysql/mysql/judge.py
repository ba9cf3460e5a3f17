"""The server's options: what would lock hamysql out, let strangers in or keep a failover from starting is refused. Pure.

Where safety hangs on a value, the flavour's tables (:mod:`hamysql.mysql.flavours`) say which ones are allowed. A path has to be a
place that both nodes have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from hamysql.mysql.addresses import wrong_address, wrong_host
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.allowed import ON
from hamysql.mysql.options import OWN_MYSQL, OWN_TLS, Reading, server_options
from hamysql.mysql.tls import files as tls_files
from hamysql.mysql.tls import settings as tls_settings
from hamysql.schema.language import Report
from hamysql.schema.values import Config

CONFIG = "hamysql:mysql:config"


def check_server(config: Config, report: Report, taken: Collection[int | None]) -> None:
    """The rules of the server's options.

    taken
        Ports that are others'.
    """
    if config["mysql"]["user"] == "root":
        report.add(
            "hamysql:mysql:user", "'root'", "an account of the server's own: whoever breaks into it would be root"
        )
    for number, user in enumerate(config["mysql"]["users"]):
        for expected in wrong_host(user["host"] or ""):
            report.add(f"hamysql:mysql:users:{number}:host", repr(user["host"]), expected)
    own = OWN_MYSQL | (OWN_TLS if tls_settings.given(config) else {})
    for group, name, reading in server_options(config):
        path = f"{CONFIG}:{group}:{name}"
        if report.bad_under(path):
            continue
        if reading.name in own:
            report.add(path, "an option that hamysql writes itself", f"not to be set here: {own[reading.name]}")
            continue
        found = repr(reading.value) if reading.value is not None else "an option without a value"
        for expected in _wrong(reading, config, taken):
            report.add(path, found, expected)


def _wrong(reading: Reading, config: Config, taken: Collection[int | None]) -> Iterator[str]:
    name, value = reading.name, reading.value
    tables = registry.of(config["mysql"]).options
    guarded = {**tables.guarded, **(tables.logged if config["backup"]["binary_logs"] else {})}
    if name in guarded:
        if not guarded[name].accepts(value):
            yield guarded[name].expected
        return
    for family, expected in tables.families.items():
        if name.startswith(family):
            yield expected
            return
    if name == "bind_address":
        yield from wrong_address(value, config["vip"]["address"])
    elif name in ("extra_port", "admin_port"):
        if not re.fullmatch(r"[0-9]{1,5}", value or "") or not int(value or 0) <= 65535:
            yield "a port, 1 to 65535"
        elif int(value or 0) in (config["mysql"]["port"], *taken):
            yield "a port of its own"
    elif name == "ssl" and tls_settings.given(config):
        if (value if value is not None else "on").lower() not in ON:
            yield f"ON, or not to be set: {tls_files.PATH} sets up TLS"
    elif name == "admin_address":
        yield "not to be set: it is a door of its own; extra_port listens where the server listens"
    elif (
        name.endswith("_size") and value is not None and not re.fullmatch(r"-?[0-9]+([KMGTPEkmgtpe](i?[Bb])?)?", value)
    ):
        yield "a number of bytes, perhaps with K, M, G or T, such as '1536M': the server takes no percentages and no fractions"
    elif value is not None and name not in tables.no_paths:
        yield from _wrong_path(name, value, config)


def _wrong_path(name: str, value: str, config: Config) -> Iterator[str]:
    """What is wrong with a value as a path; a value without ``/`` is a name in the datadir, or no path."""
    datadir, error_log = config["mysql"]["datadir"], config["mysql"]["error_log"]
    tables = registry.of(config["mysql"]).options
    places = list(tables.elsewhere.get(name, ()))
    if datadir:
        places.append(datadir)
    if name in tables.logs and error_log:
        places.append(error_log.rpartition("/")[0])
    for part in re.split("[:;]", value) if name in tables.lists_of_paths else [value]:
        if part.startswith(("~", "$")) or ".." in re.split(r"[/\\]", part):
            yield f"a path below {' or '.join(places)}, without '..' and '~'"
        elif part.startswith("/") and not any(part == place or part.startswith(f"{place}/") for place in places):
            yield (
                f"a path below {' or '.join(places)}: only these are on both nodes, and a server that does not "
                "find its files on the other node does not start there"
            )
        elif "/" in part and not part.startswith("/") and re.search(r"(^|[:;,=])\s*/", part):
            yield f"no path within a value but below {' or '.join(places)}"
