"""``python -m lab VERB``: see ``python -m lab --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lab import lifecycle, network, node, salt
from lab.context import Lab
from lab.errors import LabError
from lab.progress import Progress

# These verbs hand the rest of the command line on as it is; argparse would take options out of it.
PASSED_ON = ("ssh", "salt", "salt-run", "exec")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Two real nodes on this machine.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    up = verbs.add_parser("up", help="start what is not up, and deploy hamysql on it")
    up.add_argument("--pillar", type=Path, metavar="FILE", help="the pillar to use (default: lab/pillar.sls)")
    up.add_argument("--no-deploy", action="store_true", help="stop when the minions answer")
    up.add_argument("--fresh", action="store_true", help="throw the nodes' disks away first")
    verbs.add_parser("down", help="end everything; the nodes' disks stay")
    return parser


def _pass_on(lab: Lab, verb: str, words: list[str]) -> int:
    if not network.exists(lab):
        raise LabError("the lab is down: start it with `python -m lab up`")
    if verb == "ssh":
        if not words:
            raise LabError(f"ssh needs a node: {', '.join(lab.topology.names)}")
        argv = node.ssh_command(lab, lab.node(words[0]), *words[1:])
    elif verb == "exec":
        if not words:
            raise LabError("exec needs a command, for example: exec ping -c 1 10.77.1.100")
        argv = lab.in_namespace(*words)
    else:
        argv = salt.command(lab, verb, *words)
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _run(words: list[str]) -> int:
    lab = Lab()
    if words and words[0] in PASSED_ON and words[1:] not in (["-h"], ["--help"]):
        return _pass_on(lab, words[0], words[1:])
    options = _parser().parse_args(words)
    progress = Progress()
    if options.verb == "up":
        lifecycle.up(lab, progress, pillar=options.pillar, fresh=options.fresh)
        progress.show_times()
    elif options.verb == "down":
        removed = lifecycle.down(lab)
        progress.say(f"down: removed {', '.join(removed)}" if removed else "the lab was down already")
    return 0


def main() -> int:
    """Run the command line; every expected failure is one sentence on standard error."""
    try:
        return _run(sys.argv[1:])
    except LabError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
