"""
A cluster that somebody else has built, as ``hamysql.adopt`` asks its nodes for it, and ``hamysql.orch.adopt`` takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Everything else is imported by the function that needs it, as in hamysql_node.
from hamysql import fingerprint

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Mapping
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


def outcome(pillar: Mapping[str, Any]) -> dict[str, Any]:
    """
    What would become of the running cluster with a pillar: what pacemaker would do, and what corosync and the storage wait for.

    pillar
        As in ``hamysql_adopt.problems``.

    Returns ``{"changes": [in words], "actions": [what pacemaker would do], "waits": [sentences]}``. Raises ``NotReady`` where
    pacemaker does not run, and ``Refused`` where pacemaker would not accept the result.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.outcome '{cluster: {...}}'
    """
    from hamysql.adoption import outcome as adoption_outcome
    from hamysql.system.command import run

    site = __salt__["hamysql.config"](misnamed=True, pillar=pillar)
    return {**adoption_outcome.outcome(run, site)}


def planned() -> dict[str, Any]:
    """
    What taking the cluster over with this node's pillar would do. Reads only.

    Returns ``{"state": "foreign", "begun", "exchanged" (and still held) or "done", "problems": why it cannot be, in sentences,
    "changes": as in ``hamysql_cib.diff``, "actions": what pacemaker would do, "interrupting": those that touch what runs}``.
    Raises ``NotReady`` where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.planned
    """
    from hamysql.adoption import take_over
    from hamysql.system.command import run

    return {**take_over.planned(run, _wanted)}


def hold() -> bool:
    """
    Have pacemaker do nothing from now on, for a takeover: what runs goes on. ``hamysql.orch.adopt`` begins with it.

    Returns ``False`` where that was so before. Raises ``Refused`` where somebody else holds the cluster.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.hold
    """
    from hamysql.adoption import take_over
    from hamysql.system.command import run

    return take_over.hold(run)


def prepare() -> dict[str, list[str]]:
    """
    Before hamysql's files are laid down: what stands in their way is put aside, and what the database runs with is noted.

    Nothing that runs is touched. Returns ``{"done": [in words]}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.prepare
    """
    from hamysql.adoption import server
    from hamysql.storage import backends
    from hamysql.system.command import run

    site = __salt__["hamysql.config"]()
    made = backends.used(site).make_way(site, run)
    noted = ["what the database runs with is noted"] if server.note(run, site["mysql"]) else []
    return {"done": [*made, *noted]}


def record() -> bool:
    """
    Note on this node that its copy of the data is this cluster's, after the files are laid down.

    Returns ``False`` where that was noted before. Raises ``Refused`` where the disk holds something else.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.record
    """
    from hamysql.errors import Refused
    from hamysql.storage import backends
    from hamysql.storage.latch import Latches
    from hamysql.system.command import run

    site = __salt__["hamysql.config"]()
    kind = backends.used(site)
    known = Latches().read(kind.latch_name(site), kind.name)
    uuid = kind.uuid_to_adopt(site, run)
    if not uuid:
        raise Refused(
            "this node's disk has no identifier of its data, so it cannot be noted whose it is: look at `drbdadm status`"
        )
    if known and known.device_uuid.lower() == uuid.lower():
        return False
    return bool(__salt__["hamysql_storage.adopt"](uuid))


def exchange() -> list[str]:
    """
    Make the cluster's configuration hamysql's in one change, have pacemaker look at all of it, and end maintenance mode.

    Returns what was changed, in words. Raises ``Refused`` where pacemaker would stop, start or move something of the service: the
    configuration of before is back then. Raises ``NotReady`` where pacemaker has to stay held.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.exchange
    """
    from hamysql.adoption import take_over
    from hamysql.system.command import run

    return take_over.carry_out(run, _wanted, _kept)


def _wanted(_live: str) -> ET.Element:
    from hamysql.cib import live
    from hamysql.config import resources
    from hamysql.system.command import run

    site = __salt__["hamysql.config"]()
    if any(device["secrets"] for device in site["fencing"]["devices"]):
        live.need_secrets(run)
    return resources.desired(site)


def _kept() -> str:
    """The cluster's configuration of before the takeover, from the newest checkpoint that has it."""
    from hamysql.adoption import exchange as adoption_exchange
    from hamysql.errors import Refused
    from hamysql.records.checkpoints import CIB, Store

    store = Store()
    for name in store.names():
        kept = store.read(name)
        if CIB in kept.texts and not adoption_exchange.is_ours(kept.cib):
            return kept.cib
    raise Refused(
        "this node has no checkpoint of the cluster's configuration of before the takeover: run it on the other node"
    )
