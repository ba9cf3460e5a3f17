"""A cluster's CIB, read and changed through pacemaker's own tools.

Every function takes ``run`` (see :mod:`hamysql.system.command`). With ``CIB_file`` in the environment all of these tools work
on a file instead of a cluster. All that runs one of them is in this one file.
"""

from __future__ import annotations

import os
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hamysql.cib import agents as cib_agents
from hamysql.cib import judge as cib_judge
from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.cib import status as cib_status
from hamysql.cib import text as cib_text
from hamysql.errors import CommandFailed, HamysqlError, NotReady, Refused
from hamysql.schema import secretnames
from hamysql.system import wait
from hamysql.system.command import Run

# crm_exit_t of pacemaker's include/crm/common/results.h, the same in 2.1 and 3.0
_CONFIG = 78  # the configuration has errors or warnings
NOT_RUNNING = (102, 105)  # no connection to the cluster: its socket refuses, or has never been there
_OLD = 103  # the update is older than what is there: somebody else was faster

NO_PROGRAM = 127
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # crm writes them into pipes too

ATTEMPTS = 5
_LOOK = 120  # seconds for pacemaker to end what it does, or to look at a resource

Wanted = Callable[[str], ET.Element]


@dataclass(frozen=True)
class Outcome:
    """The CIB that was read, what was (or would be) changed in it, and what pacemaker does about that."""

    live: str
    plan: cib_plan.Plan
    actions: tuple[str, ...]


class Overtaken(HamysqlError):
    """The CIB changed between reading it and patching it."""


def query(run: Run) -> str:
    """The live CIB as text. Raises ``NotReady`` where pacemaker is not running."""
    result = run(["cibadmin", "--query"], accept=(0, *NOT_RUNNING))
    if result.returncode in NOT_RUNNING:
        raise NotReady(
            "pacemaker is not running on this node, so there is no cluster configuration to read or change: start the cluster "
            "with `systemctl start corosync pacemaker` (or `salt NODE hamysql_cluster.start`) and look at `crm_mon -1`"
        )
    return result.stdout


def need_secrets(run: Run) -> None:
    """Raise ``Refused`` if this pacemaker cannot read a parameter from a file of its own (cibsecret(8))."""
    features = run(["pacemakerd", "--features"]).stdout
    if "cibsecrets" not in features.split():
        raise Refused(
            "this pacemaker was built without CIB secrets, so a fence device's secret would stand in the cluster's configuration, "
            "readable by every member of the group haclient: take hamysql:fencing:devices:*:secrets out of the pillar, and give "
            "the agent's option password_script the path of a script on the nodes that prints the secret"
        )


def verify(run: Run, xml: str) -> None:
    """Raise ``Refused`` with crm_verify's own words if it finds an error in a CIB.

    It ends with the same exit code for a mere warning, and pacemaker 3 warns of every old role name in somebody else's
    element, so the lines that call themselves a warning are passed over.
    """
    result = run(["crm_verify", "--verbose", "--xml-pipe"], stdin=xml, accept=(0, _CONFIG))
    if result.returncode:
        said = dict.fromkeys(line.strip() for line in result.stderr.splitlines() if line.strip())
        errors = [line for line in said if "warning" not in line.lower()]
        if errors or not said:
            raise Refused(
                "pacemaker would not accept the new configuration:\n  " + "\n  ".join(errors or ["(no reason given)"])
            )


def simulate(run: Run, xml: str) -> tuple[str, ...]:
    """What pacemaker would do about a CIB with the cluster as it is, one line an action: `start p_mysql on db1`."""
    result = run(["crm_simulate", "--simulate", "--xml-pipe", "--output-as=xml"], stdin=xml)
    return cib_status.parse_actions(result.stdout)


