"""From one layout of `_utils` to another on a running minion: where a module was, a package of its name is now, and the other way round.

A real master and two real minions. One of them has looked up a function for its schedule, so that its jobs are forked from a
process with the old modules; the other one's jobs import what is on the disk.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.client
import yaml

from hamysql.master.members import Answer, Members, OldCode
from support import ROOT, load_pillar

QUIET = {
    "enable_gpu_grains": False,
    "enable_fqdns_grains": False,
    "log_level": "warning",
    "log_level_logfile": "warning",
}
FORGETFUL, REMEMBERING = "upgrade-1", "upgrade-2"
OLD = "this minion keeps an older version of hamysql in memory: restart it with "
SERVED = ("_modules", "_states", "_utils")
# Modules whose names are packages in the formula as it is, and packages that are modules there.
FLAT = {
    **{f"_utils/hamysql/{name}.py": 'LAYOUT = "flat"\n' for name in ("cib", "config", "mysql", "storage", "reach")},
    **{f"_utils/hamysql/{name}/__init__.py": 'LAYOUT = "flat"\n' for name in ("pending", "errors")},
    "_modules/hamysql_node.py": """
import pathlib
import time

from hamysql import cib, config, fingerprint, mysql, reach, storage
from hamysql import errors, pending

def survey():
    return {"layout": {module.LAYOUT for module in (cib, config, mysql, reach, storage, errors, pending)} == {"flat"}}

def scheduled(done):
    pathlib.Path(done).touch()

def waiting(there, go):
    pathlib.Path(there).touch()
    for _ in range(1200):
        if pathlib.Path(go).exists():
            break
        time.sleep(0.1)
    from hamysql import cib, errors
    return {**survey(), "stale": fingerprint.stale()}
""",
}


class Site:
    """A master that serves one of the two layouts, and the minions."""

    def __init__(self, master: Any, minions: dict[str, Any], files: Path) -> None:
        self.master, self.minions, self.files = master, minions, files
        self.client = salt.client.get_local_client(mopts=dict(master.config))

    def call(self, minion: str, function: str, *arguments: str) -> Any:
        """What a job returns: its value, or the text of its error."""
        done = self.client.cmd(minion, function, arguments, timeout=120, full_return=True)[minion]
        assert "Traceback" not in str(done["ret"])
        return done["ret"]

    def begin(self, minion: str, function: str, *arguments: str) -> Callable[[], Any]:
        """Start a job; the result is what waits for its return, as the master keeps it."""
        job = self.client.cmd_async(minion, function, arguments)

        def wait() -> Any:
            wait_for(lambda: minion in self.client.get_cache_returns(job), f"{function} on {minion}")
            return self.client.get_cache_returns(job)[minion]["ret"]

        return wait

    def serve(self, flat: bool) -> None:
        for folder in SERVED:
            shutil.rmtree(self.files / folder, ignore_errors=True)
        if flat:
            for name, text in FLAT.items():
                (self.files / name).parent.mkdir(parents=True, exist_ok=True)
                (self.files / name).write_text(text)
            for name in ("__init__", "fingerprint"):
                shutil.copy(ROOT / f"_utils/hamysql/{name}.py", self.files / "_utils/hamysql")
        else:
            for folder in SERVED:
                shutil.copytree(ROOT / folder, self.files / folder, ignore=shutil.ignore_patterns("__pycache__"))
        assert self.master.salt_run_cli().run("fileserver.clear_file_list_cache").returncode == 0

    def synchronise(self) -> None:
        for minion in self.minions:
            assert isinstance(self.call(minion, "saltutil.sync_all", "refresh=False"), dict)
            self.call(minion, "saltutil.refresh_pillar", "wait=True", "timeout=30")

    def on_the_disk(self, minion: str) -> set[str]:
        """What is in the minion's folder of synchronised files, by the names that the file server has."""
        folder = Path(self.minions[minion].config["extension_modules"])
        paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
        return {f"_{path}" for path in paths if path.startswith(("modules/", "states/", "utils/"))}

    def served(self) -> set[str]:
        return {
            path.relative_to(self.files).as_posix() for folder in SERVED for path in (self.files / folder).rglob("*.py")
        }


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"waited 120 s for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def site(salt_factories, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("upgrade")
    files, pillars = folder / "files", folder / "pillar"
    files.mkdir()
    pillars.mkdir()
    shutil.copytree(ROOT / "hamysql", files / "hamysql")
    content = load_pillar("minimal")
    for name, minion in (("db1", FORGETFUL), ("db2", REMEMBERING)):
        content["cluster"]["nodes"][name]["minion_id"] = minion
    (pillars / "hamysql.sls").write_text(yaml.safe_dump({"hamysql": content}))
    (pillars / "top.sls").write_text("base: {'*': [hamysql]}\n")
    master = salt_factories.salt_master_daemon(
        "upgrade-master",
        defaults={
            **QUIET,
            "interface": "127.0.0.1",
            "file_roots": {"base": [str(files)]},
            "pillar_roots": {"base": [str(pillars)]},
            "auto_accept": True,
            "worker_threads": 2,
        },
    )
    minions = {name: master.salt_minion_daemon(name, defaults={**QUIET}) for name in (FORGETFUL, REMEMBERING)}
    with master.started(), minions[FORGETFUL].started(), minions[REMEMBERING].started():
        yield Site(master, minions, files)


