"""The rules of :mod:`hamysql.rules` that concern the data: its disks, replication, database and accounts."""

from __future__ import annotations

from typing import Any

from hamysql import mysql as mysql_accounts
from hamysql import places
from hamysql.pillar import MAKE_PASSWORD
from hamysql.schema import Report
from hamysql.secretnames import is_databases_secret
from hamysql.values import seconds

Config = dict[str, Any]

# Options that hamysql writes itself; the key of the pillar that sets each, or why there is none.
OWN_DRBD = {
    "global": {"usage-count": "usage_count"},
    "startup": {"wfc-timeout": "wfc_timeout", "degr-wfc-timeout": "degr_wfc_timeout"},
    "disk": {"on-io-error": "on_io_error", "resync-rate": "rate", "c-plan-ahead": "rate: auto"},
    "net": {"protocol": "protocol", "cram-hmac-alg": "cram_hmac_alg", "shared-secret": "shared_secret"},
    "handlers": {},
    "options": {},
}
# Options that belong to fencing, two primaries or an automatic loss of one side's changes.
DANGEROUS_DRBD = {
    "allow-two-primaries": "not to be set: the file systems of this formula are for one node at a time",
    "fencing": "not to be set: hamysql:fencing decides it",
    "after-sb-0pri": "'disconnect' or 'discard-zero-changes': anything else discards one side's data by itself",
    "after-sb-1pri": "'disconnect': anything else discards one side's data by itself",
    "after-sb-2pri": "'disconnect': anything else discards one side's data by itself",
}
PING_MARGIN = 10  # seconds; for what the agent does besides, on a busy node
OWN_ACCOUNT = ("root", "localhost")
SERVERS_ACCOUNTS = ("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema")
SERVERS_DATABASES = ("mysql", "sys", "information_schema", "performance_schema")
OPT_OUT = "i_accept_data_loss_without_fencing"
FENCE_HANDLERS = ("fence-peer", "unfence-peer", "after-resync-target", "outdate-peer")
HARMLESS_SPLIT_BRAIN = {"after-sb-0pri": ("disconnect", "discard-zero-changes")}


def check_drbd(config: Config, report: Report) -> None:
    drbd, path = config["storage"]["drbd"], "hamysql:storage:drbd"
    nodes = config["cluster"]["nodes"]
    if (
        drbd["disk"] is None
        and not report.bad_under(f"{path}:disk")
        and not all(node["disk"] for node in nodes.values())
    ):
        report.add(
            f"{path}:disk", "nothing", "the disk or volume on each node that DRBD replicates, such as '/dev/sdb'"
        )
    if drbd["shared_secret"] is None and not report.bad_under(f"{path}:shared_secret"):
        expected = f'a text of 1 to 64 ASCII characters without " and \\: {MAKE_PASSWORD}'
        report.add(f"{path}:shared_secret", "nothing", expected)
    for where, disk in [(f"{path}:disk", drbd["disk"])] + [
        (f"hamysql:cluster:nodes:{n}:disk", node["disk"]) for n, node in nodes.items()
    ]:
        if disk is not None and disk.startswith("/dev/drbd"):
            report.add(where, repr(disk), "the disk below DRBD, not a DRBD device")
    for name in drbd["wipe"]:
        if nodes and name not in nodes:
            report.add(f"{path}:wipe:{name}", "no node of this cluster", f"one of {', '.join(nodes)}")
    links = min((len(node["addresses"]) for node in nodes.values()), default=0)
    if drbd["link"] is not None and nodes and links and drbd["link"] >= links:
        report.add(f"{path}:link", str(drbd["link"]), f"0 to {links - 1}, the index of one of the nodes' addresses")
    if drbd["port"] is not None and drbd["port"] == config["mysql"]["port"]:
        report.add(f"{path}:port", str(drbd["port"]), "another port than hamysql:mysql:port")
    for section, own in OWN_DRBD.items():
        for name, value in drbd["options"][section].items():
            where = f"{path}:options:{section}:{name}"
            if name in own:
                report.add(where, "an option that hamysql writes itself", f"{path}:{own[name]} to be set instead")
            elif (
                name in DANGEROUS_DRBD
                and section in ("net", "disk")
                and value not in HARMLESS_SPLIT_BRAIN.get(name, ("disconnect", "no", "dont-care"))
            ):
                report.add(where, repr(value), DANGEROUS_DRBD[name])
            elif section == "handlers" and name in FENCE_HANDLERS and not config["fencing"][OPT_OUT]:
                report.add(where, "a handler that hamysql writes itself", "not to be set: hamysql:fencing decides it")


