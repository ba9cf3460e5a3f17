"""Every key that the pillar ``hamysql`` may have. Defaults are in ``hamysql/parameters/``, not here."""

from __future__ import annotations

from dataclasses import replace

from hamysql import values as v
from hamysql import values_corosync as c
from hamysql import values_fencing as f
from hamysql.pillar_storage import STORAGE
from hamysql.schema import Items, Names, Section, Value

MAKE_KEY = "make one with `openssl rand -hex 128`"
MAKE_PASSWORD = "make one with `openssl rand -hex 16`"

PROPERTIES = Names(v.OPTION_NAME, v.required(v.PROPERTY_VALUE), "a mapping of names to values")

OPERATION = Section(
    {"interval": v.TIME, "timeout": v.TIME, "OCF_CHECK_LEVEL": v.count(0, 20, "how deep the agent looks")}
)


def _never(value: object) -> str:
    if value not in (0, "0", "0s") or isinstance(value, bool):
        raise ValueError
    return "0s"


# pacemaker ignores what it is told to repeat and cannot: crm_verify calls that an error.
ONCE = Section({**OPERATION.keys, "interval": Value("'0s': only a monitor is repeated", _never)})


def _operations(*names: str) -> Section:
    return Section({name: OPERATION if name.startswith("monitor") else ONCE for name in names})


NODE = Section(
    {
        "minion_id": v.NAME,
        "addresses": Items(v.ADDRESS, "a list of addresses, one for each link"),
        "disk": v.DEVICE,
        "vip_interface": v.INTERFACE,
    }
)

CLUSTER = Section(
    {
        "name": v.required(v.NAME, "the name that its members share"),
        "nodes": Names(v.NAME, NODE, "a mapping with two nodes; each key is what `uname -n` prints there"),
    }
)

VIP = Section(
    {
        "address": v.required(v.ADDRESS, "the address under which the database is reached"),
        "prefix": v.required(v.count(1, 128, "the length of its network's prefix")),
        "interface": v.INTERFACE,
        "agent": v.one_of("ocf:hamysql:address", "ocf:heartbeat:IPaddr2"),
        "watch": v.BOOLEAN,
        "reachable": Items(v.REACHABLE, "a list of addresses"),
    }
)

FENCE_DEVICE = Section(
    {
        "agent": v.required(v.FENCE_AGENT),
        "level": v.count(1, 9, "a level of the node's fencing topology"),
        "timeout": v.count(5, 3600, "seconds"),
        "options": f.OPTIONS,
        "secrets": f.SECRETS,
    }
)

FENCING = Section(
    {
        "i_accept_data_loss_without_fencing": v.BOOLEAN,
        "delay": v.count(0, 300, "seconds"),
        "favoured": v.NAME,
        "timeout": v.count(5, 3600, "seconds"),
        "monitor_interval": v.count(10, 86400, "seconds"),
        "devices": Names(
            v.NAME,
            Items(FENCE_DEVICE, "a list of fence devices"),
            "a mapping of nodes to the devices that cut them off",
        ),
        "sbd": Section(
            {
                "device": v.DEVICE,
                "watchdog": v.DEVICE,
                "watchdog_timeout": v.count(1, 600, "seconds"),
                "config_file": v.PATH,
            }
        ),
    }
)

COROSYNC = Section(
    {
        "transport": v.one_of("knet", "udpu", "udp"),
        "port": v.count(2, 65535, "a UDP port (corosync uses this one and the one below)"),
        "token": v.count(100, 600000, "milliseconds"),
        "crypto_cipher": v.one_of("aes256", "aes192", "aes128", "none"),
        "crypto_hash": v.one_of("sha512", "sha384", "sha256", "sha1", "md5", "none"),
        "authkey": Value("a text of 128 to 4095 ASCII characters", v.ascii_text(128, 4095), secret=True),
        "mcastaddr": v.MULTICAST,
        "ttl": v.count(0, 255),
        "logfile": v.PATH,
        "options": Section(c.options()),
    }
)

QUORUM = Section(
    {
        "device": Section(
            {
                "minion_id": v.NAME,
                "address": v.ADDRESS,
                "port": v.PORT,
                "algorithm": v.one_of("ffsplit", "lms"),
                "timeout": v.count(1250, 150000, "milliseconds"),  # qnetd takes a heartbeat (0.8 of it) of 1 to 120 s
            }
        )
    }
)

# The options of Salt's pkgrepo.managed that describe a repository, of apt, dnf and zypper together.
REPOSITORY_TEXT = Value("a text on one line", v.text(1, 1024))
REPOSITORY = Section(
    {
        "name": v.required(REPOSITORY_TEXT, "the line of an apt repository, or a repository's id elsewhere"),
        "humanname": REPOSITORY_TEXT,
        "file": v.PATH,
        "key_url": REPOSITORY_TEXT,
        "aptkey": v.BOOLEAN,
        "baseurl": REPOSITORY_TEXT,
        "mirrorlist": REPOSITORY_TEXT,
        "gpgcheck": v.BOOLEAN,
        "gpgkey": REPOSITORY_TEXT,
        "gpgautoimport": v.BOOLEAN,
        "priority": v.count(1, 99),
        "comments": REPOSITORY_TEXT,
        "packages": Items(v.PACKAGE, "a list of package names"),
        "disable_after_install": v.BOOLEAN,
    }
)

