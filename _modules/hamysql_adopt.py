"""
A cluster that somebody else has built: what ``hamysql.adopt`` asks its nodes for, without a pillar, and the verbs with which
``hamysql.orch.adopt`` takes it over.
"""

# Long because half of it is documentation: of every function for `salt sys.doc`.

from __future__ import annotations

from typing import TYPE_CHECKING

# Everything else is imported by the function that needs it, as in hamysql_node.
from hamysql import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from injected import __grains__, __salt__

    from hamysql.cib.live import Wanted

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
    What would become of the running cluster with a pillar, when hamysql takes it over: what pacemaker would do, and what corosync
    and the storage wait for.

    pillar
        As in ``hamysql_adopt.problems``.

    Returns ``{"renamed": [in words], "changes": [in words], "actions": [what pacemaker would do], "waits":
    [sentences], "unclear": [why something could not be found out]}``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.outcome '{cluster: {...}}'
    """
    from hamysql.adoption import outcome as adoption_outcome
    from hamysql.system.command import run

    site = __salt__["hamysql.config"](misnamed=True, pillar=pillar)
    return {**adoption_outcome.seen(run, site)}


# --- the takeover


def standing(outcome: bool = True) -> dict[str, Any]:
    """
    How far a takeover is, what forbids it, and what it would change in pacemaker's configuration. Reads only.

    outcome
        Whether pacemaker is asked what it would do; True by default. One node is enough for that.

    Returns ``{"ours": whether the cluster is hamysql's, "begun": whether a takeover was begun on this node and has not ended,
    "held": whether pacemaker is held by it, "problems": why the pillar is not about this cluster, "fencing": what becomes of it,
    "renamed": sentences, "changes": as in ``hamysql_cib.diff``, "actions": what pacemaker would do in the end, "interruptions":
    those of them that are more than the start of something new}``. Raises ``NotReady`` where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.standing
    """
    from hamysql.adoption import exchange, fits, kept, turn
    from hamysql.cib import live, names, plan
    from hamysql.errors import HamysqlError
    from hamysql.preflight import foreign
    from hamysql.system.command import run

    site, xml = __salt__["hamysql.config"](misnamed=True), live.query(run)
    held = exchange.begun(xml)
    found: dict[str, Any] = {
        "ours": not held and names.SERVER in plan.owned(xml)[plan.TAG],
        "begun": foreign.begun(),
        "held": held,
        **{"problems": [], "fencing": "", "renamed": [], "changes": [], "actions": [], "interruptions": []},
    }
    if found["ours"]:
        return found
    before = (kept.cib() if held else None) or exchange.released(xml)
    found["fencing"] = fits.fencing(site, before)
    if not held:
        found["problems"] = fits.lacking(run, site, before)
    if outcome and not found["problems"]:
        try:
            found |= turn.foreseen(run, _wanted(), before)
        except HamysqlError as exc:
            found["problems"].append(str(exc))
    return found


def begin() -> list[str]:
    """
    Note that a takeover begins, and keep the files of before in ``/var/lib/hamysql/adopted``, which only root can enter.

    Returns the paths of the files that were kept.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.begin
    """
    from hamysql.adoption import kept
    from hamysql.storage import backends

    site = __salt__["hamysql.config"]()
    storage = backends.used(site)
    return kept.begin([*storage.own_files(site), *storage.files(site), site["mysql"]["config_fragment"]])


def hold() -> bool:
    """
    Have pacemaker do nothing until ``hamysql_adopt.exchange`` or ``hamysql_adopt.release``: the cluster is in maintenance mode.

    Returns True. Raises ``Refused`` where no takeover was begun on this node.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.hold
    """
    from hamysql.adoption import turn
    from hamysql.errors import Refused
    from hamysql.preflight import foreign
    from hamysql.system.command import run

    if not foreign.begun():
        raise Refused("no takeover was begun on this node: `salt-run state.orchestrate hamysql.orch.adopt` does it")
    turn.hold(run)
    return True


def keep(timeout: float = 60) -> bool:
    """
    Keep the configuration of before and what runs where, while pacemaker is held, and what the database was started with.

    timeout
        Seconds for this node to know that pacemaker is held, 60 by default.

    Returns whether it was kept now; a run that was cut off may have done so.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.keep
    """
    from hamysql.adoption import kept
    from hamysql.system.command import run

    made = kept.keep(run, timeout)
    __salt__["hamysql_change.observe"]()
    return made


def settle() -> list[str]:
    """
    The storage is in hamysql's files alone, and this node's latch says that its data is the cluster's.

    Returns what was done, as sentences.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.settle
    """
    from hamysql.storage import backends
    from hamysql.storage.latch import Latches
    from hamysql.system.command import run

    site = __salt__["hamysql.config"]()
    return backends.used(site).take(site, run, Latches())


def exchange() -> dict[str, Any]:
    """
    Make pacemaker's configuration hamysql's in one change, have it look at all that runs, and have it act again.

    Returns what was changed, as ``hamysql_adopt.standing`` does. Raises ``Refused`` with what pacemaker would have stopped, started
    or moved; the configuration is that of before then. Raises ``NotReady`` where that did not succeed either; then the cluster
    stays in maintenance mode, and nothing of it stops.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.exchange
    """
    from hamysql.adoption import kept, turn
    from hamysql.system.command import run

    return {**turn.turn(run, _wanted(), kept.needed())}


def release() -> bool:
    """
    Give a takeover up whose configuration was not exchanged yet: pacemaker acts again, by the configuration of before.

    Returns whether it was held. Raises ``Refused`` where the configuration was exchanged: ``hamysql_adopt.exchange`` ends that.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_adopt.release
    """
    from hamysql.adoption import turn
    from hamysql.system.command import run

    return turn.release(run)


def finish() -> bool:
    """
    Note that the takeover has ended. What was kept stays.

    Returns whether one had been begun.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_adopt.finish
    """
    from hamysql.adoption import kept

    return kept.finish()


def _wanted() -> Wanted:
    from hamysql.cib import live
    from hamysql.config import resources
    from hamysql.system.command import run

    site = __salt__["hamysql.config"]()
    if any(device["secrets"] for device in site["fencing"]["devices"]):
        live.need_secrets(run)
    found = resources.desired(site)
    return lambda _: found