def patch(run: Run, live: str, new: str) -> None:
    """Turn the live CIB into the new one, in one step or not at all.

    Raises ``Overtaken`` if the configuration is no longer the one of ``live``. The patch says which epoch it is for and
    not which num_updates: pacemaker counts an epoch for each change of the configuration, and a num_updates for each
    operation that ends somewhere, which is no reason to start again.
    """
    with _scratch({"live.xml": live, "new.xml": new}) as folder:
        files = ["--original", f"{folder}/live.xml", "--new", f"{folder}/new.xml"]
        found = run(["crm_diff", *files], accept=(0, 1))
    root = model.parse(found.stdout or "<nothing/>")
    if root.tag != "diff":
        raise CommandFailed(["crm_diff", *files], found.returncode, found.stderr + found.stdout)
    for version in root.findall("version/*"):
        version.attrib.pop("num_updates", None)
    argv = ["cibadmin", "--sync-call", "--patch", "--xml-pipe"]
    result = run(argv, stdin=ET.tostring(root, "unicode"), accept=(0, _OLD))
    if result.returncode == _OLD:
        raise Overtaken("the cluster configuration was changed by somebody else at the same time")


def preview(
    run: Run,
    wanted: Wanted,
    *,
    tag: str = cib_plan.TAG,
    adopt: Collection[str] = (),
    after: Callable[[str], str] | None = None,
) -> Outcome:
    """What :func:`apply` would do now, by the same steps up to the last, which it does not take.

    after
        Turns the live CIB into the one to start from: for a plan that follows another one that is not carried out yet.
    """
    live = query(run)
    start = after(live) if after else live
    plan = cib_plan.plan(start, wanted(start), tag=tag, adopt=adopt)
    if not plan.changes:
        return Outcome(live, plan, ())
    verify(run, plan.xml)
    names = cib_agents.running(plan.xml)
    kept = tuple(f"{name} gets another agent and runs on" for name in names)
    return Outcome(live, plan, kept + simulate(run, cib_agents.looked_at(plan.xml, names) if names else plan.xml))


def apply(run: Run, wanted: Wanted, *, tag: str = cib_plan.TAG, adopt: Collection[str] = ()) -> Outcome:
    """Make the live CIB have what is wanted, in one atomic change; touch nothing where it has it already.

    wanted
        Takes the live CIB as text, returns the <configuration> with all that the tag shall own.
    tag, adopt
        As in :func:`hamysql.cib.plan.plan`.

    What runs and gets another agent runs on (:mod:`hamysql.cib.agents`). Raises ``NotReady`` where pacemaker, by the new agent,
    does not find it as it was; the cluster is in maintenance mode then, until the next ``apply``.

    When somebody changes the configuration at the same time, everything is planned again from a fresh read,
    ``ATTEMPTS`` times at most; then ``Overtaken`` is raised.
    """
    return _again(lambda: _apply_once(run, wanted, tag, adopt))


def edit(run: Run, change: Callable[[str], str]) -> None:
    """Make one change to the live CIB, whoever owns what; for something that is wanted for the moment only.

    change
        Takes the live CIB as text and returns the one to have, or that very text where nothing is to be done.

    It is repeated and raises as in :func:`apply`.
    """

    def once() -> None:
        live = query(run)
        new = change(live)
        if new != live:
            patch(run, live, new)

    _again(once)


_Done = TypeVar("_Done")


def _again(act: Callable[[], _Done]) -> _Done:
    for _ in range(ATTEMPTS - 1):
        with suppress(Overtaken):
            return act()
    return act()


def _apply_once(run: Run, wanted: Wanted, tag: str, adopt: Collection[str]) -> Outcome:
    outcome = preview(run, wanted, tag=tag, adopt=adopt)
    new = outcome.plan.xml
    if cib_agents.running(new) or cib_agents.begun(outcome.live):
        _exchange(run, outcome)
    elif outcome.plan.changes:
        patch(run, outcome.live, new)
    return outcome


