"""The CentOS 6 of the 2013 procedure that hamysql replaces: each value of its text, and where it is rendered.

Nothing of it is deployed. Who moves away from such a cluster compares these files with those that it has.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET

import golden
import pytest
from salt_node import Node

from support import load_pillar

FILE = golden.GOLDEN / "systems" / "centos6.txt"
# The two repositories: ELRepo is used for one command (--enablerepo), network:ha-clustering is added, used and disabled.
REPOSITORIES = {
    "elrepo": {
        "name": "elrepo",
        "humanname": "ELRepo.org Community Enterprise Linux Repository - el6",
        "baseurl": "https://repo.example.org/elrepo/el6/$basearch/",
        "packages": ["drbd84-utils", "kmod-drbd84"],
        "disable_after_install": True,
    },
    "ha-clustering": {
        "name": "network_ha-clustering",
        "humanname": "Stable High Availability/Clustering packages (CentOS-6)",
        "baseurl": "https://repo.example.org/network:/ha-clustering/CentOS_CentOS-6/",
        "packages": ["crmsh"],
        "disable_after_install": True,
    },
}
RULES_BEFORE = """\
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
-A INPUT -m state --state NEW -m tcp -p tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""


@pytest.fixture(scope="module")
def centos6(tmp_path_factory):
    given = load_pillar("article")
    given["repo"] = {"repositories": REPOSITORIES}
    there = Node(tmp_path_factory.mktemp("centos6") / "root", given, "centos6")
    yield there
    there.end()


@pytest.fixture(scope="module")
def chunks(centos6):
    return {chunk["__id__"]: chunk for chunk in centos6.low()}


@pytest.fixture(scope="module")
def texts(centos6):
    """The files and the CIB, by name."""
    sysconfig = {"template": "salt://hamysql/firewall/files/sysconfig-iptables.jinja", "default_renderer": "jinja"}
    rules = centos6.call("slsutil.renderer", sysconfig.pop("template"), saltenv="base", **sysconfig)
    text = f"==== sysconfig/iptables ====\n{rules.rstrip()}\n{golden.rendered(centos6)}"
    return dict(re.findall(r"^==== (.+?) ====\n(.*?)(?=^==== |\Z)", text, re.DOTALL | re.MULTILINE))


def test_the_files_are_the_same_as_ever(texts):
    names = ("sysconfig/iptables", "corosync.conf", "global_common.conf", "resource of DRBD 8.4", "option file", "CIB")
    found = "".join(f"==== {name} ====\n{texts[name]}" for name in names)
    if os.environ.get("HAMYSQL_GOLDEN") == "write":
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(found, encoding="utf-8")
    assert found == FILE.read_text(encoding="utf-8")


