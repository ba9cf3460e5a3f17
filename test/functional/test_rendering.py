"""Every pillar of test/pillar, rendered with Salt's own loaders for every supported operating system."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import golden
import pytest
from salt_node import SYSTEMS, Node, Raised

from hamysql.config import places
from hamysql.corosync import conf as corosync_conf
from hamysql.firewall import firewalld, iptables, nftables
from hamysql.firewall.nftables import LOAD
from hamysql.storage.drbd import link as drbd_link
from hamysql.system.command import run
from support import PILLARS, ROOT, load_pillar, secrets_of

FOLDERS = (
    "repo",
    "package",
    "firewall",
    "corosync",
    "fencing",
    "quorum",
    "storage",
    "storage.drbd",
    "storage.migrate",
    "mysql",
    "pacemaker",
    "firewall.clean",
)
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="name spaces and owners of files need root")


OTHER_STORAGE = ("iscsi", "fc-lvm", "nfs")
ON_DRBD = [pillar for pillar in PILLARS if pillar not in OTHER_STORAGE]
# corosync 2 encrypts udpu and udp as well, so these pillars lack a key there.
KEYLESS = [(pillar, "sles15") for pillar in ("article", "udpu")]
# SUSE has no packages of MySQL from Oracle.
WITHOUT_MYSQL = [("mysql", system) for system in ("sles15", "sles16")]
PLACES = [
    (pillar, system)
    for system in SYSTEMS
    for pillar in PILLARS
    if system != "centos6" and (pillar, system) not in [*KEYLESS, *WITHOUT_MYSQL]
]


@pytest.mark.parametrize(("pillar", "system"), PLACES)
def test_the_highstate_renders_without_a_secret_in_it(node, pillar, system, tmp_path):
    if system == "debian12":
        chunks = node(pillar).low()
    else:  # nobody else wants it, and each one that is kept is a process
        there = Node(tmp_path / "root", load_pillar(pillar), system)
        try:
            chunks = there.low()
        finally:
            there.end()
    shown = json.dumps(chunks)
    for secret in secrets_of(load_pillar(pillar)):
        assert json.dumps(secret)[1:-1] not in shown
    for chunk in chunks:
        assert re.fullmatch(r"hamysql-[a-z][a-z0-9.-]+", chunk["__id__"])


@pytest.mark.parametrize(("pillar", "system"), KEYLESS)
def test_a_pillar_without_a_key_is_rendered_for_corosync_2_once_it_has_one(tmp_path, pillar, system):
    given = load_pillar(pillar)
    for key in ("", "canary-" + "k" * 128):
        if key:
            given["corosync"]["authkey"] = key
        there = Node(tmp_path / f"root{len(key)}", given, system)
        try:
            if key:
                text = there.call("hamysql.config")["corosync"]["text"]
                assert there.low()
                assert "\tcrypto_cipher: aes256\n" in text.replace("  ", "\t")
                assert "linknumber" not in text
            else:
                (said,) = there.call("state.show_sls", "hamysql")
                assert "hamysql:corosync:authkey: found nothing" in said
        finally:
            there.end()


@pytest.mark.parametrize(
    ("pillar", "folder"),
    [("ipv6", folder) for folder in FOLDERS]
    + [("iscsi", "storage.lun.iscsi"), ("fc-lvm", "storage.lun"), ("nfs", "storage.nfs")],
)
def test_each_folder_can_be_applied_alone_and_installs_before_it_configures(node, pillar, folder):
    chunks = node(pillar).low(f"hamysql.{folder}")
    assert chunks
    names = [chunk["__id__"] for chunk in chunks]
    installed = names.index("hamysql-package-installed") if "hamysql-package-installed" in names else -1
    for chunk in chunks:
        if {"hamysql_package": "hamysql-package-installed"} in chunk.get("require", []):
            assert names.index(chunk["__id__"]) > installed >= 0


def test_the_highstate_is_all_folders_in_order(node):
    names = [chunk["__id__"] for chunk in node("ipv6").low()]
    order = [
        "hamysql-repo-site-managed",
        "hamysql-change-possible",
        "hamysql-corosync-config-file-managed",
        "hamysql-package-mariadb.service-masked",
        "hamysql-package-installed",
        "hamysql-package-from-crm-installed",
        "hamysql-firewall-chain-managed",
        "hamysql-corosync-boot-enabled",
        "hamysql-drbd-resource-config-file-managed",
        "hamysql-mysql-config-file-managed",
        "hamysql-pacemaker-boot-enabled",
        "hamysql-change-applied",
    ]
    assert [name for name in names if name in order] == order


@pytest.mark.parametrize(
    "name", ["hamysql", "hamysql.mysql", "hamysql.storage", "hamysql.corosync", "hamysql.firewall"]
)
def test_no_setting_is_written_before_it_is_known_to_be_possible(node, name):
    chunks = {(chunk["state"], chunk["__id__"]): chunk for chunk in node("ipv6").low(name)}

    def needs(chunk, seen):
        for requisite in chunk.get("require", []):
            ((state, wanted),) = requisite.items()
            for key, other in chunks.items():
                if (key == (state, wanted) or (state == "sls" and other["__sls__"] == wanted)) and key not in seen:
                    seen.add(key)
                    needs(other, seen)
        return seen

    settings = [
        chunk for chunk in chunks.values() if str(chunk.get("source", "")).endswith((".conf.jinja", ".cnf.jinja"))
    ]
    settings += [chunk for chunk in chunks.values() if "firewall.rules" in str(chunk.get("source", ""))]
    settings += [chunk for chunk in chunks.values() if chunk["state"] == "hamysql_package"]
    assert settings
    for chunk in settings:
        assert ("hamysql_change", "hamysql-change-possible") in needs(chunk, set()), chunk["__id__"]


def test_the_stream_of_a_module_is_chosen_after_the_repositories_and_before_the_packages(node):
    names = [chunk["__id__"] for chunk in node("ipv6", "el8").low()]
    order = ["hamysql-repo-site-managed", "hamysql-package-stream-mariadb-enabled", "hamysql-package-installed"]
    assert [name for name in names if name in order] == order
    for system in ("el9", "el10", "debian12"):
        assert not [chunk for chunk in node("ipv6", system).low() if "stream" in chunk["__id__"]]


def test_corosync_never_meets_the_example_configuration_of_its_package(node):
    """A node that went down right after the installation came back as a cluster of its own, named node1."""
    for pillar in PILLARS:
        names = [chunk["__id__"] for chunk in node(pillar).low("hamysql.package")]
        assert names.index("hamysql-corosync-config-file-managed") < names.index("hamysql-package-installed")


def test_nothing_in_a_highstate_starts_stops_or_reloads_a_service(node):
    for pillar in PILLARS:
        for chunk in node(pillar).low():
            assert (chunk["state"], chunk["fun"]) not in {("service", "running"), ("service", "dead")}
            assert chunk["state"] not in {"cmd", "module"}, "a shell or a function on every run"
            assert "onlyif" not in chunk
            # No shell; and Salt's own state of pacemaker would log the arguments of pacemaker's children.
            asked = [{"fun": "service.enabled", "args": ["pacemaker"]}] if chunk["name"] == "pacemaker" else []
            assert chunk.get("unless", []) == asked


def test_the_borrowed_repository_is_no_permanent_one(node):
    chunks = {chunk["__id__"]: chunk for chunk in node("ipv6").low()}
    assert "hamysql-repo-crm-managed" not in chunks
    borrowed = chunks["hamysql-package-from-crm-installed"]
    assert borrowed["pkgs"] == ["crmsh"]
    assert borrowed["hold"] is chunks["hamysql-package-installed"]["hold"] is True
    assert borrowed["repository"]["file"] == "/etc/apt/sources.list.d/hamysql-crm.list"
    assert "crmsh" not in chunks["hamysql-package-installed"]["pkgs"]


@pytest.mark.parametrize("test", [False, True])
def test_a_highstate_warns_of_the_opt_out_and_that_is_no_change(node, test):
    def apply(pillar):
        (ret,) = node(pillar).call("state.high", {"x": {"hamysql_fencing": ["enabled"]}}, test=test).values()
        assert (ret["result"], ret["changes"]) == (True, {})
        return ret

    ret = apply("minimal")
    assert "i_accept_data_loss_without_fencing" in ret["comment"]
    assert ret["warnings"] == [ret["comment"].removeprefix("WARNING: ")]
    assert not apply("fenced").get("warnings")


@pytest.mark.parametrize("pillar", PILLARS)
def test_each_highstate_looks_at_fencing(node, pillar):
    assert "hamysql-fencing-enabled" in [chunk["__id__"] for chunk in node(pillar).low()]


def test_what_left_the_pillar_is_removed_and_not_started_at_boot(tmp_path, monkeypatch):
    monkeypatch.setattr("hamysql.fencing.devices.SECRETS", str(tmp_path / "secrets"))
    monkeypatch.delitem(
        places.RULES, "fencing:sbd:config_file"
    )  # the test's file is not where sbd's unit would read it
    for name in ("p_fence_db2/password", "p_fence_db2_2/password"):
        (tmp_path / "secrets" / name).parent.mkdir(parents=True)
        (tmp_path / "secrets" / name).touch()
    (tmp_path / "sbd").write_text("# Managed by Salt: the options of sbd's unit\n")
    given = load_pillar("fenced")
    given["fencing"]["sbd"] = {"config_file": str(tmp_path / "sbd")}
    there = Node(tmp_path / "root", given, "debian12")
    try:
        chunks = [chunk for chunk in there.low() if chunk["fun"] in ("absent", "disabled")]
    finally:
        there.end()
    assert [(chunk["state"], chunk["name"]) for chunk in chunks] == [
        ("file", f"{tmp_path}/secrets/p_fence_db2_2/password"),
        ("service", "sbd"),
        ("service", "corosync-qdevice"),
    ]


def test_no_folder_of_the_system_is_made_or_given_away(tmp_path):
    given = load_pillar("minimal")
    given.setdefault("corosync", {})["logfile"] = "/var/log/corosync.log"
    there = Node(tmp_path / "root", given, "debian12")
    try:
        folders = {
            chunk["name"]: chunk for chunk in there.low() if (chunk["state"], chunk["fun"]) == ("file", "directory")
        }
    finally:
        there.end()
    assert set(folders) == {"/var/log/mysql"}
    assert not folders["/var/log/mysql"].get("makedirs"), "what is above it would be the account's, too"


def test_without_a_packet_filter_there_is_no_trace_of_one(node):
    assert not [chunk for chunk in node("udpu").low() if "firewall" in chunk["__id__"]]


FILE_OPTIONS = ("source", "template", "context", "contents", "mode", "dir_mode", "show_changes", "target", "order")


class Laid:
    """The files that a highstate lays down, below a folder instead of /; written by Salt's own file states."""

    def __init__(self, node, root: Path) -> None:
        self.node, self.root = node, root
        self.chunks = [chunk for chunk in node.low() if chunk["state"] == "file" and chunk["fun"] != "absent"]

    def apply(self) -> dict[str, dict]:
        """The changes of each file state."""
        high = {}
        for chunk in self.chunks:
            # Without owners (accounts of packages that are not installed here) and requisites on what is not a file.
            own = {key: value for key, value in chunk.items() if key in FILE_OPTIONS}
            own.update(name=f"{self.root}{chunk['name']}", makedirs=True)
            high[chunk["__id__"]] = {"file": [chunk["fun"], *({key: value} for key, value in own.items())]}
        done = self.node.call("state.high", high)
        assert all(ret["result"] is True for ret in done.values()), done
        return {ret["__id__"]: ret["changes"] for ret in done.values()}

    def path(self, name: str) -> Path:
        return Path(f"{self.root}{name}")

    def read(self, name: str) -> str:
        return self.path(name).read_text()

    def mode(self, name: str) -> int:
        return stat.S_IMODE(self.path(name).stat().st_mode)


