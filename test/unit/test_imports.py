"""Who may import whom in the formula's code: downwards only, never sideways, and nothing of the master's on a node. And in the lab.

The floors are those of docs/development/architecture.md, the lab's those of docs/development/lab.md. A package that is not in the table
fails, so a new one gets a floor when it is made.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from support import ROOT

# From the ground up. ``__init__`` is hamysql's own, which every import of a module runs first.
FLOORS = (
    ("resolved",),
    ("survey",),
    ("errors", "finding", "fingerprint", "pending", "ports"),
    ("__init__", "system", "schema"),
    ("cib", "corosync", "mysql", "firewall"),
    ("fencing", "backup"),
    ("storage", "replica"),
    ("config", "preflight", "upkeep"),
    ("adoption", "records"),
    ("master",),
)
# The same inside storage/: what all kinds need, what a kind is, the kinds, which do not know each other, what knows them all, and
# what moves data from one to another.
STORAGE = (
    ("copies", "growth", "latch", "lock", "options", "steps"),
    ("kind", "verbs"),
    ("drbd", "lun", "nfs"),
    ("backends",),
    ("__init__", "alone", "pending"),
    ("move",),
)
# The lab's rooms; what is in no room is on top of them.
TOP = "the top of the lab"
LAB = (("basics",), ("wires",), ("machines",), ("devices", "software"), (TOP,))
FOLDERS = ("_modules", "_output", "_runners", "_states", "_utils")
# They run on the master: the orchestration's states, and the runner.
ON_THE_MASTER = (
    "_output/hamysql_status.py",
    "_runners/hamysql.py",
    "_states/hamysql_migration.py",
    "_states/hamysql_operation.py",
    "_states/hamysql_orch.py",
)
PACKAGE = "_utils/hamysql/"
# What is tested in test/unit and is no part of the package; and a kind of storage that is in a folder of the tests alone.
ELSEWHERE, TOY = ("bench", "lab", "pacemaker"), "storage/toy"
MODULES = 16  # in one folder, at the most


def imported(text: str, package: str = "hamysql") -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line and the parts of each name that a file imports from one of our packages, without that package's name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] in (package, ""):
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


def wrong_in_the_lab(path: str, parts: tuple[str, ...]) -> str:
    """Why a file must not import a name of the lab, "" if it may."""
    if not parts or not parts[0]:
        return "a relative import, or all of the lab"
    here = path.removeprefix("lab/").split("/")
    rooms = {room for floor in LAB for room in floor}
    return compared(LAB, here[0] if len(here) > 1 else TOP, parts[0] if parts[0] in rooms else TOP)


def violations(files: Mapping[str, str]) -> list[str]:
    """``path:line: why`` for each import that must not be, in files of which path and text are given."""
    return [
        f"{path}:{line}: {why}"
        for path, text in files.items()
        for package, judge in (("lab", wrong_in_the_lab) if path.startswith("lab/") else ("hamysql", wrong),)
        for line, parts in imported(text, package)
        if (why := judge(path, parts))
    ]


def crowded(paths: Iterable[str]) -> list[str]:
    """The folders with too many modules in them."""
    count = Counter(path.rpartition("/")[0] for path in paths if not path.endswith("/__init__.py"))
    return [f"{folder}: {number} modules" for folder, number in count.items() if number > MODULES]


def served() -> dict[str, str]:
    return texts(*FOLDERS)


def texts(*folders: str) -> dict[str, str]:
    """The Python files below some folders: ``{path: text}``."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
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


def test_the_labs_rooms_lie_on_floors_as_well():
    files = texts("lab")
    assert sum(1 for text in files.values() for _ in imported(text, "lab")) > 100, "the imports are not seen"
    assert violations(files) == []
    rooms = {path.split("/")[1] for path in files if path.count("/") > 1}
    assert rooms == {room for floor in LAB for room in floor} - {TOP}


def test_a_folder_can_be_taken_in_at_a_glance():
    assert crowded(texts("_utils", "lab")) == []


def test_unit_tests_lie_in_the_folders_of_what_they_test():
    folders = {path.rpartition("/")[0].removeprefix("test/unit").strip("/") for path in texts("test/unit")}
    packages = {path.removeprefix(PACKAGE).rpartition("/")[0] for path in texts(PACKAGE)}
    assert {folder for folder in folders - packages if folder.split("/")[0] not in ELSEWHERE} == {TOY}


def test_each_folder_says_what_is_in_it():
    files = texts(PACKAGE, "lab")
    for folder in {path.rpartition("/")[0] for path in files}:
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
        "lab/basics/host.py": "from lab.basics.errors import LabError\nfrom lab.wires import network\n",
        "lab/devices/bmc.py": "from lab.machines import node\nfrom lab.software import salt\nfrom lab import api\n",
        "lab/attic/box.py": "from lab.basics import host\n",
        "lab/api.py": "from lab import cli\nfrom lab.software.salt import start\n",
        "lab/cli.py": "import lab\nfrom .basics import host\n",
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
        "lab/basics/host.py:2: basics must not import wires: that is upwards",
        "lab/devices/bmc.py:2: devices must not import software: that is sideways",
        "lab/devices/bmc.py:3: devices must not import the top of the lab: that is upwards",
        "lab/attic/box.py:1: attic has no floor in this test",
        "lab/cli.py:1: a relative import, or all of the lab",
        "lab/cli.py:2: a relative import, or all of the lab",
    ]
    assert crowded(["a/__init__.py", *(f"a/{number}.py" for number in range(MODULES))]) == []
    assert crowded(f"a/{number}.py" for number in range(MODULES + 1)) == ["a: 17 modules"]
