"""The failover bench's cluster with the group of the 2013 procedure."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from bench import article
from hamysql.cib import plan as cib_plan


def test_the_article_s_cluster_starts_one_after_the_other(tools, desired):
    """hamysql's own CIB, regrouped as the 2013 procedure has it, and pacemaker's tools accept it."""
    ours = cib_plan.plan(tools.read(), desired).xml
    changed = ET.fromstring(article.regrouped(ours))
    group = changed.find(".//group[@id='g_mysql']")
    assert [member.get("id") for member in group] == ["p_ip_mysql", "p_fs_mysql", "p_mysql"]
    assert not [
        element for element in changed.iter() if "ip_" in element.get("id", "") and element.tag.startswith("rsc_")
    ]
    tools.write(ET.tostring(changed, "unicode"))
    tools.run(["crm_verify", "--live-check"])
