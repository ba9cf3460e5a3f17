"""From pillar to finished values: what is derived, and what each wrong pillar is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hamysql.config import resolution
from hamysql.errors import ConfigError
from hamysql.schema.language import MASK, Secret, redacted
from support import PILLARS, ROOT, load, parameters, secrets_of

FIXTURE = Path(__file__).parent / "fixtures" / "lab.json"
REMOVE = object()


def put(pillar: Any, path: str, value: Any) -> Any:
    """Set (or remove) what is at a path such as ``mysql:users:0:name``."""
    *parents, last = path.split(":")
    for key in parents:
        pillar = pillar[int(key)] if isinstance(pillar, list) else pillar.setdefault(key, {})
    if value is REMOVE:
        del pillar[last]
    else:
        pillar[int(last) if isinstance(pillar, list) else last] = value
    return pillar


def changed(pillar: Any, path: str, value: Any) -> Any:
    """The whole pillar, with something set or removed."""
    put(pillar, path, value)
    return pillar


def problems(resolve: Any, given: Any, **options: str) -> dict[str, tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        resolve(given, **options)
    return {problem.path: (problem.found, problem.expected) for problem in caught.value.problems}


def test_the_labs_pillar_resolves_to_the_known_configuration(resolve, request):

    found = resolve(load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"])
    assert json.loads(json.dumps(found)) == json.loads(FIXTURE.read_text())


def test_self_and_peer_are_found_by_minion_id(resolve, pillar):
    found = resolve(pillar("article"), minion_id="db2.example.org", nodename="db2")
    assert (found["self"], found["peer"]) == ("db2", "db1")
    assert [node["id"] for node in found["cluster"]["nodes"].values()] == [1, 2]


OPT_OUT = "hamysql:fencing:i_accept_data_loss_without_fencing"
SHARED, ISCSI, NFS = "hamysql:storage:shared", "hamysql:storage:shared:iscsi", "hamysql:storage:nfs"


@pytest.mark.parametrize(
    ("base", "path", "value", "where", "what"),
    [
        ("iscsi", "storage:shared:device", REMOVE, f"{SHARED}:device", "/dev/disk/by-id"),
        ("iscsi", "storage:shared:device", "/dev/sdb", f"{SHARED}:device", "another disk on the other node"),
        ("iscsi", "storage:shared:device", "/dev/mapper/control", f"{SHARED}:device", "/dev/mapper"),
        ("iscsi", "storage:shared:wipe", "/dev/sdb", f"{SHARED}:wipe", "/dev/disk/by-id"),
        ("iscsi", "storage:shared:reservations", "mpath", f"{SHARED}:device", "below /dev/mapper"),
        ("iscsi", "storage:shared:lvm", {"size": "10G"}, f"{SHARED}:lvm:volume_group", "the volume group's name"),
        ("iscsi", "storage:shared:lvm", {"volume_group": "-x"}, f"{SHARED}:lvm:volume_group", "letters"),
        ("iscsi", "storage:shared:iscsi:portal", REMOVE, f"{ISCSI}:portal", "address"),
        ("iscsi", "storage:shared:iscsi:portal", "san.example.org", f"{ISCSI}:portal", "192.0.2.40:3260"),
        ("iscsi", "storage:shared:iscsi:portal", "192.0.2.40:99999", f"{ISCSI}:portal", "192.0.2.40:3260"),
        ("iscsi", "storage:shared:iscsi:target", REMOVE, f"{ISCSI}:target", "target's name"),
        ("iscsi", "storage:shared:iscsi:target", "galaxy", f"{ISCSI}:target", "iqn."),
        ("iscsi", "storage:shared:iscsi:username", REMOVE, f"{ISCSI}:username", "CHAP user"),
        ("iscsi", "storage:shared:iscsi:password", REMOVE, f"{ISCSI}:password", "openssl rand -hex 8"),
        ("iscsi", "storage:shared:iscsi:password", "short", f"{ISCSI}:password", "12 to 255"),
        ("iscsi", "storage:shared:iscsi:password", "with blanks in it", f"{ISCSI}:password", "without blanks"),
        ("iscsi", "storage:shared:iscsi:initiators", {"db1": "iqn.2026-01.a:x"}, f"{ISCSI}:initiators:db2", "each node"),
        ("iscsi", "storage:shared:iscsi:initiators:db2", "iqn.2026-01.org.example:db1", f"{ISCSI}:initiators", "its own"),
        ("iscsi", "storage:shared:iscsi:initiators:db9", "iqn.2026-01.org.example:x", f"{ISCSI}:initiators:db9", "db1, db2"),
        ("iscsi", "storage:shared:iscsi:replacement_timeout", 100, f"{ISCSI}:replacement_timeout", "30 s less"),
        ("iscsi", "cluster:nodes:db1:disk", "/dev/sdb", "hamysql:cluster:nodes:db1:disk", "no node has its own disk"),
        ("iscsi", "fencing", {"i_accept_data_loss_without_fencing": True}, OPT_OUT, "destroy its file system"),
        ("iscsi", "fencing:sbd", {"device": "/dev/disk/by-id/wwn-0x60014051234567890abcdef012345678"},
         "hamysql:fencing:sbd:device", "a disk of its own"),
        ("fc-lvm", "storage:shared:reservations", "none", "hamysql:fencing:devices", "a device for each node"),
        ("nfs", "storage:nfs:server", REMOVE, f"{NFS}:server", "address or name"),
        ("nfs", "storage:nfs:server", "a b", f"{NFS}:server", "a host's name"),
        ("nfs", "storage:nfs:export", REMOVE, f"{NFS}:export", "the path"),
        ("nfs", "storage:nfs:export", "srv", f"{NFS}:export", "/srv/galaxy-db"),
        ("nfs", "storage:nfs:version", 3, f"{NFS}:version", "4.1"),
        ("nfs", "storage:nfs:options", "soft,timeo=600", f"{NFS}:options", "'hard'"),
        ("nfs", "storage:nfs:options", "hard,vers=3", f"{NFS}:options", f"{NFS}:version"),
        ("nfs", "storage:nfs:options", "hard,nolock", f"{NFS}:options", "locks"),
        ("nfs", "fencing", {"i_accept_data_loss_without_fencing": True}, OPT_OUT, "InnoDB"),
    ],
)  # fmt: skip
def test_a_wrong_pillar_of_other_storage_names_the_path(resolve, pillar, base, path, value, where, what):
    found = problems(resolve, changed(pillar(base), path, value))
    assert what in found[where][1]
    assert "canary" not in str(found)


def test_a_lun_without_any_fencing_is_refused_with_the_reason(resolve, pillar):
    given = changed(pillar("fc-lvm"), "storage:shared:reservations", "none")
    found = problems(resolve, changed(given, "fencing", {"i_accept_data_loss_without_fencing": True}))
    assert "destroy its file system" in found[OPT_OUT][1]


def test_the_unit_that_logs_in_is_the_systems_whatever_packages_a_site_adds(resolve, pillar):
    given = changed(pillar("iscsi"), "package", {"iscsi": ["open-iscsi", "open-isns-utils"]})
    assert resolve(given)["storage"]["units"][0] == "open-iscsi.service"
    given = changed(pillar("iscsi"), "storage:shared:iscsi:unit", "iscsi.service")
    assert resolve(given)["storage"]["units"][0] == "iscsi.service"


def test_other_storage_needs_nothing_of_drbd(resolve, pillar):
    for name in ("iscsi", "fc-lvm", "nfs"):
        found = resolve(pillar(name))
        assert found["storage"]["drbd"]["resource_texts"] == {}
        assert not [package for package in found["package"]["names"] if "drbd" in package]


def test_a_portal_has_a_port_and_a_server_may_be_an_address_of_ipv6(resolve, pillar):
    given = changed(pillar("iscsi"), "storage:shared:iscsi:portal", "192.0.2.40")
    assert resolve(given)["storage"]["shared"]["iscsi"]["portal"] == "192.0.2.40:3260"
    given = changed(pillar("nfs"), "storage:nfs:server", "2001:db8::50")
    assert resolve(given)["storage"]["filesystem"]["device"] == "[2001:db8::50]:/srv/galaxy-db/mysql"
    given = changed(given, "storage:nfs:export", "/")
    assert resolve(given)["storage"]["filesystem"]["device"] == "[2001:db8::50]:/mysql"


def test_ext4_is_protected_against_a_second_mount_where_it_can_have_one(resolve, pillar):
    assert resolve(pillar("iscsi"))["storage"]["filesystem"]["mkfs_options"] == ["-O", "mmp"]
    given = changed(pillar("minimal"), "storage:filesystem", {"type": "ext4"})
    assert resolve(given)["storage"]["filesystem"]["mkfs_options"] == []


def test_the_pillar_wins_over_what_a_backend_brings(resolve, pillar):
    given = changed(pillar("nfs"), "pacemaker", {"operations": {"p_fs_mysql": {"stop": {"timeout": "99s"}}}})
    operations = resolve(given)["pacemaker"]["operations"]["p_fs_mysql"]
    assert (operations["stop"], operations["start"]) == ({"timeout": "99s"}, {"timeout": "180s"})


def test_a_node_may_have_a_disk_of_its_own(resolve, pillar):
    nodes = resolve(pillar("ipv6"))["cluster"]["nodes"]
    assert [node["disk"] for node in nodes.values()] == ["/dev/vg0/mysql", "/dev/nvme0n1p3"]
    assert nodes["db2"]["replication"] == "2001:db8::12"


def test_the_opt_out_of_fencing_warns_and_turns_stonith_off_but_keeps_the_quorum_policy(resolve, pillar):
    found = resolve(pillar("minimal"))
    assert found["pacemaker"]["properties"]["stonith-enabled"] == "false"
    assert found["pacemaker"]["properties"]["no-quorum-policy"] == "stop"
    assert found["fencing"]["enabled"] is False
    (warning,) = found["warnings"]
    assert "i_accept_data_loss_without_fencing" in warning


def test_each_node_may_have_another_interface_for_the_vip(resolve, pillar):
    given = pillar("fenced")
    given["cluster"]["nodes"]["db2"]["vip_interface"] = "enp3s0"
    for name, own in (("db1", "eth0"), ("db2", "enp3s0")):
        vip = resolve(given, minion_id=name, nodename=name)["vip"]
        assert (vip["interface"], vip["interfaces"]) == (own, {"db1": "eth0", "db2": "enp3s0"})
    given["vip"].pop("interface")
    found = problems(resolve, given)
    assert list(found) == ["hamysql:vip:interface"]
    assert "hamysql:cluster:nodes:db1:vip_interface" in found["hamysql:vip:interface"][1]
    assert "db2" not in found["hamysql:vip:interface"][1]
    given["cluster"]["nodes"]["db1"]["vip_interface"] = "eno1"
    assert resolve(given)["vip"]["interfaces"] == {"db1": "eno1", "db2": "enp3s0"}


@pytest.mark.parametrize("links", [1, 2, 3])
def test_replication_has_the_last_link_by_default(resolve, pillar, links):
    given = pillar("fenced")
    for host, node in enumerate(given["cluster"]["nodes"].values(), 11):
        node["addresses"] = [f"192.0.{number}.{host}" for number in range(links)]
    found = resolve(given)
    assert (found["storage"]["drbd"]["link"], found["storage"]["drbd"]["link_from"]) == (links - 1, "last")
    assert [node["replication"] for node in found["cluster"]["nodes"].values()] == [
        f"192.0.{links - 1}.{host}" for host in (11, 12)
    ]


def test_the_articles_properties_are_to_be_had_behind_the_opt_out(resolve, pillar):
    properties = resolve(pillar("article"))["pacemaker"]["properties"]
    assert properties["no-quorum-policy"] == "ignore"
    assert {properties[f"pe-{name}-series-max"] for name in ("error", "warn", "input")} == {"1000"}
    assert properties["cluster-recheck-interval"] == "5min"


def test_bind_address_is_the_vip_unless_the_pillar_says_otherwise(resolve, pillar):
    given = pillar("minimal")
    assert resolve(given)["mysql"]["options"]["mysqld"]["bind-address"] == "192.0.2.100"
    put(given, "mysql:config:mysqld:bind_address", "*")
    options = resolve(given)["mysql"]["options"]["mysqld"]
    assert (options.get("bind-address"), options["bind_address"]) == (None, "*")


def test_option_lines_survive_what_an_option_file_would_misread(resolve, pillar):
    lines = resolve(pillar("ipv6"))["mysql"]["option_lines"]
    assert "skip-name-resolve = ON" in lines["mysqld"]
    assert "skip_external_locking" in lines["mysqld"]
    assert "init_connect = \"SET NAMES 'utf8mb4' # all\"" in lines["mysqld"]
    assert lines["client"] == ["default-character-set = utf8mb4"]


def test_packages_follow_flavor_file_system_and_borrowing(resolve, pillar):
    found = resolve(pillar("ipv6"))["package"]
    assert "crmsh" not in found["names"], "crmsh comes from the borrowed repository"
    assert {"e2fsprogs", "mariadb-server", "percona-toolkit", "drbd-utils"} <= set(found["names"])
    assert "xfsprogs" not in found["names"]
    assert {"corosync": "3.1.7-1"} in found["pkgs"]
    names = resolve(pillar("udpu"))["package"]["names"]
    assert "crmsh" in names
    assert "iptables" not in names


def test_a_version_may_be_for_any_package_that_hamysql_knows(resolve, pillar):
    given = pillar("ipv6")
    versions = {"corosync": "1", "crmsh": "2", "corosync-qdevice": "3", "percona-toolkit": "4", "corosync-qnetd": "5"}
    given["package"]["versions"] = versions
    found = resolve(given)
    assert {"corosync": "1"} in found["package"]["pkgs"]
    assert found["repo"]["repositories"]["crm"]["packages"] == [{"crmsh": "2"}]
    assert found["package"]["quorum"]["server"] == [{"corosync-qnetd": "5"}]


def test_the_pillar_wins_over_the_flavors_data(resolve, pillar):
    given = pillar("udpu")
    given["mysql"] = {"flavor": "mariadb", "binary": "/opt/mariadb/bin/mariadbd"}
    assert resolve(given)["mysql"]["binary"] == "/opt/mariadb/bin/mariadbd"


def test_a_flavor_that_is_not_supported_is_refused_in_one_sentence(resolve, pillar):
    given = pillar("minimal")
    given["mysql"] = {"flavor": "postgresql"}
    assert problems(resolve, given) == {"hamysql:mysql:flavor": ("'postgresql'", "'mariadb', 'mysql' or 'percona'")}


def test_a_bare_on_is_not_the_boolean_that_yaml_makes_of_it(resolve, pillar):
    given = pillar("minimal")
    grant = {"privileges": ["ALL"], True: "app.*"}
    given["mysql"] = {"users": [{"name": "app", "host": "%", "password": "p", "grants": [grant]}]}
    assert resolve(given)["mysql"]["users"][0]["grants"][0]["on"] == "app.*"


def test_empty_sections_of_a_pillar_are_the_defaults(resolve, pillar):
    given = pillar("minimal")
    given["mysql"] = None
    given["pacemaker"] = {"operations": None}
    assert resolve(given) == resolve(pillar("minimal"))


@pytest.mark.parametrize("name", PILLARS)
def test_secrets_are_masked_wherever_they_went(resolve, pillar, name):
    found = resolve(pillar(name))
    secrets = list(secrets_of(pillar(name)))
    assert secrets
    shown = json.dumps(redacted(found)) + repr(found)
    for secret in secrets:
        assert json.dumps(secret)[1:-1] not in shown
        assert repr(secret)[1:-1] not in shown
    assert MASK in shown


def test_a_secret_stays_one_in_a_copy(resolve, pillar):
    found = copy.deepcopy(resolve(pillar("minimal")))
    assert isinstance(found["corosync"]["authkey"], Secret)


# Each row: what is done to the minimal pillar, where the problem must be, and a word of what is expected there.
WRONG = [
    ("cluster", REMOVE, "hamysql:cluster:name", "a name"),
    ("cluster:nodes:db3", {"addresses": ["192.0.2.13"]}, "hamysql:cluster:nodes", "exactly two"),
    ("cluster:nodes:db2", REMOVE, "hamysql:cluster:nodes", "exactly two"),
    ("cluster:nodes:db2:addresses", ["192.0.2.11"], "hamysql:cluster:nodes:db2:addresses:0", "of its own"),
    ("cluster:nodes:db2:addresses", [], "hamysql:cluster:nodes:db2:addresses", "one address"),
    ("cluster:nodes:db2:addresses", ["192.0.2.12", "198.51.100.1"], "hamysql:cluster:nodes:db2:addresses", "as many"),
    ("cluster:nodes:db2:addresses", ["2001:db8::1"], "hamysql:cluster:nodes:db2:addresses", "family"),
    ("cluster:nodes:db2:addresses", "192.0.2.12", "hamysql:cluster:nodes:db2:addresses", "a list"),
    ("cluster:nodes:db2:addresses", ["192.0.2.300"], "hamysql:cluster:nodes:db2:addresses:0", "IPv4 or IPv6"),
    ("cluster:nodes:db2:addresses", ["127.0.0.1"], "hamysql:cluster:nodes:db2:addresses:0", "one host"),
    ("cluster:nodes:db2:addresses", [None], "hamysql:cluster:nodes:db2:addresses:0", "one host"),
    ("cluster:nodes:db2:addreses", ["192.0.2.12"], "hamysql:cluster:nodes:db2:addreses", "'addresses'"),
    ("cluster:nodes:db2:minion_id", "db1", "hamysql:cluster:nodes:db2:minion_id", "of its own"),
    ("cluster:nodes:db2:disk", "sdb", "hamysql:cluster:nodes:db2:disk", "/dev"),
    ("vip:address", "192.0.2.11", "hamysql:vip:address", "no node"),
    ("vip:address", REMOVE, "hamysql:vip:address", "reached"),
    ("vip:address", "fe80::1%eth0", "hamysql:vip:address", "one host"),
    ("vip:prefix", 64, "hamysql:vip:prefix", "1 to 32"),
    ("vip:prefix", True, "hamysql:vip:prefix", "1 to 128"),
    ("vip:prefix", "255.255.255.0", "hamysql:vip:prefix", "1 to 128"),
    ("vip:interface", "eth0; reboot", "hamysql:vip:interface", "interface"),
    ("vip:interface", REMOVE, "hamysql:vip:interface", "or hamysql:cluster:nodes:db1:vip_interface and"),
    ("cluster:nodes:db2:vip_interface", "eth0 ", "hamysql:cluster:nodes:db2:vip_interface", "interface"),
    ("fencing", {}, "hamysql:fencing:devices", "i_accept_data_loss_without_fencing"),
    ("fencing:i_accept_data_loss_without_fencing", "yes", "hamysql:fencing:i_accept_data_loss_without_fencing", "true"),
    ("fencing:devices", {"db1": {"ip": "1"}}, "hamysql:fencing:devices:db1", "a list"),
    ("corosync:transport", "knot", "hamysql:corosync:transport", "'knet'"),
    ("corosync:port", 1, "hamysql:corosync:port", "2 to 65535"),
    ("corosync:token", "1s", "hamysql:corosync:token", "milliseconds"),
    ("corosync:crypto_hash", "none", "hamysql:corosync:crypto_hash", "a hash"),
    ("corosync:authkey", REMOVE, "hamysql:corosync:authkey", "openssl rand"),
    ("storage:drbd:shared_secret", REMOVE, "hamysql:storage:drbd:shared_secret", "1 to 63"),
    ("corosync:authkey", "short", "hamysql:corosync:authkey", "128 to 4095"),
    ("corosync:authkey", "k" * 4096, "hamysql:corosync:authkey", "128 to 4095"),
    ("corosync:mcastaddr", "239.1.1.1", "hamysql:corosync:mcastaddr", "transport udp"),
    ("corosync:options", {"totem": {"token": 1}}, "hamysql:corosync:options:totem:token", "not to be set"),
    ("corosync:options", {"totem": {"tokken": 1}}, "hamysql:corosync:options:totem:tokken", "one of"),
    ("storage:backend", "ceph", "hamysql:storage:backend", "'drbd', 'shared' or 'nfs'"),
    ("storage:drbd:disk", REMOVE, "hamysql:storage:drbd:disk", "/dev/sdb"),
    ("storage:drbd:disk", "/dev/../etc", "hamysql:storage:drbd:disk", "/dev"),
    ("storage:drbd:disk", "/dev/drbd1", "hamysql:storage:drbd:disk", "below DRBD"),
    ("storage:drbd:device", "/dev/sdb", "hamysql:storage:drbd:device", "/dev/drbd0"),
    ("storage:drbd:shared_secret", REMOVE, "hamysql:storage:drbd:shared_secret", "openssl rand"),
    ("storage:drbd:shared_secret", 'a"b', "hamysql:storage:drbd:shared_secret", "without"),
    ("storage:drbd:shared_secret", "0123456789abcdef" * 4, "hamysql:storage:drbd:shared_secret", "1 to 63"),  # -hex 32
    ("storage:drbd:shared_secret", 12345, "hamysql:storage:drbd:shared_secret", "a text"),
    ("storage:drbd:link", 1, "hamysql:storage:drbd:link", "0 to 0"),
    ("storage:drbd:port", 3306, "hamysql:storage:drbd:port", "another port"),
    ("storage:drbd:rate", "10 MB", "hamysql:storage:drbd:rate", "'10M'"),
    ("storage:drbd:initial_sync", "skip", "hamysql:storage:drbd:initial_sync", "'auto'"),
    ("storage:drbd:wipe", {"db3": "/dev/sdb"}, "hamysql:storage:drbd:wipe:db3", "one of db1, db2"),
    ("storage:drbd:wipe", {"db1": "all"}, "hamysql:storage:drbd:wipe:db1", "/dev"),
    ("storage:drbd:wipe", {"db1": None}, "hamysql:storage:drbd:wipe:db1", "/dev"),
    ("storage:drbd:wipe", "/dev/sdb", "hamysql:storage:drbd:wipe", "a mapping of nodes"),
    ("storage:drbd:protocol", "c", "hamysql:storage:drbd:protocol", "'C'"),
    ("storage:drbd:shared-secret", "x", "hamysql:storage:drbd:shared-secret", "'shared_secret'"),
    ("storage:drbd:options", {"net": {"shared-secret": "x"}}, "hamysql:storage:drbd:options:net:shared-secret", "instead"),
    ("storage:drbd:options", {"net": {"allow-two-primaries": True}}, "hamysql:storage:drbd:options:net:allow-two-primaries", "not to"),
    ("storage:drbd:options", {"net": {"after-sb-1pri": "discard-secondary"}}, "hamysql:storage:drbd:options:net:after-sb-1pri", "disc"),
    ("storage:filesystem", {"type": "btrfs"}, "hamysql:storage:filesystem:type", "'xfs'"),
    ("storage:filesystem", {"mkfs_options": ["/dev/sda"]}, "hamysql:storage:filesystem:mkfs_options:0", "mkfs"),
    ("storage:filesystem", {"options": "noatime; rm"}, "hamysql:storage:filesystem:options", "mount"),
    ("firewall", {"backend": "ufw"}, "hamysql:firewall:backend", "'iptables'"),
    ("firewall", {"client_networks": ["192.0.2.1/24"]}, "hamysql:firewall:client_networks:0", "'192.0.2.0/24'"),
    ("firewall", {"client_networks": ["2001:db8::/64"]}, "hamysql:firewall:client_networks:0", "IPv4 network"),
    ("firewall", {"client_networks": "192.0.2.0/24"}, "hamysql:firewall:client_networks", "a list"),
    ("mysql", {"datadir": "/var"}, "hamysql:mysql:datadir", "of its own"),
    ("mysql", {"config": {"mysqld": {"datadir": "/x"}}}, "hamysql:mysql:config:mysqld:datadir", "hamysql:mysql:datadir"),
    ("mysql", {"config": {"mariadb": {"pid-file": "/x"}}}, "hamysql:mysql:config:mariadb:pid-file", "pid_file"),
    ("mysql", {"config": {"client": {"password": "x"}}}, "hamysql:mysql:config:client:password", "not to be set"),
    ("mysql", {"config": {"mysqld": {"wsrep-sst-auth": "x:y"}}}, "hamysql:mysql:config:mysqld:wsrep-sst-auth", "not to be set"),
    ("mysql", {"config": {"mariadb": {"report_password": "x"}}}, "hamysql:mysql:config:mariadb:report_password", "not to be set"),
    ("mysql", {"config": {"mysqld": {"a": "b\n[client]"}}}, "hamysql:mysql:config:mysqld:a", "one line"),
    ("mysql", {"config": {"mysqld]": {}}}, "hamysql:mysql:config:mysqld]", "name"),
    ("mysql", {"agent": "mysqld_safe"}, "hamysql:mysql:agent", "'ocf:heartbeat:mysql'"),
    ("mysql", {"ping_timeout": 51}, "hamysql:mysql:ping_timeout", "at least 10 s less than the timeout of p_mysql's monitor (60s)"),
    ("mysql", {"databases": [{"name": "a`b"}]}, "hamysql:mysql:databases:0:name", "letters"),
    ("mysql", {"databases": [{"name": "a"}, {"name": "A"}]}, "hamysql:mysql:databases:1:name", "once"),
    ("mysql", {"databases": ["a"]}, "hamysql:mysql:databases:0", "a mapping"),
    ("mysql", {"users": [{"name": "a'b", "host": "%", "auth": "unix_socket"}]}, "hamysql:mysql:users:0:name", "letters"),
    ("mysql", {"users": [{"name": "a", "host": "%' OR", "auth": "unix_socket"}]}, "hamysql:mysql:users:0:host", "pattern"),
    ("mysql", {"users": [{"name": "a", "host": "%"}]}, "hamysql:mysql:users:0:password", "openssl rand"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p", "auth": "unix_socket"}]}, "hamysql:mysql:users:0", "one of"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p\n"}]}, "hamysql:mysql:users:0:password", "control"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p", "grants": [{"privileges": ["SELECT; DROP"], "on": "*.*"}]}]},
     "hamysql:mysql:users:0:grants:0:privileges:0", "privilege"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p", "grants": [{"privileges": ["CREATETEMPORARY TABLES"], "on": "*.*"}]}]},
     "hamysql:mysql:users:0:grants:0:privileges:0", "CREATE TEMPORARY TABLES"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p", "grants": [{"privileges": ["ALL"], "on": "*.t"}]}]},
     "hamysql:mysql:users:0:grants:0:on", "database.table"),
    ("mysql", {"users": [{"name": "a", "host": "%", "password": "p", "grants": [{"on": "*.*"}]}]},
     "hamysql:mysql:users:0:grants:0:privileges", "at least one"),
    ("pacemaker", {"properties": {"stonith-enabled": False, "dc-version": 1}}, "hamysql:pacemaker:properties:dc-version", "not to"),
    ("pacemaker", {"operations": {"p_mysql": {"start": {"timeout": "soon"}}}}, "hamysql:pacemaker:operations:p_mysql:start:timeout", "20s"),
    ("pacemaker", {"operations": {"p_mysq": {}}}, "hamysql:pacemaker:operations:p_mysq", "'p_mysql'"),
    ("pacemaker", {"configure": ["primitive"]}, "hamysql:pacemaker:configure", "crm"),
    ("repo", {"repositories": {"x": {"name": "deb https://me:pw@repo.example.org/ ./"}}}, "hamysql:repo:repositories:x:name", "auth.conf"),
    ("repo", {"repositories": {"x": {"name": "deb file:/x ./", "disable_after_install": True}}}, "hamysql:repo:repositories:x:packages", "inst"),
    ("package", {"versions": {"corosnyc": "3"}}, "hamysql:package:versions:corosnyc", "'corosync', the nearest that is"),
    ("package", {"versions": {"vim": "9"}}, "hamysql:package:versions:vim", "it in hamysql:package:further as well"),
    ("package", {"masked_units": ["mariadb"]}, "hamysql:package:masked_units:0", "mariadb.service"),
    ("corosnyc", {}, "hamysql:corosnyc", "'corosync'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "value", "path", "word"), WRONG, ids=[f"{row[0]}-{n}" for n, row in enumerate(WRONG)]
)
def test_a_wrong_pillar_names_the_path_and_what_belongs_there(resolve, pillar, where, value, path, word):
    given = pillar("minimal")
    put(given, where, value)
    found = problems(resolve, given)
    assert path in found
    assert word in found[path][1]


@pytest.mark.parametrize(
    ("timeout", "limit"), [("60s", 50), ("60", 50), ("1min", 50), ("1h", 600), ("90000ms", 80), ("120sec", 110)]
)
def test_a_server_has_as_long_to_answer_as_the_monitors_timeout_leaves(resolve, pillar, timeout, limit):
    given = pillar("minimal")
    put(given, "pacemaker", {"operations": {"p_mysql": {"monitor": {"timeout": timeout}}}})
    put(given, "mysql:ping_timeout", limit)
    assert resolve(given)["mysql"]["ping_timeout"] == limit
    if limit < 600:
        put(given, "mysql:ping_timeout", limit + 1)
        assert "hamysql:mysql:ping_timeout" in problems(resolve, given)


def test_a_server_waits_for_its_storage_within_the_monitors_timeout(resolve, pillar):
    given = pillar("iscsi")
    found = resolve(given)["mysql"]
    assert (found["ping_timeout"], found["storage_timeout"]) == (20, 90)
    put(given, "mysql:storage_timeout", 91)
    assert problems(resolve, given)["hamysql:mysql:ping_timeout"] == (
        "20 s, and a storage_timeout of 91 s",
        "together at least 10 s less than the timeout of p_mysql's monitor (120s)",
    )


def test_every_problem_is_reported_at_once(resolve, pillar):
    given = pillar("minimal")
    put(given, "vip:prefix", 99)
    put(given, "corosync:authkey", "short")
    put(given, "storage:drbd:protokol", "C")
    put(given, "mysql", {"users": "root"})
    assert list(problems(resolve, given)) == sorted(
        ["hamysql:vip:prefix", "hamysql:corosync:authkey", "hamysql:storage:drbd:protokol", "hamysql:mysql:users"]
    )


def test_unsafe_properties_need_the_opt_out(resolve, pillar):
    given = pillar("article")
    given["fencing"] = {}
    assert set(problems(resolve, given)) == {
        "hamysql:fencing:devices",
        "hamysql:pacemaker:properties:stonith-enabled",
        "hamysql:pacemaker:properties:no-quorum-policy",
    }


def test_a_minion_that_is_no_node_is_told_the_minions_that_are(resolve, pillar):
    found = problems(resolve, pillar("minimal"), minion_id="web1", nodename="web1")
    assert found["hamysql:cluster:nodes"] == (
        "no node with this minion's id 'web1'",
        "the minion_id of one node to be it; there are 'db1', 'db2'",
    )


def test_the_nodes_key_must_be_what_uname_prints(resolve, pillar):
    found = problems(resolve, pillar("minimal"), nodename="db1.example.org")
    assert "'db1.example.org'" in found["hamysql:cluster:nodes:db1"][1]


def test_only_knet_has_several_links(resolve, pillar):
    given = pillar("ipv6")
    given["corosync"]["transport"] = "udpu"
    assert "'knet'" in problems(resolve, given)["hamysql:corosync:transport"][1]


def test_the_multicast_address_is_of_the_nodes_family(resolve, pillar):
    given = pillar("article")
    given["corosync"]["mcastaddr"] = "ff05::1"
    assert "family" in problems(resolve, given)["hamysql:corosync:mcastaddr"][1]


def test_what_is_found_never_shows_a_secret(resolve, pillar):
    given = pillar("minimal")
    put(given, "corosync:authkey", "canary-short")
    put(given, "storage:drbd:shared_secret", 'canary-"-quote')
    put(given, "mysql", {"users": [{"name": "a", "host": "%", "password": "canary-\x00"}, "canary-in-a-text"]})
    found = problems(resolve, given)
    assert len(found) == 4
    assert "canary" not in str(found)
    assert found["hamysql:corosync:authkey"][0] == "a text of 12 characters"


@pytest.mark.parametrize("given", [5, "text", [], ["a"], True])
def test_a_pillar_that_is_no_mapping_is_told_so(resolve, given):
    assert problems(resolve, given)["hamysql"][1] == "a mapping"


def test_an_unknown_operating_system_misses_values_and_says_so(pillar):

    merged = resolution.layered(parameters()[:1], pillar("minimal"))
    with pytest.raises(ConfigError, match="operating system and flavor"):
        resolution.resolve(merged, minion_id="db1", nodename="db1")
