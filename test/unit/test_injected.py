"""``typings/injected.pyi`` says what Salt injects, and what some of its functions return: as those are declared."""

from __future__ import annotations

import ast

from support import ROOT

STUB = ast.parse((ROOT / "typings" / "injected.pyi").read_text(encoding="utf-8"))
# A part of the configuration is one as well; it is an alias.
ALIASES = {"Config": "dict[str, Any]"}


def declared(name: str) -> str:
    """What a function of ``_modules`` returns, by its name in Salt."""
    module, _, function = name.partition(".")
    tree = ast.parse((ROOT / "_modules" / f"{module}.py").read_text(encoding="utf-8"))
    (found,) = (
        item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name.removesuffix("_") == function
    )
    assert found.returns is not None
    return ALIASES.get(ast.unparse(found.returns), ast.unparse(found.returns))


def named() -> dict[str, str]:
    """The names of functions that the stub knows, and what it says that they return."""
    return {
        text.value: ast.unparse(function.returns.slice.elts[1])
        for function in ast.walk(STUB)
        if isinstance(function, ast.FunctionDef) and isinstance(function.returns, ast.Subscript)
        for literal in ast.walk(function.args)
        if isinstance(literal, ast.Subscript) and ast.unparse(literal.value) == "Literal"
        for text in ast.walk(literal)
        if isinstance(text, ast.Constant)
    }


def test_a_function_returns_what_the_stub_says():
    assert len(named()) > 4
    assert {name: declared(name) for name in named()} == named()


def test_nothing_is_imported_from_the_stub_when_it_runs():
    """It is for mypy alone: on a minion there is no such module."""
    for folder in ("_modules", "_states", "_runners"):
        for path in (ROOT / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            guarded = {
                id(inner)
                for item in tree.body
                if isinstance(item, ast.If) and ast.unparse(item.test) == "TYPE_CHECKING"
                for inner in item.body
            }
            for item in ast.walk(tree):
                if isinstance(item, ast.ImportFrom) and item.module == "injected":
                    assert id(item) in guarded, path
