"""The installation as docs/install.md and the README say it, word by word: a real master and two minions carry out the pages' own blocks.

Both ways to give the formula to the master, both ways to make the secrets. It ends where the nodes would be changed: preflight refuses
this machine. test/cluster/test_readme.py goes on from there. And an update of the formula (docs/operate.md) while a job runs.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pages
import pytest
import salt.client
import yaml

from support import ROOT, load_pillar

INSTALL, OPERATE = "docs/install.md", "docs/operate.md"
QUIET = {
    "enable_gpu_grains": False,
    "enable_fqdns_grains": False,
    "log_level": "warning",
    "log_level_logfile": "warning",
}


class Site:
    """A master that is configured as the page says, with two minions; ``machine`` knows where the page's paths are."""

    def __init__(self, master: Any, machine: pages.Machine, formula: pages.Formula) -> None:
        self.master, self.machine, self.formula = master, machine, formula
        self.client = salt.client.get_local_client(mopts=dict(master.config))

    def do(self, line: str) -> subprocess.CompletedProcess[str]:
        """A command line of a page."""
        program, *words = shlex.split(self.machine.here(line))
        cli = {"salt-run": self.master.salt_run_cli, "salt": self.master.salt_cli}[program]()
        argv = [sys.executable, cli.get_script_path(), f"--config-dir={self.master.config_dir}", *words]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)

    def call(self, function: str, *arguments: str) -> dict[str, Any]:
        return dict(self.client.cmd("db*", function, arguments, timeout=60))


def step(start: str) -> str:
    """The page's command that begins like this. There is one."""
    (line,) = [line for line in pages.commands(INSTALL) if line.startswith(start)]
    return line


def configuration(way: str) -> tuple[str, str]:
    """The page's block about the master for gitfs, or for ``file_roots``."""
    (found,) = [(path, text) for path, text in pages.files(INSTALL) if path.startswith("/etc/salt/") and way in text]
    return found


def pillar(folder: Path) -> dict[str, Any]:
    """The least pillar for this machine, without secrets: its disks are not there."""
    content = load_pillar("minimal")
    content["cluster"]["name"] = "galaxy-db"
    for name, node in content["cluster"]["nodes"].items():
        node["disk"] = f"/dev/disk/by-path/{folder.name}-{name}"
    del content["corosync"], content["storage"]["drbd"]["shared_secret"]
    content["mysql"] = {"databases": [{"name": "app"}], "users": [{"name": "app", "host": "%"}]}
    return content


@pytest.fixture(scope="module", params=["gitfs_remotes", "file_roots"])
def site(request, salt_factories, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("readme")
    formula = pages.Formula(folder / "srv")
    (folder / "srv" / "salt").mkdir()
    (folder / "srv" / "pillar").mkdir()
    master = salt_factories.salt_master_daemon(
        f"readme-{request.param.replace('_', '-')}",
        defaults={
            **QUIET,
            "interface": "127.0.0.1",
            "file_roots": {"base": [str(folder / "srv/salt")]},  # Salt's defaults, in this test's place
            "pillar_roots": {"base": [str(folder / "srv/pillar")]},
            "gather_job_timeout": 3,
            "auto_accept": True,
            "worker_threads": 3,
        },
    )
    address = "https://git.example.org/hamysql-formula.git"
    machine = pages.Machine(
        {
            address: f"file://{formula.bare}",
            "/srv/": f"{folder}/srv/",
            "/etc/salt/": f"{master.config_dir}/",
            "splay: 300": "run_on_start: true",  # the test cannot wait for an hour
        }
    )
    machine.lay(*configuration(request.param))
    machine.lay("/srv/pillar/galaxy-db.sls", yaml.safe_dump({"hamysql": pillar(folder)}))
    # Nothing is applied to this machine: all states of its minions are in test mode.
    minions = [
        master.salt_minion_daemon(name, defaults={**QUIET, "grains": {"nodename": name}, "test": True})
        for name in ("db1", "db2")
    ]
    with master.started(), ThreadPoolExecutor() as threads:
        try:
            assert all(threads.map(lambda minion: minion.start(), minions))
            yield Site(master, machine, formula)
        finally:
            list(threads.map(lambda minion: minion.terminate(), minions))


@pytest.fixture(scope="module")
def installed(site) -> Site:
    """The steps up to the deployment, in the page's order."""
    site.do(step("salt-run fileserver.update"))
    done = site.do(step("salt-run saltutil.sync_all"))
    assert "runners.hamysql" in done.stdout, done.stderr
    top = dict(pages.files(INSTALL))["/srv/pillar/top.sls"]
    without = yaml.safe_load(top)
    without["base"]["db[12]"].remove("galaxy-db-secrets")  # "Leave its line out until the file is there"
    site.machine.lay("/srv/pillar/top.sls", yaml.safe_dump(without))
    plain, encrypted = [line for line in pages.commands(INSTALL) if line.startswith("salt-run hamysql.secrets")]
    done = site.do(encrypted if "gitfs_remotes" in configuration_of(site) else plain)
    assert done.returncode == 0, done.stdout + done.stderr
    site.machine.lay("/srv/pillar/top.sls", top)
    return site


def configuration_of(site: Site) -> str:
    (file,) = (Path(site.master.config_dir) / "master.d").glob("*.conf")
    return file.read_text()


@pytest.fixture(scope="module", autouse=True)
def keyring(site) -> Iterator[None]:
    """A key without a passphrase in the master's keyring, as the page asks for."""
    home = Path(site.machine.here("/etc/salt/gpgkeys"))
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    key = step("salt-run hamysql.secrets /srv/pillar/galaxy-db-secrets.sls gpg_key=").rpartition("gpg_key=")[2]
    subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", key], check=True, capture_output=True)
    yield
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, capture_output=True)


