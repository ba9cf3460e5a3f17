"""Each regular expression of ours is done with any 300 characters at once: they are made from the expression, to be all but a match."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from hamysql.config import places
from hamysql.storage import options as storage_options

try:
    from re import _constants as C
    from re import _parser as parser
except ImportError:  # Python 3.10
    import sre_constants as C
    import sre_parse as parser

ROOT = Path(__file__).parents[2]
FOLDERS = ("_utils", "_modules", "_states", "_runners", "hamysql")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
LENGTH = 300
LIMIT = 0.1  # seconds of processor time for one text; a good expression needs some microseconds
# What an expression that is made of values may have in it.
STAND_IN = "word-1"


def expressions(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, expression and function of each call in a file; values that are only known at run time are a word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = literal(node.value, known)
            if text is not None:
                known.setdefault(node.targets[0].id, text)
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id == "re"
            and called.attr in FUNCTIONS
        ):
            text = literal(node.args[0], known) or built(path)
            assert text is not None, f"{path}:{node.lineno}: an expression that this test cannot read"
            yield node.lineno, text, called.attr


def built(path: Path) -> str | None:
    """The expressions of a file that are in a table or built from parts, as one; ``None`` for any other file.

    ``rsc-pattern`` in the CIB is whatever a site has written there; it is only tried on the names of our own resources.
    """
    found = {
        "config/places.py": {rule.allowed.pattern for rule in places.RULES.values()},
        "storage/options.py": {pattern for options in storage_options.MOUNT.values() for pattern in options.values()},
        "cib/judge.py": {STAND_IN},
        # A table of texts that were escaped.
        "records/masks.py": {r"secret|(?<![\w-])x1(?![\w-])"},
    }.get("/".join(path.parts[-2:]), ())
    return "|".join(f"(?:{pattern})" for pattern in sorted(filter(None, found))) or None


def literal(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
        return "".join(literal(part, known) or STAND_IN for part in parts)
    return None


def runs(parsed: object) -> Iterator[str]:
    """Characters for each class and literal of an expression, those that it repeats among them."""
    for op, value in parsed:
        if op is C.LITERAL:
            yield chr(value)
        elif op is C.NOT_LITERAL:
            yield from ("a", "`", "'", '"')
        elif op is C.ANY:
            yield "a"
        elif op is C.IN:
            yield from members(value)
        elif op in (C.MAX_REPEAT, C.MIN_REPEAT, getattr(C, "POSSESSIVE_REPEAT", None)):
            yield from runs(value[2])
            yield sample(value[2])
        elif op is C.SUBPATTERN:
            yield from runs(value[3])
            yield sample(value[3])
        elif op is C.BRANCH:
            for branch in value[1]:
                yield from runs(branch)
        elif op in (C.ASSERT, C.ASSERT_NOT):
            yield from runs(value[1])


def members(items: list) -> Iterator[str]:
    if items and items[0][0] is C.NEGATE:
        yield from (chr(value) for op, value in items[1:] if op is C.LITERAL)
        inside = re.compile(f"[{''.join(re.escape(c) for c in members(items[1:]))}]")
        yield from [c for c in "a0 .-" if not inside.fullmatch(c)][:2]
        return
    for op, value in items:
        if op is C.LITERAL:
            yield chr(value)
        elif op is C.RANGE:
            yield from (chr(value[0]), chr(value[1]))
        elif op is C.CATEGORY:
            yield {C.CATEGORY_DIGIT: "7", C.CATEGORY_SPACE: " ", C.CATEGORY_NOT_SPACE: "a"}.get(value, "a")


def sample(parsed: object, most: int = 1) -> str:
    """A text that an expression matches, or nearly so."""
    text = ""
    for op, value in parsed:
        if op is C.IN:
            text += next(members(value), "")
        elif op in (C.MAX_REPEAT, C.MIN_REPEAT):
            text += sample(value[2]) * max(value[0], most)
        elif op is C.SUBPATTERN:
            text += sample(value[3])
        elif op is C.BRANCH:
            text += sample(value[1][0])
        elif op not in (C.AT, C.ASSERT, C.ASSERT_NOT, C.GROUPREF):
            text += next(runs([(op, value)]), "")
    return text


def texts(expression: str) -> Iterator[str]:
    """Each character, pair of them and repeated part, again and again, behind what an expression begins with, before a strange end."""
    parsed = parser.parse(expression)
    atoms = list(dict.fromkeys(filter(None, runs(parsed))))[:14]
    pumps = list(dict.fromkeys([*atoms, *map("".join, product(atoms, atoms))]))
    starts, so_far = [""], ""
    for item in parsed:
        so_far += sample([item])
        starts.append(so_far)
    for pump, start in product(pumps, dict.fromkeys(starts[:8])):
        body = (pump * LENGTH)[: LENGTH - len(start)]
        for end in ("", "\0", "!\0"):
            yield f"{start}{body}{end}"


def slowest(found: list[tuple[str, str, str]]) -> None:
    """Run in a process of its own, as an expression cannot be stopped: says each before it is tried, and those that are too slow."""

    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGVTALRM, stop)
    for where, expression, function in found:
        print(json.dumps({"at": where}), flush=True)
        compiled = re.compile(expression)
        call = (
            compiled.search if function == "compile" else getattr(compiled, {"sub": "search"}.get(function, function))
        )
        for text in texts(expression):
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)  # the engine looks for signals now and then
            try:
                result = call(text)
                if function == "finditer":
                    list(result)
            except TimeoutError:
                print(json.dumps({"slow": where, "text": text}), flush=True)
                break
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def tried(found: list[tuple[str, str, str]], timeout: float) -> list[str]:
    """Where the expressions are that take too long."""
    program = "import json, sys, test_regular_expressions as t; t.slowest(json.load(sys.stdin))"
    argv = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "_utils")}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent, env=environment
    ) as process:
        try:
            said, _ = process.communicate(json.dumps(found), timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0]
    lines = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
    assert lines, "the process said nothing"
    hung = [] if process.returncode == 0 else [f"{lines[-1].get('at')} hangs"]
    return [f"{line['slow']}: {line['text'][:60]!r}" for line in lines if "slow" in line] + hung


OURS = [
    (f"{path.relative_to(ROOT)}:{line}", text, function) for path in FILES for line, text, function in expressions(path)
]


def test_there_are_as_many_expressions_as_the_sources_name():
    named = sum(len(re.findall(r"\bre\.(?:" + "|".join(FUNCTIONS) + r")\(", path.read_text())) for path in FILES)
    assert len(OURS) == named > 60


@pytest.mark.parametrize("piece", range(4))
def test_no_text_keeps_an_expression_busy(piece):
    assert tried(OURS[piece::4], 300) == []


@pytest.mark.parametrize(
    "bad", [r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}\.?)*", r"(a|b|ab)*c", r"(?:`(?:[^`]|``)*`|[^()])*\)", r"(\s*,?\s*)*x"]
)
def test_an_expression_that_hangs_is_found(bad):
    assert tried([("here", bad, "fullmatch")], 60) != []
