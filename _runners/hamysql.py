"""
What looks at more than one node of a cluster: its state, the plan for its storage, and an orchestration's progress.

Every function takes ``cluster``, the cluster's name, which may be left out when the master's minions form only one. What is
refused is told in sentences, without a traceback, and ``salt-run`` exits with 1.
"""

# Long because half of it is documentation: of every function for `salt-run sys.doc`.

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.errors import HamysqlError
from hamysql.master import checkpoints as master_checkpoints
from hamysql.master import deployment as deployments
from hamysql.master import operate, secretfile, shown
from hamysql.master import report as reports
from hamysql.master.follow import follow as follow_orchestration
from hamysql.master.proposal import adopt as adoptions
from hamysql.master.proposal import propose as proposals
from hamysql.master.salt import Lock, Master
from hamysql.master.status import overview
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


def clusters() -> list[str]:
    """
    Each cluster of this master in one line: its name, whether it is whole, degraded or down, and why.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.clusters
    """
    return overview.cluster_lines(__opts__)


def status(cluster: str | None = None, watch: float | None = None) -> dict[str, Any]:
    """
    One screen of words: who serves, since when and why, each node, what is wrong, what waits, and a verdict in one line.

    watch
        Show it again every so many seconds, until Ctrl-C; once by default.

    ``salt-run`` exits with 0 where the cluster is whole, 1 where it is degraded (it serves, and could not lose a node), and 2
    where it is down: the database answers on no node, or on both. With ``--out=json`` the same is data, whose keys docs/status.md
    has. A node whose minion does not answer, or has an older version of hamysql in memory, is shown as unknown. Members that have
    not got the formula's modules, or their pillar, get them first. Raises ``Refused`` for ``watch`` with ``--out``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.status
        salt-run hamysql.status watch=5
        salt-run hamysql.status cluster=galaxy-db --out=json
    """
    words = not __opts__.get("output")  # --out of salt-run: what it prints is for a program
    return overview.status(deployments.View(__opts__, cluster), watch, _say if words else None)


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
    return deployments.preflight(deployments.View(__opts__, cluster))


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


def propose(
    node1: str, node2: str, vip: str | None = None, path: str | None = None, cluster: str | None = None
) -> dict[str, Any]:
    """
    From two minions to a complete commented pillar. They are asked for their addresses, which have to reach each other, blank
    disks of equal size, and their management boards. Nothing is changed there, but that they get the formula's modules.

    What only a human can know is ``TODO`` in the text: the deployment is refused until that is filled in.

    node1, node2
        The minions' ids.
    vip
        The virtual IP. By default an address of the clients' network for which nobody answers.
    path
        The new file, below a folder of ``pillar_roots``, which only the master's user can read. By default the text is printed.
    cluster
        The cluster's name. By default what the nodes' names have in common.

    Returns ``{"file": path or None, "todo": [pillar paths], "unfit": [sentences about what would forbid a deployment], "warnings":
    [sentences]}``. Raises ``Refused`` where the file exists or every minion could read it, and ``NoAnswer``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.propose db1.example.org db2.example.org vip=192.0.2.100
        salt-run hamysql.propose db1.example.org db2.example.org path=/srv/pillar/galaxy-db.sls
    """
    return proposals.propose(Master(__opts__), (node1, node2), vip, path, cluster, _say)


def adopt(node1: str, node2: str, path: str | None = None) -> dict[str, Any]:
    """
    The pillar that describes a cluster which somebody else has built on two minions: pacemaker, corosync, DRBD and a database.

    Nothing is changed there, but that they get the formula's modules. What hamysql has no key for is a comment in the text that
    says ``NOT TAKEN OVER``, and is returned.

    node1, node2
        The minions' ids.
    path
        The new file, below a folder of ``pillar_roots``, which only the master's user can read. The secrets that the nodes have
        come into a second one beside it, ``NAME-secrets.sls``. By default the text is printed, without secrets.

    Returns ``{"file": path or None, "secrets_file": path or None, "secrets": [pillar paths], "todo": [pillar paths], "unfit":
    [sentences about what is not taken over], "warnings": [sentences], "adopt": [ids that hamysql would own], "renamed": [what
    gets another name], "changes": [those of the cluster's configuration by a takeover], "actions": [what pacemaker would do in the
    end], "waits": [what corosync and the storage do not take over at once]}``. Raises ``Refused`` where there is no cluster, and
    where a file exists or every minion could read it, and
    ``NoAnswer``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.adopt db1.example.org db2.example.org
        salt-run hamysql.adopt db1.example.org db2.example.org path=/srv/pillar/galaxy-db.sls
    """
    return adoptions.adopt(Master(__opts__), run, (node1, node2), path, _say)


def checkpoints(cluster: str | None = None) -> list[str]:
    """
    Each checkpoint in one line, the newest first: its name, when and before what it was made, and which nodes have it.

    A checkpoint is what the configuration was before a change. Each node keeps its last 20. ``hamysql.orch.undo`` puts back the
    cluster's part of one. A node that does not answer is named at the end.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.checkpoints
    """
    return master_checkpoints.lines(Master(__opts__).members(cluster))


def export(checkpoint: str = "now", node: str | None = None, cluster: str | None = None) -> str:
    """
    A checkpoint as text, secrets hidden: the cluster's configuration, corosync.conf, the storage's files, the option file.

    checkpoint
        Its name, see ``hamysql.checkpoints``; ``now`` by default, for what there is at present.
    node
        Whose; by default that of the first node that has it.

    Raises ``Refused`` where no node has it, and ``NoAnswer``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.export
        salt-run hamysql.export 20260131T100000Z node=db1
    """
    return master_checkpoints.export(Master(__opts__).members(cluster), checkpoint, node)


def report(
    since: str = "2h", until: str = "now", path: str | None = None, cluster: str | None = None
) -> Mapping[str, Any]:
    """
    A support bundle: what all nodes that answer have to say around a time, in one file that only root can read.

    since, until
        How long ago, such as ``30min``, ``2h`` or ``1d``, or a time in UTC, such as ``'2026-01-31 10:00'``. The last two hours by
        default.
    path
        The new file. By default one with the cluster's name and the time, in the master's cache
        (``/var/cache/salt/master/hamysql/reports``).

    It has the journals of corosync, pacemaker, the kernel, the database and hamysql, log files, the cluster's configuration,
    surveys, versions, the status, the plan and the checkpoints. Secrets of the pillar are hidden in all of it. Returns ``{"file",
    "size": bytes, "missing": [sentences]}``: a node that is down is no reason not to make one. Raises ``Refused`` for a time that
    is none, and where the file exists.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.report
        salt-run hamysql.report since='2026-01-31 09:30' until='2026-01-31 10:30' path=/root/report.tar.gz
    """
    view = deployments.View(__opts__, cluster)
    return reports.report(view, since, until, path, lambda: plan(view.members.cluster), _say)


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
    return secretfile.provide(Master(__opts__), run, path, cluster, gpg_key)


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
    return follow_orchestration(Master(__opts__).listen(), cluster, timeout, _say)
