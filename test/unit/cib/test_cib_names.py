"""The ids of cluster objects stand in one place of the code."""

from __future__ import annotations

import ast
import re

import pytest

from hamysql.cib import names
from support import ROOT

IDS = {value for name, value in vars(names).items() if name.isupper()}
LITERAL = re.compile(
    "|".join(rf"(?<![\w-]){re.escape(one)}{'' if one == names.FENCE else r'(?!_?[a-z0-9])'}" for one in IDS)
)


def literals(text):
    """The lines of a file with an id in a string that is no docstring."""
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)
    }
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    wrong = [(node.lineno, node.value) for node in found if id(node) not in docs and LITERAL.search(node.value)]
    return [f"{line}: {text}" for line, text in sorted(wrong)]


@pytest.mark.parametrize("folder", ["_modules", "_runners", "_states", "_utils"])
def test_no_id_stands_outside_of_names(folder):
    files = [path for path in (ROOT / folder).rglob("*.py") if path != ROOT / "_utils/hamysql/cib/names.py"]
    assert files
    assert [f"{path}:{line}" for path in sorted(files) for line in literals(path.read_text())] == []


def test_what_must_not_be_is_seen():
    text = '''
"""Of p_mysql, in words."""
A = {"p_mysql": 1, ("x", "g_mysql-meta_attributes"): 2, "hamysql_cib.move": 3, "o_direct": 4}
B = f"/run/p_mysql.pid {A} p_fence_{A}_2"
'''
    assert literals(text) == ["3: g_mysql-meta_attributes", "3: p_mysql", "4:  p_fence_", "4: /run/p_mysql.pid "]
