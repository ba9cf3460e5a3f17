"""
What looks at more than one node of a cluster: its state, the plan for its storage, and an orchestration's progress.

Every function takes ``cluster``, the cluster's name, which may be left out when the master's minions form only one. What is
refused is told in sentences, without a traceback, and ``salt-run`` exits with 1.
"""

# Long because half of it is documentation: of every function for `salt-run sys.doc`.

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql import pending
from hamysql.errors import HamysqlError, Refused
from hamysql.master import deployment as deployments
from hamysql.master import operate, progress, secretfile, shown
from hamysql.master.members import NoAnswer, OldCode, choose, clusters
from hamysql.master.salt import TAG, Lock, Master
from hamysql.preflight import judge
from hamysql.storage import backends
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from injected import __opts__, __salt__

    from hamysql.survey import Survey


def members(cluster: str | None = None) -> dict[str, str]:
    """
    The nodes of a cluster and their minion ids, from the pillars of the accepted minions: ``{node: minion id}``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.members
        salt-run hamysql.members cluster=galaxy-db
    """
    return dict(Master(__opts__).members(cluster).minions)


def status(cluster: str | None = None) -> dict[str, dict[str, Any]]:
    """
    What runs where, and what is pending.

    Returns ``{node: {"cluster": {...}, "storage": sentence, "drbd": {...}, "database": bool, "pending": [sentence], "fencing":
    [...], "maintenance": time or None}}``. ``drbd`` is empty with other storage. ``fencing`` is what ``fence_test`` has proven of
    the devices that cut this node off: ``[{"level", "devices", "proven": time or None}]``. ``maintenance`` says since when
    ``hamysql.orch.maintenance`` has taken the node out of the service. A node whose minion has an older version of hamysql in
    memory has only ``{"old_code": sentence}``, with the command that restarts its minion.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.status
    """
    view = _view(cluster)
    members = view.members
    try:
        surveys = view.survey()
    except OldCode as exc:
        surveys = exc.surveys
    known = {node: seen for node, seen in surveys.items() if not seen.get("stale")}
    running = [node for node, seen in known.items() if seen["cluster"]["running"]] or list(known)
    proofs = members.ask("hamysql_fencing.proofs", running[:1])[running[0]] if running else {}
    members_of = [node for node in running if known[node]["cluster"]["running"]]
    since = members.ask("hamysql_maintenance.state", members_of[:1])[members_of[0]]["since"] if members_of else {}
    found = {
        node: {
            "cluster": seen["cluster"],
            "storage": backends.state(seen),
            **backends.details(seen),
            "database": seen["database"],
            "pending": [str(item) for item in pending.from_dicts(seen["pending"])],
            "fencing": proofs.get(node, []),
            "maintenance": since.get(node),
        }
        for node, seen in known.items()
    }
    return {
        node: found.get(node) or {"old_code": f"nothing more is known: {members.restart(node)}"} for node in surveys
    }


def survey(cluster: str | None = None) -> dict[str, Survey]:
    """
    Everything that each member sees of itself: ``{node: {...}}``, see ``hamysql_node.survey``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.survey
    """
    return _view(cluster).survey()


def _view(cluster: str | None) -> deployments.View:
    """The members, with this formula's modules and their pillar: on a minion that is new, nothing answers without them."""
    view = deployments.View(__opts__, cluster)
    deployments.synchronise(view)
    return view


def preflight(cluster: str | None = None) -> list[str]:
    """
    Whether the members are fit for what the pillar says: all that is judged before a deployment touches anything.

    Returns the findings as sentences, those that would forbid a deployment first, an empty list where there are none. A member
    that does not answer, or whose pillar is wrong, is a finding, too. Members that have not got the formula's modules, or their
    pillar, get them first.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.preflight
    """
    view = deployments.View(__opts__, cluster)
    try:
        deployments.synchronise(view)
        deployments.same_code(view)
    except NoAnswer as exc:
        return [*exc.silent.values(), *exc.failed.values()]
    except HamysqlError as exc:
        return [str(exc)]
    surveys = view.survey()
    findings = judge.judge(surveys, view.window)
    forbidding = [str(finding) for finding in findings if finding.refuses]
    try:
        backends.steps(surveys)
    except Refused as exc:
        forbidding.append(str(exc))
    return [*forbidding, *(f"WARNING: {finding}" for finding in findings if not finding.refuses)]


def plan(cluster: str | None = None) -> str:
    """
    What a deployment would do now, phase by phase: ``state.orchestrate hamysql.orch test=True``, reduced to its text.

    Returns lines such as ``+ file /etc/corosync/corosync.conf`` and ``~ p_mysql: op monitor timeout 30s -> 20s``; a phase that
    refuses says why, and is the last one. Nothing is changed, but for the formula's modules, which members that are behind get.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.plan
    """
    pillar = {"hamysql_cluster": cluster} if cluster else {}
    (states,) = __salt__["state.orchestrate"]("hamysql.orch", test=True, pillar=pillar)["data"].values()
    if not isinstance(states, dict):
        raise HamysqlError("\n".join(map(str, states)))
    return shown.text(list(shown.phases(states)))


def steps(cluster: str | None = None) -> list[str]:
    """
    The steps that are left until the storage can be handed to pacemaker, as sentences; an empty list when it is.

    Fails with the evidence when the storage is left alone.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.steps
    """
    return [str(step) for step in backends.steps(survey(cluster))]


