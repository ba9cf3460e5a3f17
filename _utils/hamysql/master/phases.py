"""What the phases of all orchestrations have in common: their frame, what forbids them, the cluster's configuration.

Each phase's own part is in :mod:`hamysql.master.orchestration`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from hamysql import pending
from hamysql.errors import Refused, SaltError
from hamysql.master import deployment as deployments
from hamysql.master import shown as master_shown
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.salt import Opts
from hamysql.preflight import judge as preflight_judge
from hamysql.records.checkpoints import FORM
from hamysql.storage.steps import Step
from hamysql.survey import Surveys

Context = MutableMapping[str, Any]
Outcome = tuple[Changes, str]  # a phase's changes, and its comment
Body = Callable[[Deployment], Outcome]

KEY = "hamysql_orch"  # in the context that the states of one orchestration share


def run(
    opts: Opts,
    context: Context,
    name: str,
    phase: str,
    cluster: str | None,
    body: Body,
    *,
    last: bool = False,
    kind: str = "",
) -> dict[str, Any]:
    """Run one phase: ``body(deployment)`` returns ``(changes, comment)``; errors become the state's failure, and the end.

    opts, context
        Of the state's module.
    kind
        Of the orchestration, where this is one of its own phases; see :data:`hamysql.master.progress.ORDERS`.

    A phase that cannot be planned yet (``deployment.unknown``) says so.
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": ""}
    started = time.monotonic()
    try:
        deployment = _deployment(opts, context, cluster, kind)
        deployment.say("start", phase)
        unknown = "" if kind or last else deployment.unknown
        changes, comment = ({}, unknown) if unknown else body(deployment)
    except SaltError as exc:
        end(opts, context, cluster, phase, exc, kind)
        return {**ret, "result": False, "changes": getattr(exc, "changes", {}), "comment": str(exc)}
    except BaseException as exc:
        end(opts, context, cluster, phase, exc, kind)
        raise
    deployment.changed += sum(len(change) if isinstance(change, (dict, list)) else 1 for change in changes.values())
    shown = {"lines": master_shown.flat(changes)} if deployment.test else {}
    deployment.say("end", phase, comment, seconds=time.monotonic() - started, **shown)
    if last:
        end(opts, context, cluster, phase)
    return {**ret, "changes": changes, "comment": comment, "result": None if deployment.test and changes else True}


def _deployment(opts: Opts, context: Context, cluster: str | None, kind: str) -> Deployment:
    if KEY not in context:
        context[KEY] = Deployment(opts, cluster, _jid(opts), kind)
    found: Deployment = context[KEY]
    return found


def _jid(opts: Opts) -> str:
    return str(opts.get("orchestration_jid") or opts.get("jid") or time.strftime("%Y%m%d%H%M%S"))


def end(
    opts: Opts,
    context: Context,
    cluster: str | None,
    phase: str,
    failure: BaseException | None = None,
    kind: str = "",
) -> None:
    """The orchestration is over: followers are told why, and the next one, perhaps of the same process, begins anew."""
    deployment = context.pop(KEY, None)
    try:
        if failure is not None:
            said = str(failure) or type(failure).__name__
            if deployment is not None:
                deployment.say("failed", phase, said)
            else:  # it was refused before it had a cluster
                deployments.say_refused(opts, cluster or "", _jid(opts), phase, said, kind=kind)
    finally:
        if deployment is not None:
            deployment.lock.release()


def check(
    deployment: Deployment,
    surveys: Surveys,
    plan: Callable[[], Sequence[Step]],
    evidence: Sequence[str] = (),
    newer: str = "",
) -> str:
    """Judge members, pillar and storage, and raise ``Refused`` with all that forbids going on; returns the warnings as lines.

    surveys
        What the members say of what is pending.
    evidence
        What else forbids it.
    newer
        As in :func:`hamysql.preflight.judge.judge`.
    """
    findings, evidence = preflight_judge.judge(deployment.survey(), deployment.window, newer), list(evidence)
    if refused := pending.by_members(pending.REFUSED, surveys):
        evidence.append("this cannot be changed in place:\n" + "\n".join(f"  - {sentence}" for sentence in refused))
    try:
        plan()
    except Refused as exc:
        evidence.append(str(exc))
    if refusal := preflight_judge.refusal(findings, evidence):
        raise Refused(refusal)
    return "".join(f"\nWARNING: {finding}" for finding in findings)


def same_versions(deployment: Deployment, newer: str = "") -> None:
    """Raise ``Refused`` where the packages that were just installed do not go together: a node without repositories offered none.

    newer
        As in :func:`hamysql.preflight.judge.judge`.
    """
    deployment.look_again()
    findings = preflight_judge.judge(deployment.survey(), newer=newer)
    paths = ("hamysql:package", "hamysql:mysql:user")
    apart = [finding for finding in findings if finding.refuses and finding.path.startswith(paths)]
    if apart:
        lines = "\n".join(f"  - {finding}" for finding in apart)
        raise Refused(f"the packages are installed, and no node may join with these:\n{lines}")


def keep(deployment: Deployment, before: str, cib_only: bool = False) -> None:
    """Have all members keep what is configured now, in a checkpoint of the same name.

    before
        What is about to change it, in words.
    cib_only
        Whether a checkpoint with the same cluster configuration will do: its files may be those of before the run.
    """
    name = time.strftime(FORM, time.gmtime())
    verb = "hamysql_checkpoint.keep"
    deployment.members.ask(verb, job=deployment.jid, before=before, cib_only=cib_only, name=name)


def apply_resources(deployment: Deployment, node: str) -> Changes:
    """Have the pillar's resources in the cluster's configuration, by one node, and returns the changes of all."""
    changes = deployments.apply(deployment, "hamysql.pacemaker.resources", [node])
    if changes:  # fence devices may be gone from it, and what the nodes had for them is not in use any more
        for member, forgotten in deployment.members.ask("hamysql_fencing.forget").items():
            if forgotten:
                changes[member] = {**changes.get(member, {}), "hamysql-fencing-unused": forgotten}
    return changes


def planned_resources(
    deployment: Deployment, controller: Sequence[str], **options: bool
) -> tuple[list[str], list[str]]:
    """The plan for the configuration of the running cluster, and what pacemaker would do about it: entries, and lines of text.

    options
        Those of ``hamysql_cib.preview``.
    """
    seen = deployment.members.ask("hamysql_cib.preview", controller, **options)[controller[0]]
    entries = master_shown.cib(seen["changes"])
    lines = [deployments.counted({"resources": entries}, "changes")]
    lines += put(seen["drift"])
    if entries:
        lines += [
            "what pacemaker would do about it:",
            *(f"  {line}" for line in master_shown.actions(seen["actions"]) or ["nothing"]),
        ]
    return entries, lines


def put(drift: Sequence[str]) -> list[str]:
    """What somebody has put over the configuration for the moment, as lines."""
    return [f"a manual change stays in effect: {sentence}" for sentence in drift]
