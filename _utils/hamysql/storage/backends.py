"""All kinds of storage, and the one that is asked for: the only place that knows them by name.

What a kind is and does is in its object, see :class:`hamysql.storage.kind.Kind`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hamysql.fencing import take_over as fencing_take_over
from hamysql.fencing.take_over import Evidence
from hamysql.finding import Finding, Machine
from hamysql.resolved import Resolved
from hamysql.schema.values import Config
from hamysql.storage import latch
from hamysql.storage.drbd.kind import KIND as DRBD
from hamysql.storage.kind import Kind
from hamysql.storage.latch import FIRST, Latches
from hamysql.storage.lun.kind import KIND as LUN
from hamysql.storage.nfs.kind import KIND as NFS
from hamysql.storage.steps import Step
from hamysql.survey import Survey, Surveys
from hamysql.system.command import Run

KINDS: dict[str, Kind] = {kind.name: kind for kind in (DRBD, LUN, NFS)}
latch.kinds = KINDS  # by name
DEFAULT = FIRST  # of a pillar that names none, see hamysql/parameters/defaults.yaml


def used(config: Config | Resolved) -> Kind:
    """The kind that a valid configuration names, or the settings of a survey."""
    return KINDS[config["storage"]["backend"]]


def of(surveys: Surveys) -> Kind:
    """The kind that the pillar names, from all members' surveys."""
    return used(next(iter(surveys.values()))["settings"])


def backend(surveys: Surveys) -> str:
    """Its name."""
    return of(surveys).name


def survey(run: Run, site: Resolved, latches: Latches) -> dict[str, object]:
    """What a node sees of its storage, whichever it is, see ``hamysql_storage.survey``."""
    kind = used(site)
    known = latches.read(kind.latch_name(site), kind.name)
    return {"backend": kind.name, "latch": known.as_dict() if known else {}, **kind.survey(site, run, latches)}


def seen(survey: Survey) -> Kind:
    """The kind that a node's survey is about."""
    return KINDS[survey["storage"].get("backend", FIRST)]


def steps(surveys: Surveys, run: str = "") -> tuple[Step, ...]:
    """The steps that are left until the storage can be handed to pacemaker; raises ``Refused`` with all evidence.

    surveys
        What ``hamysql_node.survey`` returned on every member, in the pillar's order.
    run
        The orchestration's job.
    """
    return of(surveys).steps(surveys, run)


def warnings(surveys: Surveys, run: str = "") -> list[str]:
    """What an operator has to know of the storage, though nothing is refused."""
    return of(surveys).warnings(surveys, run)


def state(survey: Survey) -> str:
    """One node's storage in words, for people."""
    return seen(survey).state(survey)


def trouble(survey: Survey) -> str:
    """Why this node could not serve, or the other one could not be lost, as one sentence; "" where all is well."""
    return seen(survey).trouble(survey)


def details(survey: Survey) -> dict[str, object]:
    """What ``hamysql.status`` has of one node's storage in keys of their own."""
    return {key: value for kind in KINDS.values() for key, value in kind.details(survey).items()}


def findings(machines: Sequence[Machine], surveys: Surveys) -> Iterator[Finding]:
    """What preflight has to say of the storage. While a pillar is being brought to them, members may have different kinds."""
    for kind in dict.fromkeys(used(machine.settings) for machine in machines):
        own = [machine for machine in machines if used(machine.settings) is kind]
        for machine in own:
            for where, answers in machine.storage["reached"].items():
                if not answers:
                    found = f"no answer from {where}"
                    yield Finding(machine.name, found, "one: it has the data", kind.reached_by, not machine.settled)
        yield from kind.findings(own, {machine.name: surveys[machine.name] for machine in own})


def alone(evidence: Evidence) -> list[str]:
    """Why a node must not serve alone, as sentences; none when only its operator can know better."""
    return [*fencing_take_over.alone(evidence), *KINDS[evidence["backend"]].alone(evidence)]


def services() -> tuple[str, ...]:
    """What all kinds are called where systemd starts them."""
    return tuple(name for kind in KINDS.values() for name in kind.services)


def recognised(values: Mapping[tuple[str, str], str]) -> str:
    """The kind that the cluster's configuration is about, by its resources' parameters; "" where it has none."""
    ordered = sorted(KINDS.values(), key=lambda kind: kind.by_exclusion)
    return next((kind.name for kind in ordered if kind.recognises(values)), "")
