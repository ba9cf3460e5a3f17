"""A cluster on this machine that hamysql has not made: it is told before a file of it is changed. Reads only.

A cluster is hamysql's own where its corosync.conf is hamysql's file, or where a tag of hamysql is in pacemaker's configuration. A
deployment lays down the one before it starts anything, and makes the other together with the first resource.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hamysql.cib import kept, model
from hamysql.cib import plan as cib_plan
from hamysql.cib.model import Item
from hamysql.cib.names import ADOPTION
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import node_ids
from hamysql.errors import ParseError
from hamysql.resolved import Resolved
from hamysql.resolved.sections import Section
from hamysql.system import files, root
from hamysql.system.command import Run, exists
from hamysql.system.files import Unreadable

MARK = "# Managed by Salt: /etc/corosync/corosync.conf, from the pillar hamysql:cluster"  # how the file begins where it is ours
# What a takeover keeps of the cluster of before, and that it has not ended.
FOLDER = Path("/var/lib/hamysql/adopted")
BEGUN = FOLDER / "begun"
UNFINISHED = "a takeover of it was begun and has not ended"
EXPECTED = (
    "none, or hamysql's own. Nothing of it is changed: `salt-run hamysql.adopt` with both minions describes it as a pillar, and "
    "`salt-run state.orchestrate hamysql.orch.adopt` takes it over. Only if nothing of it is needed any more: end it on both nodes "
    "with `systemctl disable --now pacemaker corosync`, and move /etc/corosync/corosync.conf and /var/lib/pacemaker/cib away"
)
# What pacemaker writes by itself, and what a distribution's build of it begins with.
_PACEMAKERS = re.compile(
    r"dc-version|cluster-infrastructure|cluster-name|have-watchdog|last-lrm-refresh|stonith-watchdog-timeout|build-[a-z-]+"
)
_RING, _BOUND = re.compile(r"ring.*_addr"), re.compile("bindnetaddr")
_SHOWN = 6


def seen(run: Run, site: Resolved, adopting: bool = False) -> str:
    """What is there of a cluster that is not hamysql's, in words; "" where there is none.

    adopting
        Whether one that is being taken over counts as hamysql's, while pacemaker is held for that. False by default.
    """
    if begun():
        return "" if adopting and _held() else UNFINISHED
    text = _corosync_conf()
    if text.startswith(MARK):
        return ""
    try:
        xml = kept.kept()
        have = model.index(model.configuration(model.parse(xml))) if xml else {}
    except (ParseError, Unreadable) as exc:
        return f"pacemaker has a configuration that cannot be read: {exc}"
    if any(cib_plan.listed(have, tag) for tag in (cib_plan.TAG, cib_plan.TEXT_TAG)):
        return ""
    return "; ".join([*_corosync(run, text, site), *_pacemaker(have)])


def begun() -> bool:
    """Whether a takeover was begun on this node, and has not ended."""
    return root.at(BEGUN).exists()


def _held() -> bool:
    try:
        xml = kept.kept()
        return xml is not None and ADOPTION in model.index(model.configuration(model.parse(xml)))
    except (ParseError, Unreadable):
        return False


def _corosync_conf() -> str:
    try:
        return files.text(root.at(node_ids.FILE), links=True)
    except OSError:
        return ""
    except Unreadable as exc:
        return f"# {exc}"


def _pacemaker(have: Mapping[str, Item]) -> Iterator[str]:
    """What somebody has put into pacemaker's configuration."""
    ids = [
        str(item.element.get("name")) if item.is_setting else item.id
        for item in have.values()
        if not (item.is_setting and _PACEMAKERS.fullmatch(str(item.element.get("name"))))
    ]
    if ids:
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        yield f"pacemaker's configuration has {', '.join(ids[:_SHOWN])}{more}"


def _corosync(run: Run, text: str, site: Resolved) -> Iterator[str]:
    """A corosync that runs, and whose file is about another cluster. An example of a distribution reaches nobody."""
    try:
        sections = corosync_conf.parse(text)
    except ParseError:
        sections = []
    name, addresses = _identity(sections)
    wanted = {address for node in site["cluster"]["nodes"].values() for address in node["addresses"]}
    if all(map(_loopback, addresses)) or (name == site["cluster"]["name"] and addresses == wanted):
        return
    if (
        exists("corosync-cmapctl")
        and run(["corosync-cmapctl", "-g", "totem.version"], accept=range(256)).returncode == 0
    ):
        what = f"cluster {name}" if name else "a cluster without a name"
        yield f"corosync runs as {what} with {', '.join(sorted(addresses))}"


def _identity(sections: Sequence[Section]) -> tuple[str, set[str]]:
    """The name of the cluster of a corosync.conf, and each address of its nodes; without a list of nodes, what it is bound to."""
    options = {part["name"]: dict(part["options"]) for part in sections}
    addresses = _values(sections, "nodelist", _RING) or _values(sections, "totem", _BOUND)
    return options.get("totem", {}).get("cluster_name", ""), addresses


def _values(sections: Sequence[Section], name: str, wanted: re.Pattern[str]) -> set[str]:
    """The values of some options of all sections within the sections of a name."""
    return {
        value
        for part in sections
        if part["name"] == name
        for below in part["sections"]
        for key, value in below["options"]
        if wanted.fullmatch(key)
    }


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