def check_paths(config: Config, report: Report) -> None:
    mysql = config["mysql"]
    for key, found, expected in places.problems(config):
        report.add(f"hamysql:{key}", found, expected)
    for key in (
        "binary",
        "client",
        "admin",
        "install_db",
        "config_file",
        "config_fragment",
        "socket",
        "pid_file",
        "error_log",
        "user",
        "group",
    ):
        if mysql[key] is None and not any(report.bad_under(f"hamysql:mysql:{bad}") for bad in (key, "flavor")):
            report.add(
                f"hamysql:mysql:{key}",
                "nothing",
                "a value: this operating system and flavor are not among those that hamysql knows",
            )


def check_ping_timeout(config: Config, report: Report) -> None:
    """A monitor that pacemaker ends itself says nothing of a hang, and the stop after it waits for a server that cannot end."""
    mysql, monitor = config["mysql"], config["pacemaker"]["operations"]["p_mysql"]["monitor"]["timeout"]
    ping, storage = mysql["ping_timeout"], mysql["storage_timeout"]
    if None not in (ping, storage, monitor) and ping + storage + PING_MARGIN > seconds(monitor):
        report.add(
            "hamysql:mysql:ping_timeout",
            f"{ping} s, and a storage_timeout of {storage} s",
            f"together at least {PING_MARGIN} s less than the timeout of p_mysql's monitor ({monitor})",
        )


def check_secrets(config: Config, report: Report) -> None:
    for group, options in config["mysql"]["config"].items():
        for name in filter(is_databases_secret, options):
            report.add(
                f"hamysql:mysql:config:{group}:{name}",
                "a secret in an option file",
                "it not to be set here: the file can be read by every local user",
            )


def _is_everything(grant: Config) -> bool:
    return "ALL" in grant["privileges"] and grant["on"] == "*.*" and grant["grant_option"] is True


def check_accounts(config: Config, report: Report) -> None:
    mysql = config["mysql"]
    names: set[str] = set()
    for number, database in enumerate(mysql["databases"]):
        if database["name"] is not None and database["name"].lower() in names:
            report.add(f"hamysql:mysql:databases:{number}:name", repr(database["name"]), "each database once")
        names.add(str(database["name"]).lower())
    known = {f"{user['name']}@{str(user['host']).lower()}": None for user in mysql["users"]}
    for name in mysql["passwords"]:
        if name not in known and not report.bad_under("hamysql:mysql:users"):
            expected = report.nearest(name, known) if known else "a user in hamysql:mysql:users"
            report.add(f"hamysql:mysql:passwords:{name}", "an account that is not among the users", expected)
    for number, database in enumerate(mysql["databases"]):
        if str(database["name"]).lower() in SERVERS_DATABASES:
            found = repr(database["name"])
            report.add(
                f"hamysql:mysql:databases:{number}:name", found, "a database of your own: that one is the server's"
            )
    accounts: set[tuple[str, str]] = set()
    for number, user in enumerate(mysql["users"]):
        path = f"hamysql:mysql:users:{number}"
        account = (str(user["name"]), str(user["host"]).lower())
        if account in accounts:
            report.add(path, f"{account[0]}@{account[1]} again", "each account once")
        accounts.add(account)
        if account[0] in SERVERS_ACCOUNTS:
            report.add(
                f"{path}:name", repr(account[0]), "an account of your own: the server's tables and views need that one"
            )
        if account == OWN_ACCOUNT and user["grants"] and not any(map(_is_everything, user["grants"])):
            found, expected = (
                "root@localhost with less than everything",
                "a grant of ALL on *.* with grant_option: true, or ",
            )
            report.add(f"{path}:grants", found, f"{expected}no grants: hamysql reaches the server as that account")
        apart = mysql["passwords"].get("@".join(account)) is not None
        ways = [way for way, given in (("password", user["password"]), ("auth", user["auth"])) if given is not None]
        ways += ["an entry of hamysql:mysql:passwords"] if apart else []
        if len(ways) > 1:
            report.add(path, f"both {' and '.join(ways)}", "one of the two")
        if not ways and not report.bad_under(path) and not report.bad_under("hamysql:mysql:passwords"):
            report.add(f"{path}:password", "nothing", f"a password ({MAKE_PASSWORD}), or `auth: unix_socket`")
        for index, grant in enumerate(user["grants"]):
            where = f"{path}:grants:{index}"
            if not grant["privileges"] and not report.bad_under(f"{where}:privileges"):
                report.add(f"{where}:privileges", "no privilege", "at least one, such as ALL")
            for place, privilege in enumerate(grant["privileges"] if grant["on"] is not None else ()):
                expected_place = mysql_accounts.misplaced(privilege, grant["on"]) if privilege is not None else None
                if expected_place:
                    report.add(f"{where}:privileges:{place}", f"{privilege!r} on {grant['on']}", expected_place)
            if "ALL" in grant["privileges"] and len(grant["privileges"]) > 1:
                report.add(f"{where}:privileges", "ALL and others", "ALL alone, or the others")