@pytest.fixture(scope="module")
def laid(node, tmp_path_factory):
    made = {}

    def get(pillar: str) -> Laid:
        if pillar not in made:
            made[pillar] = Laid(node(pillar), tmp_path_factory.mktemp(f"laid-{pillar}"))
            made[pillar].first = made[pillar].apply()
        return made[pillar]

    return get


@pytest.mark.parametrize("pillar", PILLARS)
def test_a_second_run_changes_no_file_and_no_secret_is_among_the_changes(laid, pillar):
    files = laid(pillar)
    assert all(files.first.values()), "the first run makes every file"
    assert not [name for name, changes in files.apply().items() if changes]
    for secret in secrets_of(load_pillar(pillar)):
        assert json.dumps(secret)[1:-1] not in json.dumps(files.first)


@pytest.mark.parametrize("pillar", PILLARS)
def test_what_the_agents_source_is_laid_down_before_them(laid, pillar):
    files = laid(pillar)
    root = files.path("/usr/lib/ocf")
    agents = sorted((root / "resource.d" / "hamysql").iterdir())
    assert {"address", "filesystem", "mysql"} <= {agent.name for agent in agents}
    for agent in agents:
        said = run(["sh", str(agent), "meta-data"], env={"OCF_ROOT": str(root)}).stdout
        assert "</resource-agent>" in said, agent.name
    programs = [
        chunk for chunk in files.chunks if str(chunk.get("source", "")).endswith(".sh") and chunk["mode"] == "0755"
    ]
    sources = re.compile(r"\}(/lib/hamysql/[^\"]+)")
    sourcing = [chunk for chunk in programs if sources.search(files.read(chunk["name"]))]
    assert {chunk["name"].rpartition("/")[2] for chunk in sourcing} >= {agent.name for agent in agents}
    (common,) = [chunk for chunk in files.chunks if chunk["__id__"] == "hamysql-pacemaker-agents-common-managed"]
    assert (common["user"], common["group"], common["mode"]) == ("root", "root", "0644")
    for chunk in sourcing:
        assert {f"/usr/lib/ocf{name}" for name in sources.findall(files.read(chunk["name"]))} == {common["name"]}
        assert {"file": common["__id__"]} in chunk["require"], chunk["name"]
        assert common["order"] < chunk["order"], chunk["name"]


