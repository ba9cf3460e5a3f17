"""A cluster of the 2013 procedure, built by its script with crm, drbdadm and corosync's file, becomes a pillar that hamysql takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from hamysql.adoption import exchange, fits, kept, sealed
from hamysql.adoption import look as adoption_look
from hamysql.adoption import outcome as adoption_outcome
from hamysql.cib.names import ADOPTION
from hamysql.config import resolution
from hamysql.errors import ConfigError, HamysqlError, Refused
from hamysql.master.members import Answer
from hamysql.master.proposal import adopt, text
from hamysql.preflight import foreign
from hamysql.system import root
from hamysql.system.command import Result
from hamysql.system.command import run as really
from support import ROOT, parameters

SCRIPT = ROOT / "test/helpers/procedure_2013.sh"
PROGRAMS = ("crm", "drbdadm", "cibadmin", "crm_verify", "crm_simulate", "openssl", "unshare", "ip")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root and {', '.join(PROGRAMS)} (Debian: crmsh, drbd-utils, pacemaker-cli-utils, openssl, util-linux)",
)
MINIONS = ("db1.example.org", "db2.example.org")
SECRET = "canary-of-the-replication"
EMPTY = (
    '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>'
    "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
)
# What the kernel prints (DRBD 8.4.11), which has no such module here.
KERNEL = """version: 8.4.11 (api:1/proto:86-101)
srcversion: 1234567890ABCDEF
 0: cs:Connected ro:{role} ds:UpToDate/UpToDate C r-----
    ns:1 nr:0 dw:1 dr:1 al:1 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
