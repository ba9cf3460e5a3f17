"""What functional tests share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from salt._logging import shutdown_temp_handler
from salt_node import Node

from support import load_pillar


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest comes first, so that the other processes of `make test-fast` do all else meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_orchestration.py")


@pytest.fixture(scope="session")
def node(tmp_path_factory) -> Iterator[Callable[..., Node]]:
    """A node for a pillar of test/pillar (or the lab's) and an operating system; made once, kept for the session."""
    made: dict[tuple[str, str], Node] = {}

    def get(pillar: str, system: str = "debian12") -> Node:
        if (pillar, system) not in made:
            folder = tmp_path_factory.mktemp(f"{pillar}-{system}") / "root"
            made[pillar, system] = Node(folder, load_pillar(pillar), system)
        return made[pillar, system]

    yield get
    for one in made.values():
        one.end()


@pytest.fixture(scope="session")
def salt_factories_default_root_dir() -> Iterator[Path]:
    """A folder of its own: in /tmp the daemons start from scripts that name the Salt of whoever ran tests there first.

    Not pytest's: the names of Salt's sockets would become too long in it.
    """
    with TemporaryDirectory(prefix="hamysql-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def salt_factories_config() -> dict[str, str]:
    """Daemons log to their own files; sending every record to pytest as well takes longer than the tests."""
    return {"log_server_level": "error"}


@pytest.fixture(scope="session", autouse=True)
def nothing_after_the_last_line() -> None:
    """Salt keeps its first records for a console and prints them at exit, when pytest's streams are closed: a traceback each.

    It also sets the root logger to its very lowest level, and pytest would keep thousands of records for each test.
    """
    shutdown_temp_handler()
    logging.getLogger().setLevel(logging.WARNING)
