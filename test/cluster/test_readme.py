"""A cluster deployed by docs/install.md's own blocks, word by word: the formula by gitfs, secrets made and encrypted, proof, schedule.

test/functional/test_readme.py carries out the same steps as far as that goes without nodes. The tests of this file build on each other.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
import yaml
from cluster import Cluster

from lab import api
from lab.basics.host import run
from lab.software import salt

pytestmark = [pytest.mark.cluster, pytest.mark.long]

INSTALL, OPERATE = "docs/install.md", "docs/operate.md"
ADDRESS = "https://git.example.org/hamysql-formula.git"
STEPS = pages.commands(INSTALL)
FILES = {path: text for path, text in pages.files(INSTALL) if "file_roots" not in text}
PLAIN, ENCRYPTED = [line for line in STEPS if line.startswith("salt-run hamysql.secrets")]


class Site:
    """The lab's administrator with the page open: ``do`` carries out one of its lines, ``lay`` writes one of its files."""

    def __init__(self, lab: api.Lab, formula: pages.Formula) -> None:
        self.lab, self.formula = lab, formula
        places = {"/srv/salt/": f"{lab.salt}/files/", "/srv/pillar/": f"{lab.salt}/pillar/"}
        places |= {
            "/etc/salt/": f"{lab.salt}/etc/",
            ADDRESS: f"file://{formula.bare}",
            "splay: 300": "run_on_start: true",
        }
        self.machine = pages.Machine({**places})

    def do(self, line: str, *options: str) -> str:
        program, *words = shlex.split(self.machine.here(line))
        done = run(salt.command(self.lab, program, *words, *options), timeout=1800, check=False)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def states(self, line: str) -> dict[str, dict[str, object]]:
        """What an orchestration returned, by state id."""
        (returned,) = json.loads(self.do(line, "--out=json"))["data"].values()
        return {state["__id__"]: state for state in returned.values()}

    def lay(self, path: str, text: str | None = None) -> None:
        self.machine.lay(path, FILES[path] if text is None else text)


@pytest.fixture(scope="module")
def site(lab, progress, tmp_path_factory) -> Iterator[Site]:
    """Bare nodes, and a master that has neither formula nor pillar."""
    api.up(lab, progress, fresh=True, storage="drbd")
    made = Site(lab, pages.Formula(tmp_path_factory.mktemp("formula")))
    for name in salt.SERVED:
        (lab.salt / "files" / name).unlink()
    (lab.salt / "files/top.sls").unlink()
    laid = [Path(made.machine.here(path)) for path in (*FILES, "/srv/pillar/galaxy-db.sls")]
    secrets = lab.salt / "pillar/galaxy-db-secrets.sls"
    secrets.unlink(missing_ok=True)
    keys = lab.salt / "etc/gpgkeys"
    run(["rm", "-rf", keys])
    keys.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", keys, "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", ENCRYPTED.rpartition("gpg_key=")[2]], check=True, capture_output=True)
    made.lay("/etc/salt/master.d/hamysql.conf")
    salt.start_again(lab)
    api.wait_for_minions(lab, progress)
    yield made
    subprocess.run(["gpgconf", "--homedir", keys, "--kill", "all"], check=True, capture_output=True)
    for path in (*laid, secrets):
        path.unlink(missing_ok=True)
    salt.configure(lab)
    salt.start_again(lab)
    salt.sync(lab)
    api.wait_for_minions(lab, progress)


@pytest.fixture(scope="module")
def cluster(site, progress, figures) -> Cluster:
    """Steps 1 to 4 in the page's order, the encrypted secrets of both forms."""
    pillar = yaml.safe_load((site.lab.salt / "pillar/lab.sls").read_text())
    del pillar["hamysql"]["corosync"]["authkey"], pillar["hamysql"]["storage"]["drbd"]["shared_secret"]
    site.lay("/srv/pillar/galaxy-db.sls", yaml.safe_dump(pillar))
    top = yaml.safe_load(FILES["/srv/pillar/top.sls"])
    top["base"]["db[12]"].remove("galaxy-db-secrets")
    site.lay("/srv/pillar/top.sls", yaml.safe_dump(top))
    for line in STEPS[: STEPS.index(PLAIN)]:
        site.do(line)
    site.do(ENCRYPTED)
    site.lay("/srv/pillar/top.sls")
    preflight, plan, deploy, again, *_ = STEPS[STEPS.index(ENCRYPTED) + 1 :]
    site.do(preflight)
    assert "FAILED" not in site.do(plan)
    first = site.states(deploy)
    assert all(state["result"] is True for state in first.values()), first
    made = Cluster(site.lab, progress, api.Deployment(first, 0))
    made.wait_healthy()
    second = site.states(again)
    assert {name: state["changes"] for name, state in second.items() if state["changes"]} == {}
    return made


