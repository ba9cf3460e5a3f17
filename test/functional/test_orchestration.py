"""The orchestration's first phase and the runner, on a real master with two real minions.

Both minions run on this machine, as db1 and db2 (``nodename`` is a grain of their configuration). What needs a cluster is not
tested here, and nothing may be applied to this machine: ``state`` is disabled in the minions.
"""

from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import salt.client
import salt.config
import salt.pillar
import salt.runner
import yaml
from salt_node import serve

from hamysql.errors import HamysqlError
from hamysql.master import progress
from hamysql.master.deployment import say
from hamysql.master.salt import Lock, Master
from support import load_pillar

QUIET = {
    "enable_gpu_grains": False,
    "enable_fqdns_grains": False,
    "fileserver_interval": 3600,
    "log_level": "warning",
    "log_level_logfile": "warning",
}
LATER = [
    "hamysql-nodes-configured",
    "hamysql-storage-initialised",
    "hamysql-cluster-online",
    "hamysql-resources-managed",
    "hamysql-changes-rolled",
    "hamysql-service-answering",
    "hamysql-accounts-managed",
    "hamysql-summarised",
]
# What phase one may run on a member: it brings the modules and the pillar, and looks.
HARMLESS = {"test.ping", "saltutil.sync_all", "saltutil.refresh_pillar", "hamysql_node.survey", "saltutil.find_job"}
# What `hamysql.propose` asks two machines; nothing of it changes anything.
HARMLESS |= {f"hamysql_proposal.{name}" for name in ("look", "reached", "taken", "understood")}


class Site:
    """The master, what its minions' pillars are, and what is run on the master.

    Runners run in a child of this process, as they do in one of ``salt-run``: all that is left out is the loading of Python
    and Salt, which takes longer than most tests.
    """

    def __init__(self, master, folder: Path) -> None:
        self.master, self.folder, self.pillar = master, folder, folder / "pillar"
        self.opts = salt.config.master_config(str(Path(master.config["conf_file"])))
        self.default = {name: pillar(folder) for name in ("db1", "db2")}
        # An accepted minion that is down, and whose pillar says that it forms another cluster with db1.
        self.default["gone"] = pillar(folder, name="half", nodes={"db1": {"minion_id": "db1"}, "gone": {}})
        self.pillar.mkdir(exist_ok=True)
        (self.pillar / "top.sls").write_text(yaml.safe_dump({"base": {name: [name] for name in self.default}}))
        self.give()

    def give(self, **pillars) -> None:
        """Other pillars than the default ones, until the end of the test; ``None``: none at all."""
        for name, content in {**self.default, **pillars}.items():
            text = {} if content is None else {"hamysql": content}
            (self.pillar / f"{name}.sls").write_text(yaml.safe_dump(text, sort_keys=False))

    def start(self, work: Callable[..., Any], *arguments: Any) -> Child:
        """``work(opts, *arguments)`` in a child."""
        return Child(work, copy.deepcopy(self.opts), *arguments)

    def run(self, function: str, **arguments: Any) -> Any:
        """What a runner returns, or its words where it fails."""
        return self.start(_runner, function, arguments).result()

    def operation(self, sls: str, **pillar: str) -> Outcome:
        arguments = {"mods": sls, "pillar": {"hamysql_cluster": "galaxy-db", **pillar}}
        return Outcome(self.start(_runner, "state.orchestrate", arguments).result())

    def orchestrate(self, cluster: str | None = "galaxy-db", **arguments: Any) -> Outcome:
        return Outcome(self.start(_orchestrate, cluster, arguments).result())

    def fire(self, cluster: str, *events: dict[str, Any]) -> None:
        self.start(_fire, cluster, events).result()

    def follow(self, cluster: str) -> Child:
        """A follower that listens already: it has printed an event."""
        follower = self.start(_runner, "hamysql.follow", {"cluster": cluster, "timeout": 100})
        deadline = time.monotonic() + 60
        while not follower.printed():
            assert time.monotonic() < deadline, "the follower shows nothing"
            self.fire(cluster, {"state": "step", "phase": "members", "text": "is anybody there?"})
            follower.wait_for_output(0.2)
        return follower

    def functions_run(self) -> set[str]:
        """Everything that the minions were ever told to do."""
        jobs = self.run("jobs.list_jobs").values()
        return {job["Function"] for job in jobs if not job["Function"].startswith("runner.")}


