"""Who may import whom in the formula's code: downwards only, never sideways, and nothing of the master's on a node.

The floors are those of docs/development/architecture.md. A package that is not in the table fails, so a new one gets a floor when it is made.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from support import ROOT

# From the ground up. ``__init__`` is hamysql's own, which every import of a module runs first.
FLOORS = (
    ("survey",),
    ("errors", "fingerprint", "pending"),
    ("__init__", "system", "schema"),
    ("cib", "corosync", "mysql", "firewall"),
    ("fencing",),
    ("storage",),
    ("config", "preflight"),
    ("master",),
)
# The same inside storage/: what all kinds need, the kinds, which do not know each other, and what knows them all.
STORAGE = (
    ("latch", "lock", "options", "steps"),
    ("drbd", "lun", "move", "nfs"),
    ("__init__", "backends", "derived", "pending", "settings"),
)
FOLDERS = ("_modules", "_runners", "_states", "_utils")
# They run on the master: the orchestration's states, and the runner.
ON_THE_MASTER = ("_runners/hamysql.py", "_states/hamysql_migration.py", "_states/hamysql_orch.py")
PACKAGE = "_utils/hamysql/"
MODULES = 16  # in one folder, at the most


def imported(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line and the parts of each name of the package that a file imports, without ``hamysql`` itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] in ("hamysql", ""):
                yield node.lineno, parts[1:] if parts[0] else parts


def compared(floors: tuple[tuple[str, ...], ...], here: str, there: str) -> str:
    """Why the one must not import the other, "" if it may."""
    level = {name: number for number, names in enumerate(floors) for name in names}
    if missing := [name for name in (here, there) if name not in level]:
        return f"{missing[0]} has no floor in this test"
    if here == there or level[there] < level[here]:
        return ""
    return f"{here} must not import {there}: that is {'sideways' if level[here] == level[there] else 'upwards'}"


def wrong(path: str, parts: tuple[str, ...]) -> str:
    """Why a file must not import a name of the package, "" if it may."""
    if not parts[0]:
        return "a relative import"
    if not path.startswith(PACKAGE):
        on_a_node = path not in ON_THE_MASTER
        return "what runs on a node must not import master" if on_a_node and parts[0] == "master" else ""
    here = path.removeprefix(PACKAGE).removesuffix(".py").split("/")
    if here[0] == parts[0] == "storage" and len(parts) > 1:
        return compared(STORAGE, here[1], parts[1])
    return compared(FLOORS, here[0], parts[0])


def violations(files: Mapping[str, str]) -> list[str]:
    """``path:line: why`` for each import that must not be, in files of which path and text are given."""
    return [
        f"{path}:{line}: {why}"
        for path, text in files.items()
        for line, parts in imported(text)
        if (why := wrong(path, parts))
    ]


def crowded(paths: Iterable[str]) -> list[str]:
    """The folders with too many modules in them."""
    count = Counter(path.rpartition("/")[0] for path in paths if not path.endswith("/__init__.py"))
    return [f"{folder}: {number} modules" for folder, number in count.items() if number > MODULES]


def served() -> dict[str, str]:
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_imports_go_downwards_and_nothing_on_a_node_knows_the_master():
    files = served()
    assert sum(1 for text in files.values() for _ in imported(text)) > 500, "the imports are not seen"
    assert violations(files) == []


def test_what_a_survey_begins_with_is_in_every_version_of_the_package():
    """A minion may have another layout in memory: there ``hamysql_node`` has to load all the same (test_upgrade)."""
    tree = ast.parse((ROOT / "_modules" / "hamysql_node.py").read_text(encoding="utf-8"))
    begins = "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    assert [parts for _, parts in imported(begins)] == [("fingerprint",)]


def test_a_folder_can_be_taken_in_at_a_glance():
    assert crowded(path for path in served() if path.startswith("_utils/")) == []


def test_each_folder_says_what_is_in_it():
    files = served()
    for folder in {path.rpartition("/")[0] for path in files if path.startswith(PACKAGE)}:
        assert ast.get_docstring(ast.parse(files[f"{folder}/__init__.py"])), folder


def test_what_must_not_be_is_seen():
    files = {
        "_utils/hamysql/errors.py": "import hamysql.system.wait\n",
        "_utils/hamysql/cib/plan.py": "from hamysql import errors, mysql\nfrom hamysql.cib.model import Item\n",
        "_utils/hamysql/mysql/tls/files.py": "from hamysql.mysql import datadir\n\nfrom hamysql.storage.latch import Latch\n",
        "_utils/hamysql/fencing/new/deep.py": "def later():\n    from hamysql.config import keys\n",
        "_utils/hamysql/storage/lun/plan.py": "from hamysql.storage import latch\nfrom hamysql.storage.drbd import plan\n",
        "_utils/hamysql/storage/nfs/plan.py": "from hamysql.storage import backends\n",
        "_utils/hamysql/storage/latch.py": "from hamysql.storage import steps\nfrom hamysql.storage.drbd.plan import Stage\n",
        "_utils/hamysql/storage/backends.py": "from hamysql.storage.drbd import plan\nfrom hamysql.cib import plan\n",
        "_utils/hamysql/config/keys.py": "from ..preflight import judge\nfrom hamysql.preflight import machine\n",
        "_utils/hamysql/metrics/read.py": "from hamysql.system import wait\n",
        "_modules/hamysql_x.py": "import os\nfrom hamysql.master.salt import Lock\n",
        "_states/hamysql_x.py": "from hamysql import master\n",
        "_states/hamysql_orch.py": "from hamysql.master import phases\n",
        "_runners/hamysql.py": "from hamysql.master import phases\n",
    }
    assert violations(files) == [
        "_utils/hamysql/errors.py:1: errors must not import system: that is upwards",
        "_utils/hamysql/cib/plan.py:1: cib must not import mysql: that is sideways",
        "_utils/hamysql/mysql/tls/files.py:3: mysql must not import storage: that is upwards",
        "_utils/hamysql/fencing/new/deep.py:2: fencing must not import config: that is upwards",
        "_utils/hamysql/storage/lun/plan.py:2: lun must not import drbd: that is sideways",
        "_utils/hamysql/storage/nfs/plan.py:1: nfs must not import backends: that is upwards",
        "_utils/hamysql/storage/latch.py:1: latch must not import steps: that is sideways",
        "_utils/hamysql/storage/latch.py:2: latch must not import drbd: that is upwards",
        "_utils/hamysql/config/keys.py:1: a relative import",
        "_utils/hamysql/config/keys.py:2: config must not import preflight: that is sideways",
        "_utils/hamysql/metrics/read.py:1: metrics has no floor in this test",
        "_modules/hamysql_x.py:2: what runs on a node must not import master",
        "_states/hamysql_x.py:1: what runs on a node must not import master",
    ]
    assert crowded(["a/__init__.py", *(f"a/{number}.py" for number in range(MODULES))]) == []
    assert crowded(f"a/{number}.py" for number in range(MODULES + 1)) == ["a: 17 modules"]
