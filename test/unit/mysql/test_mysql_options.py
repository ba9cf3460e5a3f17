"""Options of the server that would lock hamysql out, let strangers in or keep a failover from starting: refused, however they are written."""

from __future__ import annotations

from typing import Any

import pytest

from hamysql.errors import ConfigError
from hamysql.mysql import options as mysql_options
from hamysql.mysql.flavours import registry

CONFIG = "hamysql:mysql:config"


def given(pillar: Any, options: dict[str, Any], group: str = "mysqld", **mysql: Any) -> Any:
    found = pillar("minimal")
    found["mysql"] = {"config": {group: options}, **mysql}
    return found


def refused(resolve: Any, pillar: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(pillar)
    return {problem.path: problem.expected for problem in caught.value.problems}


# name, value, a word of the reason
WRONG = [
    ("unix_socket", False, "lets it in"),
    ("unix-socket", "OFF", "lets it in"),
    ("UNIX_SOCKET", 0, "lets it in"),
    ("skip-unix-socket", None, "lets it in"),
    ("disable_unix_socket", None, "lets it in"),
    ("loose-unix_socket", "off", "lets it in"),
    ("loose-skip-unix-socket", None, "lets it in"),
    ("plugin-unix-socket", "OFF", "lets it in"),
    ("unix-sock", "no", "lets it in"),
    ("skip-grant-tables", None, "anybody is root"),
    ("skip_grant_tables", True, "anybody is root"),
    ("skip-grant", None, "anybody is root"),
    ("enable-skip-grant-tables", None, "anybody is root"),
    ("skip-networking", None, "virtual IP"),
    ("skip_networking", 1, "virtual IP"),
    ("skip-netw", None, "virtual IP"),
    ("loose_skip_networking", True, "virtual IP"),
    ("read_only", True, "takes writes"),
    ("enable-read-only", None, "takes writes"),
    ("super_read_only", "ON", "takes writes"),
    ("innodb-read-only", 1, "takes writes"),
    ("transaction-read-only", "ON", "takes writes"),
    ("skip-innodb", None, "InnoDB"),
    ("innodb", "OFF", "InnoDB"),
    ("innodb_force_recovery", 6, "damaged data"),
    ("innodb-force-rec", 1, "damaged data"),
    ("innodb_doublewrite", False, "torn pages"),
    ("skip-innodb-doublewrite", None, "torn pages"),
    ("innodb_flush_method", "nosync", "committed"),
    ("innodb_checksum_algorithm", "none", "damage"),
    ("innodb_buffer_pool_size", "70%", "no percentages"),
    ("innodb-buffer-pool-size", "1.5G", "no fractions"),
    ("loose-innodb_log_file_size", "2e9", "a number of bytes"),
    ("key_buffer_size", "0x1000", "a number of bytes"),
    ("sort_buffer_size", "big", "a number of bytes"),
    ("init_file", "/root/init.sql", "runs SQL"),
    ("init-file", "init.sql", "runs SQL"),
    ("thread_handling", "no-threads", "one client"),
    ("default_password_lifetime", 90, "locks it out"),
    ("skip-autocommit", None, "commit"),
    ("bootstrap", None, "serves nobody"),
    ("chroot", "/srv", "socket"),
    ("wsrep_on", True, "Galera"),
    ("wsrep-cluster-address", "gcomm://db1,db2", "Galera"),
    ("datadir", "/srv/x", "hamysql:mysql:datadir"),
    ("loose-port", 3307, "hamysql:mysql:port"),
    ("data-dir", "/srv/x", "below"),
    ("PORT", 3307, "hamysql:mysql:port"),
    ("log-err", "/var/log/x.log", "hamysql:mysql:error_log"),
    ("innodb_log_group_home_dir", "/redo", "both nodes"),
    ("innodb-log-group-home-dir", "/var/lib/mysql-redo", "both nodes"),
    ("loose_innodb_log_group_home_dir", "/redo", "both nodes"),
    ("innodb_log_group", "/redo", "both nodes"),
    ("innodb_log_group_home_dir", "../redo", "'..'"),
    ("innodb_log_group_home_dir", "/var/lib/mysql/../redo", "'..'"),
    ("innodb_log_group_home_dir", "~/redo", "'~'"),
    ("innodb_undo_directory", "/undo", "both nodes"),
    ("innodb_data_home_dir", "/data", "both nodes"),
    ("innodb_data_file_path", "/dev/sdc:10Graw", "without a path"),
    ("innodb_data_file_path", "ibdata1:10M;/disk2/ibdata2:10M:autoextend", "without a path"),
    ("innodb_temp_data_file_path", "ibtmp1:12M;/fast/ibtmp2:12M", "no path within"),
    ("aria_log_dir_path", "/aria", "both nodes"),
    ("log_bin", "/binlog/mysql-bin", "both nodes"),
    ("log-bin-index", "/binlog/index", "both nodes"),
    ("relay_log", "/binlog/relay", "both nodes"),
    ("relay-log-info-file", "/binlog/info", "both nodes"),
    ("master_info_file", "/binlog/master.info", "both nodes"),
    ("general_log_file", "/logs/general.log", "both nodes"),
    ("slow_query_log_file", "/logs/slow.log", "both nodes"),
    ("log-slow-query-file", "/logs/slow.log", "both nodes"),
    ("tmpdir", "/fast/tmp", "both nodes"),
    ("tmpdir", "/tmp:/fast/tmp", "both nodes"),
    ("slave_load_tmpdir", "/fast", "both nodes"),
    ("secure_file_priv", "/exports", "both nodes"),
    ("some_plugin_of_tomorrow_dir", "/fast", "both nodes"),
    ("bind-address", "0.0.0.0,10.0.0.5", "no other address"),
    ("bind_address", "192.0.2.11", "the virtual IP"),
    ("bind-address", "127.0.0.1", "clients reach"),
    ("loose-bind-address", "db1.example.org", "the virtual IP"),
    ("bind-addr", "10.0.0.5", "the virtual IP"),
    ("extra_port", 3306, "of its own"),
    ("extra-port", "99999", "1 to 65535"),
    ("admin_address", "0.0.0.0", "a door"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "why"), WRONG)
def test_it_is_refused_with_the_reason(resolve, pillar, name, value, why):
    found = refused(resolve, given(pillar, {name: value}))
    assert why in found[f"{CONFIG}:mysqld:{name}"]


@pytest.mark.parametrize(
    "group",
    ["server", "mariadb", "mariadbd", "client-server", "mariadb-10.11", "mysqld-10.11", "galera", "MYSQLD", "mysqld_safe", "embedded"],
)  # fmt: skip
@pytest.mark.parametrize(("name", "value"), [("skip-networking", None), ("log_bin", "/binlog/x"), ("port", 3307), ("bind-address", "10.0.0.5")])  # fmt: skip
def test_a_group_that_a_server_may_read_is_judged_as_well(resolve, pillar, group, name, value):
    assert list(refused(resolve, given(pillar, {name: value}, group))) == [f"{CONFIG}:{group}:{name}"]


def test_one_of_a_list_is_enough(resolve, pillar):
    assert refused(resolve, given(pillar, {"unix_socket": [True, False]}))


def test_the_server_is_not_root(resolve, pillar):
    assert "root" in refused(resolve, given(pillar, {}, user="root"))["hamysql:mysql:user"]


@pytest.mark.parametrize(
    "options",
    [
        {"unix_socket": True, "skip-networking": False, "read_only": "OFF", "skip_grant_tables": 0},
        {"innodb_flush_method": "O_DIRECT", "innodb_doublewrite": True, "innodb": "FORCE"},
        {"log_bin": "mysql-bin", "relay_log": "relay", "log_bin_index": "/var/lib/mysql/index"},
        {"log_bin": None, "general_log": True, "general_log_file": "/var/log/mysql/general.log"},
        {"slow_query_log": 1, "slow_query_log_file": "/var/log/mysql/slow.log", "tmpdir": "/tmp:/var/tmp"},
        {"ssl_cert": "/etc/mysql/tls/cert.pem", "loose-ssl-key": "/etc/mysql/tls/key.pem", "skip-ssl": None},
        {"init_connect": "SET NAMES 'x' /* a/b */", "default_time_zone": "Europe/Berlin", "skip-name-resolve": None},
        {"plugin_dir": "/usr/lib/mysql/plugin", "plugin_load_add": "auth_pam", "lc_messages": "en_US"},
        {"innodb_data_file_path": "ibdata1:12M:autoextend", "innodb_undo_directory": "/var/lib/mysql/undo"},
        {"innodb_log_group_home_dir": "./", "skip-external-locking": None, "wsrep_on": "OFF"},
        {"max_connections": 500, "sql_mode": "STRICT_TRANS_TABLES", "proxy_protocol_networks": "192.0.2.0/24"},
        {"bind-address": "192.0.2.100"},
        {"bind_address": "192.0.2.100,127.0.0.1,::1"},
    ],
)
def test_what_is_safe_is_taken(resolve, pillar, options):
    lines = resolve(given(pillar, options))["mysql"]["option_lines"]["mysqld"]
    assert all(any(line.partition(" ")[0] == name for line in lines) for name in options)


def test_groups_of_clients_may_say_anything(resolve, pillar):
    assert resolve(given(pillar, {"socket": "/run/x", "port": 3307}, "client"))


def test_an_address_in_another_group_replaces_ours(resolve, pillar):
    lines = resolve(given(pillar, {"bind-address": "*"}, "mariadb"))["mysql"]["option_lines"]
    assert not [line for line in lines["mysqld"] if "bind" in line]


CLOSED = "-A HAMYSQL -p tcp -m {} -j DROP"


@pytest.mark.parametrize("spelling", ["bind-address", "bind_address", "loose-bind-address", "bind-addr"])
def test_a_server_that_listens_everywhere_is_closed_to_strangers_on_all_addresses(resolve, pillar, spelling):
    site = given(pillar, {spelling: "*"})
    site["firewall"] = {"client_networks": ["192.0.2.0/24"]}
    rules = resolve(site)["firewall"]["rules"]
    for family in ("ipv4", "ipv6"):
        assert rules[family][-1] == CLOSED.format("tcp --dport 3306")
    assert "-A HAMYSQL -s 192.0.2.0/24 -p tcp -m tcp --dport 3306 -j ACCEPT" in rules["ipv4"]
    assert not [rule for rule in rules["ipv6"] if "3306" in rule and "ACCEPT" in rule]


def test_a_further_port_is_closed_like_the_first(resolve, pillar):
    rules = resolve(given(pillar, {"extra-port": 3399}))["firewall"]["rules"]
    assert rules["ipv4"][-1] == "-A HAMYSQL -d 192.0.2.100/32 -p tcp -m multiport --dports 3306,3399 -j DROP"
    assert "ipv6" not in rules


def test_a_whole_name_is_not_taken_for_the_beginning_of_another():
    for name in ("log_bin", "general_log", "port", "innodb", "slow_query_log"):
        assert [found.name for found in mysql_options.readings(registry.FLAVOURS["mariadb"], name, "1")] == [name]


# --- accounts


def users(pillar: Any, **user: Any) -> Any:
    found = pillar("minimal")
    found["mysql"] = {"users": [{"name": "app", "host": "%", "password": "p", **user}]}
    return found


ALL = {"privileges": ["ALL"], "on": "*.*", "grant_option": True}


@pytest.mark.parametrize(
    ("user", "where", "why"),
    [
        ({"host": "192.168.0.0/24"}, "host", "'192.168.0.0/255.255.255.0'"),
        ({"host": "10.0.0.0/8"}, "host", "'10.0.0.0/255.0.0.0'"),
        ({"host": "192.168.0.5/255.255.255.0"}, "host", "'192.168.0.0/255.255.255.0'"),
        ({"host": "192.168.0.0/33"}, "host", "netmask"),
        ({"host": "192.168.0.%/24"}, "host", "netmask"),
        ({"host": "2001:db8::/64"}, "host", "2001:db8::%"),
        ({"name": "root", "host": "localhost", "grants": [{"privileges": ["SELECT"], "on": "*.*"}]}, "grants", "ALL on *.*"),
        ({"name": "root", "host": "LocalHost", "grants": [{**ALL, "grant_option": False}]}, "grants", "ALL on *.*"),
        ({"name": "mariadb.sys", "host": "localhost"}, "name", "of your own"),
        ({"name": "mysql.sys", "host": "localhost"}, "name", "of your own"),
    ],
)  # fmt: skip
def test_an_account_that_lets_nobody_in_or_shuts_hamysql_out_is_refused(resolve, pillar, user, where, why):
    assert why in refused(resolve, users(pillar, **user))[f"hamysql:mysql:users:0:{where}"]


@pytest.mark.parametrize("host", ["192.168.0.0/255.255.255.0", "192.168.%", "2001:db8::%", "app.example.org"])
def test_hosts_that_the_server_knows_are_taken(resolve, pillar, host):
    assert resolve(users(pillar, host=host))["mysql"]["users"][0]["host"] == host


def test_root_may_have_a_password_with_all_its_privileges(resolve, pillar):
    assert resolve(users(pillar, name="root", host="localhost", grants=[ALL]))


@pytest.mark.parametrize("name", ["mysql", "SYS", "information_schema", "performance_schema"])
def test_the_servers_own_databases_are_not_the_pillars(resolve, pillar, name):
    found = pillar("minimal")
    found["mysql"] = {"databases": [{"name": name}]}
    assert "of your own" in refused(resolve, found)["hamysql:mysql:databases:0:name"]