def test_the_steps_end_with_a_database_that_takes_writes_with_the_secrets_made(site, cluster):
    assert cluster.probed(lambda: None, settle=2).lost == 0
    for name, key in api.salt_json(site.lab, "db*", "hamysql_sample.key").items():
        assert api.ssh(site.lab, name, "sha256sum /etc/corosync/authkey").split()[0] == key


def test_the_fence_devices_are_proven_as_the_page_says(site, cluster):
    (line,) = [line for line in STEPS if "hamysql.fence_test" in line]
    site.do(line)
    cluster.wait_healthy()
    api.wait_for_minions(site.lab, cluster.progress)


def test_a_highstate_by_the_schedule_changes_nothing(site, cluster):
    for path in ("/srv/salt/top.sls", "/srv/pillar/galaxy-db-schedule.sls"):
        site.lay(path)
    top = yaml.safe_load(FILES["/srv/pillar/top.sls"])
    top["base"]["db[12]"].append("galaxy-db-schedule")
    site.lay("/srv/pillar/top.sls", yaml.safe_dump(top))
    api.salt_json(site.lab, "db*", "saltutil.refresh_pillar", "wait=True", "timeout=90")
    enabled = api.salt_json(site.lab, "db*", "schedule.list", "return_yaml=False")
    assert {name: jobs["highstate"]["function"] for name, jobs in enabled.items()} == dict.fromkeys(
        ("db1", "db2"), "state.apply"
    )
    found: dict[str, dict[str, dict[str, object]]] = {}

    def ended(_: object) -> bool:
        """The schedule begins by itself. Its jobs have no arguments, those of the orchestration have."""
        jobs = api.salt_run(site.lab, "jobs.list_jobs", "search_function=state.apply", "--out=json").stdout
        for jid, job in json.loads(jobs).items():
            if not job["Arguments"]:
                found.update(json.loads(api.salt_run(site.lab, "jobs.lookup_jid", jid, "--out=json").stdout))
        return set(found) == {"db1", "db2"}

    api.wait_until(site.lab, "both highstates to end", ended, timeout=300)
    for name, states in found.items():
        assert isinstance(states, dict), (name, states)
        assert all(state["result"] is True for state in states.values()), (name, states)
        assert not any(state["changes"] for state in states.values()), (name, states)


def test_an_update_of_the_formula_by_gitfs_reaches_a_running_cluster_and_nobody_notices(site, cluster):
    """In the words of docs/operate.md, "Update"."""
    (row,) = [line for line in (pages.ROOT / OPERATE).read_text().splitlines() if line.startswith("| the formula |")]
    *load, look = [words for words in row.split("`") if words.startswith("salt-run")]
    before, active = api.salt_json(site.lab, "db*", "hamysql_node.survey"), cluster.active
    assert api.salt_json(site.lab, "db*", "hamysql_sample.version") == {"db1": "1", "db2": "1"}

    def update() -> None:
        site.formula.release("2")
        for line in load:
            site.do(line)
        planned = site.states(look)
        assert not any(state["changes"] for state in planned.values()), planned

    outcome = cluster.probed(update)
    assert outcome.lost == 0
    assert api.salt_json(site.lab, "db*", "hamysql_sample.version") == {"db1": "2", "db2": "2"}
    after = api.salt_json(site.lab, "db*", "hamysql_node.survey")
    assert all(after[name]["code"] != before[name]["code"] for name in ("db1", "db2"))
    assert cluster.active == active
