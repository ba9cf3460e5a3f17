"""The states of a replica's machine: rendered without a pillar of the cluster's, in order, starting nothing, with options that servers take."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import certificates
import pytest
from salt_node import SYSTEMS, Node

from hamysql.master.replicas import seeding
from hamysql.schema.language import redacted
from hamysql.system.command import run
from support import load_pillar

SLS = "hamysql.replica.server"
OTHERS = [name for name in SYSTEMS if name != "centos6"]  # which has a pillar of its own


def given():
    """A pillar with a replica, and options and groups of options that it must not take over."""
    found = load_pillar("fenced")
    found["backup"] = {"directory": "/mnt/backups", "binary_logs": True}
    found["replicas"] = {"reports": {"address": "192.0.2.31", "config": {"innodb_buffer_pool_size": "96M"}}}
    options = found.setdefault("mysql", {}).setdefault("config", {})
    options["mysqld"] = {**options.get("mysqld", {}), "max_connections": 77, "innodb_buffer_pool_size": "64M"}
    found["mysql"]["tls"] = certificates.pair("db")
    options["client"] = {"default-character-set": "utf8mb4"}
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the orchestration tells the machine, from the settings of a member with an operating system."""
    found, nodes = {}, []

    def get(system):
        if system not in found:
            nodes.append(Node(tmp_path_factory.mktemp(f"member-{system}") / "root", given(), system))
            first = redacted(nodes[-1].call("hamysql.settings"))
            found[system] = seeding.wanted(SimpleNamespace(first=first), "reports", False)
        return found[system]

    yield get
    for node in nodes:
        node.end()


@pytest.fixture(scope="module")
def low(said, tmp_path_factory):
    """The states on that machine, which has no pillar ``hamysql``."""
    nodes = []

    def get(system):
        nodes.append(Node(tmp_path_factory.mktemp(f"replica-{system}") / "root", {}, system))
        return nodes[-1].call("state.show_low_sls", SLS, pillar={"hamysql_replica_server": said(system)})

    yield get
    for node in nodes:
        node.end()


@pytest.mark.parametrize("system", OTHERS)
def test_it_installs_configures_and_starts_nothing(low, said, system):
    chunks = low(system)
    names = [chunk["__id__"] for chunk in chunks]
    installed = names.index("hamysql-replica-server-installed")
    assert all(names.index(name) < installed for name in names if "-repo-" in name)
    assert installed < names.index("hamysql-replica-options-file-managed")
    assert names[-1] == "hamysql-replica-server-boot-enabled"
    assert chunks[installed]["services"] == [said(system)["service"]]
    packages = {item if isinstance(item, str) else next(iter(item)) for item in chunks[installed]["pkgs"]}
    assert any("mariadb" in name and "backup" not in name for name in packages)
    assert system.startswith("sles") or "mariadb-backup" in packages  # SUSE has it in the server's package
    assert not packages & {"corosync", "pacemaker", "pcs", "crmsh", "drbd-utils"}, "it is no member"
    doing = {(chunk["state"], chunk["fun"]) for chunk in chunks}
    assert doing <= {
        *(("file", "managed"), ("file", "absent"), ("file", "directory"), ("service", "enabled")),
        *(("hamysql_package", "installed"), ("hamysql_repository", "enabled")),
    }


def test_no_secret_travels(said):
    shown = json.dumps(said("debian12"))
    for secret in ("authkey", "shared_secret", "lab-only", "password"):
        assert secret not in shown
    assert certificates.pair("db")["key"].splitlines()[1] not in shown


def test_the_clusters_authorities_are_in_its_file_and_the_servers_own_certificate_is_not(low, said):
    assert said("debian12")["ca"] == certificates.pair("db")["ca"]
    assert "ssl" not in " ".join(said("debian12")["lines"]), "a replica has no key for a certificate of the cluster's"
    (file,) = [chunk for chunk in low("debian12") if chunk["__id__"] == "hamysql-replica-authorities-file"]
    assert (file["fun"], file["contents"]) == ("managed", certificates.pair("db")["ca"])


def test_the_options_are_the_clusters_and_then_its_own(said, tmp_path):
    if not shutil.which("my_print_defaults"):
        pytest.skip("my_print_defaults is missing (Debian: mariadb-client)")
    file = tmp_path / "options.cnf"
    file.write_text("\n".join([*said("debian12")["lines"], ""]))
    lines = run(["my_print_defaults", f"--defaults-file={file}", "mysqld"]).stdout.splitlines()
    last = dict(line.removeprefix("--").partition("=")[::2] for line in lines)
    assert last["max_connections"] == "77"
    assert last["innodb_buffer_pool_size"] == "96M"
    assert last["bind-address"] == "192.0.2.31"
    assert last["read-only"] == "ON"
    assert last["log-bin"] == "binlog"
    assert "[client]" not in file.read_text()
    numbers = [
        value
        for name, value in (line.removeprefix("--").split("=", 1) for line in lines if "=" in line)
        if name == "server-id"
    ]
    assert len(numbers) == 1, "the cluster's own number is not among them"


def test_a_real_server_takes_each_option(said, tmp_path):
    if not shutil.which("mariadbd"):
        pytest.skip("mariadbd is missing (Debian: mariadb-server)")
    file = tmp_path / "options.cnf"
    file.write_text("\n".join([*said("debian12")["lines"], ""]))
    shown = run(["mariadbd", f"--defaults-file={file}", "--user=root", "--verbose", "--help"]).stdout
    values = dict(line.split(None, 1) for line in shown.splitlines() if len(line.split(None, 1)) == 2)
    assert values["slave-net-timeout"].strip() == "10"
    assert values["relay-log-recovery"].strip() == "TRUE"
    assert values["gtid-strict-mode"].strip() == "TRUE"
    file.write_text("[mysqld]\nno-such-option = 1\n")
    refused = run(["mariadbd", f"--defaults-file={file}", "--user=root", "--verbose", "--help"], accept=range(256))
    assert refused.returncode != 0 or "unknown variable" in refused.stdout + refused.stderr