class Child:
    """A forked process: its return, and what it prints."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        fork = multiprocessing.get_context("fork")
        self._pipe, far = fork.Pipe()
        self._output, write = os.pipe()
        self._text = ""
        self._process = fork.Process(target=_child, args=(far, write, work, arguments), daemon=True)
        self._process.start()
        far.close()
        os.close(write)

    def result(self, timeout: float = 120) -> Any:
        assert self._pipe.poll(timeout), f"not done after {timeout} s; printed: {self.printed()}"
        try:
            done, value = self._pipe.recv()
        except EOFError:
            done, value = False, f"the process is gone; printed: {self.printed()}"
        self._process.join(30)
        assert done, value
        return value

    def wait_for_output(self, timeout: float) -> bool:
        return bool(select.select([self._output], [], [], timeout)[0])

    def printed(self) -> str:
        while self.wait_for_output(0) and (read := os.read(self._output, 65536)):
            self._text += read.decode()
        return self._text

    def end(self) -> None:
        self._process.kill()
        self._process.join(30)


def _child(pipe: Any, write: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    logging.disable()  # pytest's streams are closed here
    os.dup2(write, 1)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    try:
        pipe.send((True, work(*arguments)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    sys.stdout.flush()
    os._exit(0)


def _runner(opts: dict[str, Any], function: str, arguments: dict[str, Any], whole: bool = False) -> Any:
    return salt.runner.RunnerClient(opts).cmd(function, kwarg=arguments, print_event=False, full_return=whole)


def _orchestrate(opts: dict[str, Any], cluster: str | None, arguments: dict[str, Any]) -> Any:
    chosen = {"pillar": {"hamysql_cluster": cluster}} if cluster else {}
    return _runner(opts, "state.orchestrate", {"mods": "hamysql.orch", **chosen, **arguments})


def _fire(opts: dict[str, Any], cluster: str, events: tuple[dict[str, Any], ...]) -> None:
    bus = Master(opts)
    for event in events:
        bus.fire(cluster, event)


def _begin_and_wait(opts: dict[str, Any]) -> None:
    say(Master(opts), "galaxy-db", "7", "start", "members", "")
    time.sleep(600)


def _ask(opts: dict[str, Any], function: str, arguments: dict[str, Any]) -> Any:
    return Master(opts).members("galaxy-db").ask(function, **arguments)


def _ask_a_busy_one(opts: dict[str, Any], pids: list[int], seconds: float) -> Any:
    """Ask both minions once more after one of them has stopped to do anything, for some seconds."""
    members = Master(opts).members("galaxy-db")
    members.ask("test.ping")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    awake = threading.Timer(seconds, lambda: [os.kill(pid, signal.SIGCONT) for pid in pids])
    awake.start()
    try:
        return members.ask("test.ping", patience=1)
    finally:
        awake.join()


class Outcome:
    """The return of an orchestration, by state id."""

    def __init__(self, returned: Any) -> None:
        self.code = returned["retcode"]
        (states,) = returned["data"].values()
        self.states = {state["__id__"]: state for state in states.values()}
        self.first = next(iter(self.states.values()))

    def assert_stopped_at_once(self) -> str:
        """It failed in the phase "members", no later phase ran, nothing changed; returns why."""
        assert self.code != 0
        assert self.first["result"] is False
        assert list(self.states)[1:] == LATER
        for name in LATER:
            assert self.states[name]["result"] is False
            assert "requisite failed" in self.states[name]["comment"]
        assert not any(state["changes"] for state in self.states.values())
        return self.first["comment"]


def pillar(folder: Path, name: str = "galaxy-db", nodes=None) -> dict:
    """The least pillar, for a cluster of this name."""
    content = load_pillar("minimal")
    nodes = nodes or {"db1": {}, "db2": {}}
    addresses = iter(["192.0.2.11", "192.0.2.12"])
    content["cluster"] = {
        "name": name,
        "nodes": {
            node: {"addresses": [next(addresses)], "disk": f"/dev/disk/by-path/{folder.name}-{node}", **options}
            for node, options in nodes.items()
        },
    }
    return content


@pytest.fixture(scope="module")
def running(salt_factories, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("orchestration")
    master = salt_factories.salt_master_daemon(
        "orchestration-master",
        defaults={
            **QUIET,
            "interface": "127.0.0.1",
            "file_roots": {"base": [str(serve(folder / "states"))]},
            "pillar_roots": {"base": [str(folder / "pillar")]},
            "gather_job_timeout": 3,
            "auto_accept": True,
            "worker_threads": 3,
        },
    )
    site = Site(master, folder)
    minions = [
        master.salt_minion_daemon(
            name,
            defaults={**QUIET, "grains": {"nodename": name}, "multiprocessing": False},
            overrides={"disable_modules": ["state"]},
        )
        for name in ("db1", "db2")
    ]
    with master.started(), ThreadPoolExecutor() as threads:
        try:
            assert all(threads.map(lambda minion: minion.start(), minions))
            accepted = Path(master.config["pki_dir"]) / "minions"
            (accepted / "gone").write_bytes((accepted / "db1").read_bytes())
            site.run("saltutil.sync_all")
            site.minions = minions
            site.extension_modules = [Path(minion.config["extension_modules"]) for minion in minions]
            yield site
        finally:
            list(threads.map(lambda minion: minion.terminate(), minions))


@pytest.fixture
def site(running) -> Iterator[Site]:
    yield running
    running.give()


@pytest.fixture(scope="module", autouse=True)
def half(running) -> Iterator[SimpleNamespace]:
    """The orchestration of a cluster with a member that is down: it takes its time to be sure, beside the other tests."""
    follower = running.follow("half")
    words = ["state.orchestrate", "hamysql.orch", f"pillar={json.dumps({'hamysql_cluster': 'half'})}", "--out=json"]
    argv = [
        sys.executable,
        running.master.salt_run_cli().get_script_path(),
        f"--config-dir={running.master.config_dir}",
    ]
    orchestration = subprocess.Popen(
        [*argv, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield SimpleNamespace(follower=follower, orchestration=orchestration)
    follower.end()
    orchestration.kill()
    orchestration.wait(30)


# --- which cluster


def test_the_members_are_found_in_the_pillars(site):
    assert site.run("hamysql.members", cluster="galaxy-db") == {"db1": "db1", "db2": "db2"}
    assert site.run("hamysql.members", cluster="half") == {"db1": "db1", "gone": "gone"}


def _members(opts: dict[str, Any], cluster: str) -> tuple[dict[str, str], list[str]]:
    """The members of a cluster, and whose pillars were compiled for that."""
    compiled = []

    class Pillar(salt.pillar.Pillar):
        def __init__(self, opts, grains, minion_id, saltenv):
            compiled.append(minion_id)
            super().__init__(opts, grains, minion_id, saltenv)

    salt.pillar.Pillar = Pillar  # in a child of this process
    return dict(Master(opts).members(cluster).minions), sorted(compiled)


def test_a_cluster_that_is_named_costs_the_pillars_of_its_own_members(site):
    site.start(_ask, "saltutil.refresh_pillar", {"wait": True, "timeout": 30}).result()
    members, compiled = site.start(_members, "galaxy-db").result()
    assert members == {"db1": "db1", "db2": "db2"}
    assert compiled == ["db1", "db2"]


def test_a_cluster_that_the_masters_cache_does_not_know_is_found_all_the_same(site):
    members, compiled = site.start(_members, "half").result()
    assert members == {"db1": "db1", "gone": "gone"}
    assert set(compiled) == {"db1", "db2", "gone"}
    renamed = {name: pillar(site.folder, name="renamed") for name in ("db1", "db2")}
    site.give(**renamed)
    assert site.start(_members, "renamed").result()[0] == {"db1": "db1", "db2": "db2"}
    words = site.run("hamysql.members", cluster="galaxy-db")
    assert words == "no accepted minion has a pillar for the cluster 'galaxy-db'; there is: half, renamed"


def test_more_than_one_cluster_needs_a_name(site):
    sentence = (
        'this master has more than one cluster (galaxy-db, half): name one with pillar=\'{"hamysql_cluster": "NAME"}\''
    )
    assert site.orchestrate(None).assert_stopped_at_once() == sentence


# --- minions that have never had the formula: nothing may be synchronised before


def test_preflight_brings_the_formula_to_minions_that_are_new(site):
    told = site.run("hamysql.preflight", cluster="galaxy-db")
    assert [finding for finding in told if "not available" in finding] == []
    assert [f"{node}: found no address 192.0.2.1{n}" in "".join(told) for n, node in ((1, "db1"), (2, "db2"))] == [
        True
    ] * 2


# --- what stops a deployment before anything is touched


def test_a_wrong_pillar_is_told_completely_with_path_and_minion(site):
    wrong = copy.deepcopy(site.default["db2"])
    wrong["vip"]["adress"] = wrong["vip"].pop("address")
    wrong["storage"]["drbd"]["port"] = 99999
    site.give(db2=wrong)
    why = site.orchestrate().assert_stopped_at_once()
    assert why.startswith("db2 (minion db2): hamysql_node.survey: ")
    assert "db1 (minion" not in why
    for path in ("hamysql:vip:adress", "hamysql:vip:address", "hamysql:storage:drbd:port"):
        assert f"- {path}: found" in why


def test_missing_disks_are_all_named_in_test_mode_too(site):
    why = site.orchestrate(test=True).assert_stopped_at_once()
    assert [f"-{node}: there is no such block device" in why for node in ("db1", "db2")] == [True, True]
    # This machine has neither the nodes' addresses nor their link; all of it is one error.
    for node, address in (("db1", "192.0.2.11"), ("db2", "192.0.2.12")):
        assert f"  - {node}: found no address {address} on any interface" in why
    *told, warning = site.run("hamysql.preflight", cluster="galaxy-db")
    assert warning.startswith("WARNING: db1: found one link between the nodes")
    assert warning.removeprefix("WARNING: ") not in why
    assert "\n".join(told).splitlines()[-2:] == why.splitlines()[-2:]
    assert all(f"  - {finding}" in why for finding in told[:-1])


def test_the_plan_is_told_by_its_phases_up_to_the_one_that_refuses(site):
    text = site.run("hamysql.plan", cluster="galaxy-db")
    first, *rest = text.splitlines()
    assert first.startswith("members: FAILED: preflight has found")
    assert all(line.startswith("    ") for line in rest)
    assert "192.0.2.11" in text


@pytest.mark.parametrize(
    ("sls", "pillar", "why"),
    [
        ("switchover", {"hamysql_to": "db2"}, "db1: pacemaker does not run"),
        ("switchover", {}, "the nodes are db1 and db2, and no node serves"),
        ("maintenance", {"hamysql_drain": "db2"}, "pacemaker runs on no node"),
        ("maintenance", {"hamysql_return": "db2"}, "pacemaker runs on no node"),
        ("maintenance", {"hamysql_return": "db2", "hamysql_drain": "db2"}, "taken out or taken back"),
    ],
)
def test_an_operation_on_a_cluster_that_does_not_run_touches_nothing(site, sls, pillar, why):
    outcome = site.operation(f"hamysql.orch.{sls}", **pillar)
    assert outcome.code != 0
    assert outcome.first["result"] is False
    assert why in outcome.first["comment"]
    assert not any(state["changes"] for state in outcome.states.values())


def test_a_second_orchestration_is_refused_and_names_the_first(site):
    lock = Lock(site.opts, "galaxy-db", "20260131120000000000")
    try:
        why = site.orchestrate().assert_stopped_at_once()
    finally:
        lock.release()
    assert why == "another orchestration of galaxy-db is running: job 20260131120000000000; wait for it to end"


HOLD = """
import sys
from hamysql.master.salt import Lock
lock = Lock({"cachedir": sys.argv[1]}, "galaxy-db", "1")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_does_not_outlive_its_holder_and_is_for_one_cluster(tmp_path):
    where = {"cachedir": str(tmp_path)}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HamysqlError, match="job 1; wait"):
            Lock(where, "galaxy-db", "2")
        Lock(where, "another-db", "3")
    finally:
        holder.kill()
        holder.wait(30)
    with Lock(where, "galaxy-db", "20"), pytest.raises(HamysqlError, match="job 20; wait"):
        Lock(where, "galaxy-db", "4")