def test_files_with_secrets_are_for_root_only(laid):
    files = laid("ipv6")
    assert files.mode("/etc/corosync/authkey") == 0o400
    assert files.mode("/etc/drbd.d/mysql.res") == 0o600
    given = load_pillar("ipv6")
    assert files.read("/etc/corosync/authkey") == given["corosync"]["authkey"] + "\n"
    for path in files.root.rglob("*"):
        if path.is_file() and path.name not in {"authkey", "mysql.res"}:
            assert "canary" not in path.read_text(), path


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("/etc/corosync/authkey", "hamysql-corosync-authkey-file-managed"),
        ("/etc/drbd.d/mysql.res", "hamysql-drbd-resource-config-file-managed"),
    ],
)
def test_a_changed_secret_is_put_right_without_being_shown(laid, name, state):
    files = laid("ipv6")
    before = files.read(name)
    files.path(name).write_text(before.replace("canary", "changed"))
    changes = files.apply()
    assert [changed for changed, what in changes.items() if what] == [state]
    assert "canary" not in json.dumps(changes)
    assert files.read(name) == before


@pytest.mark.parametrize(("pillar", "link"), [("minimal", "0"), ("fenced", "1"), ("ipv6", "1")])
def test_the_link_that_is_configured_is_noted(laid, pillar, link):
    files = laid(pillar)
    assert files.read("/var/lib/hamysql/drbd-link") == f"{link}\n"
    assert files.mode("/var/lib/hamysql/drbd-link") == 0o644
    addresses = {name: node["addresses"] for name, node in load_pillar(pillar)["cluster"]["nodes"].items()}
    configured = drbd_link.parse_resource(files.read("/etc/drbd.d/mysql.res"))
    assert configured == {name: given[int(link)] for name, given in addresses.items()}
    assert drbd_link.matching(configured, addresses) == int(link), "a node whose note is lost finds it there"