"""
# A node: its name and address, and its own drbd.conf in its place.
INSIDE = """
hostname {name}; ip link set lo up; ip address add {address}/24 dev lo
test ! -e {folder}/etc/drbd.conf || mount --bind {folder}/etc/drbd.conf /etc/drbd.conf
exec "$@"
"""


class Node:
    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.name, self.address = folder, f"db{number}", f"10.1.0.1{number}"
        folder.mkdir()
        self.cib = folder / "cib.xml"
        self.cib.write_text(EMPTY)
        (folder / "proc").mkdir()
        (folder / "proc/drbd").write_text(
            KERNEL.format(role="Primary/Secondary" if number == 1 else "Secondary/Primary")
        )

    def script(self, *steps: str, **variables: str) -> None:
        own = {"ROOT": str(self.folder), "CIB_file": str(self.cib), "HOME": str(self.folder), "SECRET": SECRET}
        subprocess.run([SCRIPT, *steps], check=True, env={**os.environ, **own, **variables}, capture_output=True)

    def crm(self, *words: str) -> None:
        own = {"CIB_file": str(self.cib), "HOME": str(self.folder)}
        subprocess.run(["crm", "-F", "configure", *words], check=True, env={**os.environ, **own}, capture_output=True)

    def run(self, argv, *, env=None, **options):
        script = INSIDE.format(name=self.name, address=self.address, folder=self.folder)
        inside = ["unshare", "--uts", "--net", "--mount", "sh", "-ec", script, "sh"]
        if argv[0] == "drbdsetup":  # the kernel has no DRBD here to ask
            return Result(0, "", "")
        alone = [] if argv[0] in ("openssl", "crm_diff") else inside
        return really(
            [*alone, *argv], env={"CIB_file": str(self.cib), "HOME": str(self.folder), **(env or {})}, **options
        )

    def look(self):
        interfaces = {"lo": {"mac": "", "addresses": ["127.0.0.1/8"]}}
        interfaces["eth0"] = {"mac": "02:00:00:00:00:01", "addresses": [f"{self.address}/24"]}
        with root.below(self.folder):
            found = adoption_look.look(self.run, self.name, {"name": "Debian", "release": "12.7"})
        found["interfaces"] = interfaces
        return found


class Site:
    """The master, and both nodes behind it."""

    def __init__(self, folder: Path) -> None:
        self.nodes = dict(zip(MINIONS, (Node(folder / "1", 1), Node(folder / "2", 2))))
        self.served, self.owner, self.returned = [str(folder / "salt")], None, []

    def call(self, minions, function, kwargs, timeout):
        answers = {}
        for minion in minions:
            name = function.replace(".", "_")
            try:
                answers[minion] = Answer(getattr(self, name)(minion, **kwargs))
            except HamysqlError as exc:
                answers[minion] = Answer(error=str(exc))
        self.returned.append(answers)
        return answers

    def saltutil_sync_all(self, minion, refresh):
        return {}

    def saltutil_refresh_pillar(self, minion, wait, timeout):
        return True

    def hamysql_adopt_look(self, minion):
        return self.nodes[minion].look()

    def _resolved(self, minion, pillar):
        merged = resolution.layered(parameters("Debian"), pillar)
        return resolution.resolve(merged, minion_id=minion, nodename=None)

    def hamysql_adopt_problems(self, minion, pillar):
        try:
            self._resolved(minion, pillar)
        except ConfigError as exc:
            return [{"path": item.path, "found": item.found, "expected": item.expected} for item in exc.problems]
        return []

    def hamysql_adopt_sealed(self, minion, certificate):
        node = self.nodes[minion]
        with root.below(node.folder):
            return sealed.seal(node.run, certificate, adoption_look.secrets(node.run))

    def hamysql_adopt_outcome(self, minion, pillar):
        node = self.nodes[minion]
        with root.below(node.folder):
            return adoption_outcome.seen(node.run, self._resolved(minion, pillar))

    def adopt(self, path=None):
        said = []
        done = adopt.adopt(self, really, MINIONS, path, said.append)
        return done, said[0] if said else None


@pytest.fixture
def site(tmp_path):
    found = Site(tmp_path)
    for node in found.nodes.values():
        node.script("files", "resources")
    return found


def todo(done, made):
    """The pillar, with what only a human knows."""
    found = text.pillar(made)
    assert done["todo"] == ["hamysql:firewall:client_networks:0"]
    found["firewall"]["client_networks"] = ["10.1.0.0/24"]
    return found


def test_the_2013_procedure_s_cluster_is_described(site):
    done, made = site.adopt()
    found = todo(done, made)
    assert done["unfit"] == []
    assert found["cluster"] == {
        "name": "openstack",
        "nodes": {
            name: {"minion_id": f"{name}.example.org", "addresses": [f"10.1.0.1{name[-1]}"], "disk": "/dev/sdb"}
            for name in ("db1", "db2")
        },
    }
    assert found["vip"] == {"address": "10.1.0.10", "prefix": 24, "interface": "eth0", "agent": "ocf:heartbeat:IPaddr2"}
    drbd = found["storage"]["drbd"]
    assert (drbd["resource"], drbd["port"], drbd["rate"], drbd["link"]) == ("mysql", 7788, "10M", 0)
    assert drbd["agent"] == "ocf:linbit:drbd"
    assert found["corosync"]["transport"] == "udp"
    assert found["fencing"] == {"i_accept_data_loss_without_fencing": True}
    assert "no node is fenced" in done["warnings"][0]
    assert "changed p_ip_mysql: in g_mysql" in "\n".join(done["changes"])
    # hamysql's names are those of the procedure: all of them are taken over as they are.
    assert {"p_mysql", "g_mysql", "p_fs_mysql", "p_ip_mysql", "p_drbd_mysql", "ms_drbd_mysql"} <= {*done["adopt"]}
    assert SECRET not in made + str(done) + str(site.returned)


def test_what_is_described_is_what_runs(site):
    """A configuration resolved from the pillar makes the files that are there, but for what is hamysql's own way of writing."""
    done, made = site.adopt()
    found = todo(done, made)
    found["storage"]["drbd"]["shared_secret"] = SECRET
    resolved = site._resolved(MINIONS[0], found)
    sections = {part["name"]: dict(part["options"]) for part in resolved["corosync"]["sections"]}
    assert sections["totem"]["cluster_name"] == "openstack"
    assert [node["id"] for node in resolved["cluster"]["nodes"].values()] == [1, 2]
    assert "address ipv4 10.1.0.11:7788;" in resolved["storage"]["drbd"]["resource_texts"]["8.4"]


def test_secrets_come_sealed_into_a_file_of_their_own(site, tmp_path):
    path = tmp_path / "galaxy.sls"
    done, _ = site.adopt(str(path))
    beside = tmp_path / "galaxy-secrets.sls"
    assert done["secrets_file"] == str(beside)
    assert done["secrets"] == ["hamysql:storage:drbd:shared_secret"]
    assert yaml.safe_load(beside.read_text())["hamysql"]["storage"]["drbd"]["shared_secret"] == SECRET
    assert beside.stat().st_mode & 0o777 == path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in path.read_text() + str(done) + str(site.returned)
    with pytest.raises(Refused, match="never overwritten"):
        site.adopt(str(path))


