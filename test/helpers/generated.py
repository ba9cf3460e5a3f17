"""Pillars made from the schema, and the real programs that have to read what becomes of them: the same values, or it is a fault.

``pillars()`` lays values on one of ``test/pillar``: for some of the schema's leaves what that leaf accepts, and for some of them what
tutorials have. What the formula refuses is no case. Options that only one program knows (``drbdsetup xml-help``) come from that program.
"""

from __future__ import annotations

import copy
import functools
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import certificates
import generated_agents
import hypothesis
from generated_values import CLIENTS, FENCE, FENCE_SECRETS, SERVER, accepts, drbd_options, leaf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from hamysql.config.rules import schema
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync.settings import LATEST
from hamysql.errors import ConfigError
from hamysql.mysql.flavours import registry
from hamysql.schema.language import Items, Names, Node, Section
from hamysql.system.command import run
from support import PILLARS, load_pillar, parameters

PROGRAMS = (
    "corosync",
    "drbdadm",
    "mariadbd",
    "my_print_defaults",
    "crm_verify",
    "cibadmin",
    "stonith_admin",
    "dash",
    "iptables-legacy-restore",
    "nft",
    "unshare",
    "openssl",
)
MISSING = [program for program in PROGRAMS if not shutil.which(program)] + generated_agents.MISSING
DRBDADM_84 = "/lib/drbd/drbdadm-84"

TLS = ("mysql", "tls")


@functools.cache
def certified() -> list[dict[str, Any]]:
    """Values of ``mysql:tls``: what belongs together is made by openssl."""
    pair = certificates.pair()
    alone = {name: pair[name] for name in ("cert", "key")}
    return [{}, {"required": False}, alone, pair, {**alone, "required": True}, {**pair, "required": True}]


# --- pillars


def draw_node(draw: Callable[..., Any], node: Node, path: tuple[str, ...]) -> Any:
    """A value for a part of the schema."""
    if path == ("storage", "drbd", "options"):
        known = drbd_options()
        sections = draw(st.sets(st.sampled_from(sorted(known)), min_size=1, max_size=3))
        return {section: draw(_some(known[section])) for section in sorted(sections)}
    if path == ("corosync", "series"):
        return LATEST  # of the corosync that is here; preflight refuses a pillar that says another one
    if path == TLS:
        return draw(st.sampled_from(certified()))
    if path == ("mysql", "config"):
        names = leaf(node.key).filter(lambda name: not str(name).startswith(("loose", "!")))
        others = draw(
            st.dictionaries(CLIENTS, st.dictionaries(names.map(str), leaf(node.item.item), max_size=3), max_size=2)
        )
        return {**others, "mysqld": draw(_some(SERVER))}
    if path == ("fencing", "devices"):
        return {
            name: [draw_device(draw, node.item.item) for _ in range(draw(st.integers(1, 2)))] for name in ("db1", "db2")
        }
    if path[-1:] in (("options",), ("secrets",)) and path[0] == "fencing":
        texts = leaf(node.item)
        known = FENCE if path[-1] == "options" else FENCE_SECRETS
        others = draw(st.dictionaries(leaf(node.key).map(str), texts, max_size=1))
        return {**others, **draw(_some({name: values.filter(accepts(node.item)) for name, values in known.items()}))}
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


def draw_device(draw: Callable[..., Any], node: Section) -> dict[str, Any]:
    """A fence device with an agent that there is; of the rest what is drawn."""
    device = draw_node(draw, node, ("fencing", "devices", "*", "*"))
    parts = {key: draw_node(draw, node.keys[key], ("fencing", key)) for key in ("options", "secrets")}
    agent = draw(st.sampled_from(("fence_ipmilan", "fence_virsh", "fence_apc_snmp", "fence_vmware_rest")))
    return {**device, **parts, "agent": agent}


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


PLACES = sorted(sections(schema()), key=lambda place: place[0])
BASES = {name: load_pillar(name) for name in PILLARS}
NODE_NAMES = leaf(schema().keys["cluster"].keys["nodes"].key).map(str)


