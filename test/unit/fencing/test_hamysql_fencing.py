"""The module's verbs on one node, with commands that fail."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import machines
import pytest
from minion import load

from hamysql.cib import kept
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.fencing import proving
from hamysql.system import root, wait
from hamysql.system.command import Result

EMPTY = "<cib><configuration><resources/></configuration></cib>"


class Commands:
    """Stands for ``run``: remembers the command lines; those that contain one of ``fails`` fail."""

    def __init__(self, *fails):
        self.fails, self.log = fails, []

    def __call__(self, argv, **_):
        line = " ".join(argv)
        self.log.append(line)
        if any(part in line for part in self.fails):
            raise CommandFailed(argv, 1, f"no luck with {argv[-1]}")
        return Result(0, EMPTY if argv[0] == "cibadmin" else "")


@pytest.fixture
def fencing(resolve, pillar):
    """The module on db2, with the commands that fail."""

    def make(*fails, favoured="db2"):
        module = load("_modules/hamysql_fencing.py", "hamysql_fencing_module")
        module.run = Commands(*fails)
        given = pillar("fenced")
        given["fencing"]["favoured"] = favoured
        site = resolve(given, minion_id="db2", nodename="db2")
        module.__salt__ = {"hamysql.config": lambda: site}
        return module

    return make


SHOT = "stonith_admin --reboot db1"
BACK = [
    f"crm_resource --resource p_fence_db1_{number} --meta --delete-parameter target-role --nvpair hamysql-proving-p_fence_db1_{number}"
    for number in (2, 3)
]


def test_the_devices_of_other_levels_are_out_of_use_meanwhile(fencing):
    module = fencing()
    assert module.prove("db1", 1) >= 0
    _, *log = module.run.log
    out, shot, back = log[:3], log[3], log[4:]
    assert all("p_fence_db1_" in line and "Stopped" in line for line in out[:2])
    assert shot.startswith(SHOT)
    assert [line for line in out + back if "--wait" in line] == [out[2], back[2]]
    assert back[:2] == BACK


@pytest.mark.parametrize(("favoured", "seconds"), [("db2", 9.0), ("db1", 2.0)])
def test_what_a_device_took_is_without_the_head_start(fencing, monkeypatch, favoured, seconds):
    module = fencing(favoured=favoured)
    clock = iter((100.0, 109.0))
    monkeypatch.setattr(proving, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert module.prove("db1", 1) == seconds


@pytest.mark.parametrize("fails", [(SHOT,), ("Stopped",), (SHOT, "--wait")])
def test_whatever_fails_all_devices_are_back_in_use_and_the_result_is_the_first_failure(fencing, fails):
    module = fencing(*fails)
    with pytest.raises(CommandFailed) as caught:
        module.prove("db1", 1)
    assert [line for line in module.run.log if "--delete-parameter" in line] == BACK
    assert any(part in " ".join(caught.value.argv) for part in (*fails, "--wait"))


def test_a_wait_that_fails_afterwards_does_not_hide_that_the_node_was_fenced(fencing):
    module = fencing()
    waits = []

    def run(argv, **_):
        if "--wait" in argv:
            waits.append(argv)
            if len(waits) == 2:
                raise CommandFailed(argv, 124, "timed out")
        return Result(0, EMPTY if argv[0] == "cibadmin" else "")

    module.run = run
    assert module.prove("db1", 1) >= 0
    assert len(waits) == 2


@pytest.mark.parametrize(("more", "outcome"), [((), "db1 was fenced"), ((SHOT,), "stonith_admin --reboot db1")])
def test_a_device_that_stays_out_of_use_is_named_with_the_result_and_the_next_is_put_back(fencing, more, outcome):
    module = fencing(BACK[0], *more)
    with pytest.raises(NotReady) as caught:
        module.prove("db1", 1)
    assert outcome in str(caught.value)
    assert f"p_fence_db1_2, until `{BACK[0]}` succeeds" in str(caught.value)
    assert "p_fence_db1_3" not in str(caught.value)
    assert BACK[1] in module.run.log


def killed(fencing, monkeypatch):
    """The command lines of a test that is killed while a node is being fenced."""
    module = fencing()

    def run(argv, **_):
        module.log.append(list(argv))
        if argv[0] == "stonith_admin":
            raise SystemExit
        return Result(0, EMPTY if argv[0] == "cibadmin" else "")

    module.run, module.log = run, []
    with monkeypatch.context() as patched:
        patched.setattr(proving, "back_into_use", lambda run, names: [])  # nobody is there any more to do it
        with pytest.raises(SystemExit):
            module.prove("db1", 1)
    return [argv for argv in module.log if "--set-parameter" in argv]


def device(name, pair=""):
    meta = f'<meta_attributes id="{name}-meta_attributes">{pair}</meta_attributes>'
    return f'<primitive id="{name}" class="stonith" type="fence_apc">{meta if pair else ""}</primitive>'


def test_what_a_killed_test_has_left_is_told_from_an_operators_decision_and_undone(fencing, monkeypatch):
    marks = {argv[2]: argv[argv.index("--nvpair") + 1] for argv in killed(fencing, monkeypatch)}
    assert list(marks) == ["p_fence_db1_2", "p_fence_db1_3"]
    pair = '<nvpair id="{}" name="target-role" value="Stopped"/>'
    text = device("p_fence_db2", pair.format("p_fence_db2-meta_attributes-target-role"))
    text += "".join(device(name, pair.format(mark)) for name, mark in marks.items())
    module = fencing()
    module.log = []

    def run(argv, **_):
        module.log.append(" ".join(argv))
        cib = f"<cib><configuration><resources>{text}</resources></configuration></cib>"
        return Result(0, cib if argv[0] == "cibadmin" else "")

    module.run = run
    assert module.mend() == list(marks)
    assert [line for line in module.log if "--delete-parameter" in line] == BACK


def proc(role):
    """What the kernel module says of a replica that is up, and has not seen its peer."""
    return f"version: 8.4.11 (api:1/proto:86-101)\n 0: cs:WFConnection ro:{role}/Unknown ds:Consistent/DUnknown C r-----\n    oos:0\n"


@pytest.fixture
def alone(resolve, pillar, evidence, monkeypatch, tmp_path):
    """The module on db2, which has come back alone; ``module.done`` is what was done to the node, in its order."""

    def make(*, device, votes, total=1, quorate=()):
        module = load("_modules/hamysql_fencing.py", "hamysql_fencing_alone")
        given = pillar("fenced")
        given["quorum"] = {"device": {"minion_id": "qd1", "address": "192.0.2.13"} if device else {}}
        site = resolve(given, minion_id="db2", nodename="db2")
        module.done, looks, replicas = [], list(quorate), tmp_path / "proc/drbd"

        def did(what):
            return lambda *_, **__: module.done.append(what)

        def corosync():
            seen = {"running": True, "total_votes": total, "needed_votes": 2 if device else 1}
            return {**seen, "quorate": looks.pop(0) if looks else False}

        def run(argv, **_):
            module.done.append(" ".join(argv[:2]))
            if argv[:2] == ["drbdadm", "up"]:
                machines.put(replicas, proc("Secondary"))
            if argv[:2] == ["drbdadm", "primary"]:
                machines.put(replicas, proc("Primary"))
            return Result(0, "")

        module.run = run
        module.evidence = lambda: {**evidence, "votes": votes}
        monkeypatch.setitem(wait.until.__kwdefaults__, "clock", itertools.count(step=10**6).__next__)
        monkeypatch.setitem(wait.until.__kwdefaults__, "sleep", lambda seconds: None)
        machines.put(replicas, "version: 8.4.11 (api:1/proto:86-101)\n")
        module.__salt__ = {
            "hamysql.config": lambda: site,
            "hamysql_cluster.start": did("start"),
            "hamysql_cluster.status": lambda: {"dc": "db2", "running": True},
            "hamysql_cluster.corosync": corosync,
            "hamysql_quorum.start": did("start qdevice"),
        }
        return module

    with root.below(tmp_path):
        yield make


CONFIRMED = [
    *("modprobe drbd", "drbdadm up", "stonith_admin --confirm", "drbdsetup disk-options", "drbdadm primary"),
    *("drbdadm secondary", "drbdadm adjust"),
    "corosync-cmapctl -s",
]


def test_a_node_that_waits_for_its_peer_alone_takes_over(alone):
    module = alone(device=False, votes={"total": 1, "needed": 1}, quorate=[True])
    assert module.take_over() is True
    assert module.done == ["start", *CONFIRMED]


def test_with_a_quorum_device_that_is_gone_as_well_nothing_is_declared_off(alone):
    module = alone(device=True, votes={"total": 1, "needed": 2})
    with pytest.raises(Refused, match="1 of the 2 votes that are needed, and the quorum device gives none"):
        module.take_over()
    assert module.done == []


def test_nor_where_that_is_only_seen_once_the_cluster_runs(alone):
    module = alone(device=True, votes={})
    with pytest.raises(NotReady, match="1 of the 2 votes"):
        module.take_over()
    assert module.done == ["start", "start qdevice"]


def test_a_quorum_device_that_votes_is_enough(alone):
    module = alone(device=True, votes={}, total=2, quorate=[True, True])
    assert module.take_over() is True
    assert module.done == ["start", "start qdevice", *CONFIRMED]


def test_no_quorum_in_the_end_is_no_success(alone):
    with pytest.raises(NotReady, match="this node is quorate; seen last: it has the votes, and is not quorate"):
        alone(device=False, votes={"total": 1, "needed": 1}).take_over()


SBD = "# Managed by Salt: the options of sbd's unit (/etc/default/sbd)\nSBD_DEVICE=/dev/sdz\n"
PILLS = '<cib><primitive id="p_fence_db1_2" type="fence_sbd"/></cib>'
DEVICE = (
    '<cib><primitive id="p_fence_db1_4" type="fence_apc"><instance_attributes>'
    '<nvpair name="password" value="lrm://"/></instance_attributes></primitive></cib>'
)


@pytest.fixture
def left_behind(resolve, pillar, tmp_path, monkeypatch):
    """The module on db2 after its fourth device and sbd have left the pillar; what cibadmin answers is given."""
    monkeypatch.setattr("hamysql.fencing.devices.SECRETS", str(tmp_path / "secrets"))

    def make(code=105, cib="", sbd=SBD):
        module = load("_modules/hamysql_fencing.py", "hamysql_fencing_left")
        for name in ("p_fence_db1/password", "p_fence_db1_4/password", "p_fence_db1_4/password.sign"):
            (tmp_path / "secrets" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "secrets" / name).touch()
        (tmp_path / "sbd").write_text(sbd)
        site = resolve(pillar("fenced"), minion_id="db2", nodename="db2")
        site["fencing"]["sbd_file"] = str(tmp_path / "sbd")
        module.ran = []

        def run(argv, accept=(0,), **_):
            module.ran.append(" ".join(argv))
            result = Result(code, cib) if argv[0] == "cibadmin" else Result(0, "")
            if result.returncode not in accept:
                raise CommandFailed(argv, code, "no")
            return result

        module.run = run
        module.__salt__ = {"hamysql.config": lambda: site, "service.enabled": lambda unit: unit == "sbd"}
        return module

    with root.below(tmp_path):
        yield make


def secrets(tmp_path):
    return sorted(path.parent.name for path in (tmp_path / "secrets").glob("*/password"))


@pytest.mark.parametrize(
    ("answer", "file", "keeps"),
    [
        ((0, DEVICE), None, "secret"),
        ((0, PILLS), None, "sbd"),
        ((102, ""), DEVICE, "secret"),  # pacemaker is stopped
        ((105, ""), PILLS, "sbd"),
        ((0, "<cib/>"), PILLS, "nothing"),
        ((105, ""), None, "nothing"),
        ((1, ""), None, "both"),  # nobody can say
    ],
)
def test_what_left_the_pillar_stays_while_the_cluster_can_need_it(left_behind, tmp_path, answer, file, keeps):
    module = left_behind(*answer)
    if file:
        machines.put(root.at(kept.FILE), file)
    found = module.unused()
    assert bool(found["files"]) is (keeps not in ("secret", "both"))
    assert bool(found["units"]) is (keeps not in ("sbd", "both"))


def test_what_is_unused_is_removed_once(left_behind, tmp_path):
    module = left_behind()
    gone = f"{tmp_path}/secrets/p_fence_db1_4/password"
    assert module.forget() == [gone, f"{gone}.sign", "sbd.service at boot"]
    assert secrets(tmp_path) == ["p_fence_db1"]
    assert module.ran[-1] == "systemctl disable sbd"
    module.__salt__["service.enabled"] = lambda _: False
    assert module.forget() == []


def test_an_sbd_of_somebody_elses_is_left_alone(left_behind):
    assert left_behind(sbd="SBD_DEVICE=/dev/sdz\n").unused()["units"] == []


def test_where_nothing_is_left_nobody_is_asked(left_behind, tmp_path):
    module = left_behind(sbd="")
    for path in (tmp_path / "secrets").glob("p_fence_db1_4/*"):
        path.unlink()
    assert module.unused() == {"files": [], "units": []}
    assert module.ran == []


@pytest.mark.parametrize(("code", "told"), [(0, True), (3, False)], ids=["runs", "does not run"])
def test_a_multipathd_that_runs_reads_the_key(code, told):
    module = load("_modules/hamysql_fencing.py", "hamysql_fencing_key")
    called = []

    def run(argv, **given):
        called.append(argv)
        assert argv[0] != "systemctl" or code in given["accept"]
        return Result(code if argv[0] == "systemctl" else 0, "")

    module.run = run
    assert module.read_key() is told
    assert (["multipathd", "reconfigure"] in called) is told
