"""A LUN as a kind of storage: both nodes see it, and one at a time mounts it. The pillar calls it ``shared``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from hamysql.cib import model as cib_model
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.finding import Finding, Machine
from hamysql.resolved import Resolved
from hamysql.schema.language import Report
from hamysql.schema.values import Config
from hamysql.storage.kind import Kind, Parameters
from hamysql.storage.latch import Latch, Latches
from hamysql.storage.lun import NAME, growth, iscsi, local, plan, settings, verbs
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.lun.values import PATH, split_portal
from hamysql.storage.steps import Step
from hamysql.survey import Survey, Surveys
from hamysql.system import files
from hamysql.system.command import Run


class Lun(Kind):
    name, states = NAME, "lun"
    section = settings.LUN
    module = "hamysql_lun"
    packages_of = ("iscsi", "lvm", "multipath", "reservations")
    operations = {cib_names.VOLUME: ("start", "stop", "monitor")}
    without_fencing = (
        "two nodes that mount a LUN at the same time destroy its file system. Only fencing keeps a node that does not answer "
        "from having it mounted"
    )
    reached_by = f"{PATH}:iscsi:portal"
    # Many storage arrays take CHAP passwords of 12 to 16 characters only.
    secrets = {("iscsi", "password"): 8}
    known_elsewhere = frozenset(secrets)
    by_exclusion = True
    growth = growth.GROWTH

    def check(self, config: Config, report: Report) -> None:
        settings.check_lun(config, report)

    def disks(self, config: Config) -> list[str | None]:
        return [config["storage"][NAME]["device"]]

    def reservations(self, config: Config) -> Mapping[str, str]:
        lun = config["storage"][NAME]
        used = lun["reservations"] in ("scsi", "mpath")
        return {"type": lun["reservations"], "device": lun["device"]} if used else {}

    def secret_lines(self, config: Resolved) -> list[str]:
        options = config["storage"][NAME]["iscsi"]
        file = iscsi.record_file(options) if options else None
        record = iscsi.parse_record(files.text(file)) if file else {}
        if options and file and iscsi.SECRET & set(iscsi.differences(record, iscsi.wanted(options))):
            return ["the CHAP password, which counts from the next login on"]
        return []

    def missing_secrets(self, section: Mapping[str, object]) -> list[tuple[str, ...]]:
        given = section.get("iscsi")
        lacks = isinstance(given, Mapping) and given.get("username") and not given.get("password")
        return [("iscsi", "password")] if lacks else []

    def unused(self, config: Config) -> None:
        config["storage"][NAME].update(lvm={}, iscsi={})

    def derive(self, config: Config, noted: Any) -> None:
        storage = config["storage"]
        lun, filesystem = storage[NAME], storage["filesystem"]
        if not lun["lvm"]["volume_group"]:
            lun["lvm"] = {}
        if not lun["iscsi"]["portal"]:
            lun["iscsi"] = {}
        volume = lun["lvm"]
        filesystem["device"] = f"/dev/{volume['volume_group']}/{volume['logical_volume']}" if volume else lun["device"]
        if filesystem["type"] == "ext4":
            # Multiple mount protection (ext4(5), "mmp"): a node that still has it mounted is seen by the next one.
            filesystem["mkfs_options"] = ["-O", "mmp", *filesystem["mkfs_options"]]
        if lun["iscsi"]:
            lun["iscsi"]["initiator"] = lun["iscsi"]["initiators"].get(config["self"])
            storage["units"].append(lun["iscsi"]["unit"])
        if volume:
            storage["units"].append("blk-availability.service")
        if lun["reservations"] == "mpath":
            storage["units"].append("multipathd.service")

    def files(self, config: Resolved) -> list[str]:
        lun = config["storage"][NAME]
        volume = ["/etc/lvm/lvmlocal.conf"] if lun["lvm"] else []
        return volume + (["/etc/multipath/conf.d/hamysql.conf"] if lun["reservations"] == "mpath" else [])

    def packages(self, config: Config) -> list[str]:
        lun, package = config["storage"][NAME], config["package"]
        wanted = {
            "iscsi": bool(lun["iscsi"]),
            "lvm": bool(lun["lvm"]),
            "reservations": lun["reservations"] != "none",
            "multipath": lun["reservations"] == "mpath",
        }
        return [name for key, needed in wanted.items() if needed for name in package[key]]

    # --- the cluster's configuration

    def below_the_filesystem(self, config: Resolved) -> list[tuple[str, str, cib_model.Parameters]]:
        volume = config["storage"][NAME]["lvm"]
        if not volume:
            return []
        params = {"vgname": volume["volume_group"], "lvname": volume["logical_volume"], "vg_access_mode": "system_id"}
        return [(cib_names.VOLUME, "ocf:heartbeat:LVM-activate", params)]

    def recognises(self, values: Parameters) -> bool:
        return bool(values.get((cib_names.FILE_SYSTEM, "fstype")))

    def identity(self, config: Resolved, values: Parameters) -> dict[tuple[str, str], tuple[str, str]]:
        filesystem, volume = config["storage"]["filesystem"], config["storage"][NAME]["lvm"]
        key, group = f"storage:{NAME}", (cib_names.VOLUME, "vgname")
        # With a volume its path is mounted, which follows from both of its names.
        device = {(cib_names.FILE_SYSTEM, "device"): (f"{key}:device", filesystem["device"])}
        return {
            **(device if group not in values else {}),
            group: (f"{key}:lvm:volume_group", volume.get("volume_group", "none")),
            (cib_names.VOLUME, "lvname"): (f"{key}:lvm:logical_volume", volume.get("logical_volume", "none")),
            (cib_names.FILE_SYSTEM, "fstype"): ("storage:filesystem:type", filesystem["type"]),
            **super().identity(config, values),
        }

    # --- the latch

    def by_latches(
        self, config: Resolved, latches: Mapping[str, Latch], device_uuid: str
    ) -> dict[str, tuple[str, str]]:
        """A LUN is told by its name alone: the array's own copies of it have the same UUIDs."""
        found = super().by_latches(config, latches, device_uuid)
        known = latches.get(self.latch_name(config))
        if known:
            found[f"storage:{NAME}:device"] = (known.disk, local.disk(config))
        return found

    # --- a node

    def survey(self, site: Resolved, run: Run, latches: Latches) -> local.Seen:
        return verbs.survey(run, site, latches)

    def servers(self, site: Resolved) -> list[tuple[str, int]]:
        session = site["storage"][NAME]["iscsi"]
        return [split_portal(session["portal"])] if session else []

    def facts(self, site: Resolved) -> Mapping[str, object]:
        session = site["storage"][NAME]["iscsi"]
        return {"initiator": (session["initiator"] or iscsi.initiator_name()) if session else ""}

    def check_made(self, site: Resolved, run: Run, known: Latch) -> None:
        signatures, _ = lun_claim.contents(run, local.disk(site))
        if known.device_uuid not in {signature.uuid for signature in signatures}:
            raise Refused(f"{local.disk(site)} does not hold what this node has made there ({known.device_uuid})")

    def activate(self, site: Resolved, run: Run, active: bool) -> None:
        volume = site["storage"][NAME]["lvm"]
        if volume:
            lun_claim.activate(run, volume["volume_group"], active)

    # --- the master

    def steps(self, surveys: Surveys, run: str) -> tuple[Step, ...]:
        return plan.steps(*plan.from_surveys(surveys))

    def warnings(self, surveys: Surveys, run: str) -> list[str]:
        return plan.warnings(*plan.from_surveys(surveys))

    def state(self, survey: Survey) -> str:
        seen = survey["storage"]
        place = f"LUN {seen['disk']}"
        if seen["size"] is None:
            return f"{place} is not there"
        return f"{place} {'mounted' if seen['mounted'] else 'seen'}{'' if seen['session'] is not False else ', not logged in'}"

    def trouble(self, survey: Survey) -> str:
        seen = survey["storage"]
        if seen["size"] is None:
            return f"the LUN {seen['disk']} is not there"
        if seen["error"]:
            return f"the LUN {seen['disk']} cannot be read: {seen['error']}"
        return "the node is not logged in to the iSCSI target" if seen["session"] is False else ""

    def findings(self, machines: Sequence[Machine], surveys: Surveys) -> Iterator[Finding]:
        """A target takes two nodes with one name for the same one, and ends the first one's session when the second logs in."""
        for one, two in combinations(machines, 2):
            name = two.storage["initiator"]
            if name and name == one.storage["initiator"]:
                expected = (
                    f"another one than {one.name} has (a copied machine? `iscsi-iname` makes one), or the pillar's"
                )
                yield Finding(two.name, f"the iSCSI initiator name {name}", expected, f"{PATH}:iscsi:initiators")


KIND = Lun()
