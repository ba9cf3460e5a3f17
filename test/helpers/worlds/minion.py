"""A node's execution modules, as Salt's loader has them: on a folder with the node's files, over programs and a network that are answered.

What is replaced for them is replaced here: what runs programs, and what asks the network.
"""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from hamysql import fingerprint
from hamysql.config import resolution
from hamysql.system import command, reach, root
from hamysql.system.command import Run
from support import PARAMETERS, ROOT, load_pillar, parameters

Functions = dict[str, Callable[..., Any]]

NOWHERE = "/no modules"  # no node has modules of the formula in a folder of its own
CODE = fingerprint.code(NOWHERE)
GRAINS = {"os_family": "Debian", "os": "Debian", "osrelease": "12", "osmajorrelease": 12}
SURVEYING = ("hamysql_node", "hamysql_cluster", "hamysql_mysql", "hamysql_change", "hamysql_tls")  # and ``hamysql``
# A healthy one: everybody answers, and nobody has the virtual IP.
NETWORK: Mapping[str, Any] = {
    "unreachable": lambda *_: [],
    "absent": lambda *_: [],
    "owner": lambda *_: "",
    "connects": lambda *_: True,
}
_package = functools.cache(fingerprint.package)  # nobody changes the formula below a test


def load(path: str, name: str) -> ModuleType:
    """A module of the project by its path, under a name of its own: Salt's folders share file names."""
    module = ModuleType(name)
    exec(_code(path), vars(module))
    return module


@functools.cache
def _code(path: str) -> CodeType:
    return compile((ROOT / path).read_text(encoding="utf-8"), ROOT / path, "exec")


def named(pillar: str) -> Any:
    """A pillar of test/pillar, with the worlds' name."""
    return json.loads(_pillar(pillar))


@functools.cache
def _pillar(name: str) -> str:
    given = load_pillar(name)
    given["cluster"]["name"] = "galaxy-db"
    for number, node in enumerate(given["cluster"]["nodes"].values(), start=11):
        node["addresses"] = [f"192.0.2.{number}", f"198.51.100.{number}"]
    return json.dumps(given)


def configuration(pillar: Any, node: str) -> Any:
    """The configuration of a node of this pillar, as ``hamysql.config`` returns it. Each who asks gets a copy."""
    return pickle.loads(_resolved(json.dumps(pillar), node))


@functools.cache
def _resolved(pillar: str, node: str) -> bytes:
    merged = resolution.layered(_parameters(), json.loads(pillar))
    return pickle.dumps(resolution.resolve(merged, minion_id=node, nodename=node))


_parameters = functools.cache(parameters)


def salts_own(packages: Mapping[str, str] | None = None) -> Functions:
    """What of Salt's own functions the formula's modules call.

    packages
        The version of each one that is installed; none by default. What is not can be installed.
    """
    return {
        "cp.cache_dir": lambda *_, **__: [str(path) for path in sorted(PARAMETERS.rglob("*.yaml"))],
        "pkg.list_pkgs": lambda: dict(packages or {}),
        "pkg.latest_version": lambda *names, **_: dict.fromkeys(names, "3.1.7-1"),
    }


def modules(
    node: str, names: Iterable[str], functions: Functions, run: Run, pillar: Mapping[str, Any], **grains: Any
) -> dict[str, ModuleType]:
    """Execution modules on a node, by the names of their files.

    functions
        ``__salt__`` of each of them, to which their own functions are added.
    pillar
        ``__pillar__``.
    grains
        What this node has otherwise than :data:`GRAINS`.
    """
    found = {}
    context: dict[str, Any] = {}
    for name in names:
        module = found[name] = load(f"_modules/{name}.py", f"{node}_{name}")
        module.__salt__, module.__context__, module.__pillar__ = functions, context, pillar
        module.__grains__ = {**GRAINS, "nodename": node, **grains}
        module.__opts__ = {"id": node, "extension_modules": NOWHERE, "test": False}
        if "run" in vars(module):
            module.run = run
        functions.update(public(module))
    return found


def public(module: ModuleType) -> Functions:
    """A module's functions, by the names that Salt has for them."""
    aliases = vars(module).get("__func_alias__", {})
    return {
        f"{vars(module)['__virtualname__']}.{aliases.get(name, name)}": found
        for name, found in vars(module).items()
        if callable(found) and not name.startswith("_")
    }


def stand_still(modules: Iterable[ModuleType], clock: Sequence[float]) -> None:
    """Have the clock of these modules say that, one time after the other; the last of them for ever."""
    left = list(clock)
    for module in modules:
        if "time" in vars(module):
            module.time = SimpleNamespace(time=lambda: left.pop(0) if len(left) > 1 else left[0])


@contextmanager
def at_work(place: Path, run: Run, network: Mapping[str, Any] = NETWORK) -> Iterator[None]:
    """On the node inside of the ``with`` block.

    place
        The folder with its files.
    network
        What it hears, see :data:`NETWORK`.
    """
    with (
        root.below(place),
        mock.patch.object(command, "run", run),
        mock.patch.multiple(reach, **{**NETWORK, **network}),
        mock.patch.object(fingerprint, "package", _package),
    ):
        yield
