"""SELinux: which states there are, and what the policy's own programs make of them, in a store of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from salt_node import SYSTEMS, Node

from support import ROOT, load_pillar

STORE = "/var/lib/selinux/default/active"
needs_policy = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("semanage") or not shutil.which("matchpathcon") or not os.path.exists(STORE),
    reason="needs root, semanage, matchpathcon and a policy (Debian: policycoreutils-python-utils, selinux-utils, "
    "selinux-policy-default)",
)
CONTEXTS = [("/usr/lib/hamysql(/.*)?", "bin_t"), ("/srv/mysql\\.d(/.*)?", "mysqld_db_t")]


def low(tmp_path, monkeypatch, system, enabled, datadir="/srv/mysql.d"):
    monkeypatch.setitem(SYSTEMS, system, {**SYSTEMS[system], "selinux": {"enabled": enabled, "enforced": "Enforcing"}})
    given = load_pillar("minimal")
    given["mysql"] = {"datadir": datadir}
    there = Node(tmp_path / "root", given, system)
    try:
        return there.low()
    finally:
        there.end()


@pytest.mark.parametrize("system", ["el9", "sles16"])
def test_contexts_are_known_before_they_are_applied_and_programs_are_laid_down_before(tmp_path, monkeypatch, system):
    chunks = low(tmp_path, monkeypatch, system, True)
    ours = [chunk for chunk in chunks if chunk["state"] == "selinux"]
    assert [chunk["fun"] for chunk in ours] == ["fcontext_policy_present", "fcontext_policy_applied"] * 2
    assert [(chunk["name"], chunk["sel_type"]) for chunk in ours[::2]] == CONTEXTS
    assert [(chunk["name"], chunk["recursive"]) for chunk in ours[1::2]] == [
        ("/usr/lib/hamysql", True),
        ("/srv/mysql.d", True),
    ]
    laid = [chunk for chunk in chunks if str(chunk["name"]).startswith("/usr/lib/hamysql/")]
    assert laid
    assert max(map(chunks.index, laid)) < chunks.index(ours[0])
    (commands,) = [chunk for chunk in chunks if chunk["__id__"] == "hamysql-selinux-commands-installed"]
    assert commands["pkgs"] == ["policycoreutils", "policycoreutils-python-utils"]


def test_without_selinux_there_is_no_trace_of_it(tmp_path, monkeypatch):
    assert not [chunk for chunk in low(tmp_path, monkeypatch, "el9", False) if "selinux" in chunk["__id__"]]


# Salt's own states, each twice, between test modes; then what the policy says of a path.
INSIDE = """
import json, pathlib, subprocess, sys
from salt_node import Node
from support import load_pillar

folder, contexts, paths = json.loads(sys.argv[1])
node = Node(pathlib.Path(folder), load_pillar("minimal"), "el9")
said = []
for name, kind in contexts:
    for test in (True, False, False, True):
        done = node.call("state.single", "selinux.fcontext_policy_present", name, sel_type=kind, test=test)
        (ret,) = done.values()
        said.append([ret["result"], bool(ret["changes"])])
node.end()
labels = [subprocess.run(["matchpathcon", "-n", path], capture_output=True, text=True).stdout.strip() for path in paths]
print(json.dumps([said, labels]))
"""
LABELS = {
    "/usr/lib/hamysql": "bin_t",
    "/usr/lib/hamysql/fence-peer": "bin_t",
    "/srv/mysql.d/ibdata1": "mysqld_db_t",
    "/srv/mysqlxd/ibdata1": "var_t",
    "/var/lib/mysql/ibdata1": "mysqld_db_t",  # as the policy has it by itself
}


@needs_policy
def test_the_policys_own_programs_take_the_contexts_and_test_mode_knows(tmp_path):
    stores = {"/var/lib/selinux": tmp_path / "lib", "/etc/selinux": tmp_path / "etc"}
    for place, copy in stores.items():
        shutil.copytree(place, copy, symlinks=True)
    mounts = "; ".join(f"mount --bind {copy} {place}" for place, copy in stores.items())
    paths = os.pathsep.join(
        str(ROOT / folder) for folder in ("_utils", "test", "test/helpers", "test/helpers/worlds", ".")
    )
    arguments = json.dumps([str(tmp_path / "root"), CONTEXTS, list(LABELS)])
    argv = ["unshare", "--mount", "sh", "-ec", f'{mounts}; exec "$@"', "sh", sys.executable, "-c", INSIDE, arguments]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, labels = json.loads(done.stdout.splitlines()[-1])
    # Salt's own state does not list what it foresees.
    assert said == [[None, False], [True, True], [True, False], [True, False]] * len(CONTEXTS)
    assert [label.split(":")[2] for label in labels] == list(LABELS.values())
