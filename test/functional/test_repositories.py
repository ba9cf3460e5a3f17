"""Package repositories on a Debian-like machine: the real states, on an /etc/apt of their own in a mount namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from support import ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root"),
    pytest.mark.skipif(not shutil.which("apt-get"), reason="this machine has no apt"),
]

FILE = "/etc/apt/sources.list.d/hamysql-crm.list"
LINES = {
    "deb [trusted=yes] file:/srv/crm ./": {"trusted": True},
    "deb [signed-by=/etc/apt/keyrings/crm.gpg] http://192.0.2.1/debian bookworm main": {},
}
# Each state twice, between test modes. Returned for every step: its result, whether it changes anything, what the file then holds.
INSIDE = f"""
import json, pathlib, sys
from salt_node import Node
from support import load_pillar

folder, system, lines = json.loads(sys.argv[1])
file = pathlib.Path({FILE!r})
file.parent.mkdir()
node = Node(pathlib.Path(folder), load_pillar("minimal"), system)
said = {{}}
for line, options in lines.items():
    options = {{"file": str(file), "aptkey": False, "refresh": False, **options}}
    add = ("hamysql_repository.enabled", line, options)
    borrow = ("hamysql_package.borrowed", "label", {{"pkgs": ["dpkg"], "repository": {{"name": line, **options}}}})
    said[line] = []
    for function, name, arguments in (add, borrow, add):
        for test in (True, False, False, True):
            done = node.call("state.single", function, name, test=test, **arguments)
            (ret,) = done.values()
            held = file.read_text().strip() if file.exists() else None
            said[line].append([ret["result"], bool(ret["changes"]), held, ret["comment"]])
    file.unlink()
print(json.dumps(said))
node.end()
"""


@pytest.mark.parametrize("system", ["debian12", "ubuntu2404"])
def test_a_repository_is_added_disabled_and_enabled_again_and_test_mode_knows(system, tmp_path):
    apt = tmp_path / "apt"
    apt.mkdir()
    script = f'mount --bind {apt} /etc/apt; exec "$@"'
    arguments = json.dumps([str(tmp_path / "root"), system, LINES])
    argv = ["unshare", "--mount", "sh", "-ec", script, "sh", sys.executable, "-c", INSIDE, arguments]
    paths = os.pathsep.join(
        str(ROOT / folder) for folder in ("_utils", "test", "test/helpers", "test/helpers/worlds", ".")
    )
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line, said in json.loads(done.stdout.splitlines()[-1]).items():
        disabled = f"# {line}"
        held = [None, line, line, line, line, disabled, disabled, disabled, disabled, line, line, line]
        assert [step[2] for step in said] == held, said
        changes = [(None, True), (True, True), (True, False), (True, False)]
        assert [(result, changed) for result, changed, *_ in said] == changes * 3, said
