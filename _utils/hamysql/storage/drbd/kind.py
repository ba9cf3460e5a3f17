"""DRBD as a kind of storage: a disk of each node, replicated over a link between them.

It is one long file: an answer to each question that may be asked of a kind, most of them of a line or two.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from hamysql.cib import model as cib_model
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.fencing.take_over import Evidence
from hamysql.finding import Finding, Machine
from hamysql.pending import Pending
from hamysql.ports import Access, family
from hamysql.resolved import Resolved
from hamysql.schema.language import Report
from hamysql.schema.values import Config
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd import (
    NAME,
    adjust,
    conf,
    findings,
    link,
    plan,
    replica,
    settings,
    status,
    take_over,
    verbs,
    written,
)
from hamysql.storage.drbd.care import growth, record
from hamysql.storage.drbd.replica import Seen
from hamysql.storage.drbd.written import Written
from hamysql.storage.kind import Described, Kind, Parameters, Primitive
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.steps import Agreed, Step
from hamysql.survey import Survey, Surveys
from hamysql.system import disk
from hamysql.system.command import Run

# What of its steps is done to the resource; the others make what lies on it.
_RESOURCE = frozenset(
    ("create_metadata", "up", "wait_connected", "skip_initial_sync", "seed", "release", "rejoin", "keep_link")
)
# What a replica's state means for whoever would have this node take over.
_STALE = {
    "Outdated": ": out of date, the other node has gone on without it. It cannot take over before it is synchronised",
    "Consistent": ": it may be out of date, and cannot take over before it has seen the other node's",
    "Inconsistent": ": it cannot take over before it is synchronised",
}


class Drbd(Kind):
    name = states = NAME
    section = settings.DRBD
    packages_of = compared = services = ("drbd",)
    operations = {
        cib_names.REPLICA: ("start", "stop", "promote", "demote", "notify", "monitor_promoted", "monitor_unpromoted")
    }
    replicates = True
    module_of_kernel = "drbd"
    links = ("the replication",)
    growth = growth.GROWTH
    secrets = {("shared_secret",): 24}
    chosen = Stage.SEEDING
    agents_elsewhere = {cib_names.REPLICA: ("drbd",)}

    def check(self, config: Config, report: Report) -> None:
        settings.check_drbd(config, report)

    def disks(self, config: Config) -> list[str | None]:
        return [config["storage"]["drbd"]["disk"]]

    def taken(self, config: Config) -> list[int | None]:
        return [config["storage"]["drbd"]["port"]]

    def kept_text(self, config: Resolved) -> str:
        # blkid says "drbd" for it: the type has to be named
        return f"`mount -t {config['storage']['filesystem']['type']} -o ro {config['storage']['drbd']['disk']} /mnt`"

    def missing_secrets(self, section: Mapping[str, object]) -> list[tuple[str, ...]]:
        return [] if section.get("shared_secret") else [("shared_secret",)]

    def noted(self, config: Resolved) -> link.Known | None:
        """The link that this node has.

        It is looked for at each call: the states write the files where it is found, and another member's link may be noted in
        between. What the states write is what was found, so nothing changes under them.
        """
        if config["storage"]["drbd"]["link_from"] == link.PILLAR:
            return None
        known = link.known(config)
        return None if known == link.Known() else known

    def unused(self, config: Config) -> None:
        """Each node has an address for replication all the same; what the pillar says of the link nobody has checked."""
        drbd = config["storage"]["drbd"]
        drbd.update(link=None, disk=None, resource_texts={})
        self._complete(config, link.Known())

    def derive(self, config: Config, noted: link.Known | None) -> None:
        storage, drbd = config["storage"], config["storage"]["drbd"]
        self._complete(config, noted or link.Known())
        drbd["disk"] = config["cluster"]["nodes"][config["self"]]["disk"]
        storage["filesystem"]["device"] = drbd["device"]

    def ports(self, config: Config) -> list[Access]:
        """For the other node's end of the link."""
        own, peer = (config["cluster"]["nodes"][config[which]]["replication"] for which in ("self", "peer"))
        return [Access("tcp", (config["storage"]["drbd"]["port"],), (peer,), family(own))]

    def _complete(self, config: Config, known: link.Known) -> None:
        drbd, nodes = config["storage"]["drbd"], config["cluster"]["nodes"]
        links = min(len(node["addresses"]) for node in nodes.values())
        drbd["link"], drbd["link_from"] = link.chosen(drbd["link"], known.link, links)
        drbd["link_problem"] = known.problem
        for node in nodes.values():
            node["disk"] = node["disk"] or drbd["disk"]
            node["replication"] = node["addresses"][drbd["link"]]
        drbd["minor"] = int(drbd["device"].removeprefix("/dev/drbd"))
        drbd["verify"]["alg"] = drbd["verify"]["alg"] or drbd["options"]["net"].get("verify-alg")
        drbd["global_text"] = conf.global_text(drbd)

    def finish(self, config: Resolved) -> None:
        drbd = config["storage"]["drbd"]
        drbd["resource_texts"] = {kernel: conf.resource_text(config, kernel) for kernel in conf.KERNELS}

    def files(self, config: Resolved) -> list[str]:
        return [
            f"/etc/drbd.d/{name}" for name in ("global_common.conf", f"{config['storage']['drbd']['resource']}.res")
        ]

    # --- the cluster's configuration

    def add_resources(
        self, config: Resolved, resources: ET.Element, constraints: ET.Element, primitive: Primitive
    ) -> None:
        drbd = config["storage"]["drbd"]
        clone = ET.SubElement(resources, "clone", id=cib_names.REPLICAS)
        # Without notifications: they are up to four more runs of the agent on the way of a failover or a move, one after the other,
        # and do what is done without them: a score is also set by each start, promotion, demotion and monitor, and a replica
        # that is out of date is marked by DRBD's fencing.
        one_primary = {"promotable": "true", "notify": "false", "clone-max": 2, "clone-node-max": 1}
        one_primary |= {"promoted-max": 1, "promoted-node-max": 1, "failure-timeout": 0}
        cib_model.pairs(clone, "meta_attributes", f"{cib_names.REPLICAS}-meta_attributes", one_primary)
        # Our own agent also wants to know the device's number.
        params = {"drbd_resource": drbd["resource"], "ignore_missing_notifications": "true"}
        if drbd["agent"] == "ocf:hamysql:drbd":
            params["minor"] = drbd["device"].removeprefix("/dev/drbd")
        clone.append(primitive(cib_names.REPLICA, drbd["agent"], params))
        near = {"rsc": cib_names.SERVICE, "with-rsc": cib_names.REPLICAS, "with-rsc-role": "Promoted"}
        ET.SubElement(constraints, "rsc_colocation", id=cib_names.SERVICE_WITH_REPLICA, score="INFINITY", **near)  # type: ignore[arg-type]
        after = {"first": cib_names.REPLICAS, "first-action": "promote"}
        after |= {"then": cib_names.SERVICE, "then-action": "start"}
        ET.SubElement(constraints, "rsc_order", id=cib_names.REPLICA_BEFORE_SERVICE, kind="Mandatory", **after)  # type: ignore[arg-type]

    def recognises(self, values: Parameters) -> bool:
        return (cib_names.REPLICA, "drbd_resource") in values

    def identity(self, config: Resolved, values: Parameters) -> dict[tuple[str, str], tuple[str, str]]:
        drbd, filesystem = config["storage"]["drbd"], config["storage"]["filesystem"]
        return {
            (cib_names.REPLICA, "drbd_resource"): ("storage:drbd:resource", drbd["resource"]),
            (cib_names.FILE_SYSTEM, "device"): ("storage:drbd:device", filesystem["device"]),
            (cib_names.FILE_SYSTEM, "fstype"): ("storage:filesystem:type", filesystem["type"]),
            **super().identity(config, values),
        }

    # --- a cluster that somebody else has built

    def written(self, run: Run, values: Parameters) -> Written:
        return written.seen(run, values[(cib_names.REPLICA, "drbd_resource")])

    def written_secrets(self, run: Run, values: Parameters) -> dict[tuple[str, ...], str]:
        found = written.secret(run, values[(cib_names.REPLICA, "drbd_resource")])
        return {("shared_secret",): found} if found else {}

    def described(self, values: Parameters, nodes: Mapping[str, object]) -> Described:
        said = cast(Mapping[str, Written], nodes)
        return written.described(values[(cib_names.REPLICA, "drbd_resource")], said)

    def unlike(self, site: Resolved, said: object) -> list[str]:
        return list(written.unlike(site, cast(Written, said)))

    def own_files(self, site: Resolved) -> list[str]:
        return written.own_files(site["storage"]["drbd"]["resource"])

    def take(self, site: Resolved, run: Run, latches: Latches) -> list[str]:
        with storage_lock.held("take"):
            return written.take(run, site, latches)

    # --- the latch

    def latch_name(self, config: Resolved) -> str:
        return str(config["storage"]["drbd"]["resource"])

    def by_latches(
        self, config: Resolved, latches: Mapping[str, Latch], device_uuid: str
    ) -> dict[str, tuple[str, str]]:
        drbd, name = config["storage"]["drbd"], config["cluster"]["name"]
        disk = str(drbd["disk"])
        known = latches.get(drbd["resource"])
        if known is None:
            of_this_disk = [
                other.resource
                for other in latches.values()
                if other.cluster == name and _is_about(other, disk, device_uuid)
            ]
            return {"storage:drbd:resource": (of_this_disk[0], drbd["resource"])} if of_this_disk else {}
        found = super().by_latches(config, latches, device_uuid)
        if not _is_about(known, disk, device_uuid):
            found["storage:drbd:disk"] = (known.disk, disk)
        return found

    def reset(self, known: Latch | None, seed: bool) -> Latch | None:
        found = super().reset(known, seed)
        # A replica is made on both nodes, whichever of them copies.
        return replace(known, stage=Stage.METADATA) if known is not None and found is None else found

    # --- a node

    def survey(self, site: Resolved, run: Run, latches: Latches) -> Seen:
        drbd, device = site["storage"]["drbd"], replica.disk(site)
        size = disk.size(run, device)
        there = size is not None
        above = disk.occupants(run, device, drbd["device"]) if there else disk.Occupants()
        generation = replica.generation(run, site)
        return {
            "disk": device,
            "size": size,
            "signatures": [one.as_dict() for one in replica.signatures(run, site, size)] if size is not None else [],
            "uses": list(above.uses),
            "partitions": list(above.partitions),
            "names": list(disk.stable_names(device)) if there else [],
            "generation": generation.as_dict() if generation else {},
            "status": replica.seen(run, site),
        }

    def facts(self, site: Resolved) -> Mapping[str, object]:
        return {"module": replica.module(os.uname().release)}

    def device_uuid(self, site: Resolved, run: Run, latches: Sequence[Latch]) -> str:
        return adjust.device_uuid(run, replica.disk(site), latches)

    def pending(self, site: Resolved, run: Run) -> list[Pending]:
        return adjust.pending(run, site, replica.kernel(run)) if replica.status_of(run, site) else []

    def apply(self, site: Resolved, run: Run) -> None:
        adjust.apply(run, site, replica.kernel(run))

    def out_of_step(self, site: Resolved, run: Run) -> str:
        return status.out_of_step(replica.seen(run, site))

    def flags(self, site: Resolved, run: Run) -> dict[str, bool]:
        return adjust.flags(run, site["storage"]["drbd"])

    def relax(self, site: Resolved, run: Run) -> None:
        adjust.relax(run, site["storage"]["drbd"], replica.kernel(run))

    def restore(self, site: Resolved, run: Run) -> bool:
        if replica.status_of(run, site) is None:
            return False
        adjust.restore(run, site["storage"]["drbd"])
        return True

    def start_alone(self, site: Resolved, run: Run) -> None:
        with storage_lock.held("up"):
            verbs.up(run, site)

    def serve_alone(self, site: Resolved, run: Run) -> None:
        # A replica that has not seen its peer since it started is only Consistent, and DRBD's handler keeps it from being promoted:
        # that the peer has nothing newer is what the operator has just said (crm-fence-peer.sh, "operator intervention").
        self.relax(site, run)
        try:
            adjust.promote(run, site["storage"]["drbd"])
            with storage_lock.held("release"):
                verbs.release(run, site)
        finally:
            self.restore(site, run)

    # --- a node, while the data is moved

    def left_out_of_step(self, run: Run, known: Latch, values: Parameters) -> str:
        minor = values.get((cib_names.FILE_SYSTEM, "device"), "").removeprefix("/dev/drbd")
        found = replica.status(run, known.resource, int(minor) if minor.isdigit() else 0)
        return status.out_of_step(found.as_dict() if found else None)

    def check_made(self, site: Resolved, run: Run, known: Latch) -> None:
        seen = replica.status_of(run, site)
        if seen is None or seen.role != "Primary":
            raise Refused(f"{known.resource} is not Primary here")

    # --- the master

    def steps(self, surveys: Surveys, run: str) -> tuple[Step, ...]:
        return plan.storage(*plan.from_surveys(surveys, run))

    def warnings(self, surveys: Surveys, run: str) -> list[str]:
        return plan.warnings(*plan.from_surveys(surveys, run))

    def function(self, action: str) -> str:
        return f"{'hamysql_drbd' if action in _RESOURCE else 'hamysql_storage'}.{action}"

    def state(self, survey: Survey) -> str:
        seen = survey["storage"]["status"]
        if not seen:
            return "DRBD not configured"
        what = "compared" if seen["connection"].startswith("Verify") else "synchronised"
        done = f", {what} to {seen['done']} %" if seen["done"] is not None else ""
        return f"DRBD {seen['role']}, {seen['disk']}, {seen['connection']}{done}{_STALE.get(seen['disk'], '')}"

    def trouble(self, survey: Survey) -> str:
        return status.out_of_step(survey["storage"]["status"])

    def incomplete(self, survey: Survey) -> str:
        seen = survey["storage"]["status"]
        return "" if seen and seen["disk"] == "UpToDate" else f"its replica is not UpToDate: {self.state(survey)}"

    def held(self, survey: Survey) -> str:
        seen = survey["storage"]["status"]
        why = "DRBD holds all writes: it has lost its peer, and nothing has fenced that one yet (docs/emergencies.md, Writes hang)"
        return why if seen and seen["held"] else ""

    def behind(self, surveys: Surveys) -> dict[str, int]:
        return plan.behind(surveys)

    def apart(self, surveys: Surveys) -> list[str]:
        return plan.apart(surveys)

    def differing(self, surveys: Surveys) -> list[str]:
        return plan.differing(surveys)

    def comparable(self, config: Resolved) -> str:
        return (
            ""
            if config["storage"]["drbd"]["verify"]["alg"]
            else "DRBD has no digest to compare the replicas by: set hamysql:storage:drbd:verify:alg, and deploy it"
        )

    def notes(self, live_xml: str) -> list[str]:
        found = record.newest(live_xml)
        return [record.text(found)] if found else []

    def findings(self, machines: Sequence[Machine], surveys: Surveys) -> Iterator[Finding]:
        return findings.judge(machines, surveys)

    def versions(self, machine: Machine) -> dict[str, str]:
        return {"DRBD's kernel module": machine.storage["module"]["version"]}

    def agreed(self, surveys: Surveys) -> Iterable[Agreed]:
        return findings.agreed(surveys)

    def alone(self, evidence: Evidence) -> list[str]:
        return take_over.alone(evidence)

    def consider(self, evidence: Evidence) -> str:
        return take_over.consider(evidence)

    def details(self, survey: Survey) -> Mapping[str, object]:
        return {"drbd": survey["storage"].get("status", {})}


def _is_about(known: Latch, disk: str, device_uuid: str) -> bool:
    """The disk is the latch's, by its name or by what is on it."""
    return known.disk == disk or (device_uuid != "" and device_uuid.lower() == known.device_uuid.lower())


KIND = Drbd()
