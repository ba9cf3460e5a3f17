"""Outside of ``_utils/hamysql/storage`` no code knows a kind of storage by name: what differs between them is asked of the kind's object."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from test_imports import PACKAGE, served

from hamysql.storage import backends

SEAM = f"{PACKAGE}storage/"
FOLDERS = {"drbd", "lun", "nfs"}
# What a kind is called: in the pillar, by its folder, and what it comes over.
NAMES = {*backends.KINDS, *FOLDERS, "iscsi"}
MODULES = re.compile(r"hamysql_(drbd|lun|nfs|iscsi)\b")
# The execution modules and states of one kind, which are its own.
OF_ONE_KIND = {
    "_modules/hamysql_drbd.py",
    "_modules/hamysql_iscsi.py",
    "_modules/hamysql_nfs.py",
    "_modules/hamysql_lun.py",
    "_modules/hamysql_storage.py",
    "_modules/hamysql_split.py",
    "_modules/hamysql_verify.py",
    "_states/hamysql_iscsi.py",
}


def docstrings(tree: ast.AST) -> set[ast.expr]:
    """The elements of a file that are documentation."""
    return {
        item.body[0].value
        for item in ast.walk(tree)
        if isinstance(item, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(item.body[0], ast.Expr)
    }


def named(text: str) -> Iterator[tuple[int, str]]:
    """Each line of a file that names a kind, and how it does."""
    tree = ast.parse(text)
    told = docstrings(tree)
    for item in ast.walk(tree):
        if isinstance(item, ast.Constant) and isinstance(item.value, str) and item not in told:
            if item.value in NAMES or MODULES.match(item.value):
                yield item.lineno, repr(item.value)
        elif isinstance(item, ast.Attribute) and item.attr in FOLDERS:
            yield item.lineno, f".{item.attr}"
        elif isinstance(item, ast.ImportFrom):
            parts = (item.module or "").split(".")
            names = {alias.name for alias in item.names} if item.module == "hamysql.storage" else set(parts)
            if parts[:2] == ["hamysql", "storage"] and names & FOLDERS:
                yield item.lineno, f"import from {item.module}"


def outside(files: Mapping[str, str]) -> list[str]:
    """``path:line: how`` for each kind that is named outside of the seam."""
    return [
        f"{path}:{line}: {how}"
        for path, text in files.items()
        if not path.startswith(SEAM) and path not in OF_ONE_KIND
        for line, how in sorted(named(text))
    ]


def test_no_kind_is_named_outside_of_the_seam():
    assert outside(served()) == []


def test_the_modules_of_one_kind_are_needed_as_exceptions():
    files = served()
    assert [path for path in sorted(OF_ONE_KIND) if not list(named(files[path]))] == []


def test_what_must_not_be_is_seen():
    files = {
        "_utils/hamysql/config/keys.py": '"""Of "drbd"."""\nif backend == "drbd":\n    x = config["storage"]["shared"]\n',
        "_utils/hamysql/storage/backends.py": 'KINDS = ("drbd",)\n',
        "_modules/hamysql_x.py": "from hamysql.storage.lun import plan\nfrom hamysql.storage import nfs\nfrom hamysql.storage import latch\n",
        "_modules/hamysql_nfs.py": 'x = "nfs"\n',
        "_states/hamysql_x.py": '__salt__["hamysql_drbd.status"]()\nx.drbd.y = z.nfs_x = "of drbd"\n',
    }
    assert outside(files) == [
        "_utils/hamysql/config/keys.py:2: 'drbd'",
        "_utils/hamysql/config/keys.py:3: 'shared'",
        "_modules/hamysql_x.py:1: import from hamysql.storage.lun",
        "_modules/hamysql_x.py:2: import from hamysql.storage",
        "_states/hamysql_x.py:1: 'hamysql_drbd.status'",
        "_states/hamysql_x.py:2: .drbd",
    ]