def _exchange(run: Run, outcome: Outcome) -> None:
    """Make the live CIB the new one without a stop of what gets another agent, or finish what a run that was cut off has begun."""
    live, new = outcome.live, outcome.plan.xml
    settle(run)
    stay = cib_agents.names(live) & cib_agents.names(new)
    before = _places(run, stay)
    held = cib_agents.held(new)
    if outcome.plan.changes or held != new:  # not where an operator has maintenance mode on, and a run was cut off
        patch(run, live, held)
    settle(run)  # what was under way when pacemaker was held: it would be forgotten as well
    for name in cib_agents.exchanged(query(run)):
        run(["crm_resource", "--refresh", "--resource", name], timeout=_LOOK)
    what = "pacemaker has looked at all resources by their new agents"
    wait.until(
        lambda: cib_agents.unseen(query(run)),
        lambda left: not left,
        what,
        timeout=_LOOK,
        describe="not seen: {}".format,
    )
    settle(run)
    after = _places(run, stay)
    if after != before:
        was, found = (", ".join(sorted(places)) or "nothing" for places in (before - after, after - before))
        raise NotReady(
            f"before the change: {was}; the new agent reports: {found}. pacemaker does nothing about it while the cluster is in "
            f"maintenance mode: look at `crm_mon -1`; `crm_attribute --delete --name {cib_agents.NAME}`, or the next run, ends that"
        )
    edit(run, lambda now: cib_agents.released(now, new))


def settle(run: Run, timeout: float = _LOOK) -> None:
    """Wait until pacemaker has nothing left to do, so many seconds at most; then ``CommandFailed`` is raised."""
    run(["crm_resource", "--wait", f"--timeout={int(timeout)}s"], timeout=timeout + 30)


def _places(run: Run, names: Collection[str]) -> set[str]:
    """What of these runs where: `p_mysql Started on db1`."""
    seen = cib_status.parse(run(["crm_mon", "--one-shot", "--output-as=xml"]).stdout)
    found = seen.resources if seen else ()
    return {f"{item.id} {item.role} on {item.node}" for item in found if item.id.partition(":")[0] in names}


def from_text(run: Run, text: str, services: Collection[str]) -> Wanted:
    """What a `crm configure` text makes, as a function of the live CIB; for :func:`apply` with ``TEXT_TAG``.

    crm itself loads the text into a scratch copy of the CIB from which everything is taken out that the text owned so
    far; what is there afterwards and was not there before is what it wants. ``services`` are what database servers are called where
    systemd starts them: the text must not.
    """

    def wanted(live: str) -> ET.Element:
        if not text.strip():
            return ET.Element("configuration")
        before = cib_text.without(live, cib_plan.TEXT_TAG)
        with _scratch({"cib.xml": before, "text.crm": text}) as folder:
            argv = ["crm", "configure", "load", "update", f"{folder}/text.crm"]
            try:
                run(argv, env={"CIB_file": f"{folder}/cib.xml", "HOME": folder}, timeout=120)
            except CommandFailed as exc:
                if exc.returncode == NO_PROGRAM:
                    raise NotReady(
                        "crm is not installed on this node, and only crm can read the text of hamysql:pacemaker:configure: "
                        "install crmsh (hamysql:repo can name the repository that has it), or empty that pillar key"
                    ) from None
                # crm repeats the statement that it does not like, and a statement can hold a password
                said = secretnames.hide(_COLOUR.sub("", exc.output.strip()))
                raise Refused(f"crm does not accept the text of hamysql:pacemaker:configure:\n{said}") from None
            after = Path(folder, "cib.xml").read_text(encoding="utf-8")
        added = cib_text.additions(before, after)
        cib_judge.judge(before, added, services)
        return added

    return wanted


@contextmanager
def _scratch(files: dict[str, str]) -> Iterator[str]:
    """A folder with these files that only this user can enter, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hamysql-") as folder:
        for name, text in files.items():
            with open(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        yield folder
