"""A cluster under other names, and a DRBD file with a common section: what is found in them, and what is told."""

from __future__ import annotations

import pytest

from hamysql.adoption import cluster, look
from hamysql.adoption.described import Described
from hamysql.errors import ParseError
from hamysql.master.proposal import commented
from hamysql.storage.drbd import written

RESOURCES = """
<group id="web"><primitive id="web_ip" class="ocf" provider="heartbeat" type="IPaddr2"/></group>
<group id="db">
  <primitive id="fs" class="ocf" provider="heartbeat" type="Filesystem"><instance_attributes id="a">
    <nvpair id="b" name="device" value="/dev/drbd1"/></instance_attributes></primitive>
  <primitive id="sql" class="systemd" type="mariadb"/>
</group>
<primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="c">
  <nvpair id="d" name="ip" value="192.0.2.1"/></instance_attributes></primitive>
<master id="ms"><primitive id="rep" class="ocf" provider="linbit" type="drbd"><instance_attributes id="e">
  <nvpair id="f" name="drbd_resource" value="r0"/></instance_attributes></primitive></master>
<primitive id="st" class="stonith" type="fence_x"><instance_attributes id="g">
  <nvpair id="h" name="pcmk_host_map" value="db1:1;db2:2"/><nvpair id="i" name="passwd" value="canary-x"/>
</instance_attributes></primitive>
"""
CONSTRAINTS = """
<rsc_colocation id="k1" rsc="ip" with-rsc="db" score="INFINITY"/>
<rsc_colocation id="k2" rsc="db" with-rsc="ms" with-rsc-role="Master" score="INFINITY"/>
<rsc_order id="k3" first="ms" then="db" first-action="promote" then-action="start"/>
"""


def cib(resources=RESOURCES, constraints=CONSTRAINTS):
    return (
        f"<cib><configuration><crm_config/><nodes/><resources>{resources}</resources><constraints>{constraints}</constraints>"
        "</configuration><status/></cib>"
    )


def test_resources_are_found_by_what_they_are_and_what_they_go_with():
    found = cluster.read(cib())
    assert found["unclear"] == []
    assert found["names"] == {
        "p_mysql": "sql",
        "g_mysql": "db",
        "p_fs_mysql": "fs",
        "p_ip_mysql": "ip",
        "p_drbd_mysql": "rep",
        "ms_drbd_mysql": "ms",
        "c_ip_with_mysql": "k1",
        "c_mysql_on_drbd": "k2",
        "o_drbd_before_mysql": "k3",
    }
    assert found["agents"]["p_mysql"] == "systemd:mariadb"
    assert [line.split()[1] for line in found["others"]] == ["web", "web_ip"]
    assert found["fences"][0]["nodes"] == ["db1", "db2"]


def test_a_secret_is_a_name_in_what_is_told_and_a_value_in_what_is_sealed():
    assert found_fence() == {
        "id": "st",
        "agent": "fence_x",
        "options": {},
        "secrets": ["passwd"],
        "nodes": ["db1", "db2"],
    }
    assert "canary-x" not in str(cluster.read(cib()))
    assert cluster.secrets(cib()) == {"st": {"passwd": "canary-x"}}


def found_fence():
    return cluster.read(cib())["fences"][0]


def test_two_database_servers_are_not_guessed_between():
    other = '<primitive id="sql2" class="systemd" type="mysql"/>'
    assert cluster.read(cib(RESOURCES + other))["unclear"] == ["the cluster has not one database server, but sql, sql2"]


def test_a_cluster_without_a_server_has_nothing_to_take_over():
    found = cluster.read(cib("", ""))
    assert found["names"] == {}
    assert found["unclear"] == ["the cluster has not one database server, but none"]


@pytest.mark.parametrize("key", [b"\x00" * 128, b"short", b'"' * 128, b""])
def test_a_key_that_no_pillar_can_have_is_none(key):
    assert look._as_text(key) == ""


def test_a_key_of_text_is_taken_as_it_is():
    assert look._as_text(b"0f" * 128) == "0f" * 128


XML = """<config file="/etc/drbd.conf"><common><section name="net"><option name="verify-alg" value="sha1"/>
<option name="protocol" value="A"/></section></common>
<resource name="r0" conf-file-line="/etc/drbd.d/r0.res:3">{hosts}
<section name="net"><option name="protocol" value="C"/><option name="shared-secret" value="canary-y"/></section></resource></config>"""
HOST = """<host name="db{n}"><volume vnr="0"><device minor="1">/dev/drbd1</device><disk>/dev/vdb</disk>
<meta-disk>internal</meta-disk></volume><address family="ipv4" port="7789">192.0.2.1{n}</address></host>"""


def test_a_resource_overrules_what_is_common():
    file, hosts, options = written.parse(XML.format(hosts=HOST.format(n=1) + HOST.format(n=2)), "r0")
    assert file == "/etc/drbd.d/r0.res"
    assert hosts["db2"]["address"] == "192.0.2.12"
    assert options["net"] == {"verify-alg": "sha1", "protocol": "C", "shared-secret": "canary-y"}


@pytest.mark.parametrize("text", ["canary-y <", XML.format(hosts="").replace("r0", "other")])
def test_what_cannot_be_read_is_not_quoted(text):
    with pytest.raises(ParseError) as raised:
        written.parse(text, "r0")
    assert "canary-y" not in str(raised.value)


def test_what_is_dropped_is_a_comment_in_its_place():
    found = Described({"vip": {"agent": "ocf:x:y"}, "mysql": {"port": 3306}})
    assert found.drop(["vip", "agent"], "vip:agent: found 'ocf:x:y', expected another")
    assert not found.drop(["vip", "nic"], "not there")
    assert found.unfit == ["vip:agent: found 'ocf:x:y', expected another"]
    assert "  # NOT TAKEN OVER: vip:agent" in commented.text(found, ("a", "b"), "")
