"""The options that the running database server was started with, and what becomes of a change. Pure.

The server's variables do not say what it was started with: it rounds and derives values, an operator may have set one for
the moment, and not every option is a variable. So it is the option file that is compared: a server that started after the
file was last written runs with what is in it. That is recorded, for that very process, before a new file is written, and
each variable that is set afterwards is recorded as well. The server is only asked whether a variable can be set while it
runs (:meth:`hamysql.mysql.flavours.face.Flavour.variables`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Flavour, Variable
from hamysql.mysql.flushing import FLUSHING
from hamysql.mysql.tls import files as tls_files
from hamysql.mysql.tls import pem
from hamysql.pending import LIVE, MYSQL, RESTART, Pending, show
from hamysql.resolved.software import Mysql

Options = dict[str, list[str]]  # each option of the server with its values in their order; "" for one without a value

_PATHS = {
    "bind_address": "vip:address",
    "port": "mysql:port",
    "socket": "mysql:socket",
    "pid_file": "mysql:pid_file",
    "user": "mysql:user",
    "log_error": "mysql:error_log",
}
_TLS = {**{f"ssl_{name}": f"mysql:tls:{name}" for name in tls_files.FILES}, tls_files.SECURE: "mysql:tls:required"}
UNKNOWN = Pending(
    RESTART,
    MYSQL,
    "hamysql:mysql:config",
    "options that are not known, since their file was written over while the server ran",
    "the pillar's",
)


@dataclass(frozen=True)
class Process:
    """One run of the server: its process id, and when it started, in ticks since the machine did (proc(5), starttime)."""

    pid: int
    start: int


def parse_file(flavour: Flavour, text: str) -> Options:
    """The server's options in an option file that hamysql has written."""
    found: Options = {}
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]")
        elif line and line[0] not in "#;" and flavour.options.read.fullmatch(group):
            name, equals, value = (part.strip() for part in line.partition("="))
            found.setdefault(plain(name), []).append(_unquoted(value) if equals else "")
    return found


def wanted(config: Mysql) -> Options:
    """The same of the resolved configuration's ``mysql``."""
    lines = []
    for group, options in config["option_lines"].items():
        lines += [f"[{group}]", *options]
    return parse_file(registry.of(config), "\n".join(lines))


def plain(name: str) -> str:
    """An option's name as its variable has it."""
    return name.strip().lower().replace("-", "_")


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return value


def record(process: Process, options: Options) -> str:
    """The record of what a process runs with."""
    return json.dumps({"pid": process.pid, "start": process.start, "options": options}, indent=1) + "\n"


