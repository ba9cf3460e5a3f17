"""How long the first synchronisation takes, and how long it takes to skip it: ``python -m bench.initial_sync``.

Two bare nodes of the lab get a sparse data disk of 20 GB each and DRBD, nothing else of the cluster. For each value of the pillar's
``storage:drbd:initial_sync`` the formula's own verbs make new replicas, and the clock runs from the verb that starts (or
skips) the synchronisation until DRBD calls both sides UpToDate. Nothing is extrapolated.

The rate of the full one is as high as the lab goes (``rate: 1G``, no controller), where the formula's default is that of the 2013
procedure, 10M: what is printed for that rate is only the size divided by it. The result is kept in
``bench/results/initial_sync.json``.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from lab import api
from lab.basics.context import PROJECT
from lab.basics.topology import DEFAULT, Disk, Topology

SIZE_MIB = 20 * 1024
RATE = "1G"
DEFAULT_RATE_MIB = 10
RUN = "20260131120000000000"  # stands for an orchestration's job
RESULT = PROJECT / "bench" / "results" / "initial_sync.json"
BOTH = "UpToDate/UpToDate"


class BenchLab(api.Lab):
    """A lab whose nodes have large, sparse data disks."""

    @property
    def topology(self) -> Topology:
        nodes = (dataclasses.replace(node, disks=(Disk("data", SIZE_MIB),)) for node in DEFAULT.nodes)
        return dataclasses.replace(DEFAULT, nodes=tuple(nodes))


def pillar_file(lab: api.Lab) -> Path:
    """The lab's pillar with the high rate, and without the packages that replication does not need."""
    pillar = yaml.safe_load((PROJECT / "lab" / "software" / "pillar.sls").read_text())
    config = pillar["hamysql"]
    config["storage"]["drbd"]["rate"] = RATE
    config["package"] = {"cluster": ["drbd-utils"], "crm": [], "database": [], "firewall": []}
    config["repo"]["repositories"].pop("crmsh")
    path = lab.dir / "pillar.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    return path


def call(lab: api.Lab, target: str, function: str, *words: str) -> None:
    """Run a verb; anything but success ends the bench."""
    for minion, value in api.salt_json(lab, target, function, *words).items():
        failed = isinstance(value, str) or (
            isinstance(value, dict)
            and any(isinstance(state, dict) and state.get("result") is False for state in value.values())
        )
        if failed:
            raise api.LabError(f"{function} on {minion}: {value}")


def measure(lab: api.Lab, mode: str) -> float:
    """Seconds from the verb to both sides UpToDate, on new replicas."""
    call(lab, "*", "hamysql_drbd.create_metadata", f"run_id='{RUN}'")
    call(lab, "*", "hamysql_drbd.up")
    call(lab, "*", "hamysql_drbd.wait_connected")
    started = time.monotonic()
    if mode == "auto":
        call(lab, "db1", "hamysql_drbd.skip_initial_sync", f"'{RUN}'")
    else:
        call(lab, "db1", "hamysql_drbd.seed")
    done = "until drbdadm dstate mysql | grep -q '^UpToDate/UpToDate$'; do sleep 0.2; done"
    api.ssh(lab, "db2", done, timeout=3600)
    seconds = time.monotonic() - started
    for name in lab.topology.names:
        edges = f"blkdiscard -z -l 1MiB /dev/ubdb; blkdiscard -z -o {SIZE_MIB - 1}MiB -l 1MiB /dev/ubdb"
        api.ssh(lab, name, "drbdadm secondary mysql; drbdadm down mysql; rm /var/lib/hamysql/mysql.json", check=False)
        api.ssh(lab, name, f"wipefs --all --quiet /dev/ubdb; {edges}")
    return seconds


def report(figures: dict[str, Any]) -> str:
    """The small table."""
    full, auto = figures["full_seconds"], figures["auto_seconds"]
    default = SIZE_MIB / DEFAULT_RATE_MIB
    return "\n".join(
        [
            f"first synchronisation of {figures['size_gb']} GB, two lab nodes, sparse disks",
            f"  full, rate {RATE}   {full:8.1f} s   ({SIZE_MIB / full:.0f} MiB/s)",
            f"  auto (skipped)  {auto:8.1f} s   of which most is the Salt job",
            f"  full / auto     {full / auto:8.0f}",
            f"  at the default rate of {DEFAULT_RATE_MIB}M, full would take {default:.0f} s (computed, not measured)",
        ]
    )


def main() -> int:
    """Measure, print, keep the result; the bench's lab is down afterwards."""
    lab, progress = BenchLab(dir=PROJECT / ".lab" / "bench"), api.Progress()
    lab.dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(lab.dir).free >> 20
    if free < SIZE_MIB * 1.3:  # a full synchronisation writes the zeros of one disk to the other
        raise SystemExit(f"{lab.dir} has {free} MiB free, the bench needs {SIZE_MIB * 1.3:.0f}")
    try:
        api.up(lab, progress, pillar=pillar_file(lab), fresh=True, storage="drbd")
        with progress.stage("packages"):
            api.salt_json(lab, "*", "saltutil.sync_all")
            call(lab, "*", "state.apply", "hamysql.storage")
        seconds = {mode: measure(lab, mode) for mode in ("auto", "full")}
    finally:
        api.down(lab, progress)
        for name in lab.topology.names:
            (lab.dir / "nodes" / name / "data.img").unlink(missing_ok=True)
    figures = {
        "size_gb": SIZE_MIB // 1024,
        "rate": RATE,
        "auto_seconds": round(seconds["auto"], 1),
        "full_seconds": round(seconds["full"], 1),
        "ratio": round(seconds["full"] / seconds["auto"], 1),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    print(report(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