ORDER = "/etc/systemd/system/resource-agents-deps.target.d/hamysql-storage.conf"


@pytest.mark.parametrize(
    ("pillar", "units"),
    [
        ("iscsi", "open-iscsi.service"),
        ("fc-lvm", "blk-availability.service multipathd.service"),
        ("nfs", "network-online.target"),
    ],
)
def test_what_the_data_lies_on_runs_for_as_long_as_pacemaker_does(laid, pillar, units):
    text = laid(pillar).read(ORDER)
    assert f"\n[Unit]\nAfter={units}\nWants={units}\n" in text


def test_with_drbd_there_is_nothing_of_other_storage_and_the_other_way_round(node, laid):
    assert not laid("ipv6").path(ORDER).exists()
    for pillar in OTHER_STORAGE:
        assert not laid(pillar).path("/etc/drbd.d").exists()
        assert not [
            chunk for chunk in node(pillar).low() if "drbd" in chunk["__id__"] and "masked" not in chunk["__id__"]
        ]
        packages = next(chunk["pkgs"] for chunk in node(pillar).low() if chunk["__id__"] == "hamysql-package-installed")
        assert "drbd-utils" not in packages
        assert "--dport 7788" not in json.dumps(node(pillar).call("hamysql.settings")["firewall"])
    assert not {"open-iscsi", "lvm2", "nfs-common"} & {
        package for chunk in node("ipv6").low() for package in chunk.get("pkgs", ()) if isinstance(package, str)
    }


def test_a_highstate_never_mounts_activates_or_formats(node):
    for pillar in OTHER_STORAGE:
        states = {chunk["state"] for chunk in node(pillar).low()}
        assert states <= {
            "file",
            "service",
            "hamysql_package",
            "hamysql_change",
            "hamysql_checkpoint",
            "hamysql_fencing",
            "hamysql_firewall",
            "hamysql_iscsi",
            "test",
        }


def test_the_initiator_has_its_name_before_its_daemon_is_installed(node, laid):
    assert (
        laid("iscsi").read("/etc/iscsi/initiatorname.iscsi").endswith("\nInitiatorName=iqn.2026-01.org.example:db1\n")
    )
    chunks = {chunk["__id__"]: chunk for chunk in node("iscsi").low()}
    first = chunks["hamysql-storage-iscsi-initiator-name-managed"]
    # Salt 3006 has turned it round by now.
    turned = {"file": first["__id__"]} in chunks["hamysql-package-installed"]["require"]
    assert turned or {"hamysql_package": "hamysql-package-installed"} in first["require_in"]
    assert {"hamysql_package": "hamysql-package-installed"} in chunks["hamysql-storage-iscsi-logged-in"]["require"]
    assert "hamysql-storage-iscsi-logged-in" not in [chunk["__id__"] for chunk in node("fc-lvm").low()]


def test_a_volume_group_belongs_to_the_node_and_a_path_has_its_key(node, laid):
    assert '\n\tsystem_id_source = "uname"\n' in laid("fc-lvm").read("/etc/lvm/lvmlocal.conf")
    reserved = node("fc-lvm").call("hamysql.settings")["fencing"]["reservations"]
    assert f"\treservation_key 0x{reserved['keys']['db1']}\n" in laid("fc-lvm").read(
        "/etc/multipath/conf.d/hamysql.conf"
    )
    assert f"db1:{reserved['keys']['db1']};" in reserved["options"]["pcmk_host_map"]


def test_a_new_key_of_a_path_is_told_to_a_multipathd_that_runs(node):
    (told,) = [chunk for chunk in node("fc-lvm").low() if chunk["fun"] == "key_read"]
    assert {"file": "hamysql-storage-multipath-key-managed"} in told["onchanges"]
    (ret,) = node("fc-lvm").call("state.high", {"x": {"hamysql_fencing": ["key_read"]}}).values()
    assert (ret["result"], ret["changes"], ret["comment"]) == (True, {}, "multipathd does not run.")


def test_units_of_the_distribution_are_masked(laid):
    for unit in ("mariadb", "mysql", "drbd"):
        assert os.readlink(laid("minimal").path(f"/etc/systemd/system/{unit}.service")) == "/dev/null"


def test_no_authkey_where_nothing_is_encrypted(laid):
    assert not laid("article").path("/etc/corosync/authkey").exists()


@pytest.mark.parametrize("pillar", PILLARS)
@needs_root
@pytest.mark.skipif(not shutil.which("corosync"), reason="corosync is not installed on this machine")
def test_corosync_itself_accepts_its_configuration(laid, pillar, tmp_path):
    text = laid(pillar).read("/etc/corosync/corosync.conf")
    key = laid(pillar).path("/etc/corosync/authkey")
    sections = corosync_conf.parse(text)
    totem, log = sections[0]["options"], sections[3]["options"]
    totem.append(["keyfile", str(key if key.exists() else tmp_path / "none")])
    log[:] = [[name, value] for name, value in log if name not in ("logfile", "to_logfile", "to_stderr")]
    log += [["to_stderr", "yes"], ["to_logfile", "no"]]
    file = tmp_path / "corosync.conf"
    file.write_text(corosync_conf.export(sections))
    done = run([*on_node(pillar), "corosync", "-t", "-c", str(file)])
    assert "exiting normally" in done.stderr
    assert "warning" not in done.stderr


