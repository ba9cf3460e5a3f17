"""Does a running minion use the code of `_utils` that was synchronised into it? A real one, whose jobs are forked from it.

They import the package anew, until the minion itself has imported it: to look up a function for its schedule, for example. From
then on every job inherits that code. The formula cannot change this, but it can see it (``fingerprint.stale``).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.client

from support import ROOT

QUIET = {
    "enable_gpu_grains": False,
    "enable_fqdns_grains": False,
    "log_level": "warning",
    "log_level_logfile": "warning",
}
SAMPLE = Path("_utils/hamysql/nested/sample.py")
MODULE = """
from hamysql import fingerprint
from hamysql.nested import sample

def look():
    return {"version": sample.VERSION, "stale": fingerprint.stale()}
"""


class Site:
    """A master that serves a copy of the formula, and a minion."""

    def __init__(self, master: Any, minion: Any, files: Path) -> None:
        self.minion, self.files = minion, files
        self.client = salt.client.get_local_client(mopts=dict(master.config))

    def call(self, function: str, *arguments: str) -> Any:
        done = self.client.cmd(self.minion.id, function, arguments, timeout=60, full_return=True)[self.minion.id]
        assert done["retcode"] == 0, done
        return done["ret"]

    def serve(self, version: str) -> None:
        """Bring another version of the package to the minion, as the orchestration does."""
        (self.files / SAMPLE).write_text(f'VERSION = "{version}"\n')
        self.call("saltutil.sync_all", "refresh=False")
        self.call("saltutil.refresh_pillar", "wait=True", "timeout=30")

    def look(self) -> dict[str, Any]:
        return dict(self.call("hamysql_sample.look"))


@pytest.fixture(scope="module")
def site(salt_factories, tmp_path_factory) -> Iterator[Site]:
    files = tmp_path_factory.mktemp("sync") / "files"
    files.mkdir()
    shutil.copytree(ROOT / "_utils", files / "_utils", ignore=shutil.ignore_patterns("__pycache__"))
    (files / "_modules").mkdir()
    (files / "_modules" / "hamysql_sample.py").write_text(MODULE)
    (files / SAMPLE).parent.mkdir()
    (files / SAMPLE).with_name("__init__.py").touch()
    (files / SAMPLE).write_text('VERSION = "1"\n')
    master = salt_factories.salt_master_daemon(
        "sync-master",
        defaults={
            **QUIET,
            "interface": "127.0.0.1",
            "file_roots": {"base": [str(files)]},
            "auto_accept": True,
            "worker_threads": 2,
        },
    )
    minion = master.salt_minion_daemon("sync-minion", defaults=QUIET)
    with master.started(), minion.started():
        found = Site(master, minion, files)
        found.call("saltutil.sync_all")
        yield found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited 60 s for {what}"
        time.sleep(0.2)


def test_a_job_runs_what_was_synchronised_before_it(site):
    site.serve("two")
    assert site.look() == {"version": "two", "stale": False}


def test_a_minion_that_has_looked_up_a_function_keeps_its_code_and_says_so(site, tmp_path):
    done = tmp_path / "done"
    (site.files / "_modules" / "hamysql_sample.py").write_text(
        f"{MODULE}\ndef scheduled():\n    look()\n    open({str(done)!r}, 'w').close()\n"
    )
    site.serve("four, of which it has heard")
    site.call("schedule.add", "sample", "function=hamysql_sample.scheduled", "seconds=1", "persist=False")
    wait_for(done.exists, "the scheduled job")
    site.serve("five, of which it has not")
    assert site.look() == {"version": "four, of which it has heard", "stale": True}
    site.minion.terminate()
    site.minion.start()
    assert site.look() == {"version": "five, of which it has not", "stale": False}