PACKAGES = Items(v.PACKAGE, "a list of package names")
PACKAGE = Section(
    {
        "cluster": PACKAGES,
        "crm": PACKAGES,
        "fencing": Section({"agents": PACKAGES, "ipmi": PACKAGES, "sbd": PACKAGES}),
        "quorum": Section({"device": PACKAGES, "server": PACKAGES}),
        "drbd": PACKAGES,
        "iscsi": PACKAGES,
        "lvm": PACKAGES,
        "multipath": PACKAGES,
        "reservations": PACKAGES,
        "nfs": PACKAGES,
        "copy": PACKAGES,
        "filesystem": Section({"xfs": PACKAGES, "ext4": PACKAGES}),
        "firewall": PACKAGES,
        "database": PACKAGES,
        "tls": PACKAGES,
        "further": PACKAGES,
        "versions": Names(v.PACKAGE, v.required(v.VERSION), "a mapping of package names to versions"),
        "hold": v.BOOLEAN,
        "masked_units": Items(v.UNIT, "a list of systemd units"),
    }
)

FIREWALL = Section(
    {
        "backend": v.one_of("auto", "iptables", "none"),
        "client_networks": Items(v.NETWORK, "a list of networks"),
    }
)

DATABASE = Section(
    {
        "name": v.required(v.SQL_DATABASE),
        "character_set": v.SQL_WORD,
        "collate": v.SQL_WORD,
    }
)

GRANT = Section(
    {
        "privileges": Items(v.PRIVILEGE, "a list of privileges"),
        "on": v.required(v.SQL_TARGET),
        "grant_option": v.BOOLEAN,
    }
)

PASSWORD = Value("a text of 1 to 128 characters without control characters", v.text(1, 128), secret=True)

USER = Section(
    {
        "name": v.required(v.SQL_USER),
        "host": v.required(v.SQL_HOST),
        "password": PASSWORD,
        "auth": v.one_of("unix_socket"),
        "grants": Items(GRANT, "a list of grants"),
    }
)

# Certificates are no secrets, but what is given for one may be a key: nothing that is wrong with them shows a word of them.
TLS = Section(
    {
        "cert": Value("a text, certificates in PEM", v.any_text, secret=True),
        "key": Value("a text, a private key in PEM", v.any_text, secret=True),
        "ca": Value("a text, certificates in PEM", v.any_text, secret=True),
        "required": v.BOOLEAN,
    }
)

MYSQL = Section(
    {
        "flavor": v.one_of("mariadb", note=" (MySQL from Oracle is not supported by this version)"),
        "datadir": v.PATH,
        "socket": v.PATH,
        "pid_file": v.PATH,
        "port": v.PORT,
        "user": v.ACCOUNT,
        "group": v.ACCOUNT,
        "log_group": v.ACCOUNT,
        "binary": v.PATH,
        "client": v.PATH,
        "admin": v.PATH,
        "agent": v.one_of("ocf:hamysql:mysql", "ocf:heartbeat:mysql"),
        "ping_timeout": v.count(1, 600, "seconds"),
        "frozen_timeout": v.count(0, 600, "seconds"),
        "storage_timeout": v.count(0, 3600, "seconds"),
        "install_db": v.PATH,
        "config_file": v.PATH,
        "config_fragment": v.PATH,
        "error_log": v.PATH,
        "tls": TLS,
        "config": Names(
            v.OPTION_NAME,
            Names(v.OPTION_NAME, v.MYSQL_VALUE, "a mapping of options to values"),
            "a mapping of option groups, such as mysqld, to their options",
        ),
        "databases": Items(DATABASE, "a list of databases"),
        "users": Items(USER, "a list of users"),
        # Of users without one above: a list cannot be completed by another file of the pillar, a mapping can.
        "passwords": Names(v.SQL_ACCOUNT, replace(PASSWORD, missing=""), "a mapping of accounts to passwords"),
    }
)

PACEMAKER = Section(
    {
        "hand_over": v.BOOLEAN,
        "python": v.PATH,
        "properties": PROPERTIES,
        "rsc_defaults": PROPERTIES,
        "operations": Section(
            {
                "p_ip_mysql": _operations("start", "stop", "monitor"),
                "p_network_mysql": _operations("start", "stop", "monitor"),
                "p_drbd_mysql": _operations(
                    "start", "stop", "promote", "demote", "notify", "monitor_promoted", "monitor_unpromoted"
                ),
                "p_lvm_mysql": _operations("start", "stop", "monitor"),
                "p_fs_mysql": _operations("start", "stop", "monitor"),
                "p_mysql": _operations("start", "stop", "monitor"),
            }
        ),
        # Secret as a whole: a parameter of a resource may be a password.
        "configure": Value("text in the language of `crm configure`", v.lines, secret=True),
    }
)

SCHEMA = Section(
    {
        "cluster": CLUSTER,
        "vip": VIP,
        "fencing": FENCING,
        "quorum": QUORUM,
        "corosync": COROSYNC,
        "repo": Section({"repositories": Names(v.NAME, REPOSITORY, "a mapping of names to repositories")}),
        "package": PACKAGE,
        "firewall": FIREWALL,
        "storage": STORAGE,
        "mysql": MYSQL,
        "pacemaker": PACEMAKER,
    }
)