CHECK = ROOT / "hamysql/change/files/check-config.sh"
# For each file that a program reads: how it is asked, a line of it, and what the program would not understand.
CHECKED = [
    (
        "/etc/corosync/corosync.conf",
        ["corosync"],
        "  timestamp: on\n",
        "  timestamp: maybe\n",
        "unknown value for timestamp",
    ),
    ("/etc/drbd.d/mysql.res", ["drbd"], "    meta-disk internal", "    meta-disc internal", "meta-disc"),
    ("/etc/drbd.d/global_common.conf", ["drbd"], "  usage-count ", "  usage-cound ", "usage-cound"),
    (
        "/etc/mysql/mariadb.conf.d/90-hamysql.cnf",
        ["mysql", "/usr/sbin/mariadbd", "/nonexistent.cnf"],
        "port = ",
        "prot = ",
        "unknown variable",
    ),
    ("/etc/hamysql/firewall.rules", ["iptables"], " -j DROP\n", " -j DROPP --x\n", "x"),
    ("/etc/hamysql/firewall.rules6", ["ip6tables"], "COMMIT\n", "COMIT\n", "COMIT"),
    ("/etc/hamysql/firewall.nft", ["nftables"], "dport 7788 drop\n", "dport 7788 drop it\n", "syntax error"),
    ("/etc/firewalld/policies/hamysql.xml", ["firewalld"], 'protocol="udp"', 'protocol="ucp"', "INVALID_PROTOCOL"),
    (
        "/etc/multipath/conf.d/hamysql.conf",
        ["multipath"],
        "reservation_key 0x",
        "reservation_kee 0x",
        "reservation_kee",
    ),
]


@needs_root
@pytest.mark.skipif(
    not all(
        map(shutil.which, ("corosync", "drbdadm", "mariadbd", "iptables-restore", "nft", "firewalld", "multipath"))
    ),
    reason="corosync, drbd-utils, mariadb-server-core, iptables, nftables, firewalld or multipath-tools is missing",
)
@pytest.mark.parametrize(("name", "words", "right", "wrong", "said"), CHECKED, ids=[row[0] for row in CHECKED])
def test_the_program_that_reads_a_file_is_asked_before_the_file_is_there(
    node, laid, name, words, right, wrong, said, tmp_path
):
    pillar = {"multipath": "fc-lvm", "nftables": "nftables", "firewalld": "firewalld"}.get(words[0], "ipv6")
    (chunk,) = [chunk for chunk in node(pillar).low() if chunk.get("name") == name]
    assert chunk["check_cmd"].split()[:2] == ["/usr/lib/hamysql/check-config", words[0]]
    assert {"file": "hamysql-change-check-program-managed"} in chunk["require"]
    text, candidate = laid(pillar).read(name), tmp_path / "candidate"
    assert right in text
    run_it = [*on_node(pillar), "sh", str(CHECK), *words, str(candidate)]
    candidate.write_text(text)
    assert run(run_it, accept=range(256)).stderr == ""
    candidate.write_text(text.replace(right, wrong, 1))
    refused = run(run_it, accept=range(256))
    assert refused.returncode == 1
    assert "does not accept the new file" in refused.stderr
    assert said in refused.stderr
    assert "canary" not in refused.stderr + refused.stdout


@pytest.mark.skipif(not shutil.which("mariadbd"), reason="mariadb-server-core is missing")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("innodb_buffer_pool_size = 70%", "Unknown suffix '%'"),
        ("innodb_log_file_size = 1.5G", "Unknown suffix '.'"),
        ("innodb_flush_log_at_trx_commit = -1", "Error while setting value '-1'"),
        ("performance_schema = yes", "'yes' wasn't recognized. Set to OFF"),
        ("slow_query_log = maybe", "'maybe' wasn't recognized. Set to OFF"),
    ],
)
def test_a_value_that_the_server_does_not_take_is_none_though_it_ends_with_0(line, said, tmp_path):
    candidate = tmp_path / "candidate"
    user = "user = root\n" if os.geteuid() == 0 else ""
    words = ["sh", str(CHECK), "mysql", "/usr/sbin/mariadbd", "/nonexistent.cnf", str(candidate)]
    candidate.write_text(f"[mysqld]\n{user}innodb_buffer_pool_size = 128M\nperformance_schema = ON\n")
    assert run(words).stderr == ""
    candidate.write_text(f"[mysqld]\n{user}{line}\n")
    done = run(words, accept=range(256))
    assert done.returncode == 1
    assert said in done.stderr


# What multipath says of them, though it ends with 0: (text, words of the complaint). What it would make of the rest is not looked at.
MULTIPATH = [
    ("defaults {\n\treservation_key 0xzz\n}\n", "parsing failed"),
    ("defaults {\n\treservation_key 0x112233445566778899\n}\n", "parsing failed"),
    ("defaults {\n\treservation_key\n}\n", "missing value"),
    ("defaults {\n\treservation_key 0x1 0x2\n}\n", "ignoring extra data"),
    ("defaults {\n\treservation_key 0x1\n", "missing '}'"),
    ("defalts {\n\treservation_key 0x1\n}\n", "invalid keyword"),
    ('defaults {\n\treservation_key "0x1\n}\n', "missing closing quotes"),
]


