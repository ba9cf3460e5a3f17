"""The cluster labs' own tester of resource agents, as the tests of ours call it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support import ROOT

TESTER = shutil.which("ocf-tester", path=f"{os.environ['PATH']}:/usr/sbin")

# What the agents source: its place below OCF_ROOT, as hamysql.pacemaker.agents has it, and the file in the formula.
COMMON = "lib/hamysql/agents-1.sh"
SOURCE = ROOT / "hamysql" / "pacemaker" / "files" / "agents-1.sh"

needs_tester = pytest.mark.skipif(TESTER is None, reason="ocf-tester is missing (Debian: resource-agents)")


def lay_down(root: Path) -> str:
    """Have what the agents source below a folder, which is OCF_ROOT then."""
    (root / COMMON).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE, root / COMMON)
    return str(root)


def assert_passes(
    agent: Path, resource: str, parameters: Mapping[str, str], within: Sequence[str] = (), timeout: float = 120
) -> None:
    """Have the tester call an agent for a resource with these parameters, by the command ``within`` if there is one."""
    options = [word for name, value in parameters.items() for word in ("-o", f"{name}={value}")]
    # The tester also calls it as nobody, who may not look into pytest's folders.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        copy = Path(name) / agent.name
        shutil.copy(agent, copy)
        copy.chmod(0o755)
        env = {**os.environ, "OCF_ROOT": lay_down(Path(name))}
        argv = [*within, str(TESTER), "-n", resource, *options, str(copy)]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed all tests" in done.stdout
