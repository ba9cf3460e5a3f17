"""Values for the schema's leaves: what each of them accepts, what tutorials have, and options that only one program knows."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import strategies as st

from hamysql.schema.language import Value
from hamysql.system.command import run

# What people write, wherever it is accepted.
REAL = [
    *(True, False, 0, 1, 2, 5, 10, 60, 100, 125, 126, 199, 250, 1000, 1250, 3000, 5405, 30000, 0.1, 1.5, "0", "1", "8000", "3306"),
    *("yes", "no", "on", "off", "true", "all", "global", "common", "disk", "net", "node", "minor-0", "hires", "trace", "db-1", "10M"),
    *("/dev/sdb", "/dev/drbd1", "/dev/nvme0n1p3", "/dev/disk/by-id/wwn-0x60014051234567890abcdef012345678", "/dev/mapper/mpatha"),
    *("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0", "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-iqn.2026-01.org.example:x-lun-1"),
    *("192.0.2.77", "2001:db8::77", "239.192.10.1", "ff05::7", "10.0.0.0/8", "0.0.0.0/0", "::/0", "eth0", "bond0.12", "mysql", "app"),
    *("CORP\\svc", "b\u00fcro", 'say "hi"', "it's", "a#b", "a{b", "a}b", "a;b", "a=b", "$HOME", "`id`", "%h", "a\\", "\\n", "echo b > /x"),
    *("20s", "5min", "100ms", "400%", "ocf:heartbeat:Dummy", "fence_ipmilan", "utf8mb4", "app@%", "mariadb.service", "SELECT (id)", "SELECT", "ALL", "PROCESS", "*.*", "app.*"),
    *("nas-galaxy-db.storage.example.org", "/srv/x", "4.1", 4.2, "noatime", "hard,proto=tcp", "iqn.2026-01.org.example:galaxy-db"),
    *("STRICT_TRANS_TABLES,NO_ZERO_DATE", "SET NAMES 'utf8mb4'", "1G", "ON", "", "a" * 64, "b" * 128, "c" * 200, "d" * 255),
    *("/usr/sbin/mariadbd", "/var/log/mysql/error.log", "100G", "deb https://repo.example.org/debian bookworm main", "2001:db8::%", "%"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "s3:https://s3.example.org/galaxy-db", "sftp:backup@nas.example.org:/srv/restic", "rest:https://nas.example.org:8000/"),
]  # fmt: skip
PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
KINDS = (
    st.sampled_from(REAL),
    st.integers(0, 2**33),
    st.integers(0, 300),
    st.text("abcXYZ019_.-", min_size=1, max_size=20),
    st.text(PRINTABLE, min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=30),
    st.builds("/{}/{}".format, st.sampled_from(("dev", "srv", "usr/lib")), st.text("abc01:@%=,+_.-", min_size=1, max_size=30)),
    st.text("0123456789abcdef", min_size=128, max_size=300),
)  # fmt: skip
SAMPLES = [
    REAL,
    [2**31, 70000, 100],
    [0, 99, 300],
    ["a_.-1", "X9", "0"],
    ["a b!{}\"'\\", "#x;", "~|a"],
    ["\u00e0\u4e16", "\u00e9", "z\u20ac"],
    ["/dev/a:0@%=,+_.-", "/srv/b", "/usr/lib/c"],
    ["0" * 128, "1" * 200, "f" * 300],
]


def accepts(value: Value) -> Callable[[Any], bool]:
    def judge(given: Any) -> bool:
        try:
            value.parse(given)
        except (ValueError, TypeError, OverflowError):
            return False
        return True

    return judge


@functools.cache
def leaf(value: Value) -> st.SearchStrategy[Any]:
    """What a leaf accepts, of all kinds of which it accepts anything."""
    judge = accepts(value)
    # What a leaf itself names: the words of a choice, an example.
    named = re.findall(r"'([^']+)'", value.expected)
    real = [given for given in (*named, *named, *REAL) if judge(given)]
    kinds = [st.sampled_from(real)] if real else []
    for kind, samples in list(zip(KINDS, SAMPLES))[1:]:
        if any(map(judge, samples)):
            kinds.append(kind.filter(judge))
    assert kinds, f"no value for {value.expected}"
    return st.one_of(kinds)


# --- options that a program knows


@functools.cache
def drbd_options() -> dict[str, dict[str, st.SearchStrategy[Any]]]:
    """The options that drbd-utils knows in both syntaxes, and values for each, by section."""
    found: dict[str, dict[str, st.SearchStrategy[Any]]] = {}
    for section, verb in (("net", "net-options"), ("disk", "disk-options"), ("options", "resource-options")):
        old, new = (_known([program, "xml-help", verb]) for program in ("/lib/drbd/drbdsetup-84", "drbdsetup"))
        # 9 has moved them, or has other units and words for them
        both = {
            name: old[name] for name in old.keys() & new.keys() if old[name] == new[name] and name != "set-defaults"
        }
        found[section] = {name: _values(*described) for name, described in sorted(both.items())}
    commands = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=80)
    handlers = "pri-on-incon-degr pri-lost-after-sb pri-lost initial-split-brain split-brain local-io-error before-resync-target"
    found["handlers"] = {name: st.one_of(commands, st.sampled_from(REAL)) for name in f"{handlers} out-of-sync".split()}
    found["global"] = {
        "minor-count": st.integers(1, 255),
        "dialog-refresh": st.integers(0, 600),
        **dict.fromkeys(("disable-ip-verification", "udev-always-use-vnr"), st.booleans()),
    }
    found["startup"] = {"outdated-wfc-timeout": st.integers(0, 1000), "wait-after-sb": st.booleans()}
    return found


def _known(argv: list[str]) -> dict[str, tuple[str, tuple[str, ...], str, str]]:
    known = {}
    for option in ET.fromstring(run(argv).stdout).iter("option"):
        low, high = option.findtext("min", "0"), option.findtext("max", "0")
        known[option.get("name", "")] = (
            option.get("type", ""),
            tuple(h.text or "" for h in option.iter("handler")),
            low,
            high,
        )
    return known


def _values(kind: str, words: tuple[str, ...], low: str, high: str) -> st.SearchStrategy[Any]:
    if kind == "numeric":
        return st.integers(int(low), min(int(high), 99_999_999))  # a word has eight digits
    if kind == "boolean":
        return st.booleans()
    return st.sampled_from(words) if words else st.sampled_from(("sha1", "sha256", "md5", "crc32c"))


TEXTS = st.one_of(
    st.text(PRINTABLE, max_size=40),
    st.text(st.characters(exclude_categories=("C",)), max_size=30),
    st.sampled_from(REAL),
)
SERVER = {
    "report-host": TEXTS.filter(lambda text: text != "" and not isinstance(text, (bool, float, int))),
    "init-connect": TEXTS.filter(lambda text: isinstance(text, str)),
    "max_connections": st.sampled_from((100, "500", 151)),
    "innodb-buffer-pool-size": st.sampled_from(("1G", "128M", 134217728)),
    "innodb_flush_log_at_trx_commit": st.sampled_from((0, 1, 2)),
    "skip-name-resolve": st.sampled_from((None, True, False)),
    "sql_mode": st.sampled_from(("STRICT_TRANS_TABLES,NO_ZERO_DATE", "ANSI", "")),
    "slow-query-log": st.booleans(),
    "long_query_time": st.sampled_from((0.5, 2, "10")),
    "replicate-do-db": st.lists(st.sampled_from(("app", "other")), min_size=1, max_size=3),
}  # fmt: skip
# Options of fence-agents' own library, which agents share, and of fence_ipmilan: texts, switches, times and numbers.
FENCE_TEXTS = st.one_of(
    TEXTS, st.sampled_from(("CORP\\svc", "b\u00fcro", "a=b #c", 'say "hi"', "-o off -n 1", "$(id)", "%h;\\n"))
)
FENCE = {
    **dict.fromkeys("ip username plug ssh_options cmd_prompt identity_file vmware_datacenter ipaddr login".split(), FENCE_TEXTS),
    **dict.fromkeys("lanplus ssl ssl_insecure use_sudo inet4_only".split(), st.booleans()),
    **dict.fromkeys("power_wait power_timeout ipport retry_on".split(), st.integers(0, 1000)),
    "privlvl": st.sampled_from(("administrator", "operator")),
    "method": st.just("onoff"),
}  # fmt: skip
FENCE_SECRETS = dict.fromkeys(("password", "snmp_priv_passwd", "community", "access_token"), FENCE_TEXTS)
CLIENTS = st.sampled_from(("client", "mysqldump", "mysql", "isamchk"))
