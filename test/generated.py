"""Pillars made from the schema, and the real programs that have to read what becomes of them: the same values, or it is a fault.

``pillars()`` lays values on one of ``test/pillar``: for some of the schema's leaves what that leaf accepts, and for some of them what
tutorials have. What the formula refuses is no case. Options that only one program knows (``drbdsetup xml-help``) come from that program.
"""

from __future__ import annotations

import copy
import functools
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import certificates
import hypothesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hamysql import cib, cib_desired, config, corosync, drbdconf
from hamysql.command import run
from hamysql.errors import ConfigError
from hamysql.pillar import SCHEMA
from hamysql.schema import Items, Names, Node, Section, Value
from support import PILLARS, load_pillar, parameters

PROGRAMS = (
    "corosync",
    "drbdadm",
    "mariadbd",
    "my_print_defaults",
    "crm_verify",
    "cibadmin",
    "iptables-legacy-restore",
    "unshare",
    "openssl",
)
MISSING = [program for program in PROGRAMS if not shutil.which(program)]
DRBDADM_84 = "/lib/drbd/drbdadm-84"

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
TLS = ("mysql", "tls")


@functools.cache
def certified() -> list[dict[str, Any]]:
    """Values of ``mysql:tls``: what belongs together is made by openssl."""
    pair = certificates.pair()
    alone = {name: pair[name] for name in ("cert", "key")}
    return [{}, {"required": False}, alone, pair, {**alone, "required": True}, {**pair, "required": True}]


CLIENTS = st.sampled_from(("client", "mysqldump", "mysql", "isamchk"))

# --- pillars


def draw_node(draw: Callable[..., Any], node: Node, path: tuple[str, ...]) -> Any:
    """A value for a part of the schema."""
    if path == ("storage", "drbd", "options"):
        known = drbd_options()
        sections = draw(st.sets(st.sampled_from(sorted(known)), min_size=1, max_size=3))
        return {section: draw(_some(known[section])) for section in sorted(sections)}
    if path == TLS:
        return draw(st.sampled_from(certified()))
    if path == ("mysql", "config"):
        names = leaf(node.key).filter(lambda name: not str(name).startswith(("loose", "!")))
        others = draw(
            st.dictionaries(CLIENTS, st.dictionaries(names.map(str), leaf(node.item.item), max_size=3), max_size=2)
        )
        return {**others, "mysqld": draw(_some(SERVER))}
    if isinstance(node, Section):
        keys = draw(st.sets(st.sampled_from(sorted(node.keys)), min_size=1, max_size=3))
        return {key: draw_node(draw, node.keys[key], (*path, key)) for key in sorted(keys)}
    if isinstance(node, Names):
        names = st.one_of(st.sampled_from(sorted(node.known)), leaf(node.key)) if node.known else leaf(node.key)
        return {
            name: draw_node(draw, node.known.get(name, node.item), (*path, "*"))
            for name in draw(st.lists(names, max_size=3, unique_by=str))
        }
    if isinstance(node, Items):
        return [draw_node(draw, node.item, (*path, "*")) for _ in range(draw(st.integers(0, 2)))]
    return draw(leaf(node))


def _some(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(sorted(values)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: values[name] for name in names})
    )