# What the procedure has in a file, and the line that stands for it. What hamysql says otherwise has its reason beside it.
LINES = [
    # Only the other node, and the networks of clients, and not everybody.
    (
        "-A INPUT -p udp -m state --state NEW -m multiport --dports 5404,5405 -j ACCEPT",
        "sysconfig/iptables",
        "-A INPUT -s 10.1.0.12/32 -p udp -m state --state NEW -m multiport --dports 5404,5405 -j ACCEPT",
    ),
    (
        "-A INPUT -m tcp -p tcp --dport 7788 -j ACCEPT",
        "sysconfig/iptables",
        "-A INPUT -s 10.1.0.12/32 -m tcp -p tcp -m multiport --dports 7788 -j ACCEPT",
    ),
    (
        "-A INPUT -m tcp -p tcp --dport 3306 -j ACCEPT",
        "sysconfig/iptables",
        "-A INPUT -s 10.1.0.0/24 -m tcp -p tcp -m multiport --dports 3306 -j ACCEPT",
    ),
    ("version: 2", "corosync.conf", "version: 2"),
    ("secauth: off", "corosync.conf", "secauth: off"),
    ("threads: 0", "corosync.conf", "threads: 0"),
    ("ringnumber: 0", "corosync.conf", "ringnumber: 0"),
    ("bindnetaddr: the network of the management VLAN", "corosync.conf", "bindnetaddr: 10.1.0.0"),
    ("mcastaddr: unique on the network", "corosync.conf", "mcastaddr: 239.192.10.1"),
    ("mcastport: 5405", "corosync.conf", "mcastport: 5405"),
    ("ttl: 1", "corosync.conf", "ttl: 1"),
    ("fileline: off", "corosync.conf", "fileline: off"),
    ("to_stderr: no", "corosync.conf", "to_stderr: no"),
    ("to_logfile: yes", "corosync.conf", "to_logfile: yes"),
    ("to_syslog: yes", "corosync.conf", "to_syslog: yes"),
    ("logfile: /var/log/cluster/corosync.log", "corosync.conf", "logfile: /var/log/cluster/corosync.log"),
    ("debug: off", "corosync.conf", "debug: off"),
    ("timestamp: on", "corosync.conf", "timestamp: on"),
    ("subsys: AMF", "corosync.conf", "subsys: AMF"),
    ("mode: disabled", "corosync.conf", "mode: disabled"),
    ("ver: 1", "corosync.conf", "ver: 1"),
    ("name: pacemaker", "corosync.conf", "name: pacemaker"),
    ("user: root", "corosync.conf", "user: root"),
    ("group: root", "corosync.conf", "group: root"),
    ("usage-count no", "global_common.conf", "usage-count no;"),
    ("resource mysql", "resource of DRBD 8.4", "resource mysql {"),
    ("protocol C", "resource of DRBD 8.4", "protocol C;"),
    ("wfc-timeout 0", "resource of DRBD 8.4", "wfc-timeout 0;"),
    ("degr-wfc-timeout 120", "resource of DRBD 8.4", "degr-wfc-timeout 120;"),
    ("on-io-error detach", "resource of DRBD 8.4", "on-io-error detach;"),
    ('cram-hmac-alg "sha1"', "resource of DRBD 8.4", "cram-hmac-alg sha1;"),
    ('shared-secret "mySecret"', "resource of DRBD 8.4", 'shared-secret "canary-drbd-secret";'),
    ("syncer { rate 10M; }", "resource of DRBD 8.4", "resync-rate 10M;"),  # 8.4's name for it
    ("device /dev/drbd0", "resource of DRBD 8.4", "device /dev/drbd0 minor 0;"),
    ("disk /dev/sdb", "resource of DRBD 8.4", "disk /dev/sdb;"),
    ("meta-disk internal", "resource of DRBD 8.4", "meta-disk internal;"),
    ("bind-address = the VIP, below [mysqld]", "option file", "bind-address = 10.1.0.10"),
]


@pytest.mark.parametrize(("said", "name", "line"), LINES, ids=[row[0] for row in LINES])
def test_each_line_of_the_procedures_files_is_there(texts, said, name, line):
    assert line in [" ".join(found.replace("\t", " ").split()) for found in texts[name].splitlines()], texts[name]


SECTIONS = {
    "interface": ["ringnumber", "bindnetaddr", "mcastaddr", "mcastport", "ttl"],
    "logger_subsys": ["subsys", "debug"],
    "amf": ["mode"],
    "service": ["ver", "name"],
    "aisexec": ["user", "group"],
}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_of_corosync_1_has_what_the_procedures_has(texts, section):
    (inside,) = re.findall(rf"{section} {{\n(.*?)}}", texts["corosync.conf"], re.DOTALL)
    assert re.findall(r"(\w+):", inside) == SECTIONS[section]


def test_corosync_1_knows_neither_a_list_of_nodes_nor_a_quorum(texts):
    assert not re.search("nodelist|quorum|transport|crypto|knet", texts["corosync.conf"])


# The resources: what the procedure sets of each, as (parameters, operations). The address and the file system get no `mysql` words.
RESOURCES = {
    "p_ip_mysql": (
        "ocf:heartbeat:IPaddr2",
        {"ip": "10.1.0.10", "cidr_netmask": "24"},
        {"monitor": {"interval": "30s"}},
    ),
    "p_drbd_mysql": (
        "ocf:linbit:drbd",
        {"drbd_resource": "mysql"},
        {
            "start": {"timeout": "90s"},
            "stop": {"timeout": "180s"},
            "promote": {"timeout": "180s"},
            "demote": {"timeout": "180s"},
            "monitor": {"interval": "30s"},
        },
    ),
    "p_mysql": (
        "lsb:mysqld",
        {},
        {
            "monitor": {"interval": "20s", "timeout": "10s"},
            "start": {"timeout": "120s"},
            "stop": {"timeout": "120s"},
        },
    ),
    "p_fs_mysql": (
        "ocf:heartbeat:Filesystem",
        {"device": "/dev/drbd0", "directory": "/var/lib/mysql", "fstype": "xfs", "options": "noatime"},
        {
            "start": {"timeout": "60s"},
            "stop": {"timeout": "180s"},
            "monitor": {"interval": "60s", "timeout": "60s"},
        },
    ),
}


