"""What a pillar becomes on a node, to the byte: its files by Salt's own renderer, and its cluster's configuration.

``test/functional/golden`` has one text for each pillar of test/pillar. ``HAMYSQL_GOLDEN=write pytest -k same_files
test/functional/test_rendering.py`` writes them anew. A change that only moves code leaves them as they are.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from salt_node import Node, Raised

from hamysql.cib import plan as cib_plan
from hamysql.config import resources

GOLDEN = Path(__file__).parents[1] / "functional" / "golden"
EMPTY_CIB = "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"
DRBD = "storage/drbd/files/drbd.conf.jinja"
# What each file is called below, its template, and what its state hands to it.
FILES: dict[str, tuple[str, dict[str, str]]] = {
    "corosync.conf": ("corosync/files/corosync.conf.jinja", {}),
    "global_common.conf": (DRBD, {"part": "global"}),
    "resource of DRBD 8.4": (DRBD, {"part": "resource", "kernel": "8.4"}),
    "resource of DRBD 9": (DRBD, {"part": "resource", "kernel": "9"}),
    "option file": ("mysql/files/hamysql.cnf.jinja", {}),
    "firewall.rules": ("firewall/files/firewall.rules.jinja", {"family": "ipv4"}),
    "firewall.rules6": ("firewall/files/firewall.rules.jinja", {"family": "ipv6"}),
    "firewall.nft": ("firewall/files/firewall.nft.jinja", {}),
    "policy of firewalld": ("firewall/files/policy.xml.jinja", {}),
    "initiatorname.iscsi": ("storage/lun/files/initiatorname.iscsi.jinja", {}),
    "multipath.conf": ("storage/lun/files/multipath.conf.jinja", {}),
}


def rendered(node: Node) -> str:
    """All files of a pillar and its cluster's configuration, one after the other."""
    parts = []
    for name, (template, context) in FILES.items():
        given = {"default_renderer": "jinja", "saltenv": "base", **context}
        try:
            text = node.call("slsutil.renderer", f"salt://hamysql/{template}", **given)
        except Raised:
            continue  # a file that this kind of storage, fencing or firewall has not
        parts.append((name, text))
    wanted = resources.desired(node.call("hamysql.config"))
    tree = ElementTree.fromstring(cib_plan.plan(EMPTY_CIB, wanted).xml)
    ElementTree.indent(tree)  # a line for each element, so that a difference can be read
    parts.append(("CIB", ElementTree.tostring(tree, encoding="unicode")))
    return "".join(f"==== {name} ====\n{text.rstrip()}\n" for name, text in parts)