def sections(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The places below which something is drawn: everything with fixed keys, down to each leaf and each mapping of names."""
    if isinstance(node, Section) and path not in (("storage", "drbd", "options"), TLS):
        for key, child in node.keys.items():
            yield from sections(child, (*path, key))
    elif path[:2] != ("cluster", "nodes"):
        yield path, node


PLACES = sorted(sections(SCHEMA), key=lambda place: place[0])
NODE_NAMES = leaf(SCHEMA.keys["cluster"].keys["nodes"].key).map(str)


def renamed(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {names.get(key, key): renamed(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [renamed(value, names) for value in part]
    return names.get(part, part) if isinstance(part, str) else part


@st.composite
def pillars(draw: Callable[..., Any]) -> tuple[Any, str]:
    """A pillar, and the name of the node that it is for."""
    pillar = copy.deepcopy(load_pillar(draw(st.sampled_from(PILLARS))))
    for path, node in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=6, unique_by=lambda place: place[0])):
        parent = pillar
        for key in path[:-1]:
            if not isinstance(parent.get(key), dict):
                parent[key] = {}
            parent = parent[key]
        parent[path[-1]] = draw_node(draw, node, path)
    if (
        draw(st.integers(0, 9)) == 7
    ):  # one of a hundred and fifty places would seldom be drawn, and more seldom be accepted
        pillar["mysql"] = {**pillar.get("mysql", {}), "tls": draw(st.sampled_from(certified()))}
    one, two = draw(st.one_of(st.just(("db1", "db2")), st.tuples(NODE_NAMES, NODE_NAMES)))
    for node in pillar["cluster"]["nodes"].values():
        node.pop("minion_id", None)
    return renamed(pillar, {"db1": one, "db2": two}), one


LAYERS = parameters()


def resolved(pillar: Any, name: str) -> dict[str, Any] | None:
    """The configuration; ``None`` where the formula refuses the pillar. Anything else that happens is a fault."""
    try:
        return config.resolve(config.layered(LAYERS, pillar), minion_id=name, nodename=name)
    except ConfigError:
        return None


# --- the programs


class Readers:
    """Each writes what becomes of a configuration, has the program read it, and compares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = self._write("key", "0" * 256)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, found: dict[str, Any], whole: bool = True) -> None:
        """Ask all programs; ``whole``: the database server as well, which takes longer than all others together."""
        tasks = [lambda: self.options(found, whole)]
        tasks += [functools.partial(ask, found) for ask in (self.corosync, self.drbd, self.cib, self.firewall)]
        with ThreadPoolExecutor(len(tasks)) as pool:
            for task in [pool.submit(task) for task in tasks]:
                task.result()

    def corosync(self, found: dict[str, Any]) -> None:
        text = found["corosync"]["text"]
        assert corosync.parse(text) == found["corosync"]["sections"]
        more = f"totem {{\n  keyfile: {self.key}\n}}\nlogging {{\n  logfile: {self.folder}/log\n  to_stderr: yes\n}}\n"
        path = self._write("corosync.conf", text + more)
        program = 'printf %s "$0" >/proc/sys/kernel/hostname && exec corosync -t -c "$1"'
        run(["unshare", "--net", "--uts", "sh", "-c", program, found["self"], str(path)])

    def drbd(self, found: dict[str, Any]) -> None:
        drbd = found["storage"]["drbd"]
        for kernel, parts in drbd["resource_sections"].items():
            path = self._write("drbd.conf", drbdconf.export([*drbd["global_sections"], *parts]))
            program = "drbdadm" if kernel == "9" else DRBDADM_84
            if not Path(shutil.which(program) or "").exists():
                continue
            root = ET.fromstring(run([program, "--config-file", str(path), "dump-xml"]).stdout)
            (resource,) = root.iter("resource")
            assert resource.get("name") == drbd["resource"]
            disks = {host.get("name"): host.findtext("volume/disk") for host in resource.findall("host")}
            assert disks == {name: node["disk"] for name, node in found["cluster"]["nodes"].items()}
            given = {section: dict(options) for section, options in drbd["options"].items() if section != "global"}
            given["net"]["shared-secret"] = str(drbd["shared_secret"])
            for section, options in given.items():
                part = resource.find(f"section[@name='{section}']")
                read = {o.get("name"): o.get("value") for o in part.iter("option")} if part is not None else {}
                for name, value in options.items():
                    assert read.get(name) == value, (kernel, section, name, value, read.get(name))

    def options(self, found: dict[str, Any], whole: bool) -> None:
        mysql = found["mysql"]
        text = "".join(
            f"[{group}]\n" + "".join(f"{line}\n" for line in lines) for group, lines in mysql["option_lines"].items()
        )
        path = self._write("my.cnf", text)
        wanted = ""
        for options in mysql["options"].values():
            for name, value in options.items():
                for one in value if isinstance(value, list) else [value]:
                    wanted += f"--{name}\n" if one is None else f"--{name}={one}\n"
        assert run(["my_print_defaults", f"--defaults-file={path}", *mysql["options"]]).stdout == wanted
        if whole:
            shown = run(["mariadbd", f"--defaults-file={path}", "--verbose", "--help"]).stdout
            for name in ("report-host", "init-connect"):
                value = mysql["options"]["mysqld"].get(name)
                if isinstance(value, str) and value:
                    assert re.search(rf"^{name} +{re.escape(value)}$", shown, re.MULTILINE), value

    CIB = (
        '<cib crm_feature_set="3.16.2" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>'
        "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
    )

    def cib(self, found: dict[str, Any]) -> None:
        xml = cib.plan(self.CIB, cib_desired.desired(found)).xml
        path = self._write("cib.xml", xml)
        run(["crm_verify", "--verbose", f"--xml-file={path}"])
        shown = run(["cibadmin", "--query"], env={"CIB_file": str(path)}).stdout
        read, wrote = (ET.fromstring(text).find("configuration") for text in (shown, xml))
        same = [ET.canonicalize(ET.tostring(part, "unicode"), strip_text=True) for part in (read, wrote)]
        assert same[0] == same[1]

    def firewall(self, found: dict[str, Any]) -> None:
        for family, tool in (("ipv4", "iptables-legacy-restore"), ("ipv6", "ip6tables-legacy-restore")):
            text = found["firewall"]["files"][family]
            if text:
                run(["unshare", "--net", tool, "--test", "--noflush"], stdin=text)


# Of so many pillars one is shown to the database server as well.
SERVER_TOO = 8


def read_some(count: int, seed: int, folder: str) -> int:
    """Have so many pillars that the formula accepts read by all programs; returns how many that were."""
    readers, done = Readers(Path(folder)), 0

    @hypothesis.seed(seed)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(pillars())
    def read(made: tuple[Any, str]) -> None:
        nonlocal done
        found = resolved(*made)
        assume(found is not None)
        readers.read(found, whole=done % SERVER_TOO == 0)
        done += 1

    read()
    return done
