"""The command line's words."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.basics.setup import FLAVORS, RELEASES
from lab.basics.topology import EVERYTHING, STORAGES

EPILOG = """\
All state is kept under .lab in the project (HAMYSQL_LAB_DIR names another folder). Try:
  python -m lab up                                  two nodes with a deployed cluster
  python -m lab probe --seconds 60                  a client that writes, and in a second terminal:
  python -m lab power db1 off                       the power cut that it should survive
"""


def parser() -> argparse.ArgumentParser:
    """Every verb with its options."""
    top = argparse.ArgumentParser(
        prog="python -m lab",
        description="Real nodes on this machine: kernels, disks, links and power buttons.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    up = verbs.add_parser("up", help="start what is not up, and deploy hamysql on it")
    up.add_argument("--no-deploy", action="store_true", help="stop when the minions answer")
    up.add_argument("--fresh", action="store_true", help="throw the nodes' disks away first")
    up.add_argument("--qdevice", action="store_true", help="with a third machine, qd1, for a quorum device")
    demo = verbs.add_parser("demo", help="the same from bare nodes, whatever is there")
    up.add_argument("--from", dest="snapshot", metavar="NAME", help="start the nodes from a snapshot")
    for verb in (up, demo):
        verb.add_argument(
            "--pillar", type=Path, metavar="FILE", help="the pillar to use (default: lab/software/pillar*.sls)"
        )
        verb.add_argument(
            "--storage",
            choices=STORAGES,
            help="where the data is: own disks, a SAN (san1), or a file server (nas1) (default: as before)",
        )
        verb.add_argument("--release", choices=RELEASES, help="of Debian, on the nodes (default: as before)")
        verb.add_argument("--flavor", choices=FLAVORS, help="the database (default: as before)")
    verbs.add_parser("down", help="end everything; the nodes' disks stay")
    status = verbs.add_parser("status", help="what runs where")
    status.add_argument("--json", action="store_true", help="for programs")
    _passed_on(verbs, "ssh", "NODE [CMD...]", "a shell, or a command, on a node")
    _passed_on(verbs, "salt", "ARGS...", "salt, on the lab's master")
    _passed_on(verbs, "salt-run", "ARGS...", "salt-run, on the lab's master")
    _passed_on(verbs, "exec", "CMD...", "a command on the administrator's side of the lab's network")
    host = verbs.add_parser(
        "host", help="install what this machine lacks for the lab, and say what cannot be installed"
    )
    host.add_argument("--tests", action="store_true", help="only what tests without the lab and linters need")
    verbs.add_parser("sync", help="give the master the project's changed modules and runners")
    power = _on_node(verbs, "power", "a node's power button; off is a power cut")
    power.add_argument("action", choices=("on", "off", "cycle", "status"))
    blank = _on_node(verbs, "blank", "a blank machine in a node's place: new disks, the same name")
    blank.add_argument("--release", choices=RELEASES, help="of Debian, on it (default: the lab's)")
    net = _on_node(verbs, "net", "a node's cables")
    net.add_argument("action", choices=("cut", "heal", "lossy"))
    net.add_argument("--link", choices=("0", "1", "all"), default="all", help="which cable (default: all)")
    net.add_argument("--loss", metavar="5%", default="", help="lossy: packets lost on the way from the node")
    net.add_argument("--delay", metavar="20ms", default="", help="lossy: packets delayed on the way from the node")
    part = verbs.add_parser("part", help="cut the nodes off from each other, and from nothing else")
    part.add_argument("--heal", action="store_true", help="let them see each other again")
    storage = verbs.add_parser("storage", help="the way from the nodes to the SAN or the file server")
    storage.add_argument("action", choices=("cut", "heal"))
    storage.add_argument("node", nargs="*", help="cut: these nodes only (default: both)")
    bmc = _on_node(verbs, "bmc", "a node's BMC, the fence device; off breaks it")
    bmc.add_argument("action", choices=("on", "off"))
    _on_node(verbs, "freeze", "stop a node in its tracks, as a hanging machine does")
    _on_node(verbs, "thaw", "let it go on")
    probe = verbs.add_parser("probe", help="write through the virtual IP, and count what was lost")
    probe.add_argument("--seconds", type=float, required=True, metavar="N", help="how long to write")
    probe.add_argument("--json", action="store_true", help="for programs")
    snapshot = verbs.add_parser("snapshot", help="keep the nodes' disks under a name, for `up --from NAME`")
    snapshot.add_argument("action", choices=("save", "list", "delete"))
    snapshot.add_argument("name", nargs="?")
    return top


def _on_node(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text)
    verb.add_argument("node", choices=EVERYTHING.names)
    return verb


def _passed_on(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, usage: str, text: str) -> None:
    """Listed here for --help only, see PASSED_ON in __main__."""
    verbs.add_parser(name, help=text, usage=f"python -m lab {name} {usage}")