@needs_root
@pytest.mark.skipif(not shutil.which("multipath"), reason="multipath-tools is missing")
@pytest.mark.parametrize(("text", "said"), MULTIPATH)
def test_what_multipath_complains_of_and_skips_is_no_new_file(text, said, tmp_path):
    candidate = tmp_path / "candidate"
    candidate.write_text(text)
    done = run(["sh", str(CHECK), "multipath", str(candidate)], accept=range(256))
    assert done.returncode == 1
    assert said in done.stderr


@needs_root
@pytest.mark.skipif(not shutil.which("multipath"), reason="multipath-tools is missing")
def test_a_fault_in_a_sites_own_file_of_multipath_does_not_keep_ours_away(tmp_path):
    own, candidate = tmp_path / "multipath.conf", tmp_path / "candidate"
    own.write_text("defaults {\n\tno_such_keyword 1\n}\n")
    candidate.write_text("defaults {\n\treservation_key 0x1\n}\n")
    # /etc as it is, but for the site's file, in a namespace of the test's.
    there = 'mount -t tmpfs tmpfs /etc && cp "$1" /etc/multipath.conf && multipath -t 2>&1 >/dev/null; sh "$2" multipath "$3"'
    done = run(["unshare", "--mount", "sh", "-c", there, "sh", str(own), str(CHECK), str(candidate)])
    assert "no_such_keyword" in done.stdout + done.stderr
    assert "does not accept" not in done.stderr


