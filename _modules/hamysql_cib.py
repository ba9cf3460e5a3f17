"""
The cluster's configuration (the CIB), as far as hamysql owns it.

Ownership is written in the cluster itself: the tag ``hamysql`` lists what the pillar's settings made, the tag
``hamysql-configure`` what the pillar's own ``crm configure`` text made. Nothing else is ever changed or deleted.
Every function works on the whole cluster, from any node whose pacemaker runs.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from hamysql.cib import drift as cib_drift
from hamysql.cib import live as cib_live
from hamysql.cib import move as cib_move
from hamysql.cib import names as cib_names
from hamysql.cib import plan as cib_plan
from hamysql.cib import status as cib_status
from hamysql.cib import stop as cib_stop
from hamysql.config import resources
from hamysql.errors import Refused
from hamysql.mysql.flavours import registry
from hamysql.storage import backends, lock
from hamysql.system import shells, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence
    from typing import Any

    from injected import __salt__

log = logging.getLogger(__name__)

__virtualname__ = "hamysql_cib"

SERVICES = (*registry.services(), *backends.services())


def __virtual__() -> str:
    return __virtualname__


def owned() -> dict[str, dict[str, str]]:
    """
    What hamysql owns in the live CIB.

    Returns ``{tag: {id: the element in words}}`` for the two tags, an empty dict for one that does not exist.
    Raises ``NotReady`` where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.owned
    """
    return cib_plan.owned(cib_live.query(run))


def drift() -> list[str]:
    """
    What people and programs have put over the configuration for the moment, which hamysql leaves alone.

    Constraints of a move or a ban by hand and of DRBD's fence handler, standby, maintenance, resources of ours stopped
    or unmanaged by hand. Returns a list of sentences, each with what ends it. Raises ``NotReady`` where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.drift
    """
    return list(cib_drift.drift(cib_live.query(run), shells.installed()))


def interventions() -> list[str]:
    """
    Those of ``hamysql_cib.drift`` that decide where and whether something runs; nothing is moved or restarted meanwhile.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.interventions
    """
    return list(cib_drift.interventions(cib_live.query(run), shells.installed()))


def move(node: str, timeout: float = 900) -> bool:
    """
    Move the service to a node, through pacemaker, and leave it there: no constraint stays behind, and nothing else is changed.

    Run on the node that serves, it has the server write its dirty pages first, so that it stops sooner.

    node
        The name of a node.
    timeout
        Seconds for it to run there, 900 by default: stopping, promoting and a crash recovery may be part of it. As long,
        and half as long again, pacemaker heeds the constraint if this function is killed; the next ``apply`` takes it away.

    Returns False where the service was there already, else True; a constraint that a killed move has left behind goes. Raises
    ``Refused`` while a manual intervention is in effect (see ``interventions``), and ``NotReady`` with what was seen last. A move
    that is at work on this node already ends first; ``Refused`` where it does not within ``timeout``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.move db2
    """

    def place() -> str | None:
        found = __salt__["hamysql_cluster.status"]()["resources"]
        return next(
            (item["node"] for item in found if item["id"] == cib_names.SERVER and item["role"] == "Started"), None
        )

    # A killed run has left its own at work here, perhaps: that one ends first.
    with lock.held(f"move to {node}", "service", timeout):
        if place() == node:
            cib_live.edit(run, cib_move.ended)  # of a move that was killed
            return False
        hands = [
            *cib_drift.interventions(cib_live.query(run), shells.installed()),
            *cib_status.given_up(__salt__["hamysql_cluster.status"](), node),
        ]
        if hands:
            raise Refused("nothing is moved while this is so:\n" + "\n".join(f"  - {hand}" for hand in hands))
        settings = {}
        try:
            # While it still serves: what is written now, the shutdown does not have to write while nobody serves.
            settings = __salt__["hamysql_mysql.flush"]()["settings"]
            until = time.time() + 1.5 * timeout
            cib_live.edit(run, lambda live: cib_move.begun(live, node, until))
            what = f"pacemaker runs the database on {node}"
            wait.until(place, lambda seen: seen == node, what, timeout=timeout, interval=2, describe=_place_in_words)
        finally:
            try:
                cib_live.edit(run, cib_move.ended)
            finally:
                __salt__["hamysql_mysql.unflush"](settings)
        return True


def diff(adopt: str | Sequence[str] | None = None) -> dict[str, Any]:
    """
    What ``hamysql_cib.apply`` would change now, checked by ``crm_verify`` but not carried out.

    adopt
        As in ``hamysql_cib.apply``.

    Returns ``{"changes": [{"kind": "added|changed|removed", "id", "old", "new"}], "actions": [what pacemaker would do],
    "drift": [sentences]}``. Raises ``NotReady`` where pacemaker does not run, and ``Refused`` where an element of
    the same name exists that hamysql did not make, or where pacemaker would not accept the result.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.diff
    """
    return _returned(cib_live.preview(run, _wanted, adopt=_ids(adopt)))


def apply(adopt: str | Sequence[str] | None = None) -> dict[str, Any]:
    """
    Have the pillar's resources, constraints, properties and defaults in the cluster: one atomic change, or none.

    adopt
        An id, or a list of ids, that hamysql owns from now on although something else made them. They are changed to what
        the pillar says.

    What runs and gets another agent runs on: the cluster is in maintenance mode for the seconds in which pacemaker looks at it
    by the new one.

    Returns what was changed, in the form of ``hamysql_cib.diff``. Raises what that raises, ``Overtaken`` where somebody else
    changed the configuration at the same time in each of five attempts, and ``NotReady`` where something is not found by its new
    agent as it was; then maintenance mode stays, and the error says how it ends.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.apply
        salt db1 hamysql_cib.apply adopt=p_mysql
    """
    _keep()
    return _returned(cib_live.apply(run, _wanted, adopt=_ids(adopt)))


def configure(text: str | None = None, test: bool = False) -> dict[str, Any]:
    """
    Have in the cluster what a text in the language of ``crm configure`` makes, and nothing more that such a text once made.

    text
        The text; the pillar's ``hamysql:pacemaker:configure`` by default. It can add elements, and change those it has added
        before. What left the text leaves the cluster. A password belongs into the pillar, not on a command line.
    test
        Only say what would be changed once ``hamysql_cib.apply`` is done, since a text refers to what that makes; False by
        default.

    Returns what was changed, in the form of ``hamysql_cib.diff``. Raises what ``hamysql_cib.apply`` raises, ``Refused`` with
    crm's own words where crm does not accept the text, and ``NotReady`` where crm is not installed.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.configure test=True
        salt db1 hamysql_cib.configure 'primitive p_test ocf:heartbeat:Dummy op monitor interval=30s timeout=20s'
    """
    if text is None:
        text = __salt__["hamysql.config"]()["pacemaker"]["configure"]
    wanted = cib_live.from_text(run, text, SERVICES)
    if test:
        return _returned(cib_live.preview(run, wanted, tag=cib_plan.TEXT_TAG, after=_applied))
    _keep()
    return _returned(cib_live.apply(run, wanted, tag=cib_plan.TEXT_TAG))


def preview(at_rest: bool = False) -> dict[str, Any]:
    """
    What ``hamysql_cib.apply`` and then ``hamysql_cib.configure`` would change now; nothing is carried out.

    at_rest
        As if nothing ran: for a change that is made when the service is stopped, and that pacemaker would not take before (default:
        False).

    Returns the changes of both, in the form of ``hamysql_cib.diff``, and what pacemaker would do about all of them. Raises what
    those raise.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cib.preview
    """
    begin = cib_stop.at_rest if at_rest else str
    own = _returned(cib_live.preview(run, _wanted, after=begin))
    wanted = cib_live.from_text(run, __salt__["hamysql.config"]()["pacemaker"]["configure"], SERVICES)
    text = _returned(cib_live.preview(run, wanted, tag=cib_plan.TEXT_TAG, after=lambda live: _applied(begin(live))))
    return {
        "changes": own["changes"] + text["changes"],
        "actions": text["actions"] if text["changes"] else own["actions"],
        "drift": own["drift"],
    }


def _place_in_words(node: str | None) -> str:
    return f"it runs on {node}" if node else "it runs nowhere"


def _wanted(_live: str) -> ET.Element:
    config = __salt__["hamysql.config"]()
    if any(device["secrets"] for device in config["fencing"]["devices"]):
        cib_live.need_secrets(run)
    return resources.desired(config)


def _keep() -> None:
    """A checkpoint of what there is. The orchestration has had both nodes make one, and this finds it."""
    try:
        __salt__["hamysql_checkpoint.keep"](before="a change of the cluster's configuration", cib_only=True)
    except OSError as exc:  # the service may be waiting for this change
        log.warning("no checkpoint was made before a change of the cluster's configuration: %s", exc)


def _applied(live: str) -> str:
    return cib_plan.plan(live, _wanted(live)).xml


def _ids(adopt: str | Sequence[str] | None) -> list[str]:
    return [adopt] if isinstance(adopt, str) else list(adopt or ())


def _returned(outcome: cib_live.Outcome) -> dict[str, Any]:
    return {
        "changes": [dataclasses.asdict(change) for change in outcome.plan.changes],
        "actions": list(outcome.actions),
        "drift": list(cib_drift.drift(outcome.live, shells.installed())),
    }
