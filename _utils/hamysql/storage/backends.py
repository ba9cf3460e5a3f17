"""All kinds of storage, and the one that is asked for: the only place that knows them by name.

What a kind is and does is in its object, see :class:`hamysql.storage.kind.Kind`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hamysql.fencing import take_over as fencing_take_over
from hamysql.fencing.settings import OPT_OUT, Data
from hamysql.fencing.take_over import Evidence
from hamysql.finding import Finding, Machine
from hamysql.resolved import Resolved
from hamysql.schema import values as v
from hamysql.schema.language import Items, Report, Section, Value
from hamysql.schema.values import Config
from hamysql.storage import latch
from hamysql.storage import options as storage_options
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


# --- the pillar (``hamysql:storage``): what all kinds share. The keys and rules of each are in ``settings`` of its package


def section() -> Section:
    """The keys of ``storage``."""
    return Section(
        {
            "backend": v.one_of(*KINDS),
            **{name: kind.section for name, kind in KINDS.items()},
            "filesystem": Section(
                {
                    "type": v.one_of("xfs", "ext4"),
                    "agent": v.one_of("ocf:hamysql:filesystem", "ocf:heartbeat:Filesystem"),
                    "options": Value("mount options, such as 'noatime'", v.mount_options),
                    "mkfs_options": Items(Value("one argument of mkfs", v.argument), "a list of mkfs arguments"),
                }
            ),
        }
    )


def _named(config: Config) -> Kind | None:
    """The kind that a pillar names; ``None`` where it names none that there is."""
    return KINDS.get(config["storage"]["backend"])


def for_fencing(config: Config) -> Data:
    """What the rules of fencing have to know of the storage."""
    kind = _named(config)
    disks = [disk for each in KINDS.values() for disk in each.disks(config)]
    disks += [node["disk"] for node in config["cluster"]["nodes"].values()]
    return Data(
        reserved=kind is not None and bool(kind.reservations(config)),
        optional=kind is not None and not kind.without_fencing,
        disks=tuple(disk for disk in disks if disk is not None),
    )


def taken(config: Config) -> list[int | None]:
    """The ports that the pillar has for any kind: the data may be moved to it."""
    return [port for kind in KINDS.values() for port in kind.taken(config)]


def check(config: Config, report: Report) -> None:
    kind = _named(config)
    if kind is None or kind.local:
        _check_filesystem(config["storage"]["filesystem"], report)
    if kind is None:
        return
    if kind.without_fencing and config["fencing"]["i_accept_data_loss_without_fencing"] is True:
        report.add(OPT_OUT, f"true with storage:backend: {kind.name}", f"fence devices: {kind.without_fencing}")
    for name, node in config["cluster"]["nodes"].items():
        if not kind.replicates and node["disk"] is not None:
            path = f"hamysql:cluster:nodes:{name}:disk"
            expected = f"nothing: with storage:backend: {kind.name} no node has its own disk"
            report.add(path, repr(node["disk"]), expected)
    kind.check(config, report)


def _check_filesystem(filesystem: Config, report: Report) -> None:
    kind, path = filesystem["type"], "hamysql:storage:filesystem"
    if kind is None:
        return
    for option, expected in storage_options.wrong_mount(kind, filesystem["options"] or ""):
        report.add(f"{path}:options", repr(option), expected)
    arguments = filesystem["mkfs_options"]
    if not report.bad_under(f"{path}:mkfs_options"):
        for number, expected in storage_options.wrong_mkfs(kind, arguments):
            report.add(f"{path}:mkfs_options:{number}", repr(arguments[number]), expected)


def derive(config: Config, noted: Any = None) -> None:
    """Complete a valid configuration's ``storage``; the nodes, and which of them this is, are complete.

    noted
        What this node has noted for the kind in use, see :meth:`hamysql.storage.kind.Kind.noted`.
    """
    storage, chosen = config["storage"], used(config)
    storage["filesystem"]["directory"] = config["mysql"]["datadir"]
    storage.update(states=chosen.states, units=[], reservations=dict(chosen.reservations(config)))
    for kind in KINDS.values():
        if kind is not chosen:
            kind.unused(config)
    chosen.derive(config, noted)


def packages(config: Config) -> list[str]:
    """The packages of the kind in use, and of the file system that lies on it."""
    kind, filesystem = used(config), config["storage"]["filesystem"]
    return [*kind.packages(config), *(config["package"]["filesystem"][filesystem["type"]] if kind.local else [])]


# --- a node, and all of them


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
