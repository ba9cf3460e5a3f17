"""An NFS export as a kind of storage: both nodes reach it, and one at a time mounts it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.resolved import Resolved
from hamysql.schema.language import Report
from hamysql.schema.values import Config
from hamysql.storage.kind import Kind, Parameters
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.nfs import NAME, growth, plan, settings, verbs
from hamysql.storage.nfs.mark import NFS_FOLDER
from hamysql.storage.nfs.mark import read as read_mark
from hamysql.storage.steps import Step
from hamysql.survey import Survey, Surveys
from hamysql.system import root
from hamysql.system.command import Run

PORT = 2049  # of every NFS 4 server (RFC 7530, 3.1)


class Nfs(Kind):
    name = states = NAME
    section = settings.NFS
    module = "hamysql_nfs"
    packages_of = ("nfs",)
    local = False
    without_fencing = (
        "an NFS server's locks protect only InnoDB files and the Aria log. A node that does not answer keeps its locks as long "
        "as it reaches the server. Then no failover ends"
    )
    reached_by = "hamysql:storage:nfs:server"
    growth = growth.GROWTH
    ready = Stage.CLAIMED

    def check(self, config: Config, report: Report) -> None:
        settings.check_nfs(config, report)

    def derive(self, config: Config, noted: Any) -> None:
        storage, nfs = config["storage"], config["storage"]["nfs"]
        nfs["source"] = f"{_bracketed(nfs['server'])}:{nfs['export']}"
        nfs["mount_options"] = f"vers={nfs['version']},{nfs['options']}"
        storage["filesystem"].update(
            device=f"{nfs['source'].rstrip('/')}/{NFS_FOLDER}",
            type="nfs",
            options=nfs["mount_options"],
            agent="ocf:heartbeat:Filesystem",  # ours knows local ones only
        )
        storage["units"].append("network-online.target")

    # --- the cluster's configuration

    def mount_parameters(self, config: Resolved) -> dict[str, str]:
        # fuser asks each file's server, and hangs when that is away; this one only reads /proc.
        return {**super().mount_parameters(config), "force_unmount": "safe"}

    def recognises(self, values: Parameters) -> bool:
        return values.get((cib_names.FILE_SYSTEM, "fstype"), "").startswith("nfs")

    def identity(self, config: Resolved, values: Parameters) -> dict[tuple[str, str], tuple[str, str]]:
        device = ("storage:nfs:export", config["storage"]["filesystem"]["device"])
        return {(cib_names.FILE_SYSTEM, "device"): device, **super().identity(config, values)}

    # --- a node

    def survey(self, site: Resolved, run: Run, latches: Latches) -> plan.Seen:
        return verbs.survey(run, site, latches)

    def servers(self, site: Resolved) -> list[tuple[str, int]]:
        return [(str(site["storage"]["nfs"]["server"]), PORT)]

    def source(self, site: Resolved) -> str:
        return site["storage"]["nfs"]["source"]

    def data_folder(self, site: Resolved, place: Path, known: Latch) -> Path:
        mark = read_mark(root.at(place))
        if mark.get("id") != known.device_uuid:
            raise Refused(f"{self.source(site)} bears {mark or 'no mark'}, not this node's ({known.device_uuid})")
        folder = place / NFS_FOLDER
        root.at(folder).mkdir(exist_ok=True)
        return folder

    # --- the master

    def steps(self, surveys: Surveys, run: str) -> tuple[Step, ...]:
        return plan.steps(*plan.from_surveys(surveys))

    def state(self, survey: Survey) -> str:
        seen, trouble = survey["storage"], self.trouble(survey)
        return f"{seen['disk']} {'mounted' if seen['mounted'] else 'not mounted'}{f', {trouble}' if trouble else ''}"

    def trouble(self, survey: Survey) -> str:
        away = [where for where, answers in survey["facts"]["storage"]["reached"].items() if not answers]
        return f"{', '.join(away)} cannot be reached" if away else ""


def _bracketed(server: str) -> str:
    try:
        return f"[{server}]" if ipaddress.ip_address(server).version == 6 else server
    except ValueError:
        return server


KIND = Nfs()
