"""
Secrets that change in service: the verbs of ``hamysql.orch.rotate_secrets``, on one node. Nothing here returns a secret.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.corosync import key
from hamysql.errors import CommandFailed
from hamysql.fencing import power, proving
from hamysql.storage import backends
from hamysql.system import files
from hamysql.system.command import exists, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from injected import __salt__

    from hamysql.resolved import Resolved

    class State(TypedDict):
        """Keys, see :class:`hamysql.corosync.key.Seen`; ``fencing`` are the devices whose secrets are others in their files."""

        key: key.Seen
        fencing: list[str]
        storage: list[str]


__virtualname__ = "hamysql_secrets"

PLACES = key.Places()


def __virtual__() -> str:
    return __virtualname__


def _site() -> Resolved:
    return __salt__["hamysql.config"]()


def state() -> State:
    """
    Which of the pillar's secrets are not those of this node yet.

    Returns ``{"key": {"pillar", "file", "beside", "before": fingerprints of corosync's keys, or "", "unable": [why the key cannot
    be changed in service]}, "fencing": [fence devices whose secrets differ in their files], "storage": [what the files of
    the storage have not taken over, in words]}``. A fingerprint has twelve digits of a hash.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_secrets.state
    """
    site = _site()
    differing = [
        file["path"].split("/")[-2]
        for file in site["fencing"]["secret_files"]
        if (files.text_if_any(file["path"], links=True) or "").rstrip("\n") != file["value"]
    ]
    storage = backends.used(site).secret_lines(site)
    return {"key": key.seen(run, site["corosync"], PLACES), "fencing": sorted(set(differing)), "storage": storage}


def refusing() -> list[str]:
    """
    The fence devices that this node runs and that do not answer with the pillar's secrets; asked directly, without pacemaker.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_secrets.refusing
    """
    site = _site()
    told = power.of(run, site["fencing"], site["peer"])
    with_secrets = {device["id"] for device in site["fencing"]["devices"] if device["secrets"]}
    return sorted(name for name, said in told.items() if said == "unknown" and name in with_secrets)


def stage() -> bool:
    """
    Lay the pillar's key of corosync beside the one in service, on this node.

    Returns True if it was not there. Raises ``Refused`` where another rotation has not ended.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_secrets.stage
    """
    return key.stage(_site()["corosync"], PLACES)


def replace(expected: str) -> bool:
    """
    Put the new key of corosync in the place of the old one, which is kept beside it. corosync reads it at its start, or when it is
    told to (``reload``).

    expected
        The fingerprint that the new key has on all nodes, see ``state``.

    Returns True if it was not there. Raises ``Refused`` where the new key is another one.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_secrets.replace key-0123456789ab
    """
    return key.replace(expected, PLACES)


def reload(expected: str) -> bool:
    """
    Have corosync on all nodes take over the key of its file, without an interruption. **A node whose file has another one is cut
    off**: the orchestration asks both before.

    expected
        The fingerprint that the key has in the files of all nodes, see ``state``.

    Returns True. Raises ``Refused`` where this node's file has another key, and ``NotReady`` where a member was lost.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_secrets.reload key-0123456789ab
    """
    # corosync's consensus is 1.2 times its token: after 2.2 a node with another key has gone
    seconds = 2.2 * __salt__["hamysql.config"]()["corosync"]["token"] / 1000 + 1
    key.reload(run, expected, PLACES, _members, lambda: time.sleep(seconds))
    return True


def _members() -> Sequence[int]:
    found: list[int] = __salt__["hamysql_cluster.corosync"]()["members"]
    return found


def finish(expected: str) -> bool:
    """
    Remove corosync's old key from this node: the new one is in use.

    expected
        The fingerprint of the new one. Raises ``Refused`` where the file has another key.

    Returns True if there was anything to remove.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_secrets.finish key-0123456789ab
    """
    return key.finish(expected, PLACES)


def reread() -> list[str]:
    """
    Have pacemaker read the secrets of its fence devices anew; it keeps those that it has used. No device stops.

    Returns the device that was touched for that, a list; nothing where pacemaker does not run, or no device has a secret.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_secrets.reread
    """
    names = [device["id"] for device in _site()["fencing"]["devices"] if device["secrets"]]
    if not names or not exists("crm_resource"):
        return []
    return proving.reread(run, names)


def accepted(timeout: float = 60) -> list[str]:
    """
    The fence devices of this node that fail in pacemaker with the secrets it has now: each is asked once more.

    timeout
        Seconds for a device to answer, 60 by default.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_secrets.accepted
    """
    site = _site()
    failed = []
    for device in site["fencing"]["devices"]:
        if device["node"] == site["self"] or not device["secrets"]:
            continue
        try:
            run(["stonith_admin", "--query", device["id"], "--timeout", str(int(timeout))], timeout=timeout + 10)
        except CommandFailed:
            failed.append(device["id"])
    return failed
