"""docs/refusals.md and its pages have each refusal of the code, and none that the code does not have.

What counts is found in the code's syntax, wherever a module lies:

- the text of each ``raise`` of hamysql's errors, but for those that quote another program (``ParseError``, ``CommandFailed``) or list
  the pillar's own problems, which say path, found and expected (``ConfigError``);
- the sentences that such an error lists: what is put into a variable named ``reasons``, what a function of sentences yields
  or returns, what preflight has found (``Finding``), what is wrong with a disk (``_Strange``, ``Verdict``).

A value that is filled in counts as ``…``. A row of the pages begins with the first words of a text, as the code has them.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

import pytest

from support import ROOT

CODE = ("_utils", "_modules", "_states", "_runners")
PAGES = (ROOT / "docs" / "refusals.md", *sorted((ROOT / "docs" / "refusals").glob("*.md")))
OURS = {"HamysqlError"}
QUOTING = {"ParseError", "CommandFailed", "ConfigError"}
LISTS = {"reasons", "problems", "evidence", "silent", "failed"}
SENTENCES = {"list[str]", "tuple[str, ...]", "Iterator[str]"}
# Functions whose texts are no refusals: what a pillar's value should have been, the plan's lines, commands, advice and warnings.
OTHERS = re.compile(
    r"_?wrong|_file$|files$|_package$|_repository$|_services?$|_other$|contents$|whole_cib$|warnings$|stale_overrides$|head_start$"
    r"|_meta$|forget$|client$|clauses$|.*lines$|unreadable$|put$|text$|_?shortened$|_cut$|short$|brief$"
)
WORDS = re.compile(r"[A-Za-z'-]{2,}[^A-Za-z'-]+[A-Za-z'-]{2,}")  # two words at least: `…: …` says nothing

LOOKED_INTO: list[ast.FunctionDef] = []
TREES = {path: ast.parse(path.read_text()) for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))}
FUNCTIONS: dict[str, list[ast.FunctionDef]] = {}
for tree in TREES.values():
    for item in ast.walk(tree):
        if isinstance(item, ast.FunctionDef):
            FUNCTIONS.setdefault(item.name, []).append(item)


def name_of(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def families() -> set[str]:
    """The names of the errors that refuse: ours without those that quote, with their subclasses wherever they are."""
    bases = {
        item.name: {name_of(base) for base in item.bases}
        for tree in TREES.values()
        for item in ast.walk(tree)
        if isinstance(item, ast.ClassDef)
    }

    def below(roots: set[str]) -> set[str]:
        found = set(roots)
        while more := {name for name, parents in bases.items() if parents & found} - found:
            found |= more
        return found

    return below(OURS) - below(QUOTING)


def texts(node: ast.expr | None, function: ast.FunctionDef | None = None) -> Iterator[str]:
    """The texts that an expression may have: the beginning counts, so of a sum the first part is enough."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from texts(node.left, function)
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body, function), *texts(node.orelse, function))
    elif isinstance(node, (ast.List, ast.Tuple)):
        for element in node.elts:
            yield from texts(element, function)
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        yield from texts(node.elt, function)
    elif isinstance(node, ast.Starred):
        yield from texts(node.value, function)
    elif isinstance(node, ast.Call) and name_of(node.func) == "join" and node.args:
        yield from itertools.islice(texts(node.args[0] if isinstance(node.args[0], ast.List) else None, function), 1)
    elif isinstance(node, ast.Call) and name_of(node.func) == "strip" and isinstance(node.func, ast.Attribute):
        yield from texts(node.func.value, function)
    elif isinstance(node, ast.Call):  # the function's own texts
        for called in FUNCTIONS.get(name_of(node.func), []):
            sentence = called.returns is not None and ast.unparse(called.returns) == "str"
            if sentence and not OTHERS.match(called.name):
                yield from returned(called)
    elif isinstance(node, ast.Name) and function is not None:
        for item in ast.walk(function):
            target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
            if isinstance(item, (ast.Assign, ast.NamedExpr)) and isinstance(target, ast.Name) and target.id == node.id:
                yield from texts(item.value)


def returned(function: ast.FunctionDef) -> Iterator[str]:
    if function in LOOKED_INTO:  # a face calls a method of its own name
        return
    LOOKED_INTO.append(function)
    for item in ast.walk(function):
        if isinstance(item, ast.Return):
            yield from texts(item.value, function)
    LOOKED_INTO.remove(function)


