"""
A cluster that somebody else has built, as ``hamysql.adopt`` asks its nodes for it. Reads only, and needs no pillar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Everything else is imported by the function that needs it, as in hamysql_node.
from hamysql import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from injected import __grains__, __salt__

__virtualname__ = "hamysql_adopt"


def __virtual__() -> str:
    return __virtualname__


def look() -> dict[str, Any]:
    """
    What this node says of the cluster: corosync.conf, pacemaker's configuration, its storage, the database's options. No secret.

    Returns the shape of ``hamysql.adoption.look.Found``, or ``{"stale": True}`` where the minion has older code in memory.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.look
    """
    if fingerprint.stale():
        return {"stale": True}
    from hamysql.adoption import look as adoption_look
    from hamysql.preflight import machine
    from hamysql.system.command import run

    return {**adoption_look.look(run, __grains__["nodename"], machine.system(__grains__))}


def sealed(certificate: str) -> str:
    """
    The cluster's secrets that this node has, encrypted for whoever has the certificate's key.

    certificate
        In PEM. ``hamysql.adopt`` makes one for each run.

    Returns a CMS message in PEM.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.sealed "$(cat certificate.pem)"
    """
    from hamysql.adoption import look as adoption_look
    from hamysql.adoption import sealed as adoption_sealed
    from hamysql.system.command import run

    return adoption_sealed.seal(run, certificate, adoption_look.secrets(run))


def problems(pillar: Mapping[str, Any]) -> list[dict[str, str]]:
    """
    What a pillar says that hamysql does not take on this node.

    pillar
        A whole pillar ``hamysql``, with something in the place of each secret.

    Returns ``[{"path", "found", "expected"}]``, an empty list where there is nothing.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.problems '{cluster: {...}}'
    """
    from hamysql.errors import ConfigError

    try:
        __salt__["hamysql.config"](misnamed=True, pillar=pillar)
    except ConfigError as exc:
        return [{"path": item.path, "found": item.found, "expected": item.expected} for item in exc.problems]
    return []


def outcome(pillar: Mapping[str, Any], adopt: Sequence[str]) -> dict[str, Any]:
    """
    What would become of the running cluster with a pillar: what pacemaker would do, and what corosync and the storage wait for.

    pillar
        As in ``hamysql_adopt.problems``.
    adopt
        The ids that hamysql would own from then on.

    Returns ``{"changes": [in words], "actions": [what pacemaker would do], "waits": [sentences]}``. Raises ``NotReady`` where
    pacemaker does not run, and ``Refused`` where pacemaker would not accept the result.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.outcome '{cluster: {...}}' adopt='[p_mysql]'
    """
    from hamysql.adoption import outcome as adoption_outcome
    from hamysql.system.command import run

    site = __salt__["hamysql.config"](misnamed=True, pillar=pillar)
    return {**adoption_outcome.seen(run, site, adopt)}
