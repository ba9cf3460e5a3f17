"""The commands that sentences name: of the shell that is there, and each of them does what its sentence says."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import drift as cib_drift
from hamysql.system import root, shells
from support import ROOT

SHELLS = [shell for shell in shells._COMMANDS if not shell or shutil.which(shell)]


def test_the_shell_that_is_there_is_named_and_crmsh_first(tmp_path):
    (tmp_path / "usr/sbin").mkdir(parents=True)
    with root.below(tmp_path):
        assert shells.installed() == ""
        (tmp_path / "usr/sbin/pcs").touch(0o755)
        assert shells.installed() == "pcs"
        (tmp_path / "usr/sbin/crm").touch(0o755)
        assert shells.installed() == "crm"


def test_each_shell_has_words_for_the_same():
    first, *others = (set(commands) for commands in shells._COMMANDS.values())
    assert all(verbs == first for verbs in others)


def test_a_shell_s_own_words_and_nobody_else_s():
    for shell, commands in shells._COMMANDS.items():
        for verb in commands:
            said = shells.command(shell, verb, "p_fs_mysql", "db2").split()
            # Pacemaker's own programs are there beside every shell.
            assert said[0] == shell or (shell != "pcs" and re.fullmatch("crm_(resource|attribute|standby)", said[0]))
            assert "p_fs_mysql" in said


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_sentence_names_ends_what_it_tells(fixture, tools, shell):
    """Carried out with the real programs, upon a configuration in which somebody has done all of it."""
    root = ET.fromstring(fixture("cib-2.1.5-drifted.xml"))
    handler = root.find(".//constraints/*[@id='drbd-fence-by-handler-mysql-ms_drbd_mysql']")
    root.find(".//constraints").remove(handler)  # DRBD's own, which nobody ends
    group = root.find(".//group[@id='g_mysql']")
    meta = ET.SubElement(group, "meta_attributes", id="g_mysql-meta_attributes")
    for name, value in (("target-role", "Stopped"), ("maintenance", "true")):
        ET.SubElement(meta, "nvpair", id=f"g_mysql-meta_attributes-{name}", name=name, value=value)
    node = root.find("configuration/nodes/node[@uname='db1']")
    attributes = ET.SubElement(node, "instance_attributes", id="nodes-1")
    ET.SubElement(attributes, "nvpair", id="nodes-1-maintenance", name="maintenance", value="true")
    tools.write(ET.tostring(root, "unicode"))
    told = cib_drift.drift(tools.read(), shell)
    assert len(told) == 7
    for sentence in told:
        assert sentence in cib_drift.drift(tools.read(), shell)
        (*_, command) = re.findall("`([^`]+)`", sentence)
        tools.run(shlex.split(command))
        assert sentence not in cib_drift.drift(tools.read(), shell), command
    assert cib_drift.drift(tools.read(), shell) == ()


def test_hamysql_itself_runs_no_shell_but_for_the_text_in_its_language():
    """So it works where only pacemaker's own programs are."""
    found = []
    for folder in ("_utils", "_modules", "_states", "_runners"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for item in ast.walk(ast.parse(path.read_text())):
                first = item.elts[0] if isinstance(item, (ast.List, ast.Tuple)) and item.elts else None
                if isinstance(first, ast.Constant) and first.value in ("crm", "pcs"):
                    found.append(path.relative_to(ROOT).as_posix())
    assert found == ["_utils/hamysql/cib/live.py"]
    scripts = [path for path in (ROOT / "hamysql").rglob("*") if path.is_file() and "parameters" not in path.parts]
    lines = [line for path in scripts for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert len(lines) > 1000
    assert [line for line in lines if re.search(r"(^|[;&|(`]|\bcmd: )\s*(crm|pcs) ", line)] == []