def test_fence_devices_keep_their_agents_and_options_and_their_passwords_go_beside(site, tmp_path):
    for node in site.nodes.values():
        for number in (1, 2):
            options = [
                f"pcmk_host_list=db{number}",
                f"ip=192.0.2.2{number}",
                "username=fence",
                "lanplus=1",
                f"password=canary-{number}",
            ]
            node.crm("primitive", f"st-db{number}", "stonith:fence_ipmilan", "params", *options)
        node.crm("property", "stonith-enabled=true", "no-quorum-policy=stop")
    path = tmp_path / "galaxy.sls"
    done, _ = site.adopt(str(path))
    made, beside = path.read_text(), yaml.safe_load((tmp_path / "galaxy-secrets.sls").read_text())["hamysql"]
    assert "devices" not in text.pillar(made).get("fencing", {})
    device = beside["fencing"]["devices"]["db1"][0]
    assert device == {
        "agent": "fence_ipmilan",
        "options": {"ip": "192.0.2.21", "username": "fence", "lanplus": "1"},
        "secrets": {"password": "canary-1"},
    }
    assert "canary-1" not in made + str(done) + str(site.returned)
    _, printed = site.adopt()
    assert "canary-1" not in printed
    assert text.pillar(printed)["fencing"]["devices"]["db2"][0]["secrets"] == {"password": "TODO"}


def test_what_has_no_key_is_a_comment_and_a_finding(site):
    for node in site.nodes.values():
        node.crm("primitive", "p_mail", "ocf:heartbeat:Dummy")
        node.crm("property", "symmetric-cluster=false")
        drbd = node.folder / "etc/drbd.conf"
        drbd.write_text(drbd.read_text().replace("protocol C;", "protocol C; after-sb-1pri discard-secondary;"))
    done, made = site.adopt()
    told = "\n".join(done["unfit"])
    assert "hamysql:storage:drbd:options:net:after-sb-1pri: found 'discard-secondary'" in told
    assert "hamysql:pacemaker:properties:symmetric-cluster" in told
    assert made.count("# NOT TAKEN OVER:") == len(done["unfit"])
    assert "primitive p_mail ocf:heartbeat:Dummy" in made
    assert "after-sb-1pri" not in str(text.pillar(made))
    assert "p_mail" not in done["adopt"]


def test_other_names_and_an_agent_that_no_pillar_names_are_told(site):
    for node in site.nodes.values():
        node.cib.write_text(EMPTY)
        node.script("resources", SERVER="systemd:mariadb")
        node.cib.write_text(node.cib.read_text().replace("p_fs_mysql", "fs_db"))
    done, made = site.adopt()
    assert done["renamed"] == ["fs_db becomes p_fs_mysql"]
    assert "fs_db becomes p_fs_mysql when hamysql takes the cluster over" in made
    assert any("hamysql:mysql:agent: found 'systemd:mariadb'" in sentence for sentence in done["unfit"])
    assert "p_fs_mysql" in done["adopt"]
    assert "agent" not in text.pillar(made)["mysql"]


def test_nodes_that_say_different_things_are_told(site):
    other = site.nodes[MINIONS[1]]
    other.script("files", DISK2="/dev/sdc", MCAST="239.192.10.2")
    done, _ = site.adopt()
    told = "\n".join(done["unfit"])
    assert "different files /etc/corosync/corosync.conf" in told
    assert "different files of the resource mysql" in told


def test_without_a_cluster_there_is_nothing_to_adopt(tmp_path):
    site = Site(tmp_path)
    for node in site.nodes.values():
        node.cib.unlink()
    with pytest.raises(HamysqlError):
        site.adopt()


def test_a_replica_that_is_not_up_to_date_is_told(site):
    path = site.nodes[MINIONS[1]].folder / "proc/drbd"
    path.write_text(path.read_text().replace("UpToDate/UpToDate", "Outdated/UpToDate"))
    assert "db2: the resource mysql is Connected Secondary Outdated/UpToDate" in site.adopt()[0]["unfit"]


# --- what a takeover looks at, and keeps


@pytest.fixture
def node(site):
    """The first node, with its own configuration from the pillar that describes the cluster."""
    done, made = site.adopt()
    found = site.nodes[MINIONS[0]]
    found.pillar = todo(done, made)
    found.pillar["storage"]["drbd"]["shared_secret"] = SECRET
    found.cib.write_text(
        found.cib.read_text().replace("<nodes/>", '<nodes><node id="1" uname="db1"/><node id="2" uname="db2"/></nodes>')
    )
    found.resolved = lambda: site._resolved(MINIONS[0], found.pillar)
    return found