def asked(site: Site, minion: str) -> dict[str, Any]:
    """As the orchestration asks for it."""

    def call(minions, function, kwargs, timeout):
        return {name: Answer(site.call(name, function)) for name in minions}

    return Members("least", {"db2": minion}, call).survey()


def test_a_minion_is_upgraded_from_one_layout_to_the_other(site, tmp_path):
    site.serve(flat=True)
    site.synchronise()
    assert site.on_the_disk(FORGETFUL) == site.on_the_disk(REMEMBERING) == site.served() >= set(FLAT)
    done = tmp_path / "done"
    words = (
        "function=hamysql_node.scheduled",
        f"job_args=['{done}']",
        "seconds=3600",
        "run_on_start=True",
        "persist=False",
    )
    site.call(REMEMBERING, "schedule.add", "once", *words)
    wait_for(done.exists, "the scheduled job")
    go, running = tmp_path / "go", {}
    for minion in site.minions:
        there = tmp_path / minion
        running[minion] = site.begin(minion, "hamysql_node.waiting", str(there), str(go))
        wait_for(there.exists, "the job that is forked before the synchronisation")

    site.serve(flat=False)
    site.synchronise()
    for minion in site.minions:
        assert site.on_the_disk(minion) == site.served()
        assert not site.on_the_disk(minion) & (set(FLAT) - {"_modules/hamysql_node.py"})

    # The jobs that were forked before it end as if nothing had happened, and know that it has.
    go.touch()
    assert [wait() for wait in running.values()] == [{"layout": True, "stale": True}] * 2

    # Later ones: the formula as it is, or a survey that says what is wrong.
    assert site.call(FORGETFUL, "hamysql.settings", "misnamed=True")["self"] == "db1"
    assert set(site.call(REMEMBERING, "hamysql_node.survey")) == {"code", "pillar", "stale"}
    with pytest.raises(
        OldCode, match=rf"db2 \(minion {REMEMBERING}\) keeps an older version of hamysql in memory: restart"
    ):
        asked(site, REMEMBERING)
    sentence = f"{OLD}`salt {REMEMBERING} service.restart salt-minion no_block=True`"
    assert sentence in site.call(REMEMBERING, "hamysql.settings")
    assert sentence in str(site.call(REMEMBERING, "state.show_sls", "hamysql.corosync"))
    assert "'hamysql_storage' __virtual__ returned False" in site.call(REMEMBERING, "hamysql_storage.survey")

    site.minions[REMEMBERING].terminate()
    site.minions[REMEMBERING].start()
    assert site.call(REMEMBERING, "hamysql.settings", "misnamed=True")["self"] == "db2"