def advice() -> dict[str, str]:
    """What is said of a setting that cannot be changed in place: the texts that stand beside the class of such settings."""
    (home,) = (
        (path, tree)
        for path, tree in TREES.items()
        if any(isinstance(item, ast.ClassDef) and item.name == "Pending" for item in tree.body)
    )
    known = {
        item.targets[0].id: (text, f"{home[0].relative_to(ROOT)}:{item.lineno}")
        for item in home[1].body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
        for text in texts(item.value)
    }
    used = {
        name.id
        for tree in TREES.values()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(item, ast.Name) and item.id == "REFUSED" for item in ast.walk(function))
        for name in ast.walk(function)
        if isinstance(name, ast.Name)
    }
    return {" ".join(text.split()): where for name, (text, where) in known.items() if name in used and len(text) > 20}


def said(item: ast.AST, function: ast.FunctionDef, raising: set[str]) -> Iterator[str]:
    """The texts of refusals that one element of a function has."""
    sentences = function.returns is not None and ast.unparse(function.returns) in SENTENCES
    sentences = sentences and not OTHERS.match(function.name)
    if isinstance(item, ast.Raise) and isinstance(item.exc, ast.Call) and name_of(item.exc.func) in raising:
        yield from texts(item.exc.args[0] if item.exc.args else None, function)
    elif isinstance(item, ast.Call):
        name, target = name_of(item.func), getattr(item.func, "value", None)
        if name == "Finding" and len(item.args) > 1:
            yield from texts(item.args[1], function)
        elif name in ("_Strange", "Verdict") and item.args:
            yield from texts(item.args[0], function)
        elif name in ("append", "insert") and isinstance(target, ast.Name) and target.id in LISTS:
            yield from texts(item.args[-1], function)
    elif isinstance(item, (ast.Assign, ast.AugAssign)):
        target = item.targets[0] if isinstance(item, ast.Assign) else item.target
        into = target.value if isinstance(target, ast.Subscript) else target
        if (isinstance(into, ast.Name) and into.id in LISTS) or (into is not target and sentences):
            yield from texts(item.value, function)
    elif isinstance(item, (ast.Yield, ast.Return, ast.NamedExpr)) and sentences:
        whole = isinstance(item, ast.Return) and isinstance(item.value, ast.Name)  # its elements were put into it above
        yield from () if whole else texts(item.value, function)


def refusals() -> dict[str, str]:
    """Each text, and where it is."""
    raising = families()
    found = advice()
    for path, tree in TREES.items():
        for function in (item for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)):
            for item in ast.walk(function):
                for text in said(item, function, raising):
                    words = " ".join(text.split())
                    if WORDS.search(words):
                        found.setdefault(words, f"{path.relative_to(ROOT)}:{item.lineno}")
    return found


REFUSALS = refusals()


def rows() -> dict[str, str]:
    """The first column of each row, and its page."""
    found = {}
    for page in PAGES:
        for line in page.read_text().splitlines():
            if match := re.match(r"\| `` ?(.+?) ?`` \|", line):
                found[match[1]] = page.name
    return found


ROWS = rows()


def test_the_code_has_what_we_look_for():
    assert len(REFUSALS) > 150
    assert any(text.startswith("the storage is left alone:") for text in REFUSALS)
    assert any(text.endswith("this node has never held the database") for text in REFUSALS)


@pytest.mark.parametrize("text", sorted(REFUSALS))
def test_each_refusal_of_the_code_is_explained(text):
    assert any(text.startswith(row) for row in ROWS), f"{REFUSALS[text]}: docs/refusals.md has no row for `{text}`"


@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_refusal_that_is_explained_is_in_the_code(row):
    assert WORDS.search(row), "a row has two words of its text at least"
    assert any(text.startswith(row) for text in REFUSALS), f"{ROWS[row]}: the code does not say `{row}`"


def test_each_row_says_a_cause_and_an_action():
    for page in PAGES:
        for line in page.read_text().splitlines():
            if line.startswith("| ``"):
                cells = [cell.strip() for cell in line.removesuffix("|").split(" | ")[1:]]
                assert len(cells) == 2, line
                assert all(cells), line