def recorded(text: str, process: Process) -> Options | None:
    """What the record says about this process; ``None`` where it is about another one, or damaged."""
    try:
        said = json.loads(text)
        if (said["pid"], said["start"]) == (process.pid, process.start):
            return {str(name): list(values) for name, values in said["options"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def changed(running: Options, want: Options) -> list[str]:
    """The names of the options that differ. The datadir is not among them: that is the data's own business."""
    return [name for name in sorted({*running, *want} - {"datadir"}) if running.get(name) != want.get(name)]


def as_started(want: Options, variables: Mapping[str, Variable]) -> Options:
    """What a server runs with that somebody else has started, as far as the pillar names it: by its variables.

    A variable that has the pillar's value counts as started with it. An option that is no variable counts as another one, but for
    the account, which the server's resource gives it.
    """
    found: Options = {}
    for name, values in want.items():
        variable = variables.get(name)
        if name == "user" or (variable and values and _plain_value(variable.value) == _plain_value(values[-1])):
            found[name] = values
        elif variable is not None:
            found[name] = [variable.value]
    return found


def statements(running: Options, want: Options, variables: Mapping[str, Variable]) -> dict[str, str | None]:
    """The SQL for each option that differs, ``None`` where only a start makes the change."""
    names = changed(running, want)
    found = {name: statement(name, want.get(name, []), variables.get(name)) for name in names}
    if tls_files.SECURE in found and {f"ssl_{name}" for name in tls_files.FILES} & set(names):
        # Before the server has its TLS, no client over the network could connect.
        found[tls_files.SECURE] = None
    return found


def pending(config: Mysql, running: Options, want: Options, variables: Mapping[str, Variable]) -> Iterator[Pending]:
    """What a running server has not taken over.

    config
        The resolved configuration's ``mysql``.
    running, want
        The options in service and the pillar's.
    variables
        What the server says of those that differ.
    """
    ours = "".join(running.get("ssl_cert", ())).startswith(f"{tls_files.FOLDER}/")
    for name, sql in statements(running, want, variables).items():
        old, new = running.get(name, []), want.get(name, [])
        kind = LIVE if sql else RESTART
        yield Pending(kind, MYSQL, path(config, name, began=ours), show(old), show(new))


def left_flushing(running: Options, left: Mapping[str, float]) -> Iterator[Pending]:
    """That the server still writes its dirty pages at once, because a move was killed.

    running
        The options in service: a server that is meant to do so stays as it is.
    left
        What was set before (:mod:`hamysql.mysql.flushing`); empty where nothing was left.
    """
    if left and running.get(FLUSHING[0], [""])[-1:] not in (["0"], ["0.0"]):
        was = f"{left.get(FLUSHING[0], 0):g}"
        yield Pending(LIVE, MYSQL, f"hamysql:mysql:config:mysqld:{FLUSHING[0]}", "0, which a killed move has left", was)


def overruling(flavour: Flavour, want: Options, output: str) -> Options:
    """The options that a server keeps in its datadir, where they differ from the pillar's, or where no pillar could have them.

    It prefers them to its option files at each start, on either node (``SET PERSIST``). Those that the pillar does not name
    are left alone.

    output
        That of the flavour's ``persisted_query``.
    """
    found: Options = {}
    for name, value in (line.split("\t") for line in output.splitlines()):
        guard = flavour.options.guarded.get(name)
        wrong = guard is not None and not guard.accepts(value)
        if _plain_value(want[name][-1]) != _plain_value(value) if name in want else wrong:
            found[name] = [value]
    return found


def _plain_value(value: str) -> str:
    """A value as the server has it: numbers without units, switches as ON and OFF."""
    number = re.fullmatch(r"(-?\d+)([KMGTPE])", value, re.IGNORECASE)
    if number:
        return str(int(number[1]) * _UNITS[number[2].upper()])
    return {"TRUE": "ON", "FALSE": "OFF", "1": "ON", "0": "OFF", "": "ON"}.get(value.upper(), value.upper())


_UNITS = {unit: 1024**power for power, unit in enumerate("KMGTPE", 1)}


def statement(name: str, values: list[str], variable: Variable | None) -> str | None:
    """The SQL that gives a variable its new value while the server runs; ``None`` where only a start does."""
    if variable is None or not variable.settable or len(values) > 1:
        return None
    if not values:
        return f"SET GLOBAL {name} = DEFAULT;"
    value = values[0]
    if variable.type == "BOOLEAN":
        return f"SET GLOBAL {name} = {value.upper() or 'ON'};" if re.fullmatch(r"\w*", value) else None
    if not value and not variable.type.startswith(("VARCHAR", "SET")):
        return None
    number = re.fullmatch(r"(-?\d+)([KMGTPE]?)", value, re.IGNORECASE)
    if number:
        return f"SET GLOBAL {name} = {int(number[1]) * _UNITS.get(number[2].upper(), 1)};"
    if re.fullmatch(r"-?\d*\.\d+", value):
        return f"SET GLOBAL {name} = {value};"
    quoted = value.replace("'", "''")
    return f"SET GLOBAL {name} = '{quoted}';"


def path(config: Mysql, name: str, began: bool = False) -> str:
    """Where in the pillar an option comes from; ``began``: the server runs with the pillar's TLS."""
    flavour = registry.of(config)
    own = {**_PATHS, **(_TLS if config["tls"]["enabled"] else {})}
    for group, options in config["options"].items():
        for option in options:
            if plain(option) == name and flavour.options.read.fullmatch(group) and name not in own:
                return f"hamysql:mysql:config:{group}:{option}"
    own |= _TLS if began else {}  # it may have left the pillar since
    return f"hamysql:{own[name]}" if name in own else f"hamysql:mysql:config:mysqld:{name}"


def presents(
    config: Mysql, running: Options, shown: str | None, loaded: str | None, named: Callable[[str], str]
) -> Pending | None:
    """What a running server has not read of the pillar's certificate, key and authorities; ``None`` where it has, or cannot have.

    config
        The resolved configuration's ``mysql``.
    running
        The options that the server runs with: one that was started without TLS has to be restarted, which :func:`pending` says.
    shown
        What :func:`hamysql.mysql.tls.files.presented` has returned.
    loaded
        The digest of the set that the server has read, as far as that is noted (:func:`hamysql.mysql.tls.files.digest`).
    named
        A certificate in words.
    """
    cert, want = config["tls"]["cert"], wanted(config)
    if cert is None or any(running.get(name) != want.get(name) for name in _TLS if name != tls_files.SECURE):
        return None
    path = f"{tls_files.PATH}:cert"
    if shown == "":
        return Pending(RESTART, MYSQL, path, "no TLS, though the server's options name its files", named(cert))
    own = pem.export(pem.parse(cert)[:1])
    if shown is not None and shown != own:
        return Pending(LIVE, MYSQL, path, named(shown), named(cert))
    if loaded != tls_files.digest(tls_files.texts(config)):
        return Pending(
            LIVE, MYSQL, f"{tls_files.PATH}:ca", "not read again yet", "the pillar's, and the certificate's chain"
        )
    return None
