"""A drbdadm that fails repeats the command that failed, with the shared secret: nobody gets to see it."""

from __future__ import annotations

import ast
import os
import traceback

import machines
import pytest
from minion import load
from storage_nodes import Disk, Metadata
from storage_world import SECRET, World

from hamysql.errors import CommandFailed
from hamysql.storage.drbd import drbdadm
from hamysql.storage.latch import Latch, Stage
from hamysql.system import command, root
from hamysql.system.command import Result
from support import ROOT

# What drbdadm of drbd-utils 9.22 says when the kernel refuses an option.
SAID = (
    "Command '/lib/drbd/drbdsetup-84 net-options ipv4:10.77.1.11:7788 ipv4:10.77.1.12:7788 --set-defaults --protocol=C"
    " --cram-hmac-alg=sha256 --shared-secret={} --ping-int=3' terminated with exit code 10\n"
)


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """A drbdadm of this machine that fails so, about a secret."""

    def make(secret):
        program = tmp_path / "drbdadm"
        (tmp_path / "said").write_text(SAID.format(secret))
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 10\n")
        program.chmod(0o755)
        monkeypatch.setattr(command, "PATH", f"{tmp_path}:{command.PATH}")

    return make


def told(error: BaseException) -> str:
    """All that a log could show of an error."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("secret", [SECRET, "it's a $canary;x"])
def test_the_pillar_s_secret_is_masked_and_the_reason_is_not(failing, secret):
    failing(secret)
    with pytest.raises(
        CommandFailed, match=r"--shared-secret=\*+ --ping-int=3' terminated with exit code 10"
    ) as caught:
        drbdadm.call(command.run, secret, "up", "mysql")
    assert secret not in told(caught.value)
    assert caught.value.returncode == 10


def test_so_is_another_one_that_is_in_the_file_still(failing):
    failing("an older canary")
    with pytest.raises(CommandFailed, match=r"--shared-secret=\*+ --ping-int=3'") as caught:
        drbdadm.call(command.run, SECRET, "up", "mysql")
    assert "canary" not in told(caught.value)


CONFIGURATION = """global { usage-count no; }
resource mysql { device /dev/drbd0; disk /dev/loop7; meta-disk internal;
  on db1 { address 192.0.2.1:7789; } on db2 { address 192.0.2.2:7789; } }
"""


@pytest.mark.parametrize(
    ("called", "told"),
    [("db1", True), (os.uname().nodename.partition(".")[0], False), (None, False)],
    ids=["another host name", "the same", "not known"],
)
def test_a_machine_whose_host_name_was_changed_is_told_how_to_go_on(tmp_path, called, told):
    """With the real drbdadm, to which this machine is none of the two."""
    (tmp_path / "drbd.conf").write_text(CONFIGURATION)
    if called:
        note = tmp_path / drbdadm.NODE.relative_to("/")
        note.parent.mkdir(parents=True)
        note.write_text(f"{called}\n")
    with root.below(tmp_path), pytest.raises(CommandFailed) as caught:
        drbdadm.call(command.run, None, "--config-file", f"{tmp_path}/drbd.conf", "get-gi", "mysql")
    assert ("`hostnamectl set-hostname db1`" in str(caught.value)) is told


def test_what_it_accepts_is_returned_as_it_is(failing):
    failing(SECRET)
    found = drbdadm.call(command.run, SECRET, "get-gi", "mysql", accept=range(256))
    assert (found.returncode, SECRET in found.stderr) == (10, True)


# --- every function that runs it

STEPS = ("create_metadata", "up", "seed", "release")


def broken(world: World, name: str = "db1") -> None:
    """From now on drbdadm fails on a node, unless it only reads."""
    module = world.nodes[name].modules["hamysql_drbd"]
    module.run = spoilt(module.run)


def spoilt(run):
    def call(argv, **how):
        if argv[0] == "drbdadm" and "get-gi" not in argv:
            raise CommandFailed(argv, 10, SAID.format(SECRET))
        return run(argv, **how)

    return call


def masked(caught) -> bool:
    return "--shared-secret=***" in str(caught.value) and SECRET not in told(caught.value)


@pytest.mark.parametrize("verb", STEPS)
def test_a_verb_of_drbd_does_not_tell_it(verb):
    world = World()
    for step in STEPS[: STEPS.index(verb)]:
        for name in ("db1", "db2") if step in ("create_metadata", "up") else ("db1",):
            world.perform(name, step)
    broken(world)
    with pytest.raises(CommandFailed) as caught:
        world.perform("db1", verb)
    assert masked(caught)


def test_skipping_the_first_synchronisation_does_not_tell_it():
    world = World()
    for step, arguments in (("create_metadata", {"run_id": "7"}), ("up", {})):
        for name in ("db1", "db2"):
            world.perform(name, step, **arguments)
    broken(world)
    with pytest.raises(CommandFailed) as caught:
        world.perform("db1", "skip_initial_sync", run_id="7")
    assert masked(caught)


def test_rejoining_does_not_tell_it():
    world = World()
    node = world.nodes["db1"]
    node.disk = Disk(metadata=Metadata("e7c4c235a46d231d", disk="Diskless"))
    node.latch, node.up = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, "e7c4c235a46d231d"), True
    broken(world)
    with pytest.raises(CommandFailed) as caught:
        world.perform("db1", "rejoin")
    assert masked(caught)


@pytest.mark.parametrize("verb", ["relax", "restore"])
def test_a_verb_of_fencing_does_not_tell_it(verb, tmp_path):
    machines.put(tmp_path / "proc/drbd", "version: 9.2.8 (api:2/proto:86-121)\n")
    module = load("_modules/hamysql_fencing.py", "fencing_that_fails")
    module.run = spoilt(lambda argv, **how: Result(0, '[{"name": "mysql", "role": "Secondary"}]'))
    drbd = {"resource": "mysql", "minor": 0, "shared_secret": SECRET}
    module.__salt__ = {"hamysql.config": lambda: {"storage": {"backend": "drbd", "drbd": drbd}}}
    with root.below(tmp_path), pytest.raises(CommandFailed) as caught:
        getattr(module, verb)()
    assert masked(caught)


def test_no_module_runs_it_otherwise():
    for path in sorted([*(ROOT / "_modules").glob("*.py"), *(ROOT / "_utils").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
            first = words[0] if words else None
            if path.name != "drbdadm.py":
                assert not (isinstance(first, ast.Constant) and first.value == "drbdadm"), f"{path}:{node.lineno}"