def test_a_minion_with_older_code_in_memory_is_named(site, running):
    """The same new version is on the disks of the master and of both minions, and in the memory of none of them."""
    folders = [Path(site.opts["extension_modules"]), *running.extension_modules]
    files = [folder / "utils" / "hamysql" / "system" / "wait.py" for folder in folders]
    texts = [file.read_text() for file in files]
    try:
        for file, text in zip(files, texts, strict=True):
            file.write_text(f"{text}# another version\n")
        why = site.orchestrate().assert_stopped_at_once()
    finally:
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
    assert why.startswith("db1 (minion db1) keeps an older version of hamysql in memory: restart its minion")
    assert "`salt db1 service.restart salt-minion no_block=True`" in why


UNKNOWN = "no accepted minion has a pillar for the cluster 'galaxi-db'; there is: galaxy-db, half"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        *((name, {}) for name in ("members", "status", "survey", "preflight", "steps", "fence_test")),
        ("take_over", {"node": "db1"}),
        ("secrets", {"path": "made.sls"}),
    ],
)
def test_a_runner_that_refuses_is_a_sentence_and_a_failed_job(site, function, arguments):
    arguments = {"cluster": "galaxi-db", **arguments}
    if "path" in arguments:
        arguments["path"] = str(site.pillar / arguments["path"])
    done = site.start(_runner, f"hamysql.{function}", arguments, True).result()
    assert (done["return"], done["success"], done["retcode"]) == (UNKNOWN, False, 1)


