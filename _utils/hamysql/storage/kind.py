"""What differs between kinds of storage: one object of this class for each, and what holds where a kind says nothing.

The objects are in ``kind`` of each kind's package, and :data:`hamysql.storage.backends.KINDS` has them all. Methods are in the
order in which they are asked: by the pillar, for the cluster's configuration, on a node, and on the master.

Those for a node take the resolved configuration, and ``run`` for commands. The file is long because it is one interface, most of
it in sentences.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hamysql.cib import model as cib_model
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.fencing.take_over import Evidence, one_copy
from hamysql.finding import Finding, Machine
from hamysql.pending import Pending
from hamysql.ports import Access
from hamysql.resolved import Resolved
from hamysql.schema.language import Report, Section
from hamysql.schema.values import Config
from hamysql.storage.growth.layers import Growth
from hamysql.storage.latch import RESOURCE, Latch, Latches, Stage
from hamysql.storage.steps import Agreed, Step
from hamysql.survey import Survey, Surveys
from hamysql.system.command import Run

Written = Mapping[str, object]  # what each node says of storage that somebody else has set up: its kind knows the shape
Parameters = Mapping[tuple[str, str], str]  # of the cluster's resources: {(resource, name): value}
Primitive = Callable[[str, str, cib_model.Parameters], ET.Element]  # of an id, an agent and its parameters


@dataclass(frozen=True)
class Described:
    """What a pillar says of storage that somebody else has set up: the keys of the kind's section and of each node.

    ``unclear`` has sentences about what no key says, and ``addresses`` those between which the nodes copy the data.
    """

    section: Mapping[str, object]
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unclear: Sequence[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


class Kind:
    """A kind of storage.

    name
        The pillar's ``storage:backend``, and the key of its section below ``storage``.
    section
        The keys of that section.
    module
        The execution module that performs its steps.
    states
        The folder of its states, below ``hamysql/storage``.
    packages_of
        The keys below the pillar's ``package`` that it adds.
    compared
        Those of them whose versions the members have to agree on.
    services
        What it is called where systemd starts it: nothing but the cluster may do that.
    operations
        The resources that it adds to the cluster, and their operations.
    local
        The data is on a local file system, whose type and options the pillar may choose.
    replicates
        Each node has a copy of the data, and a node may only be lost while both are alike.
    without_fencing
        Why it must not be used without fencing; "" where an operator may decide that.
    reached_by
        The pillar's key of what the data comes from over a network.
    module_of_kernel
        The module of the kernel that it needs; "" where every kernel of a distribution has what it needs.
    links
        What uses the links between the nodes, beside corosync.
    secrets
        Its secrets that hamysql can make: the keys below its section, and how many random bytes each has.
    known_elsewhere
        Those of ``secrets`` that something outside of the cluster has to know first: nobody else makes new ones.
    chosen
        The stage from which on a node is the one that makes the first data.
    ready
        The stage at which it has all but its data: a move copies it then.
    growth
        How its layers grow.
    by_exclusion
        A cluster's configuration that no other kind recognises is about this one.
    agents_elsewhere
        Types of agents by which its resources are found in a cluster that somebody else has built, by hamysql's ids.
    """

    name: str
    section: Section
    module: str
    states: str
    packages_of: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    operations: Mapping[str, tuple[str, ...]] = {}
    local = True
    replicates = False
    without_fencing = ""
    reached_by = ""
    module_of_kernel = ""
    links: tuple[str, ...] = ()
    secrets: Mapping[tuple[str, ...], int] = {}
    known_elsewhere: frozenset[tuple[str, ...]] = frozenset()
    chosen = Stage.CLAIMED
    ready = Stage.FILESYSTEM
    growth = Growth()
    by_exclusion = False
    agents_elsewhere: Mapping[str, tuple[str, ...]] = {}

    # --- the pillar

    def check(self, config: Config, report: Report) -> None:
        """What must hold between the values of a pillar that names this kind."""

    def disks(self, config: Config) -> list[str | None]:
        """The disks that the pillar has for it, used or not: sbd must have none of them."""
        return []

    def taken(self, config: Config) -> list[int | None]:
        """The ports that the pillar has for it, used or not: the database must have none of them."""
        return []

    def reservations(self, config: Config) -> Mapping[str, str]:
        """What cuts a node off from the data itself: ``{"type": "scsi" or "mpath", "device"}``; empty without."""
        return {}

    def secret_lines(self, config: Resolved) -> list[str]:
        """The secrets that a node's files have not taken over from the pillar, and nobody else tells, in words."""
        return []

    def kept_text(self, config: Resolved) -> str:
        """Where the data is once the cluster has gone, and how to mount it, in words."""
        return f"`mount -o ro {self.source(config)} /mnt`"

    def missing_secrets(self, section: Mapping[str, object]) -> list[tuple[str, ...]]:
        """Which of ``secrets`` a pillar needs and has not.

        section
            Its section of the pillar, which may be incomplete or wrong.
        """
        return []

    def noted(self, config: Resolved) -> Any:
        """What this node itself has noted of what the pillar leaves open, for :meth:`derive`; ``None`` for nothing."""
        return None

    def unused(self, config: Config) -> None:
        """Leave nothing in its section that could be taken for used, where the pillar names another kind."""

    def derive(self, config: Config, noted: Any) -> None:
        """Complete ``storage``: its section and ``filesystem``.

        To ``units`` come those that run before pacemaker and end after it.
        """
        raise NotImplementedError

    def ports(self, config: Config) -> list[Access]:
        """Who may reach which port of a node because of it."""
        return []  # nobody connects to a node, but it to a server

    def finish(self, config: Resolved) -> None:
        """What follows when everything else is derived, such as its files."""

    def files(self, config: Resolved) -> list[str]:
        """The paths of its configuration files that hamysql writes on each node."""
        return []

    def packages(self, config: Config) -> list[str]:
        """The packages of this kind, without those of a local file system."""
        return [name for key in self.packages_of for name in config["package"][key]]

    # --- the cluster's configuration

    def below_the_filesystem(self, config: Resolved) -> list[tuple[str, str, cib_model.Parameters]]:
        """What the group ``g_mysql`` starts before it mounts: (id, agent, parameters) of each resource."""
        return []

    def mount_parameters(self, config: Resolved) -> dict[str, str]:
        """The parameters of ``p_fs_mysql``."""
        filesystem = config["storage"]["filesystem"]
        mount = {"device": filesystem["device"], "directory": filesystem["directory"]}
        return mount | {"fstype": filesystem["type"], "options": filesystem["options"]}

    def add_resources(
        self, config: Resolved, resources: ET.Element, constraints: ET.Element, primitive: Primitive
    ) -> None:
        """Add what the group ``g_mysql`` depends on, and is no part of."""

    def recognises(self, values: Parameters) -> bool:
        """Whether the cluster's configuration is about this kind."""
        raise NotImplementedError

    def identity(self, config: Resolved, values: Parameters) -> dict[tuple[str, str], tuple[str, str]]:
        """What identifies the data and cannot be changed in place: ``{(resource, name): (the pillar's key, its value)}``.

        values
            What the cluster's configuration has.
        """
        return {(cib_names.FILE_SYSTEM, "directory"): ("mysql:datadir", config["mysql"]["datadir"])}

    # --- the latch

    def latch_name(self, config: Resolved) -> str:
        """The resource of its latch."""
        return RESOURCE

    def by_latches(
        self, config: Resolved, latches: Mapping[str, Latch], device_uuid: str
    ) -> dict[str, tuple[str, str]]:
        """What the latches know of the data and the pillar says otherwise: ``{the pillar's key: (old, new)}``.

        latches
            Those of this kind, by resource.
        device_uuid
            See :meth:`device_uuid`.
        """
        known = latches.get(self.latch_name(config))
        return {"cluster:name": (known.cluster, config["cluster"]["name"])} if known else {}

    def reset(self, known: Latch | None, seed: bool) -> Latch | None:
        """A latch as it has to be before a move copies the data (again); a copy is none any more once the old data was in use.

        seed
            Whether this is the node that copies.
        """
        if known is None or known.stage <= self.ready:
            return known
        return replace(known, stage=self.ready) if seed else None

    # --- a node

    def survey(self, site: Resolved, run: Run, latches: Latches) -> Mapping[str, object]:
        """What this node sees of its storage, beside its latch."""
        raise NotImplementedError

    def servers(self, site: Resolved) -> list[tuple[str, int]]:
        """What the data comes from over a network: addresses and ports."""
        return []

    def facts(self, site: Resolved) -> Mapping[str, object]:
        """What else of this machine it has to know."""
        return {}

    def device_uuid(self, site: Resolved, run: Run, latches: Sequence[Latch]) -> str:
        """Of what is on the disk that the pillar names, where a latch has that under another name; "" where it is not asked."""
        return ""

    def pending(self, site: Resolved, run: Run) -> list[Pending]:
        """What the running storage has not taken over of the pillar."""
        return []

    def apply(self, site: Resolved, run: Run) -> None:
        """Have the running storage take that over."""

    def out_of_step(self, site: Resolved, run: Run) -> str:
        """Why the copies on the nodes do not stand for each other, as a sentence; "" where they do, or there is only one."""
        return ""

    def flags(self, site: Resolved, run: Run) -> dict[str, bool]:
        """What this node's copy remembers of the other one's."""
        return {}

    def relax(self, site: Resolved, run: Run) -> None:
        """Have this node's copy do without the other one, until ``restore``."""

    def restore(self, site: Resolved, run: Run) -> bool:
        """Have it do again what its configuration says; returns whether there was anything to do."""
        return False

    def start_alone(self, site: Resolved, run: Run) -> None:
        """Start this node's copy, before it serves without its peer."""

    def serve_alone(self, site: Resolved, run: Run) -> None:
        """Let this node's copy serve, though it has not seen the other one since it started."""

    # --- a cluster that somebody else has built

    def written(self, run: Run, values: Parameters) -> Any:
        """What this node says of the storage that the cluster's configuration is about, without its secrets.

        values
            What the cluster's configuration has.
        """
        return {}

    def written_secrets(self, run: Run, values: Parameters) -> dict[tuple[str, ...], str]:
        """Its secrets, by their keys below its section."""
        return {}

    def described(self, values: Parameters, nodes: Written) -> Described:
        """The pillar's part about it.

        nodes
            What each node has returned of :meth:`written`.
        """
        return Described(
            {}, {}, ["a cluster that somebody else has built on this kind of storage cannot be taken over"]
        )

    def unlike(self, site: Resolved, said: Any) -> list[str]:
        """How it differs from the pillar's in what cannot be changed in place, as sentences.

        said
            What this node has returned of :meth:`written`.
        """
        return ["a cluster that somebody else has built on this kind of storage cannot be taken over"]

    def own_files(self, site: Resolved) -> list[str]:
        """The files of this node in which somebody else has written about it."""
        return []

    def take(self, site: Resolved, run: Run, latches: Latches) -> list[str]:
        """Have hamysql's files alone be about it, and the latch say that its data is the cluster's; returns what was done."""
        raise Refused("a cluster that somebody else has built on this kind of storage cannot be taken over")

    # --- a node, while the data is moved

    def left_out_of_step(self, run: Run, known: Latch, values: Parameters) -> str:
        """The same as :meth:`out_of_step`, of the kind in use where the pillar names another one.

        known
            The latch of the data in use.
        values
            What the cluster's configuration has.
        """
        return ""

    def check_made(self, site: Resolved, run: Run, known: Latch) -> None:
        """Raise ``Refused`` unless what this node has made for the data is there, and may be mounted here."""

    def source(self, site: Resolved) -> str:
        """What is mounted for the copy."""
        return site["storage"]["filesystem"]["device"]

    def activate(self, site: Resolved, run: Run, active: bool) -> None:
        """Have that there before a mount, or end it after one."""

    def data_folder(self, site: Resolved, place: Path, known: Latch) -> Path:
        """The folder for the data below the place where it is mounted; raises ``Refused`` where that is not this node's."""
        return place

    # --- the master

    def steps(self, surveys: Surveys, run: str) -> tuple[Step, ...]:
        """The steps that are left until the storage can be handed to pacemaker; raises ``Refused`` with all evidence."""
        raise NotImplementedError

    def warnings(self, surveys: Surveys, run: str) -> list[str]:
        """What an operator has to know of the storage, though nothing is refused."""
        return []

    def function(self, action: str) -> str:
        """The execution module's function that performs a step's action."""
        return f"{self.module}.{action}"

    def state(self, survey: Survey) -> str:
        """One node's storage in words, for people."""
        raise NotImplementedError

    def trouble(self, survey: Survey) -> str:
        """Why this node could not serve, or the other one could not be lost, as one sentence; "" where all is well."""
        raise NotImplementedError

    def incomplete(self, survey: Survey) -> str:
        """Why a node's own copy lacks data, whatever becomes of the other one's, as a sentence; "" where it has all."""
        return ""

    def held(self, survey: Survey) -> str:
        """Why nothing can be written though the server answers, as one sentence; "" where it can."""
        return ""

    def behind(self, surveys: Surveys) -> dict[str, int]:
        """By how many bytes a node's copy lacks the newest data, as far as the given members know: ``{node: bytes}``."""
        return {}

    def apart(self, surveys: Surveys) -> list[str]:
        """Why the copies will not become one by themselves, as sentences; from the surveys of all members."""
        return []

    def differing(self, surveys: Surveys) -> list[str]:
        """Copies that differ, though each is said to have all data, as sentences; from the surveys of all members."""
        return []

    def comparable(self, config: Resolved) -> str:
        """Why the copies on the nodes cannot be compared, as a sentence; "" where they can."""
        return "there is one copy of the data, so there is nothing to compare"

    def notes(self, live_xml: str) -> list[str]:
        """What the cluster's configuration has recorded of the copies, as sentences for a status."""
        return []

    def findings(self, machines: Sequence[Machine], surveys: Surveys) -> Iterator[Finding]:
        """What preflight has to say of members with this kind."""
        yield from ()

    def versions(self, machine: Machine) -> dict[str, str]:
        """What else of a machine has to have the same major version on all members."""
        return {}

    def agreed(self, surveys: Surveys) -> Iterable[Agreed]:
        """What some members take over from another one before they are configured."""
        return ()

    def alone(self, evidence: Evidence) -> list[str]:
        """Why a node's copy must not serve alone, as sentences."""
        return []  # there is only one copy of the data, and so no older one

    def consider(self, evidence: Evidence) -> str:
        """What the operator has to be sure of before a node serves alone, with what speaks for it."""
        return one_copy(evidence)

    def details(self, survey: Survey) -> Mapping[str, object]:
        """What ``hamysql.status`` has of it in keys of its own, of a node with another kind as well."""
        return {}