def test_a_file_whose_program_is_not_installed_yet_is_laid_down(tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("{")
    done = run(["sh", str(CHECK), "mysql", "/nonexistent/mariadbd", "/nonexistent.cnf", str(wrong)])
    assert (done.returncode, done.stderr) == (0, "")


def test_salt_keeps_the_old_file_where_the_program_refuses_the_new_one(node, tmp_path):
    good = tmp_path / "good"
    good.write_text("good\n")
    own = [{"name": str(good)}, {"contents": "bad"}, {"check_cmd": "false"}]
    (ret,) = node("minimal").call("state.high", {"x": {"file": ["managed", *own]}}).values()
    assert ret["result"] is False
    assert good.read_text() == "good\n"


def test_corosyncs_own_check_can_fail(tmp_path):
    file = tmp_path / "corosync.conf"
    file.write_text("totem {\n  version: 3\n}\n")
    assert run(["corosync", "-t", "-c", str(file)], accept=range(256)).returncode != 0


def on_node(pillar: str) -> list[str]:
    """A prefix that runs a program where the host is called db1 and has its addresses."""
    addresses = load_pillar(pillar)["cluster"]["nodes"]["db1"]["addresses"]
    add = "; ".join(f"ip address add {address} dev lo" for address in addresses)
    return ["unshare", "--net", "--uts", "sh", "-c", f'hostname db1; ip link set lo up; {add}; exec "$@"', "sh"]


@pytest.mark.parametrize(("program", "kernel"), [("drbdadm", "9"), ("/lib/drbd/drbdadm-84", "8.4")])
@pytest.mark.parametrize("pillar", ON_DRBD)
@needs_root
@pytest.mark.skipif(not shutil.which("drbdadm"), reason="drbd-utils is not installed on this machine")
def test_drbd_itself_reads_its_files_with_the_syntax_of_8_4_and_9(node, laid, pillar, program, kernel, tmp_path):
    template = "salt://hamysql/storage/drbd/files/drbd.conf.jinja"
    given = {"default_renderer": "jinja", "part": "resource", "kernel": kernel, "saltenv": "base"}
    resource = node(pillar).call("slsutil.renderer", template, **given)
    text = laid(pillar).read("/etc/drbd.d/global_common.conf") + resource
    file = tmp_path / "drbd.conf"
    file.write_text(text)
    run([*on_node(pillar), program, "-c", str(file), "sh-nop"])
    dump = run([*on_node(pillar), program, "-c", str(file), "dump"]).stdout
    dump = re.sub(r"[ \t]+", " ", dump)
    drbd = load_pillar(pillar)["storage"]["drbd"]
    for line in (
        f"protocol {drbd.get('protocol', 'C')};",
        f"cram-hmac-alg {drbd.get('cram_hmac_alg', 'sha256')};",
        f"usage-count {'yes' if drbd.get('usage_count') else 'no'};",
        "on-io-error detach;",
        "wfc-timeout 0;",
        "degr-wfc-timeout 120;",
        "meta-disk internal;",
        f'shared-secret "{drbd["shared_secret"]}";' if " " in drbd["shared_secret"] else drbd["shared_secret"],
    ):
        assert line in dump
    fixed = "resync-rate 10M;" in dump and "c-plan-ahead 0;" in dump
    assert fixed is (drbd.get("rate") != "auto")
    if pillar == "ipv6":
        for line in (
            "address ipv6 [2001:db8::12]:7799;",
            "al-extents 1237;",
            "max-buffers 8000;",
            "/dev/drbd7 minor 7;",
        ):
            assert line in dump
        assert 'pri-lost-after-sb "echo b > /proc/sysrq-trigger";' in dump


def test_the_databases_options(laid):
    text = laid("ipv6").read("/etc/mysql/mariadb.conf.d/90-hamysql.cnf")
    assert "\n[mysqld]\nbind-address = 2001:db8::100\n" in text
    assert "\ndatadir = /var/lib/mysql\n" in text
    assert "\n[client]\ndefault-character-set = utf8mb4\n" in text
    assert not laid("ipv6").path("/var/lib/mysql").exists(), "the datadir is the cluster's mount"
    assert laid("ipv6").path("/var/log/mysql").is_dir()


def test_the_unit_loads_the_files_of_the_families_in_use(laid):
    unit = laid("ipv6").read("/etc/systemd/system/hamysql-firewall.service")
    for tool, name in (("iptables", "firewall.rules"), ("ip6tables", "firewall.rules6")):
        assert f"ExecStart=/usr/sbin/{tool}-restore -w --noflush /etc/hamysql/{name}\n" in unit
        assert "COMMIT\n" in laid("ipv6").read(f"/etc/hamysql/{name}")
    assert "/ip6tables" not in laid("minimal").read("/etc/systemd/system/hamysql-firewall.service")
    unit = laid("nftables").read("/etc/systemd/system/hamysql-firewall.service")
    assert [line for line in unit.splitlines() if "Exec" in line] == [f"ExecStart={LOAD}"]
    assert "man:nft(8)" in unit
    # After its own `nft -f /etc/nftables.conf`, which begins with `flush ruleset`.
    more = laid("nftables").read("/etc/systemd/system/nftables.service.d/hamysql.conf")
    assert more.endswith(f"ExecStartPost=-{LOAD}\nExecReload=-{LOAD}\n")


def test_with_firewalld_the_unit_says_whether_the_policy_is_there_before_corosync(laid, node):
    unit = laid("firewalld").read("/etc/systemd/system/hamysql-firewall.service")
    assert [line for line in unit.splitlines() if "Exec" in line] == [
        "ExecStart=/usr/bin/firewall-cmd --info-policy=hamysql"
    ]
    assert "firewalld.service" in next(line for line in unit.splitlines() if line.startswith("After="))
    assert "corosync.service" in next(line for line in unit.splitlines() if line.startswith("Before="))
    chunks = [chunk for chunk in node("firewalld").low() if chunk.get("name") == "firewalld"]
    assert [(chunk["state"], chunk["fun"]) for chunk in chunks] == [("service", "enabled")], "never started"


@pytest.fixture
def every_firewall(tmp_path, monkeypatch):
    """A function that renders, on a node on which files of every firewall are left."""
    for kind in (iptables.Iptables, nftables.Nftables, firewalld.Firewalld):
        files = tuple(f"{tmp_path}/{kind.name}-{number}" for number in range(2))
        for file in files:
            Path(file).touch()
        monkeypatch.setattr(kind, "files", (*files, f"{tmp_path}/not-there"))

    def low(pillar: str, folder: str) -> list[dict]:
        there = Node(tmp_path / f"root-{pillar}-{folder}", load_pillar(pillar), "debian12")
        try:
            return there.low(folder)
        finally:
            there.end()

    return low


@pytest.mark.parametrize(
    ("pillar", "used"), [("nftables", "nftables"), ("ipv6", "iptables"), ("firewalld", "firewalld")]
)
def test_the_rules_and_files_of_other_firewalls_go_once_the_new_rules_are_loaded(
    every_firewall, tmp_path, pillar, used
):
    chunks = every_firewall(pillar, "hamysql.firewall")
    loaded = {"hamysql_firewall": "hamysql-firewall-chain-managed"}
    old = sorted({"iptables", "nftables", "firewalld"} - {used})
    rules = [chunk for chunk in chunks if (chunk["state"], chunk["fun"]) == ("hamysql_firewall", "absent")]
    assert sorted(chunk["backend"] for chunk in rules) == old
    files = [chunk for chunk in chunks if (chunk["state"], chunk["fun"]) == ("file", "absent")]
    assert sorted(file["name"] for file in files) == [f"{tmp_path}/{kind}-{n}" for kind in old for n in range(2)]
    for chunk in rules:
        assert chunk["require"] == [loaded]
        of_it = [file for file in files if f"/{chunk['backend']}-" in file["name"]]
        assert all({"hamysql_firewall": chunk["__id__"]} in file["require"] for file in of_it)
        assert all(chunks.index(file) > chunks.index(chunk) for file in of_it)
    (unit,) = [chunk for chunk in chunks if chunk["name"].endswith("/hamysql-firewall.service")]
    assert loaded in unit["require"], "a refusal leaves what is loaded at the boot as it is"


@pytest.mark.parametrize(
    ("pillar", "used"),
    [("nftables", "nftables"), ("ipv6", "iptables"), ("firewalld", "firewalld"), ("udpu", "none")],
)
def test_cleaning_takes_away_the_rules_and_files_of_every_firewall(every_firewall, tmp_path, pillar, used):
    chunks, kinds = every_firewall(pillar, "hamysql.firewall.clean"), ["firewalld", "iptables", "nftables"]
    rules = [chunk["backend"] for chunk in chunks if chunk["state"] == "hamysql_firewall"]
    assert sorted(rules) == sorted([used, *kinds])
    files = {chunk["name"] for chunk in chunks if (chunk["state"], chunk["fun"]) == ("file", "absent")}
    left = {f"{tmp_path}/{kind}-{number}" for kind in kinds for number in range(2)}
    assert files == {"/etc/systemd/system/hamysql-firewall.service", *left}


def test_the_pillars_errors_reach_the_user_all_at_once_and_without_a_traceback(node, tmp_path):

    wrong = load_pillar("minimal")
    wrong["vip"]["prefix"] = 64
    wrong["corosync"]["authkey"] = "canary-short"
    wrong["corosync"]["tokn"] = 1000
    there = Node(tmp_path / "root", wrong, "debian12")
    (said,) = there.call("state.show_sls", "hamysql")
    there.end()
    for part in ("hamysql:vip:prefix: found 64", "hamysql:corosync:authkey: found a text of 12", "'token'"):
        assert part in said
    assert "Traceback" not in said
    assert "canary" not in said


def test_settings_are_the_configuration_without_its_secrets(node):
    for pillar in PILLARS:
        shown = node(pillar).call("hamysql.settings")
        assert "canary" not in json.dumps(shown)
        place = {"iscsi": ("shared", "iscsi", "password")}.get(pillar, ("drbd", "shared_secret"))
        value = shown["storage"]
        for key in place:
            value = value[key]
        assert value == (None if pillar in ("fc-lvm", "nfs") else "**********")
    assert node("ipv6").call("hamysql.config")["corosync"]["authkey"].startswith("canary")


@pytest.mark.parametrize(
    ("pillar", "system", "said"),
    [
        (load_pillar("minimal"), "unknown", "does not know the operating system family 'Unknown'"),
        (None, "debian12", "no pillar `hamysql` for the minion 'db1'"),
        ("text", "debian12", "ConfigError: the hamysql pillar has 1 error:\n  - hamysql: found a text of 4 characters"),
    ],
    ids=["system", "no-pillar", "text"],
)
def test_what_is_no_cluster_at_all_is_told_in_one_sentence(tmp_path, monkeypatch, pillar, system, said):
    monkeypatch.setitem(SYSTEMS, "unknown", {"os_family": "Unknown", "os": "Unknown", "osrelease": "12"})
    there = Node(tmp_path / "root", pillar, system)
    with pytest.raises(Raised, match=re.escape(said)):
        there.call("hamysql.settings")
    there.end()


def test_the_configuration_with_its_secrets_is_no_job(node):
    with pytest.raises(Raised, match=r"Refused: .*hamysql\.settings"):
        node("minimal").call("hamysql.config", __pub_fun="hamysql.config")


def test_the_templates_name_their_file_and_nothing_of_the_formula_logs_the_pillar():
    for path in (ROOT / "hamysql").rglob("*.jinja"):
        # JSON has no comment.
        if path.name not in {
            "map.jinja",
            "timer.jinja",
            "operation.jinja",
            "authkey.jinja",
            "secret.jinja",
            "repository.json.jinja",
        }:
            # XML has another comment, and its declaration before that.
            start = '<?xml version="1.0" encoding="utf-8"?>\n<!-- ' if path.name.endswith(".xml.jinja") else "# "
            assert path.read_text().startswith(f"{start}Managed by Salt: "), path


@pytest.mark.parametrize("pillar", PILLARS)
def test_a_pillar_becomes_the_same_files(node, pillar):
    file = golden.GOLDEN / f"{pillar}.txt"
    found = golden.rendered(node(pillar))
    if os.environ.get("HAMYSQL_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


def test_every_kind_of_file_is_in_a_golden_text():
    """A template that no longer renders for any pillar would be missing, and no more."""
    texts = [file.read_text(encoding="utf-8") for file in golden.GOLDEN.glob("*.txt")]
    assert {file.stem for file in golden.GOLDEN.glob("*.txt")} == set(PILLARS)
    for name in (*golden.FILES, "CIB"):
        assert any(f"==== {name} ====\n" in text for text in texts), name


def test_where_pcs_is_installed_its_daemon_stays_off_unless_somebody_has_enabled_it(node, tmp_path):
    """As systemd reads it: what Debian's package scripts call when a unit is installed for the first time (deb-systemd-helper)."""
    chunks = {chunk["__id__"]: chunk for chunk in node("minimal", "el9").low("hamysql.package")}
    assert "pcs" in chunks["hamysql-package-installed"]["pkgs"]
    assert "hamysql-package-pcsd-preset-managed" not in {chunk["__id__"] for chunk in node("minimal").low()}
    preset = chunks["hamysql-package-pcsd-preset-managed"]
    assert list(chunks).index(preset["__id__"]) < list(chunks).index("hamysql-package-installed")
    for path, text in {
        preset["name"]: preset["contents"],
        "/usr/lib/systemd/system/pcsd.service": UNIT,
        "/usr/lib/systemd/system/other.service": UNIT,
    }.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_text(text)
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants"

    def systemctl(*words):
        subprocess.run(["systemctl", f"--root={tmp_path}", *words], check=True, capture_output=True)
        return {path.name for path in wanted.iterdir()}

    first = systemctl("--preset-mode=enable-only", "preset", "pcsd.service", "other.service")
    assert first == {"other.service"}
    assert systemctl("enable", "pcsd.service") == {"other.service", "pcsd.service"}
    again = systemctl("--preset-mode=enable-only", "preset", "pcsd.service")
    assert again == {"other.service", "pcsd.service"}