def test_salt_run_prints_the_sentence_and_exits_with_an_error(site):
    argv = [sys.executable, site.master.salt_run_cli().get_script_path(), f"--config-dir={site.master.config_dir}"]
    done = subprocess.run(
        [*argv, "hamysql.status", "galaxi-db"], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.stdout.strip(), done.returncode) == (UNKNOWN, 1)


def _salt_run(site, *words: str) -> list[str]:
    script = site.master.salt_run_cli().get_script_path()
    return [sys.executable, script, f"--config-dir={site.master.config_dir}", *words]


def test_the_status_is_words_for_people_data_for_programs_and_an_exit_code(site):
    """Nothing of a cluster runs here: it is down, and salt-run says so with 2."""
    words, data = (
        subprocess.run(
            _salt_run(site, "hamysql.status", "galaxy-db", *out),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        for out in ([], ["--out=json"])
    )
    assert (words.returncode, data.returncode) == (2, 2)
    first, second, *rest = words.stdout.splitlines()
    assert first.startswith("galaxy-db is down: the database answers on no node")
    assert second == ""
    assert "retcode" not in words.stdout
    assert [line for line in rest if line.startswith("VIP")] == ["VIP       192.0.2.100/24 on no node"]
    found = json.loads(data.stdout)
    assert (found["state"], found["retcode"]) == ("down", 2)
    assert [node["role"] for node in found["nodes"].values()] == ["stopped", "stopped"]


def test_a_watched_status_ends_with_what_was_seen_last(site):
    watching = subprocess.Popen(
        _salt_run(site, "hamysql.status", "galaxy-db", "watch=1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        seen = 0
        for line in watching.stdout:
            seen += line.startswith("galaxy-db is down")
            if seen == 2 and line.startswith("Every 1 s"):
                break
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=60)
    finally:
        watching.kill()
        watching.wait(30)
    assert watching.returncode == 2
    assert "Traceback" not in rest


def test_from_two_minions_to_a_pillar_that_is_refused_until_it_is_filled_in(site):
    """Both minions run on this machine, so that no address of the one reaches the other: there is more to fill in."""
    site.give(db1=None, db2=None)
    path = site.pillar / "proposed.sls"
    try:
        done = site.run("hamysql.propose", node1="db1", node2="db2", path=str(path))
        assert isinstance(done, dict), done
        assert done["file"] == str(path)
        assert done["unfit"][0].startswith("no address of db1 and db2 in one network reaches the other")
        assert not [sentence for sentence in done["unfit"] if "hamysql_proposal" in sentence], done
        assert {"hamysql:vip:address", "hamysql:firewall:client_networks:0"} <= set(done["todo"])
        assert "never overwritten" in site.run("hamysql.propose", node1="db1", node2="db2", path=str(path))
        proposed = yaml.safe_load(path.read_text())["hamysql"]
        assert list(proposed["cluster"]["nodes"]) == ["db1", "db2"]
        site.give(db1=proposed, db2=proposed)
        told = "\n".join(site.run("hamysql.preflight", cluster="db"))
        for missing in done["todo"]:
            assert f"{missing}: found TODO, which nobody has filled in yet" in told
    finally:
        path.unlink(missing_ok=True)


def test_each_cluster_is_one_line(site):
    first, second = site.run("hamysql.clusters")
    assert first.startswith("galaxy-db: down: the database answers on no node")
    assert second.startswith("half: down: ")


# --- real disks


@pytest.fixture
def disks(site, tmp_path) -> Iterator[dict[str, str]]:
    """A small real block device for each node, named in the pillar."""
    found: dict[str, str] = {}
    try:
        for name in ("db1", "db2"):
            image = tmp_path / name
            image.touch()
            os.truncate(image, 16 * 2**20)
            attached = subprocess.run(
                ["losetup", "--find", "--show", image], capture_output=True, text=True, check=False
            )
            if attached.returncode:
                pytest.skip(f"no loop device can be had here: {attached.stderr.strip()}")
            found[name] = attached.stdout.strip()
        changed = copy.deepcopy(site.default["db1"])
        for name, device in found.items():
            changed["cluster"]["nodes"][name]["disk"] = device
        site.give(db1=changed, db2=changed)
        yield found
    finally:
        for device in found.values():
            subprocess.run(["losetup", "--detach", device], check=False)


def test_a_member_that_has_answered_is_waited_for_when_it_is_busy(site):
    first = psutil.Process(site.minions[0].pid)
    pids = [process.pid for process in (first, *first.children(recursive=True))]
    answers = site.start(_ask_a_busy_one, pids, 3 * site.opts["gather_job_timeout"]).result()
    assert answers == {"db1": True, "db2": True}


def test_the_plan_for_two_blank_disks_and_the_refusal_of_one_with_data(site, disks):
    site.start(_ask, "saltutil.refresh_pillar", {"wait": True, "timeout": 30}).result()
    steps = site.run("hamysql.steps", cluster="galaxy-db")
    assert [step.split(":")[0] for step in steps] == [
        "create_metadata on db1, db2",
        "up on db1, db2",
        "wait_connected on db1, db2",
        "skip_initial_sync on db1",
        "seed on db1",
        "make_filesystem on db1",
        "initialise_datadir on db1",
        "release on db1",
        "seal on db1, db2",
    ]
    subprocess.run(["mkfs.ext4", "-q", disks["db2"]], check=True)
    words = site.run("hamysql.steps", cluster="galaxy-db")
    assert "the storage is left alone" in words
    assert f"db2, {disks['db2']}: not blank, and not made by hamysql: ext4 at byte 1080" in words
    assert "db1," not in words


# --- secrets


@pytest.fixture
def keyring(site) -> Iterator[str]:
    """A throw-away key in the keyring that the master's gpg renderer looks into; its user id."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed on this machine")
    home, name = Path(site.opts["conf_file"]).parent / "gpgkeys", "hamysql-test@example.org"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    try:
        subprocess.run([*gpg, "--quick-generate-key", name, "default", "default", "never"], check=True)
        yield name
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
        shutil.rmtree(home)


def _pillars(opts: dict[str, Any]) -> Any:
    return Master(opts).pillars()


def without_secrets(site) -> dict:
    content = copy.deepcopy(site.default["db1"])
    content["corosync"].pop("authkey")
    content["storage"]["drbd"].pop("shared_secret")
    content["mysql"] = {"users": [{"name": "app", "host": "%"}]}
    return content


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "gpg"])
def test_the_secrets_that_a_pillar_lacks_are_made_once_and_rendered_and_told_to_nobody(site, request, encrypted):
    key = {"gpg_key": request.getfixturevalue("keyring")} if encrypted else {}
    given, place = without_secrets(site), site.pillar / f"made-{encrypted}.sls"
    site.give(db1=given, db2=given)
    arguments = {"path": str(place), "cluster": "galaxy-db", **key}
    told = site.run("hamysql.secrets", **arguments)
    paths = ["hamysql:corosync:authkey", "hamysql:storage:drbd:shared_secret", "hamysql:mysql:passwords:app@%"]
    assert told == {"file": str(place), "made": paths}
    assert place.stat().st_mode & 0o777 == 0o600
    text = place.read_text()
    assert "secrets are never overwritten" in site.run("hamysql.secrets", **arguments)
    assert place.read_text() == text

    # Rendered by the master itself, beside the rest of the pillar.
    for node in ("db1", "db2"):
        whole = {"include": [place.stem], "hamysql": given}
        (site.pillar / f"{node}.sls").write_text(yaml.safe_dump(whole, sort_keys=False))
    rendered = site.start(_pillars).result()["db1"]
    made = [rendered["corosync"]["authkey"], rendered["storage"]["drbd"]["shared_secret"]]
    made.append(rendered["mysql"]["passwords"]["app@%"])
    assert [len(secret) for secret in made] == [256, 48, 32]
    assert [secret in text for secret in made] == [not encrypted] * 3
    again = site.run("hamysql.secrets", path=str(site.pillar / "more.sls"), cluster="galaxy-db")
    assert "has all of its secrets" in again
    cache = [path for path in (Path(site.opts["cachedir"]) / "jobs").rglob("*") if path.is_file()]
    assert cache
    log = Path(site.master.config["log_file"])
    assert not [path for path in (*cache, log) for secret in made if secret.encode() in path.read_bytes()]


def test_a_key_that_nobody_has_makes_no_file(site, keyring):
    given, place = without_secrets(site), site.pillar / "made.sls"
    site.give(db1=given, db2=given)
    words = site.run("hamysql.secrets", path=str(place), cluster="galaxy-db", gpg_key="nobody@example.org")
    assert words.startswith("`gpg --homedir ")
    assert "nobody@example.org: skipped" in words
    assert not place.exists()


def test_secrets_are_not_put_where_every_minion_can_read_them(site):
    root = site.opts["file_roots"]["base"][0]
    words = site.run("hamysql.secrets", path=f"{root}/made.sls", cluster="galaxy-db")
    assert "whose files every minion can read" in words


# --- progress


def test_a_follower_prints_every_phase_and_ends_with_the_summary(site):
    follower = site.follow("galaxy-db")
    events = []
    for phase in progress.PHASES:
        events.append({"state": "start", "phase": phase, "text": ""})
        events.append({"state": "end", "phase": phase, "text": "no changes", "seconds": 1.0})
    site.fire("galaxy-db", *events)
    site.fire("another-db", {"state": "failed", "phase": "nodes", "text": "not ours"})
    site.fire(
        "galaxy-db", {"state": "finished", "phase": "summary", "text": "cluster galaxy-db, virtual IP 192.0.2.100"}
    )
    assert follower.result() is True
    shown = follower.printed()
    lines = [line for line in shown.splitlines() if "is anybody there" not in line]
    starts = [line for line in lines if line.startswith("[") and "done in" not in line]
    assert [line.split()[1] for line in starts] == list(progress.PHASES)
    assert [line for line in lines if "done in 1 s: no changes" in line][-1].startswith("[9/9] summary")
    assert "cluster galaxy-db, virtual IP 192.0.2.100" in lines
    assert "not ours" not in shown


def test_a_follower_of_a_cluster_hears_nothing_of_one_whose_name_begins_alike(site):
    follower = site.follow("galaxy")
    site.fire("galaxy-db", {"state": "failed", "phase": "nodes", "text": "not ours"})
    site.fire("galaxy", {"state": "finished", "phase": "summary", "text": "ours"})
    assert follower.result() is True
    assert "not ours" not in follower.printed()


def test_a_follower_ends_with_an_orchestration_that_is_refused_before_it_has_a_cluster(site):
    follower = site.follow("galaxy-db")
    with Lock(site.opts, "galaxy-db", "20260131120000000000"):
        site.orchestrate()
    assert follower.result() is False
    assert "another orchestration of galaxy-db is running: job 20260131120000000000" in follower.printed()
    follower = site.follow("galaxy-db")
    site.orchestrate(None)
    assert follower.result() is False
    assert "this master has more than one cluster" in follower.printed()


def test_a_follower_ends_with_an_orchestration_that_is_killed(site):
    follower = site.follow("galaxy-db")
    orchestration = site.start(_begin_and_wait)
    deadline = time.monotonic() + 60
    while "[1/9]" not in follower.printed():
        assert time.monotonic() < deadline, "the follower shows nothing"
        follower.wait_for_output(1)
    orchestration.end()
    assert follower.result() is False
    assert follower.printed().endswith(
        "the orchestration (job 7) ended without a result: it was killed. Run it again\n"
    )


def test_a_member_that_does_not_answer_is_named_and_a_follower_sees_it(half):
    told, _ = half.orchestration.communicate(timeout=120)
    assert half.orchestration.returncode != 0
    outcome = Outcome(json.loads(told))
    assert outcome.assert_stopped_at_once() == "gone (minion gone) does not answer; is it up, and is its key accepted?"
    assert half.follower.result() is False
    shown = half.follower.printed()
    lines = [line for line in shown.splitlines() if "is anybody there" not in line]
    assert lines[0].startswith("[1/9] members   the pillar, the members and their disks are checked")
    assert lines[1] == "[1/9] members   FAILED: gone (minion gone) does not answer; is it up, and is its key accepted?"


def test_the_only_cluster_needs_no_name(site):
    site.give(gone=None)
    assert site.run("hamysql.members") == {"db1": "db1", "db2": "db2"}


def test_none_of_all_this_has_touched_a_member(site):
    done = site.functions_run()
    assert "hamysql_node.survey" in done
    assert done <= HARMLESS
