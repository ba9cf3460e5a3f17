"""Which settings a real corosync takes over while it runs: a daemon of its own, in a network and mount namespace.

What the daemon keeps although its file says otherwise is not for a reload, whatever a manual says.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamysql import pending as pending_changes
from hamysql.config import resolution
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import pending as corosync_pending
from support import ROOT, load, parameters

PROGRAMS = ("corosync", "corosync-cmapctl", "corosync-cfgtool", "ip", "unshare")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root and {', '.join(PROGRAMS)} (Debian: corosync, iproute2, util-linux)",
)
SPACE = "hamysql-corosync-test"
START = """
mount -t tmpfs none /run && mkdir /run/corosync && mount -t tmpfs none /var/log && mkdir /var/log/corosync
mount -t tmpfs none /var/lib/corosync
mount --bind {folder} /etc/corosync && exec corosync -f
"""


def resolved(**options):
    """The lab's configuration, with options of corosync; transports that know no second link have one."""
    pillar = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    pillar["corosync"].update(copy.deepcopy(options))
    if pillar["corosync"]["transport"] != "knet":
        for node in pillar["cluster"]["nodes"].values():
            del node["addresses"][1:]
    return resolution.resolve(resolution.layered(parameters("Debian"), pillar), minion_id="db1", nodename="db1")


class Daemon:
    """A running corosync, and its file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None
        (folder / "authkey").write_text(resolved()["corosync"]["authkey"])

    def start(self) -> None:
        script = START.format(folder=self.folder)
        argv = ["ip", "netns", "exec", SPACE, "unshare", "--mount", "sh", "-ec", script]
        with open(self.folder / "output", "w") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + 30
        while self.run("corosync-cmapctl", "-g", "totem.version").returncode:
            assert self.process.poll() is None, (self.folder / "output").read_text()
            assert time.monotonic() < deadline, (self.folder / "output").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def write(self, site) -> None:
        (self.folder / "corosync.conf").write_text(corosync_conf.export(site["corosync"]["sections"]))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["ip", "netns", "exec", SPACE, *argv], capture_output=True, text=True, check=False)

    def map(self) -> dict[str, str]:
        return corosync_pending.parse_map(self.run("corosync-cmapctl").stdout)

    def pending(self, site) -> dict[str, str]:
        return {item.path: item.kind for item in corosync_pending.pending(site, self.map(), False)}

    def reload(self, site) -> None:
        self.write(site)
        done = self.run("corosync-cfgtool", "-R")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    found = Daemon(tmp_path_factory.mktemp("corosync"))
    found.write(resolved())
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    try:
        found.run("ip", "link", "set", "lo", "up")
        for link, address in (("l0", "10.77.1.11/24"), ("l1", "10.77.2.11/24")):
            found.run("ip", "link", "add", link, "type", "bridge")
            found.run("ip", "address", "add", address, "dev", link)
            found.run("ip", "link", "set", link, "up")
        found.start()
        yield found
    finally:
        found.kill()
        subprocess.run(["ip", "netns", "delete", SPACE], check=False)


@pytest.fixture(autouse=True)
def as_it_was(daemon) -> Iterator[None]:
    yield
    daemon.reload(resolved())
    assert daemon.pending(resolved()) == {}


def test_a_daemon_runs_with_what_its_file_says(daemon):
    assert daemon.pending(resolved()) == {}


@pytest.mark.parametrize("transport", ["udp", "udpu"])
def test_a_daemon_with_another_transport_runs_with_what_its_file_says(daemon, transport):
    """With udp it has made a multicast address of the cluster's name, which the file used to leave out."""
    site = resolved(transport=transport)
    daemon.kill()
    daemon.write(site)
    daemon.start()
    try:
        assert daemon.pending(site) == {}
    finally:
        daemon.kill()
        daemon.write(resolved())
        daemon.start()


LIVE = [
    {"token": 5000},
    {"options": {"totem": {"join": "60", "token_retransmits_before_loss_const": "10"}}},
    {"options": {"logging": {"debug": "on"}}},
    {"options": {"quorum": {"last_man_standing_window": "5000"}}},
    {"options": {"interface": {"knet_link_priority": "2", "knet_ping_timeout": "4000"}}},
]


@pytest.mark.parametrize("options", LIVE, ids=lambda options: "-".join(options.get("options", options)))
def test_what_is_live_is_taken_over_by_a_reload(daemon, options):
    site = resolved(**options)
    assert set(daemon.pending(site).values()) == {pending_changes.LIVE}
    daemon.reload(site)
    assert daemon.pending(site) == {}


def test_the_token_in_service_is_the_new_one(daemon):
    daemon.reload(resolved(token=7000))
    assert "(u32) = 7000" in daemon.run("corosync-cmapctl", "-g", "runtime.config.totem.token").stdout


AT_START = {
    "totem": {"netmtu": "1300", "ip_version": "ipv4"},
    "system": {"sched_rr": "no", "move_to_root_cgroup": "no", "qb_ipc_type": "shm"},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [(section, name, value) for section, options in AT_START.items() for name, value in options.items()],
)
def test_what_waits_for_a_start_is_not_taken_over_by_a_reload(daemon, section, name, value):
    site = resolved(options={section: {name: value}})
    expected = {f"hamysql:corosync:options:{section}:{name}": pending_changes.RESTART}
    assert daemon.pending(site) == expected
    daemon.reload(site)
    assert daemon.pending(site) == expected


def test_a_reload_would_only_claim_to_use_the_links_otherwise(daemon):
    """knet is told once, when it starts. So nothing is reloaded then: the start, which is needed, takes over the rest as well."""
    site = resolved(token=5000, options={"totem": {"link_mode": "passive"}})
    assert set(daemon.pending(site).values()) == {pending_changes.RESTART}
    daemon.reload(site)
    assert daemon.map()["totem.link_mode"] == "passive"


def test_the_cluster_s_name_is_refused_and_a_reload_would_not_change_it(daemon):
    site = resolved()
    site["cluster"]["name"] = "another"
    site["corosync"]["sections"] = corosync_conf.build(site)
    assert daemon.pending(site) == {"hamysql:cluster:name": pending_changes.REFUSED}
    daemon.reload(site)
    assert daemon.map()["totem.cluster_name"] == "galaxy-db"


def test_a_third_vote_is_refused_because_a_reload_would_take_it_over(daemon):
    pillar = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    pillar["quorum"] = {"device": {"minion_id": "qd1", "address": "10.77.1.13"}}
    site = resolution.resolve(resolution.layered(parameters("Debian"), pillar), minion_id="db1", nodename="db1")
    assert daemon.pending(site) == {"hamysql:quorum:device": pending_changes.REFUSED}
    daemon.reload(site)
    assert daemon.pending(site) == {}
    assert daemon.pending(resolved()) == {"hamysql:quorum:device": pending_changes.REFUSED}


def test_what_waits_for_a_start_is_there_after_one(daemon):
    site = resolved(options=AT_START)
    for wanted in (site, resolved()):
        assert set(daemon.pending(wanted).values()) == {pending_changes.RESTART}
        daemon.kill()
        daemon.write(wanted)
        daemon.start()
        assert daemon.pending(wanted) == {}