def wait_for(condition: Callable[[], bool], what: str, timeout: int = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.2)


def test_the_readme_and_the_page_have_the_same_steps():
    page = pages.commands(INSTALL)
    readme = pages.commands("README.md")
    assert len(readme) >= 6
    assert [line for line in readme if line not in page] == []
    order = [page.index(line) for line in readme]
    assert order == sorted(order)


def test_preflight_plan_and_orchestration_see_both_nodes_and_refuse_this_machine(installed):
    told = {line: installed.do(line) for line in pages.commands(INSTALL) if "preflight" in line or "plan" in line}
    deploy, by_name = [line for line in pages.commands(INSTALL) if "state.orchestrate hamysql.orch" in line]
    told |= {deploy: installed.do(deploy), by_name: installed.do(by_name)}
    assert len(told) == 4
    for line, done in told.items():
        for node, number in (("db1", 11), ("db2", 12)):
            assert f"{node}: found no address 192.0.2.{number} on any interface" in done.stdout, (line, done)
        assert (done.returncode != 0) == ("orchestrate" in line)


def test_the_secrets_reach_the_minions_in_the_clear_and_nothing_is_missing(installed):
    written = Path(installed.machine.here("/srv/pillar/galaxy-db-secrets.sls"))
    assert ("-----BEGIN PGP MESSAGE-----" in written.read_text()) == ("gitfs" in configuration_of(installed))
    installed.call("saltutil.refresh_pillar", "wait=True", "timeout=60")
    if "gitfs" in configuration_of(installed):
        gpg = ["gpg", "--homedir", installed.machine.here("/etc/salt/gpgkeys"), "--batch", "--quiet", "--decrypt"]
        message = yaml.safe_load(written.read_text().partition("\n")[2])["hamysql"]["corosync"]["authkey"]
        key = subprocess.run(gpg, check=True, capture_output=True, text=True, input=message).stdout
    else:
        key = yaml.safe_load(written.read_text())["hamysql"]["corosync"]["authkey"]
    assert len(key) >= 128
    assert installed.call("hamysql_sample.key") == dict.fromkeys(
        ("db1", "db2"), hashlib.sha256(key.encode()).hexdigest()
    )
    for name, settings in installed.call("hamysql.settings").items():
        assert isinstance(settings, dict), (name, settings)  # the pillar is whole and right


def test_the_highstate_of_the_schedule_has_the_formula(installed):
    for path, text in pages.files(INSTALL):
        if path.startswith("/srv/salt/") or path.endswith("-schedule.sls"):
            installed.machine.lay(path, text)
    top = yaml.safe_load(dict(pages.files(INSTALL))["/srv/pillar/top.sls"])
    top["base"]["db[12]"].append("galaxy-db-schedule")
    installed.machine.lay("/srv/pillar/top.sls", yaml.safe_dump(top))
    installed.call("saltutil.sync_all")
    installed.call("saltutil.refresh_pillar", "wait=True", "timeout=60")
    found: dict[str, Any] = {}

    def ended() -> bool:
        """The schedule begins by itself. Its jobs are in the master's cache, which nobody has asked for them."""
        jobs = installed.do("salt-run jobs.list_jobs search_function=state.apply --out=json").stdout
        for job in json.loads(jobs):
            found.update(installed.client.get_cache_returns(job))
        return set(found) == {"db1", "db2"}

    wait_for(ended, "the highstates of the schedule", 180)
    for name, returned in found.items():
        states = returned["ret"]
        assert isinstance(states, dict), states
        assert {state["__sls__"].partition(".")[0] for state in states.values()} == {"hamysql"}, name
        assert all(state["result"] is not False for state in states.values()), states


def test_an_update_of_the_formula_reaches_new_jobs_and_no_old_one(installed, tmp_path):
    """In the words of docs/operate.md, "Update"."""
    (row,) = [line for line in (ROOT / OPERATE).read_text().splitlines() if line.startswith("| the formula |")]
    *load, look = [words for words in row.split("`") if words.startswith("salt-run")]
    for line in (*load, look):
        installed.do(line)
    assert installed.call("hamysql_sample.version") == {"db1": "1", "db2": "1"}
    go = tmp_path / "go"
    old = installed.client.cmd_async("db*", "hamysql_sample.version", [f"until={go}"])
    wait_for(lambda: len(installed.call("saltutil.find_job", old)["db1"]) > 0, "the job to run")
    installed.formula.release("2")
    for line in load:
        assert installed.do(line).returncode == 0
    assert "192.0.2.11" in installed.do(look).stdout
    assert installed.call("hamysql_sample.version") == {"db1": "2", "db2": "2"}
    go.touch()
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(installed.client.get_cache_returns(old))
        return set(found) == {"db1", "db2"}

    wait_for(ended, "the old job to end")
    assert {name: answer["ret"] for name, answer in found.items()} == {"db1": "1", "db2": "1"}