@pytest.mark.parametrize("name", RESOURCES)
def test_each_resource_has_the_procedures_agent_parameters_and_times(texts, name):
    agent, parameters, operations = RESOURCES[name]
    (found,) = ET.fromstring(texts["CIB"]).iterfind(f".//primitive[@id='{name}']")
    assert ":".join(filter(None, (found.get("class"), found.get("provider"), found.get("type")))) == agent
    given = {pair.get("name"): pair.get("value") for pair in found.iterfind("instance_attributes/nvpair")}
    assert parameters.items() <= given.items()
    if agent.startswith("lsb:"):
        assert given == {}
    for verb, attributes in operations.items():
        of = [op for op in found.iterfind("operations/op") if op.get("name") == verb]
        assert any(all(op.get(key) == value for key, value in attributes.items()) for op in of), verb


PROPERTIES = {
    "no-quorum-policy": "ignore",
    "pe-warn-series-max": "1000",
    "pe-input-series-max": "1000",
    "pe-error-series-max": "1000",
    "cluster-recheck-interval": "5min",
    "stonith-enabled": "false",
}


def test_the_cluster_has_the_procedures_properties_and_its_order(texts):
    root = ET.fromstring(texts["CIB"])
    found = {pair.get("name"): pair.get("value") for pair in root.iterfind(".//crm_config//nvpair")}
    assert PROPERTIES.items() <= found.items()
    # hamysql has the address beside the group, tied to it, so that it does not wait for the storage.
    assert [one.get("id") for one in root.iterfind(".//group[@id='g_mysql']/primitive")] == ["p_fs_mysql", "p_mysql"]
    constraints = {one.get("id"): dict(one.attrib) for one in root.find(".//constraints")}
    on_drbd = [one for one in constraints.values() if "ms_drbd_mysql" in one.values()]
    assert {"INFINITY"} <= {one.get("score") for one in on_drbd}
    assert [one["then"] for one in on_drbd if one.get("first") == "ms_drbd_mysql"] == ["g_mysql"]


def test_its_packages_come_from_its_repositories_which_are_disabled_again(chunks):
    assert {"pacemaker", "corosync", "cluster-glue", "mysql-server"} <= {*chunks["hamysql-package-installed"]["pkgs"]}
    for name, given in REPOSITORIES.items():
        borrowed = chunks[f"hamysql-package-from-{name}-installed"]
        assert (borrowed["fun"], borrowed["pkgs"]) == ("borrowed", given["packages"])
        assert borrowed["repository"]["name"] == given["name"]


@pytest.mark.parametrize("service", ["corosync", "pacemaker"])
def test_what_chkconfig_switches_on_is_enabled(chunks, service):
    assert (chunks[f"hamysql-{service}-boot-enabled"]["state"], chunks[f"hamysql-{service}-boot-enabled"]["fun"]) == (
        "service",
        "enabled",
    )


def test_nothing_for_systemd_is_laid_down(chunks):
    paths = [str(chunk["name"]) for chunk in chunks.values() if chunk["state"] == "file" and chunk["fun"] != "absent"]
    assert not [path for path in paths if "systemd" in path]


def test_the_rules_go_before_the_first_reject_once(centos6, chunks, tmp_path):
    (chunk,) = [chunk for chunk in chunks.values() if chunk["fun"] == "blockreplace"]
    assert chunk["name"] == "/etc/sysconfig/iptables"
    file = tmp_path / "iptables"
    file.write_text(RULES_BEFORE)
    options = {key: chunk[key] for key in ("marker_start", "marker_end", "source", "template", "insert_before_match")}
    own = [{"name": str(file)}, *({key: value} for key, value in options.items())]
    for changed in (True, False):
        (ret,) = centos6.call("state.high", {"x": {"file": ["blockreplace", *own]}}).values()
        assert (ret["result"], bool(ret["changes"])) == (True, changed)
    lines = file.read_text().splitlines()
    ours = [number for number, line in enumerate(lines) if "--dports" in line]
    assert lines.index("-A INPUT -m state --state NEW -m tcp -p tcp --dport 22 -j ACCEPT") < ours[0]
    assert ours[-1] < lines.index("-A INPUT -j REJECT --reject-with icmp-host-prohibited")
    assert [line for line in lines if line in RULES_BEFORE.splitlines()] == RULES_BEFORE.splitlines()


def test_whoever_renders_it_is_told_that_it_is_never_deployed(centos6):
    assert any("for migration's sake only" in line for line in centos6.call("hamysql.settings")["warnings"])
