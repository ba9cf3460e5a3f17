"""What every pillar of test/pillar becomes on a node, to the byte: Salt's own renderer, the files of test/functional/golden.

A change that moves code leaves them alone. One that means to change a file shows it in the difference of these texts, which
``HAMYSQL_GOLDEN=write pytest test/functional/test_golden.py`` writes anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from salt_node import Node, Raised

from hamysql import cib, cib_desired
from support import PILLARS

GOLDEN = Path(__file__).parent / "golden"
EMPTY_CIB = "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"
DRBD = "storage/drbd/files/drbd.conf.jinja"
# What each file is called below, its template, and what its state hands to it.
FILES: dict[str, tuple[str, dict[str, str]]] = {
    "corosync.conf": ("corosync/files/corosync.conf.jinja", {}),
    "global_common.conf": (DRBD, {"part": "global_sections"}),
    "resource of DRBD 8.4": (DRBD, {"part": "resource_sections", "kernel": "8.4"}),
    "resource of DRBD 9": (DRBD, {"part": "resource_sections", "kernel": "9"}),
    "option file": ("mysql/files/hamysql.cnf.jinja", {}),
    "firewall.rules": ("firewall/files/firewall.rules.jinja", {"family": "ipv4"}),
    "firewall.rules6": ("firewall/files/firewall.rules.jinja", {"family": "ipv6"}),
    "initiatorname.iscsi": ("storage/shared/files/initiatorname.iscsi.jinja", {}),
    "multipath.conf": ("storage/shared/files/multipath.conf.jinja", {}),
}


def rendered(node: Node) -> str:
    """All files of a pillar and its cluster's configuration, one after the other."""
    parts = []
    for name, (template, context) in FILES.items():
        given = {"default_renderer": "jinja", "saltenv": "base", **context}
        try:
            text = node.call("slsutil.renderer", f"salt://hamysql/{template}", **given)
        except Raised:
            continue  # a file that this kind of storage or fencing has not
        parts.append((name, text))
    wanted = cib_desired.desired(node.call("hamysql.config"))
    tree = ElementTree.fromstring(cib.plan(EMPTY_CIB, wanted).xml)
    ElementTree.indent(tree)  # a line for each element, so that a difference can be read
    parts.append(("CIB", ElementTree.tostring(tree, encoding="unicode")))
    return "".join(f"==== {name} ====\n{text.rstrip()}\n" for name, text in parts)


@pytest.mark.parametrize("pillar", PILLARS)
def test_a_pillar_becomes_the_same_files(node, pillar):
    file = GOLDEN / f"{pillar}.txt"
    found = rendered(node(pillar))
    if os.environ.get("HAMYSQL_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


def test_every_file_is_in_one_of_them():
    """A template that no longer renders would otherwise only be missing."""
    texts = [file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.txt")]
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(PILLARS)
    for name in (*FILES, "CIB"):
        assert any(f"==== {name} ====\n" in text for text in texts), name