def renamed(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {names.get(key, key): renamed(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [renamed(value, names) for value in part]
    return names.get(part, part) if isinstance(part, str) else part


@st.composite
def pillars(draw: Callable[..., Any]) -> tuple[Any, str]:
    """A pillar, and the name of the node that it is for."""
    pillar = copy.deepcopy(BASES[draw(st.sampled_from(PILLARS))])
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
        return resolution.resolve(resolution.layered(LAYERS, pillar), minion_id=name, nodename=name)
    except ConfigError:
        return None


# --- the programs


class Readers:
    """Each writes what becomes of a configuration, has the program read it, and compares.

    Most pillars differ in a few places from others, so most programs would get a text that they have read before: they get it once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.agents = folder, generated_agents.Agents(folder)
        self._read: set[int] = set()
        self.key = self._write("key", "0" * 256)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _is_new(self, *what: object) -> bool:
        """Whether this was not there before: what a program gets, and what is expected of it."""
        key = hash(repr(what))
        new = key not in self._read
        self._read.add(key)
        return new

    def forget(self) -> None:
        """Have everything read again."""
        self._read.clear()

    def read(self, found: dict[str, Any], whole: bool = True) -> None:
        """Ask all programs; ``whole``: the database server as well, which takes longer than all others together."""
        tasks = [lambda: self.options(found, whole)]
        tasks += [functools.partial(self.agents.fence, found, whole)]
        asked = (self.corosync, self.drbd, self.cib, self.firewall, self.agents.sbd)
        tasks += [functools.partial(ask, found) for ask in asked]
        with ThreadPoolExecutor(len(tasks)) as pool:
            for task in [pool.submit(task) for task in tasks]:
                task.result()

    def corosync(self, found: dict[str, Any]) -> None:
        text = found["corosync"]["text"]
        if not self._is_new("corosync", text, found["self"], found["corosync"]["sections"]):
            return
        assert corosync_conf.parse(text) == found["corosync"]["sections"]
        more = f"totem {{\n  keyfile: {self.key}\n}}\nlogging {{\n  logfile: {self.folder}/log\n  to_stderr: yes\n}}\n"
        path = self._write("corosync.conf", text + more)
        program = 'printf %s "$0" >/proc/sys/kernel/hostname && exec corosync -t -c "$1"'
        run(["unshare", "--net", "--uts", "sh", "-c", program, found["self"], str(path)])

    def drbd(self, found: dict[str, Any]) -> None:
        drbd = found["storage"]["drbd"]
        if not self._is_new("drbd", drbd, found["cluster"]["nodes"]):
            return
        for kernel, text in drbd["resource_texts"].items():
            path = self._write("drbd.conf", drbd["global_text"] + text)
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
        if self._is_new("my_print_defaults", text, wanted):
            assert run(["my_print_defaults", f"--defaults-file={path}", *mysql["options"]]).stdout == wanted
        # MySQL's own server reads options in test_mysql_from_oracle.py.
        if whole and mysql["flavor"] == "mariadb" and self._is_new("mariadbd", text):
            answer = run(["mariadbd", f"--defaults-file={path}", "--verbose", "--help"])
            shown = answer.stdout
            assert registry.of(mysql).not_taken(answer.stderr, switches=True) == []
            for name in ("report-host", "init-connect"):
                value = mysql["options"]["mysqld"].get(name)
                if isinstance(value, str) and value:
                    assert re.search(rf"^{name} +{re.escape(value)}$", shown, re.MULTILINE), value

    CIB = (
        '<cib crm_feature_set="3.16.2" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>'
        "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
    )

    def cib(self, found: dict[str, Any]) -> None:
        xml = cib_plan.plan(self.CIB, resources.desired(found)).xml
        if not self._is_new("cib", xml):
            return
        path = self._write("cib.xml", xml)
        run(["crm_verify", "--verbose", f"--xml-file={path}"])
        shown = run(["cibadmin", "--query"], env={"CIB_file": str(path)}).stdout
        read, wrote = (ET.fromstring(text).find("configuration") for text in (shown, xml))
        same = [ET.canonicalize(ET.tostring(part, "unicode"), strip_text=True) for part in (read, wrote)]
        assert same[0] == same[1]
        assert read is not None
        self.agents.environment(read)

    def firewall(self, found: dict[str, Any]) -> None:
        tables = found["firewall"].get("text", "")
        if tables and self._is_new("nft", tables):
            run(["unshare", "--net", "nft", "--check", "--file", "-"], stdin=tables)
        for family, tool in (("ipv4", "iptables-legacy-restore"), ("ipv6", "ip6tables-legacy-restore")):
            text = found["firewall"].get("files", {}).get(family)
            if text and self._is_new(tool, text):
                run(["unshare", "--net", tool, "--test", "--noflush"], stdin=text)


# Of so many pillars one is shown to the database server and to pacemaker's fencing as well; always the same ones.
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
        try:
            readers.read(found, whole=zlib.crc32(repr(made).encode()) % SERVER_TOO == 0)
        except BaseException:
            readers.forget()  # hypothesis asks again for what has failed
            raise
        done += 1

    try:
        read()
    finally:
        readers.agents.close()
    return done
