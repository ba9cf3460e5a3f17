"""
The configuration of hamysql on this minion.

``hamysql.config`` is what templates and states use. It holds secrets, so it cannot be called as a job; ``hamysql.settings``
is the same with the secrets masked.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError, SaltInvocationError

from hamysql import fingerprint

try:
    from hamysql.config import resolution, systems
    from hamysql.corosync import node_ids
    from hamysql.errors import Refused
    from hamysql.schema import language
    from hamysql.storage import backends
except ImportError:
    # The minion has a version of the package in memory whose modules are others. This one says so, to a highstate as well.
    if not fingerprint.stale():
        raise
    resolution = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from injected import __context__, __grains__, __opts__, __pillar__, __salt__

    from hamysql.resolved import Resolved
    from hamysql.schema.values import Config

log = logging.getLogger(__name__)

__virtualname__ = "hamysql"
__func_alias__ = {"config_": "config"}

VERSION = "0.1.0"
PARAMETERS = "salt://hamysql/parameters"


def __virtual__() -> str:
    return __virtualname__


def config_(
    saltenv: str | None = None, misnamed: bool = False, pillar: Mapping[str, Any] | None = None, **kwargs: Any
) -> Resolved:
    """
    Return the finished configuration, **with its secrets**: for templates, states and other modules in the same process.

    saltenv
        The environment whose parameters are merged below the pillar (default: the minion's, or ``base``).
    misnamed
        Whether a node whose ``uname -n`` is not its key in the pillar is accepted: only by what looks (default: False).
    pillar
        Another pillar ``hamysql`` than this minion's, to see what would become of it.

    Returns a dict in the shape of the pillar ``hamysql`` with derived values added. Raises ``ConfigError`` (every
    problem of the pillar at once), and ``Refused`` when called as a job, whose return would travel over
    the event bus and into the job cache.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql.settings   # hamysql.config itself refuses to run as a job
    """
    if resolution is None:
        raise CommandExecutionError(
            "this minion keeps an older version of hamysql in memory: restart it with "
            f"`salt {__opts__['id']} service.restart salt-minion no_block=True`"
        )
    if "__pub_fun" in kwargs:
        raise Refused("hamysql.config would return secrets as a job's result; use hamysql.settings instead")
    if kwargs:
        raise SaltInvocationError(f"hamysql.config has no argument {', '.join(sorted(kwargs))}")
    saltenv = saltenv or __opts__.get("saltenv") or "base"
    pillar = __pillar__.get("hamysql") if pillar is None else pillar
    if pillar is None:
        raise CommandExecutionError(
            f"There is no pillar `hamysql` for the minion {__opts__['id']!r}: assign one in the pillar's top file (see "
            "pillar.example), or look for rendering errors with `salt-call pillar.items`"
        )
    key = f"hamysql.config:{fingerprint.pillar([saltenv, misnamed, pillar])}"
    if key not in __context__:
        parameters = _parameters(saltenv)
        merged = resolution.layered(parameters, pillar)
        who = {"minion_id": __opts__["id"], "nodename": None if misnamed else __grains__["nodename"]}
        __context__[key] = (merged, who, resolution.resolve(merged, **who))
    merged, who, found = __context__[key]
    key, who, found = _with_ids(key, merged, who, found)
    return copy.deepcopy(_with_noted(key, merged, who, found))


def _with_ids(key: str, merged: Any, who: dict[str, Any], found: Resolved) -> tuple[str, dict[str, Any], Resolved]:
    """The configuration with the ids that the nodes have in this node's corosync.conf, whatever their order in the pillar is."""
    ids = node_ids.known(found["cluster"]["name"])
    if not any(name in ids for name in found["cluster"]["nodes"]):
        return key, who, found
    who, key = {**who, "known_ids": ids}, f"{key}:{sorted(ids.items())}"
    if key not in __context__:
        __context__[key] = resolution.resolve(merged, **who)
    return key, who, __context__[key]


def _with_noted(key: str, merged: Any, who: dict[str, Any], found: Resolved) -> Resolved:
    """The configuration with what this node has noted for its storage, where the pillar leaves that open; looked for each time."""
    noted = backends.used(found).noted(found)
    if noted is None:
        return found
    key = f"{key}:{noted}"
    if key not in __context__:
        __context__[key] = resolution.resolve(merged, **who, noted=noted)
    resolved: Resolved = __context__[key]
    return resolved


def _parameters(saltenv: str) -> list[Config]:
    """The formula's own data for this operating system, general first."""
    cached = __salt__["cp.cache_dir"](PARAMETERS, saltenv=saltenv) or []
    required, layers = systems.required(__grains__), []
    for name in systems.files(__grains__):
        found = [path for path in cached if path.endswith(f"/hamysql/parameters/{name}")]
        if not found and name == systems.DEFAULTS:
            raise CommandExecutionError(f"{PARAMETERS}/{name} is not on the file server in environment {saltenv!r}")
        if not found and name in required:
            raise CommandExecutionError(
                f"hamysql does not know the operating system family {__grains__['os_family']!r} of {__opts__['id']}; "
                "docs/platforms.md lists the supported ones"
            )
        for path in found:
            with salt.utils.files.fopen(path, encoding="utf-8") as handle:
                layers.append(salt.utils.yaml.safe_load(handle) or {})
    return layers


def settings(saltenv: str | None = None, misnamed: bool = False, pillar: Mapping[str, Any] | None = None) -> Resolved:
    """
    Return the finished configuration with every secret masked.

    saltenv
        The environment whose parameters are merged below the pillar (default: the minion's, or ``base``).
    misnamed
        Whether a node whose ``uname -n`` is not its key in the pillar is accepted (default: False).
    pillar
        Another pillar ``hamysql`` than this minion's, to see what would become of it.

    Returns a dict in the shape of the pillar ``hamysql`` with derived values added. Raises ``ConfigError``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql.settings
    """
    found = config_(saltenv=saltenv, misnamed=misnamed, pillar=pillar)
    masked: Resolved = language.redacted(found)
    return masked


def version() -> str:
    """
    Return the version of the formula's code on this minion (a text); a running minion keeps the one it started with.

    CLI Example:

    .. code-block:: bash

        salt '*' hamysql.version
    """
    return VERSION
