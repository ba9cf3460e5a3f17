"""What all tests share: the parts of the long ones (``--part``), and the record of what last passed (``records``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import parts
import pytest
import records

RECORDER = pytest.StashKey[records.Recorder]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--part`` is how `make test-long PART=3` chooses."""
    parser.addoption("--part", type=parts.number, help="only this part of the long tests (test/parts.py)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is in other parts."""
    if place := config.getoption("--part"):
        others = [item for item in items if place not in parts.parts_of(item.nodeid)]
        if others:
            config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def pytest_sessionstart(session: pytest.Session) -> None:
    """The commit is what is there at the beginning. xdist's workers record nothing: the process that started them does."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    if at := records.commit(session.config.rootpath):
        session.config.stash[RECORDER] = records.Recorder(at)
        session.config.pluginmanager.register(Reports(session.config), "hamysql-records")


class Reports:
    """Hands pytest's reports to the recorder, and what it makes of them to the file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.recorder = config, config.stash[RECORDER]
        self.path = config.rootpath / records.LOCAL

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test of the cluster is recorded at its end: what comes after it may hang."""
        reason = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
        row = dict(report.user_properties).get("row")
        self.recorder.report(report.nodeid, report.outcome, report.duration, reason.removeprefix("Skipped: "), row)
        if report.when == "teardown" and (found := self.recorder.ended(report.nodeid)):
            records.add(self.path, found)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """The other tests are recorded by file, if nothing of the files was left out."""
        option = self.config.option
        chosen = (
            option.keyword
            or option.deselect
            or getattr(option, "lf", False)
            or any("::" in word for word in self.config.args)
        )
        early = session.shouldstop or session.shouldfail or exitstatus not in (0, 1)
        whole = not chosen and not early and option.markexpr in ("", "not long")
        if found := self.recorder.over(whole):
            records.add(self.path, found)


def _running(item: pytest.Item, phase: str) -> None:
    if path := os.environ.get(parts.RUNNING):
        Path(path).write_text(f"{item.nodeid} ({phase})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Say what is at work, for whoever has to stop it."""
    _running(item, "setup")
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """The same for the test itself."""
    _running(item, "call")
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """The same for what follows it."""
    _running(item, "teardown")
    return (yield)
