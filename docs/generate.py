"""Writes docs/reference from the code: ``python docs/generate.py``. ``--check`` only says what is out of date, and exits with 1.

The pillar's keys come from the schema and ``hamysql/parameters/defaults.yaml``, the functions from their docstrings.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_utils"))

from hamysql.config import rules  # noqa: E402
from hamysql.schema.language import Items, Names, Section, Value  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
MADE = "<!-- Made by docs/generate.py from the code: do not edit. -->"
# What each section of the pillar is about.
SECTIONS = {
    "cluster": "the cluster's name and its two nodes",
    "vip": "the virtual IP under which clients reach the database",
    "fencing": "how a node is cut off that no longer answers",
    "quorum": "a third machine with a vote",
    "corosync": "the cluster's messages between the nodes",
    "repo": "package repositories",
    "package": "packages",
    "firewall": "who reaches which port",
    "storage": "where the data is",
    "mysql": "the database",
    "backup": "copies of the database: where, when, and how many",
    "replicas": "servers elsewhere that follow the virtual IP",
    "pacemaker": "the cluster's resources, properties and operations",
}


def cell(text: str) -> str:
    """A text as the cell of a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def default(value: Any) -> str:
    """A default as a cell; a mapping has rows of its own."""
    if value is None or value == {} or isinstance(value, Mapping):
        return ""
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix('...' + chr(10)).strip()}`"


def rows(node: Any, path: str, defaults: Any) -> Iterator[str]:
    """The rows of a table for a node of the schema and all below it."""
    below = defaults if isinstance(defaults, Mapping) else {}
    if isinstance(node, Value):
        notes = [*(["**required**"] if node.missing is not None else []), *(["secret"] if node.secret else [])]
        what = "; ".join([*notes, node.expected])
        yield f"| `{path}` | {cell(what)} | {cell(default(defaults))} |"
    elif isinstance(node, Section):
        for key, child in node.keys.items():
            yield from rows(child, f"{path}:{key}", below.get(key))
    elif isinstance(node, Items):
        yield f"| `{path}` | {cell(node.expected)} | {cell(default(defaults))} |"
        yield from rows(node.item, f"{path}:N", None)
    elif isinstance(node, Names):
        own = below if below and all(not isinstance(value, Mapping) for value in below.values()) else None
        yield f"| `{path}` | {cell(node.expected)} | {cell(default(own))} |"
        for key, child in node.known.items():
            yield from rows(child, f"{path}:{key}", below.get(key))
        for key, value in (own or {}).items():
            if key not in node.known:
                yield f"| `{path}:{key}` | | {cell(default(value))} |"
        if not node.only:
            yield from rows(node.item, f"{path}:NAME", None)


def pillar() -> Iterator[tuple[str, str]]:
    """The pages of the pillar's keys."""
    known = yaml.safe_load((ROOT / "hamysql" / "parameters" / "defaults.yaml").read_text())
    lines = [f"| [`{name}`](pillar/{name}.md) | {SECTIONS[name]} |" for name in rules.schema().keys]
    intro = [
        "Every key of the pillar, with what belongs there. `pillar.example` explains each of them, with a value.",
        "`salt NODE hamysql.settings` shows what becomes of a pillar, with secrets masked.",
        "",
        "`NAME` stands for a name that you choose, `N` for the place in a list. A key without a default may be left out,",
        "unless it is required. Some defaults depend on the operating system (`hamysql/parameters/os_family`) or on the storage.",
    ]
    head = ["# The keys of the pillar", "", MADE, "", *intro, "", "| section | what it is about |", "|---|---|"]
    yield "pillar.md", "\n".join([*head, *lines, ""])
    for name, node in rules.schema().keys.items():
        table = ["| key | what belongs there | default |", "|---|---|---|", *rows(node, name, known.get(name))]
        title = f"# Pillar: `{name}`"
        text = f"{SECTIONS[name].capitalize()}. All keys are below `hamysql`."
        yield f"pillar/{name}.md", "\n".join([title, "", MADE, "", text, "", *table, ""])


TERM = re.compile(r"[*\w]+(, [*\w]+)*")


def markdown(docstring: str) -> str:
    """A docstring (reStructuredText as this project uses it) as Markdown: arguments as a list, examples as blocks of code."""
    out: list[str] = []
    within = ""  # what the indented lines belong to: an argument, or an example
    lines = textwrap.dedent(docstring).strip().splitlines()
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else ""
        if line.startswith((".. code-block::", "CLI Example")):
            within = "example"
        elif TERM.fullmatch(line) and after.startswith("    "):
            within = "argument"
            out += [*([""] if out and out[-1] and not out[-1].startswith((" ", "-")) else []), f"- **{line}**:"]
        elif line.startswith("    ") and within == "argument":
            out.append(f"  {line.strip()}")
        elif line.startswith("    ") and within == "example":
            fence = "```bash" not in out[-1:] and not (out and out[-1].startswith("\0"))
            out += [*(["", "```bash"] if fence else []), f"\0{line.strip()}"]
        else:
            if out and out[-1].startswith("\0") and line:
                out += ["```", ""]
            within = within if not line else ""
            if line or within != "example":
                out.append(line)
    if out and out[-1].startswith("\0"):
        out.append("```")
    text = "\n".join(line.removeprefix("\0") for line in out)
    return re.sub(r"\n{3,}", "\n\n", _outside(text)).strip()


