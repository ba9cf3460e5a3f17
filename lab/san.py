"""The SAN: an iSCSI target on the administrator's side, with one LUN that both nodes may log in to.

It is Debian's ``tgtd`` in the lab's namespace, with a control socket in the lab's own folder, so that neither another lab nor a
tgtd of the machine's meets it. It knows SCSI-3 persistent reservations, and forgets them when it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from lab import network
from lab.context import Lab
from lab.host import run, wait_for

PROGRAMS = {"tgtd": "tgt", "tgtadm": "tgt"}
# Constants of the lab, published with the project: never use them elsewhere.
TARGET = "iqn.2004-01.org.example:hamysql-lab"
USER, PASSWORD = "hamysql", "lab-only-chap"  # 12 to 16 characters, as initiators want them
PORT = 3260
SIZE_MIB = 512
SERIAL = "hamysql-lab-lun1"  # what the nodes' /dev/disk/by-id names are made from
TID = "1"


def lun(lab: Lab) -> Path:
    """The file that the LUN's blocks are in."""
    return lab.san / "lun.img"


def start(lab: Lab) -> None:
    """Start the target, with a new, empty LUN unless there is one, and wait until it can be logged in to."""
    if not lun(lab).exists():
        lab.san.mkdir(parents=True, exist_ok=True)
        with lun(lab).open("wb") as file:
            file.truncate(SIZE_MIB << 20)
    if processes(lab) and "ALL" not in _tgtadm(lab, "show", "target").split():
        stop(lab)  # whoever started it was interrupted
    if not processes(lab):
        lab.logs.mkdir(parents=True, exist_ok=True)
        portal = f"portal={lab.topology.san_address}:{PORT}"
        with (lab.logs / "tgtd.log").open("ab") as out:
            subprocess.Popen(
                lab.in_namespace("tgtd", "--foreground", "--iscsi", portal),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **_environment(lab)},
            )
        wait_for(lambda: listening(lab), f"tgtd to listen (its log: {lab.logs / 'tgtd.log'})", timeout=30)
        _export(lab)


def _export(lab: Lab) -> None:
    """Tell the target what it has and who may use it; last of all that initiators may come."""
    _tgtadm(lab, "new", "target", "--targetname", TARGET)
    _tgtadm(lab, "new", "logicalunit", "--lun", "1", "--bstype", "rdwr", "--backing-store", str(lun(lab)))
    names = {"vendor_id": "HAMYSQL", "product_id": "LAB-SAN", "scsi_id": SERIAL, "scsi_sn": SERIAL}
    params = ",".join(f"{name}={value}" for name, value in {**names, "thin_provisioning": "1"}.items())
    _tgtadm(lab, "update", "logicalunit", "--lun", "1", "--params", params)
    _tgtadm(lab, "new", "account", "--user", USER, "--password", PASSWORD)
    _tgtadm(lab, "bind", "account", "--user", USER)
    _tgtadm(lab, "bind", "target", "--initiator-address", "ALL")


def _tgtadm(lab: Lab, operation: str, mode: str, *words: str) -> str:
    target = [] if operation == "show" or (operation, mode) == ("new", "account") else ["--tid", TID]
    command = ["tgtadm", "--lld", "iscsi", "--op", operation, "--mode", mode, *target, *words]
    return run(lab.in_namespace(*command), env=_environment(lab)).stdout


def _environment(lab: Lab) -> dict[str, str]:
    return {"TGT_IPC_SOCKET": str(lab.run_dir / "tgt")}


def listening(lab: Lab) -> bool:
    """Does the target listen?"""
    out = run(lab.in_namespace("ss", "-Hltn", f"( sport = :{PORT} )"), check=False).stdout
    return f"{lab.topology.san_address}:{PORT} " in out


def processes(lab: Lab) -> list[int]:
    """The target's process, if it runs."""
    found = []
    for pid in network.pids(lab):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"tgtd\0"):
                found.append(pid)
        except OSError:  # it ended meanwhile
            continue
    return found


def stop(lab: Lab) -> None:
    """End the target, as a power cut does: what it has acknowledged is in the file."""
    for pid in processes(lab):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes(lab), "tgtd to end", timeout=10, interval=0.1)


def forget(lab: Lab) -> None:
    """Throw the LUN away, and the target that has it open."""
    stop(lab)
    lun(lab).unlink(missing_ok=True)