def secrets(path: str, cluster: str | None = None, gpg_key: str | None = None) -> dict[str, Any]:
    """
    Make the secrets that a cluster's pillar lacks, in a new pillar file on the master that only the master's user can read.

    That are corosync's key, DRBD's shared secret or an iSCSI target's CHAP password (it has to be set on the target as well), and
    the passwords of the pillar's database users that have none. Passwords of fence devices are not among them: those have been
    set on the devices. An existing file is never touched.

    path
        The new file, below a folder of ``pillar_roots``.
    cluster
        The cluster's name, which may be left out when the master's minions form only one, or none yet.
    gpg_key
        Encrypt each secret for this key of the master's keyring (``gpg_keydir``), for Salt's gpg renderer. Plain text by default.

    Returns ``{"file": path, "made": [pillar paths]}``, never a value. Raises ``Refused`` where there is nothing to make, the file
    exists or every minion could read it, and ``CommandFailed`` where gpg does not encrypt.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.secrets /srv/pillar/galaxy-db-secrets.sls
        salt-run hamysql.secrets /srv/pillar/galaxy-db-secrets.sls gpg_key=salt@example.org
    """
    master = Master(__opts__)
    place = secretfile.check_place(path, [root for roots in master.opts["file_roots"].values() for root in roots])
    pillars = master.pillars()
    found = clusters(pillars)
    minions = choose(found, cluster)[1].values() if found or cluster else ()
    wanted = [pillars[minion] for minion in minions if minion in pillars] or [{}]
    lacking = list(dict.fromkeys(item for pillar in wanted for item in secretfile.missing(pillar)))
    if not lacking:
        raise Refused("the cluster's pillar has all of its secrets: nothing was made")
    home = master.opts.get("gpg_keydir") or str(Path(master.opts["conf_file"]).parent / "gpgkeys")
    encrypt = secretfile.gpg(run, home, gpg_key) if gpg_key else None
    text = secretfile.text(secretfile.make(lacking), encrypt)
    user = pwd.getpwnam(master.opts["user"])
    secretfile.write(place, text, (user.pw_uid, user.pw_gid) if os.geteuid() == 0 else None)
    return {"file": str(place), "made": [":".join(("hamysql", *item)) for item in lacking]}


def fence_test(
    confirm: str | None = None, node: str | None = None, cluster: str | None = None, timeout: float = 600
) -> Mapping[str, Any]:
    """
    Prove that each fence device really cuts its node off, one node after another: **the nodes lose their power**, and the
    service moves once.

    confirm
        The cluster's name, once more.
    node
        Only the devices of this node, those of all nodes by default.
    timeout
        Seconds for a node to come back and be synchronised, 600 by default.

    Refuses unless the cluster is healthy, before each fencing again. Proven is a device when pacemaker has had its success
    and the node has started anew since. Returns ``{node: [{"level", "devices", "proven": time}]}``; ``hamysql.status`` shows it
    from then on, as long as the devices' configuration stays as it is.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.fence_test confirm=galaxy-db
    """
    master = Master(__opts__)
    members = master.members(cluster)
    with Lock(master.opts, members.cluster, "hamysql.fence_test"):
        return operate.fence_test(members, confirm, node, timeout, _say)


def take_over(
    node: str,
    confirm: str | None = None,
    peer_is_off: str | None = None,
    cluster: str | None = None,
    timeout: float = 300,
) -> Mapping[str, Any]:
    """
    Have one node serve alone, after an outage of both from which only this one came back.

    A node that has not seen its peer since it started waits for it, since the peer may have newer data. This looks at what
    can be known (the peer's fence device, this node's replica), says what only you can know, and does it when you confirm.

    node
        The node that came back.
    confirm
        The cluster's name. Without it, you are told what to be sure of, and nothing is done.
    peer_is_off
        The other node's name, where no fence device can say that it is off.
    timeout
        Seconds for the database to answer, 300 by default.

    Returns the node's survey afterwards. The other node may be switched on from then on: it joins and is synchronised.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.take_over db1
        salt-run hamysql.take_over db1 confirm=galaxy-db
    """
    master = Master(__opts__)
    members = master.members(cluster)
    with Lock(master.opts, members.cluster, "hamysql.take_over"):
        return operate.take_over(members, node, confirm, peer_is_off, timeout, _say)


def _say(text: str) -> None:
    print(text, flush=True)


def follow(cluster: str | None = None, timeout: float = 3600) -> bool:
    """
    Print an orchestration's progress, line by line, until it ends. Start it before the orchestration, in any terminal of the
    master.

    cluster
        Only this cluster's; by default that of whichever cluster is heard of first.
    timeout
        Seconds without any news after which to give up, 3600 by default.

    Returns whether it has done all of its phases; False where it failed, was refused, was killed, or was not heard of.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.follow
    """
    import salt.utils.event

    followed = progress.Followed(cluster)
    deadline = time.monotonic() + timeout
    with salt.utils.event.get_master_event(__opts__, __opts__["sock_dir"], listen=True) as bus:
        while time.monotonic() < deadline:
            event = bus.get_event(wait=5, tag=f"{TAG}/", auto_reconnect=True)
            if event is not None and followed.has(event):
                _say(progress.line(event))
                if event.get("state") in progress.LAST:
                    return bool(event["state"] == "finished")
                deadline = time.monotonic() + timeout
            elif event is None and followed.pid and not progress.is_alive(_stat(followed.pid)):
                _say(f"the orchestration (job {followed.jid}) ended without a result: it was killed. Run it again")
                return False
    _say(f"nothing was heard for {timeout} s")
    return False


def _stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