def _outside(text: str) -> str:
    """The same for all that is outside of blocks of code."""
    parts = re.split(r"(^```bash\n.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```bash") else _words(part) for part in parts)


def _words(text: str) -> str:
    text = re.sub(r"``(.+?)``", lambda match: f"`{' '.join(match[1].split())}`", text, flags=re.DOTALL)
    return re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", text)


def functions(path: Path, prefix: str = "") -> Iterator[str]:
    """Lines about each public function of a module that Salt loads."""
    tree = ast.parse(path.read_text())
    virtual = next(
        (
            ast.literal_eval(item.value)
            for item in tree.body
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "__virtualname__"
        ),
        path.stem,
    )
    yield markdown(ast.get_docstring(tree) or "")
    for item in tree.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and (said := ast.get_docstring(item)):
            yield f"\n## `{prefix}{virtual}.{item.name.rstrip('_')}({arguments(item.args)})`\n"
            yield markdown(said)


def arguments(found: ast.arguments) -> str:
    """A function's arguments with their defaults, without their types: on a command line they are what YAML makes of them."""
    for one in (*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg):
        if one is not None:
            one.annotation = None
    return ast.unparse(found)


def modules() -> Iterator[tuple[str, str]]:
    """The pages of the functions."""
    listed = {"functions": [], "states": []}
    for folder, kind, what in (
        ("_runners", "functions", "runner"),
        ("_modules", "functions", "module"),
        ("_states", "states", "state"),
    ):
        for path in sorted((ROOT / folder).glob("*.py")):
            name = f"{what}-{path.stem}"
            text = "\n".join(functions(path))
            command = {"runner": "salt-run", "module": "salt NODE", "state": "a state"}[what]
            yield f"{kind}/{name}.md", f"# `{path.stem}` ({what})\n\n{MADE}\n\n{text}\n"
            first = (ast.get_docstring(ast.parse(path.read_text())) or "").strip().splitlines()[0]
            listed[kind].append(f"| [`{path.stem}`]({kind}/{name}.md) | {command} | {cell(markdown(first))} |")
    head = ["| name | called by | what it does |", "|---|---|---|"]
    intro = (
        "You need the runner. Most functions of the modules are called by the orchestration and may be called by hand."
    )
    yield "functions.md", "\n".join(["# Functions", "", MADE, "", intro, "", *head, *listed["functions"], ""])
    intro = "The SLS files use these states. A state compares, changes what differs, and reports what has changed."
    yield "states.md", "\n".join(["# States", "", MADE, "", intro, "", *head, *listed["states"], ""])


def pages() -> dict[Path, str]:
    """Every page of the reference."""
    return {REFERENCE / name: text for name, text in (*pillar(), *modules())}


def outdated() -> list[Path]:
    """The files that are not what the code says, or should not be there."""
    wanted = pages()
    there = set(REFERENCE.rglob("*.md"))
    wrong = {path for path, text in wanted.items() if path not in there or path.read_text() != text}
    return sorted(wrong | (there - set(wanted)))


def main() -> int:
    """Write the pages, or say which ones are out of date."""
    wrong = outdated()
    if "--check" in sys.argv[1:]:
        for path in wrong:
            print(f"{path.relative_to(ROOT)} is out of date: run `python docs/generate.py`")
        return 1 if wrong else 0
    wanted = pages()
    for path in wrong:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
