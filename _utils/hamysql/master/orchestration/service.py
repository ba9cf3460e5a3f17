"""The phases "service", "accounts" and "summary": the database answers, has its accounts, and what there is now."""

from __future__ import annotations

import time

from hamysql.errors import NotReady, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, shown
from hamysql.master.deployment import Deployment
from hamysql.master.orchestration import resources
from hamysql.master.phases import Outcome
from hamysql.storage import backends
from hamysql.survey import Survey


def answer(deployment: Deployment, timeout: float) -> Outcome:
    """Wait until every member has an answer of the database on the virtual IP, so many seconds at most."""
    if deployment.test:
        return {}, "not looked at with test=True"
    address = deployment.first["vip"]["address"]
    if deployment.nothing_left("service"):
        return {}, f"{address} answers {' and '.join(deployment.pending())}"
    seen = deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
    if deployment.changed:
        deployment.look_again()
    return {}, f"{address} answers {' and '.join(seen)}"


def manage_accounts(deployment: Deployment) -> Outcome:
    """Have the pillar's databases, users and grants on the one server that answers."""
    serving = health.serving(deployment.survey())
    if not serving:
        return _planned_accounts(deployment)
    if len(serving) > 1:
        raise Refused(
            f"a database server answers on the local socket of {' and '.join(serving)}, and it is not known which one is the "
            "cluster's: look at `crm_mon -1`, and stop the one that the cluster has not started"
        )
    if deployment.nothing_left("accounts"):
        return {}, f"no changes, on {serving[0]}"
    changes = deployments.apply(deployment, "hamysql.mysql.accounts", serving[:1])
    return changes, f"{deployments.counted(changes, 'changes')}, on {serving[0]}"


def _planned_accounts(deployment: Deployment) -> Outcome:
    """The plan where no server answers."""
    if not deployment.test:
        raise NotReady("no member has a database server that answers on its local socket")
    if resources.is_initialised(deployment):
        return {}, "not known: no database runs, and its accounts are compared when it does"
    entries = shown.whole_accounts(deployment.first)
    return {"accounts": entries}, deployments.counted({"accounts": entries}, "changes, to a database that is new")


def summarise(deployment: Deployment) -> Outcome:
    """Say where what runs, how the storage is, and how much was changed."""
    vip = deployment.first["vip"]["address"]
    lines = [f"cluster {deployment.members.cluster}, virtual IP {vip}"]
    for node, survey in deployment.survey().items():
        lines.append(f"  {node}: {_roles(survey)}")
    lines += [f"  WARNING: {warning}" for warning in deployments.warnings(deployment)]
    count = deployment.changed
    verb = "would be made" if deployment.test else "made"
    seconds = time.monotonic() - deployment.started
    lines.append(f"{count or 'no'} change{'' if count == 1 else 's'} {verb} in {seconds:.0f} s")
    deployment.say("finished", "summary", "\n".join(lines), changes=count)
    return {}, "\n".join(lines)


def _roles(survey: Survey) -> str:
    """One node's part of the summary: what it does, and the state of its storage."""
    return f"{'serves the database' if survey['database'] else 'passive'}; {backends.state(survey)}"
