"""What would be done, as lines for people: `test=True` prints them, and so does `salt-run hamysql.plan`.

An entry is one change. Its first character says what becomes of the thing: ``+`` made, ``-`` removed, ``~`` changed; further
lines of an entry are indented. What is secret has been taken out before it gets here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from hamysql.cib import plan as cib_plan
from hamysql.config import resources
from hamysql.master.highstate import Changes, State
from hamysql.mysql import accounts
from hamysql.mysql.flavours.face import Observed
from hamysql.resolved import Resolved

INDENT = "    "
DIFF = 60  # lines of a difference that are shown
TAGS = ("hamysql", "hamysql-configure")  # they change with whatever they list

_EMPTY = (
    '<cib validate-with="pacemaker-3.9" epoch="0"><configuration><crm_config/><nodes/><resources/><constraints/>'
    "</configuration><status/></cib>"
)
_HIDDEN = "<show_changes=False>"
_WORD = re.compile(r'(?:[^\s"]|"(?:\\.|[^"\\])*")+')
_CLAUSE = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"|;(?! ))+')
_PART = re.compile(r" (?=(?:params|meta|op|utilization) )")


def states(returned: Mapping[str, State]) -> list[str]:
    """The entries of what ``state.apply test=True`` returned: a state that would change something makes at least one."""
    entries: list[str] = []
    for key, state in returned.items():
        if state.get("changes") or state.get("result") is None:
            show = _SHOWN.get(key.partition("_|-")[0], _other)
            entries += show(key.rpartition("_|-")[2], state)
    return entries


def _file(function: str, state: State) -> list[str]:
    name, changes = state["name"], state["changes"]
    what = {"symlink": "link", "directory": "folder"}.get(function, "file")
    if function == "absent":
        return [f"- {what} {name}"]
    if function == "directory":
        new = any(isinstance(change, Mapping) and change.get("directory") == "new" for change in changes.values())
    else:
        new = "newfile" in changes or "new" in changes
    if new:
        return [f"+ {what} {name}"]
    rest = [f"{key} {value}" for key, value in changes.items() if key != "diff" and not isinstance(value, Mapping)]
    head = f"~ {what} {name}" + (f": {', '.join(rest)}" if rest else "")
    diff = str(changes.get("diff") or "")
    if diff == _HIDDEN:
        return [f"{head}\n{INDENT}(it holds a secret: the difference is not shown)"]
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ "))]
    if len(lines) > DIFF:
        lines[DIFF:] = [f"({len(lines) - DIFF} more lines)"]
    return ["\n".join([head, *(INDENT + line for line in lines)])]


def _package(function: str, state: State) -> list[str]:
    versions = {name: change for name, change in state["changes"].items() if isinstance(change, Mapping)}
    new = [_installed(name, change["new"]) for name, change in versions.items() if not change.get("old")]
    entries = [f"+ packages {', '.join(new)}, and what they need"] if new else []
    old = {name: change for name, change in versions.items() if change.get("old")}
    entries += [f"~ package {name}: {change['old']} -> {change['new']}" for name, change in old.items()]
    rest = {name: change for name, change in state["changes"].items() if name not in versions}
    if "repo" in rest:  # a borrowed repository whose packages are there: all that is left is to disable it
        return [*entries, f"~ repository {rest['repo']}: disabled"]
    return entries + (_other(function, {**state, "changes": rest}) if rest or not entries else [])


def _installed(name: str, version: str) -> str:
    return name if version == "installed" else f"{name} {version}"


def _repository(function: str, state: State) -> list[str]:
    if "repo" in state["changes"]:
        return [f"+ repository {state['name']}"]
    return [f"~ repository {state['name']}: {', '.join(map(str, state['changes']))}"]


def _service(function: str, state: State) -> list[str]:
    sign = {"enabled": "+", "disabled": "-"}.get(function)
    return [f"{sign} {state['name']}.service at boot" if sign else f"~ {state['name']}.service: {function}"]


def _firewall(function: str, state: State) -> list[str]:
    entries = []
    for family, change in state["changes"].items():
        if isinstance(change, Mapping):
            lines = [f"- {line}" for line in change["old"] if line not in change["new"]]
            lines += [f"+ {line}" for line in change["new"] if line not in change["old"]]
            head = f"{'~' if change['old'] else '+'} packet filter for {family}"
            entries.append("\n".join([head, *(INDENT + line for line in lines)]))
    return entries or _other(function, state)


def _other(function: str, state: State) -> list[str]:
    changes = state.get("changes") or {}
    if changes and all(isinstance(change, Mapping) and {"old", "new"} <= change.keys() for change in changes.values()):
        return pairs(changes)
    comment = state.get("comment") or ""
    said = "; ".join(map(str, comment)) if isinstance(comment, (list, tuple)) else str(comment)
    name = state.get("__id__") or state.get("name")
    return [f"~ {name}: {said.strip().partition(chr(10))[0] or function}"]


_SHOWN = {
    "file": _file,
    "hamysql_package": _package,
    "pkg": _package,
    "hamysql_repository": _repository,
    "service": _service,
    "hamysql_firewall": _firewall,
}


def pairs(changes: Mapping[str, Changes]) -> list[str]:
    """The entries of ``{name: {"old", "new"}}``."""
    return [
        f"~ {name}: {change['old']} -> {change['new']}" if change.get("old") else f"+ {name}: {change['new']}"
        for name, change in changes.items()
    ]


def whole_accounts(config: Resolved) -> list[str]:
    """The entries of all databases, users and grants of the pillar, for a server that does not exist yet."""
    nothing = Observed({}, {})
    return pairs(
        {change.name: {"old": change.old, "new": change.new} for change in accounts.diff(nothing, config["mysql"])}
    )


def cib(changes: Iterable[Mapping[str, str]]) -> list[str]:
    """The entries of changes to the cluster's configuration (:class:`hamysql.cib.plan.Change` as dictionaries), in crm's words."""
    changes = list(changes)
    own = [change for change in changes if change["id"] not in TAGS]
    return [_cib(change) for change in own or changes]


def whole_cib(config: Resolved) -> list[str]:
    """The entries of a whole new configuration, for a cluster that does not exist yet.

    config
        The settings of any member (``hamysql.settings``), secrets masked.
    """
    changes = cib_plan.plan(_EMPTY, resources.desired(config)).changes
    entries = cib([asdict(change) for change in changes])
    return (
        [*entries, "+ what the text of hamysql:pacemaker:configure makes"]
        if config["pacemaker"]["configure"]
        else entries
    )


def _cib(change: Mapping[str, str]) -> str:
    old, new = change["old"], change["new"]
    if change["kind"] == "changed":
        return f"~ {change['id']}: {difference(old, new)}"
    head, *parts = _PART.split(new or old)
    return "\n".join([f"{'+' if new else '-'} {head}", *(INDENT + part for part in parts)])


def difference(old: str, new: str) -> str:
    """What changes between two lists of clauses: ``op monitor timeout 30s -> 20s; + meta migration-threshold=3``."""
    before, after = (_CLAUSE.findall(text) for text in (old, new))
    before, after = [clause.strip() for clause in before], [clause.strip() for clause in after]
    said = []
    for clause in after:
        near = max(before, key=lambda other: _alike(other, clause), default="")
        if _alike(near, clause):
            before.remove(near)
            said.append(_words(near, clause))
        else:
            said.append(f"+ {clause}")
    return "; ".join([*said, *(f"- {clause}" for clause in before)])


def _split(clause: str) -> tuple[list[str], dict[str, str]]:
    words = _WORD.findall(clause)
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    return [word for word in words if "=" not in word], settings


def _alike(one: str, two: str) -> int:
    """How much two clauses are about the same thing; 0 when they are not."""
    (head, settings), (other, others) = _split(one), _split(two)
    if head != other:
        return 0
    same = sum(settings[name] == others.get(name) for name in settings)
    return 2 * same + len(settings.keys() & others.keys())


def _words(old: str, new: str) -> str:
    (head, before), (_, after) = _split(old), _split(new)
    said = [
        *head,
        *(f"{name}={value}" for name, value in after.items() if name == "role" and before.get(name) == value),
    ]
    for name in {**before, **after}:
        if name not in after:
            said.append(f"- {name}={before[name]}")
        elif name not in before:
            said.append(f"+ {name}={after[name]}")
        elif before[name] != after[name]:
            said.append(f"{name} {before[name]} -> {after[name]}")
    return " ".join(said)


def actions(planned: Iterable[str]) -> list[str]:
    """What pacemaker would do about it: ``restart p_mysql on db2`` becomes ``p_mysql restarts on db2``."""
    return [_action(line) for line in planned]


def _action(line: str) -> str:
    verb, _, rest = line.partition(" ")
    name, _, where = rest.partition(" ")
    does = "is fenced" if verb.lower() == "fence" else f"{verb.lower()}s"
    return " ".join(filter(None, (name, does, where)))


def flat(changes: Changes) -> list[str]:
    """The changes of one phase (``{where: entries}``) as the lines of a terminal."""
    lines: list[str] = []
    for where, entries in changes.items():
        lines.append(f"{where}:")
        lines += [INDENT + line for entry in entries for line in str(entry).splitlines()]
    return lines


def phases(orchestration: Mapping[str, State]) -> Iterator[tuple[str, str, Changes]]:
    """(phase, comment, changes) of each state that an orchestration returned, up to the one that failed."""
    for state in sorted(orchestration.values(), key=lambda state: int(state["__run_num__"])):
        phase, comment = state["__id__"].removeprefix("hamysql-").partition("-")[0], str(state["comment"])
        if state["result"] is False:
            yield phase, f"FAILED: {comment}", {}
            return
        yield phase, comment, state["changes"]


def text(phases: Sequence[tuple[str, str, Changes]]) -> str:
    """A whole plan: (phase, comment, changes) for each phase, those without anything to do in one line."""
    lines = []
    for phase, comment, changes in phases:
        first, *rest = comment.splitlines() or [""]
        lines += [f"{phase}: {first}", *(INDENT + line for line in (*flat(changes), *rest))]
    return "\n".join(lines)