def lacking(node):
    with root.below(node.folder):
        return fits.lacking(node.run, node.resolved(), node.cib.read_text())


def test_the_described_pillar_is_about_this_cluster_and_another_one_is_not(node):
    assert lacking(node) == []
    node.pillar["vip"]["address"] = "10.1.0.99"
    node.pillar["mysql"]["datadir"] = "/srv/mysql"
    node.pillar["cluster"]["nodes"]["db2"]["disk"] = "/dev/sdz"
    told = "\n".join(lacking(node))
    assert "hamysql:vip:address is 10.1.0.99 in the pillar, and the cluster has 10.1.0.10" in told
    assert "hamysql:mysql:datadir is /srv/mysql in the pillar, and the cluster has /var/lib/mysql" in told
    assert "for db2, and the pillar has /dev/drbd0 /dev/sdz" in told


def test_a_server_that_systemd_has_started_and_another_node_are_told(node):
    node.cib.write_text(node.cib.read_text().replace('uname="db2"', 'uname="db3"'))
    assert "the cluster has the nodes db1 and db3, and the pillar has db1 and db2" in lacking(node)
    kind = 'class="ocf" provider="heartbeat" type="mysql"'
    node.cib.write_text(node.cib.read_text().replace(kind, 'class="systemd" type="mariadb"'))
    assert any(line.startswith("the server is started by systemd:mariadb") for line in lacking(node))


def test_what_becomes_of_the_fencing_is_told(node):
    assert fits.fencing(node.resolved(), node.cib.read_text()).startswith("WARNING: no node is fenced")
    device = {"agent": "fence_ipmilan", "options": {"ip": "192.0.2.9"}}
    node.pillar["fencing"] = {"devices": {"db1": [device], "db2": [device]}}
    del node.pillar["pacemaker"]["properties"]["no-quorum-policy"]
    assert "nodes are not fenced, and are fenced from then on (p_fence_db1" in fits.fencing(
        node.resolved(), node.cib.read_text()
    )


def test_fencing_is_not_lost_by_a_takeover(node):
    node.crm("primitive", "st-db1", "stonith:fence_ipmilan", "params", "pcmk_host_list=db1", "ip=192.0.2.21")
    node.crm("property", "stonith-enabled=true")
    assert any(line.startswith("the cluster fences its nodes, and the pillar has no") for line in lacking(node))


def test_files_and_configuration_of_before_are_kept_once(node):
    there = node.folder / "var/lib/pacemaker/cib/cib.xml"
    there.parent.mkdir(parents=True)
    with root.below(node.folder):
        assert not foreign.begun()
        kept_files = kept.begin(["/etc/drbd.conf", "/etc/none"])
        assert kept_files == ["/etc/corosync/corosync.conf", "/etc/drbd.conf"]
        folder = node.folder / "var/lib/hamysql/adopted"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert SECRET in (folder / "etc-drbd.conf").read_text()
        assert foreign.begun()
        with pytest.raises(Refused, match="keeps it before it goes on"):
            kept.needed()
        there.write_text(node.cib.read_text())
        with pytest.raises(HamysqlError, match="has written down that it is held"):
            kept.keep(node.run, 0)
        held(node, there)
        assert kept.keep(node.run, 0) is True
        assert "p_mysql" in kept.needed()
        assert ADOPTION not in kept.needed()
        assert kept.keep(node.run, 0) is False
        assert kept.finish() is True
        assert not foreign.begun()
        assert kept.finish() is False


def held(node, there):
    node.cib.write_text(exchange.held(node.cib.read_text()))
    there.write_text(node.cib.read_text())


def test_the_gate_is_open_for_files_while_pacemaker_is_held_and_a_deployment_is_refused_until_the_end(node):
    there = node.folder / "var/lib/pacemaker/cib/cib.xml"
    there.parent.mkdir(parents=True)
    there.write_text(node.cib.read_text())
    site = node.resolved()
    with root.below(node.folder):
        assert "pacemaker's configuration has" in foreign.seen(node.run, site, adopting=True)
        kept.begin([])
        assert foreign.seen(node.run, site, adopting=True) == foreign.UNFINISHED
        held(node, there)
        assert foreign.seen(node.run, site, adopting=True) == ""
        assert foreign.seen(node.run, site) == foreign.UNFINISHED
        conf = node.folder / "etc/corosync/corosync.conf"
        conf.write_text(f"{foreign.MARK}\n{conf.read_text()}")
        assert foreign.seen(node.run, site) == foreign.UNFINISHED, "hamysql's file alone does not open it"
