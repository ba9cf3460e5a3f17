"""``python -m lab VERB``: see ``python -m lab --help``."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

from lab import api, show
from lab.basics import host
from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.progress import Progress
from lab.basics.setup import Setup
from lab.cli import parser
from lab.machines import node, roots
from lab.software import salt
from lab.wires import network

# These verbs hand the rest of the command line on as it is; argparse would take options out of it.
PASSED_ON = ("ssh", "salt", "salt-run", "exec")


def _pass_on(lab: Lab, verb: str, words: list[str]) -> int:
    """Become the program that the verb stands for, so that its terminal, signals and exit code are the caller's."""
    _need_up(lab)
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
    try:
        os.execvp(argv[0], argv)
    except OSError as exc:
        raise LabError(f"`{argv[0]}` cannot be run: {exc.strerror}") from exc


def _need_up(lab: Lab) -> None:
    if not network.exists(lab):
        raise LabError("the lab is down: start it with `python -m lab up`")


def _run(words: list[str]) -> int:
    lab = Lab()
    if words and words[0] in PASSED_ON and words[1:] not in (["-h"], ["--help"]):
        return _pass_on(lab, words[0], words[1:])
    options = parser().parse_args(words)
    progress = Progress()
    match options.verb:
        case "up" | "demo":
            demo = options.verb == "demo"
            deploy = demo or not options.no_deploy
            name = None if demo else options.snapshot
            fresh, qdevice = demo or options.fresh, not demo and options.qdevice
            setup = {
                name: getattr(options, name) or (value if demo else None) for name, value in asdict(Setup()).items()
            }
            api.up(
                lab,
                progress,
                pillar=options.pillar,
                fresh=fresh,
                snapshot_name=name,
                qdevice=qdevice,
                **setup,
            )
            if deploy:
                with progress.stage("deploy"):
                    result = api.deploy(lab, progress)
                show.deployment(result, progress)
                show.status(api.status(lab), progress)
            progress.show_times()
            if deploy:
                show.what_next(lab, progress)
        case "down":
            removed = api.down(lab, progress)
            progress.say(f"down: removed {', '.join(removed)}" if removed else "the lab was down already")
        case "status":
            report = api.status(lab)
            show.json_or(options.json, report, lambda: show.status(report, Progress()))
        case "power":
            _need_up(lab)
            print(api.power(lab, options.node, options.action))
        case "blank":
            _need_up(lab)
            api.blank(lab, options.node, options.release, progress)
        case "freeze":
            node.freeze(lab, lab.node(options.node))
        case "thaw":
            node.thaw(lab, lab.node(options.node))
        case "net":
            _need_up(lab)
            api.net(lab, options.node, options.action, link=options.link, loss=options.loss, delay=options.delay)
        case "part":
            _need_up(lab)
            api.part(lab, heal=options.heal)
        case "storage":
            _need_up(lab)
            api.storage(lab, options.action, options.node)
        case "bmc":
            _need_up(lab)
            api.bmc_power(lab, options.node, options.action)
        case "probe":
            _need_up(lab)
            outcome = show.probe(lab, options.seconds, progress, quiet=options.json)
            show.json_or(options.json, outcome.as_dict(), lambda: show.outcome(outcome))
            return 1 if outcome.lost or not outcome.acknowledged else 0
        case "host":
            if options.tests:
                host.install(progress.say, host.TEST_PROGRAMS)
                roots.build(lab, progress.say)
            else:
                host.check(progress.say, lab.dir)
        case "sync":
            _need_up(lab)
            salt.sync(lab)
        case "snapshot":
            return _snapshot(lab, options.action, options.name, progress)
    return 0


def _snapshot(lab: Lab, action: str, name: str | None, progress: Progress) -> int:
    if action == "list":
        print("\n".join(api.snapshots(lab)))
        return 0
    if not name:
        raise LabError(f"snapshot {action} needs a name")
    if action == "save":
        api.save(lab, name, progress)
    else:
        api.delete(lab, name)
    return 0


def main() -> int:
    """Run the command line; every expected failure is one sentence on standard error."""
    try:
        return _run(sys.argv[1:])
    except LabError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    except OSError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `python -m lab down` removes what is running", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
