"""Fixtures of the tests that need real nodes: a lab of their own, and a cluster deployed in it.

The lab of these tests lives in ``.lab/test`` and shares the cached images with the developer's own, so a lab that somebody has up
is left alone. ``HAMYSQL_TEST_KEEP=1`` leaves the tests' lab up at the end (``HAMYSQL_LAB_DIR=.lab/test python -m lab ...`` then
looks into it). ``HAMYSQL_TEST_REUSE=1`` as well has the next run take that lab as it is and only bring its cluster up to date: for
work on tests that need a deployed cluster and no bare nodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import Cluster
from day import Day
from witness import Witness

from lab import api
from lab.basics.context import PROJECT
from lab.basics.topology import DEFAULT
from lab.lifecycle import leftovers

TEST_DIR = PROJECT / ".lab" / "test"
FIGURES = pytest.StashKey[list[str]]()
# The last lines of a node's daemons and of DRBD; Salt 3008 reports each of its own tasks that it lets go of at exit.
JOURNAL = (
    "journalctl -b --no-pager -o short -u corosync -u pacemaker -u salt-minion"
    " | grep -vE 'Task was destroyed|task: <Task' | tail -n 40; journalctl -b -k --no-pager -o short | grep drbd | tail -n 60"
)


# What needs bare nodes comes first, then what deploys; the last leave another pillar. All others are 0.
ORDER = {
    "test_bare_nodes.py": -3,
    "test_deployment.py": -2,
    "test_changes.py": 1,
    "test_interrupted.py": 2,
    "test_replica.py": 3,
    "test_third_vote.py": 3,
    "test_other_storage.py": 4,
    "test_migration.py": 6,
    "test_lun_guarded.py": 5,
    "test_readme.py": 7,
    "test_pcs.py": 8,
    "test_rolling_release.py": 9,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder carry the marker ``cluster``, and run in ``ORDER``: before all others those without a lab."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker("cluster")
    items.sort(key=lambda item: ORDER.get(item.path.name, 0) if item in ours else -9)


@pytest.fixture(scope="session")
def progress() -> api.Progress:
    """Where the lab says what it does; pytest shows it when a test fails."""
    return api.Progress()


@pytest.fixture(scope="session")
def watched(request: pytest.FixtureRequest) -> bool:
    """Whether a test of this run looks for secrets: then the logs are at debug level and the deployment has a witness.

    Both make the nodes work noticeably harder, so no other test pays for them.
    """
    return any(item.path.name == "test_secrets_kept.py" for item in request.session.items)


@pytest.fixture(scope="session")
def lab(progress: api.Progress, watched: bool) -> Iterator[api.Lab]:
    """The tests' lab; nothing of it is left at the end."""
    names = ("HAMYSQL_LAB_DIR", "HAMYSQL_LAB_CACHE", "HAMYSQL_LAB_LOG_LEVEL")
    before = {name: os.environ.get(name) for name in names}
    # In the environment, so that `python -m lab` run by a test means this lab as well.
    os.environ["HAMYSQL_LAB_CACHE"] = str(api.Lab().cache)
    os.environ["HAMYSQL_LAB_DIR"] = str(TEST_DIR)
    os.environ["HAMYSQL_LAB_LOG_LEVEL"] = "debug" if watched else "info"
    lab = api.Lab()
    # An earlier session may have ended with a test's own pillar served.
    (lab.salt / "pillar" / "lab.sls").unlink(missing_ok=True)
    yield lab
    if not os.environ.get("HAMYSQL_TEST_KEEP"):
        api.down(lab, progress)
        assert leftovers(lab) == []
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="session")
def bare(lab: api.Lab, progress: api.Progress) -> api.Lab:
    """The lab with new, bare nodes whose minions answer."""
    api.up(lab, progress, fresh=not os.environ.get("HAMYSQL_TEST_REUSE"), storage="drbd")
    return lab


@pytest.fixture(scope="session")
def witness(bare: api.Lab) -> Witness:
    """Whoever looks on while the cluster is deployed."""
    return Witness(bare)


@pytest.fixture(scope="session")
def deployed(bare: api.Lab, progress: api.Progress, figures: list[str], watched: bool, witness: Witness) -> Cluster:
    """A cluster deployed by ``hamysql.orch`` on the bare nodes, once for all tests of a session."""
    with progress.stage("deploy"):
        result = witness.watch(lambda: api.deploy(bare, progress)) if watched else api.deploy(bare, progress)
    figures += [f"{stage}: {seconds:.0f} s" for stage, seconds in progress.seconds.items()]
    cluster = Cluster(bare, progress, result)
    cluster.wait_healthy()
    return cluster


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Measured figures, one line each; shown at the end of the run, never asserted on."""
    collected: list[str] = []
    request.config.stash[FIGURES] = collected
    return collected


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures that the tests have measured."""
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)


@pytest.fixture
def day(cluster: Cluster, figures: list[str]) -> Day:
    """A healthy cluster, whose pacemaker remembers no fencing."""
    for node in DEFAULT.data_nodes:
        api.ssh(cluster.lab, node.name, "stonith_admin --cleanup --history '*' >/dev/null", check=False)
    return Day(cluster, figures)


@pytest.fixture
def pillar(lab: api.Lab) -> Iterator[Callable[[Callable[[dict[str, Any]], object]], None]]:
    """A way to serve the lab's pillar with something changed; the lab's own is back afterwards."""
    served = lab.salt / "pillar" / "lab.sls"
    original = served.read_bytes()

    def change(edit: Callable[[dict[str, Any]], object]) -> None:
        changed = yaml.safe_load(original)
        edit(changed["hamysql"])
        served.unlink()
        served.write_text(yaml.safe_dump(changed, sort_keys=False))

    yield change
    served.unlink()
    served.write_bytes(original)


@pytest.fixture
def cluster(deployed: Cluster) -> Iterator[Cluster]:
    """The deployed cluster, healthy at the beginning of each test and repaired at its end."""
    deployed.wait_healthy()
    yield deployed
    deployed.repair()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the lab looked like, and a test can ask whether it has failed (``item.failed``)."""
    report = yield
    item.failed = report.failed or getattr(item, "failed", False)  # type: ignore[attr-defined]
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab is not None:
        report.sections.append(("status of the lab", json.dumps(api.status(lab), indent=2)))
        for name in lab.topology.names:
            try:
                text = api.ssh(lab, name, JOURNAL, check=False, timeout=30)
            except api.LabError as exc:
                text = str(exc)
            report.sections.append((f"journal and kernel of {name}", text))
    return report
