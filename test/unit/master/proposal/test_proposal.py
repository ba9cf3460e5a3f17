"""A proposal: what two machines would be as a cluster, whatever they have, and a pillar of it that the real schema accepts."""

from __future__ import annotations

import copy
import ipaddress
import os

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hamysql.config import resolution
from hamysql.config.resolution import merge
from hamysql.errors import ConfigError, HamysqlError, Refused
from hamysql.master import secretfile
from hamysql.master.members import Answer
from hamysql.master.proposal import judged, propose, text
from hamysql.schema.language import TODO, redacted
from support import ROOT, parameters

EXPECTED = ROOT / "test/unit/master/proposal/fixtures"


def disk(name="/dev/sdb", size=100 * 2**30, why="", stable=None):
    return {"name": name, "stable": stable or f"/dev/disk/by-id/wwn-0x{name[-1]}{size}", "size": size, "why": why}


def machine(number, **fields):
    interfaces = {
        "lo": {"mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1/8", "::1/128"]},
        "eth0": {"mac": f"02:00:00:00:00:{number}", "addresses": [f"192.0.2.1{number}/24", "fe80::1/64"]},
        "eth1": {"mac": f"02:00:00:00:01:{number}", "addresses": [f"198.51.100.1{number}/24"]},
        "docker0": {"mac": "02:42:00:00:00:01", "addresses": ["172.17.0.1/16"]},
    }
    return {
        "stale": False,
        "nodename": f"db{number}",
        "system": {"name": "Debian", "release": "12.7"},
        "interfaces": interfaces,
        "gateways": ["eth0"],
        "disks": [disk("/dev/sda", 50 * 2**30, why="/dev/sda1 is mounted on /"), disk()],
        "board": {"address": f"192.0.2.2{number}", "why": ""},
        **fields,
    }


MINIONS = ("db1.example.org", "db2.example.org")


class Site:
    """The master and both minions. Whatever address one has, the other one reaches, but for ``cut`` ones."""

    def __init__(self, one=None, two=None, taken=(), cut=()):
        self.looks = {MINIONS[0]: one or machine(1), MINIONS[1]: two or machine(2)}
        self.taken, self.cut, self.asked, self.given = set(taken), set(cut), [], {}
        self.served, self.owner = ["/srv/salt"], None
        self.failing = None
        self.loaded = set()

    def pillars(self):
        return self.given

    def call(self, minions, function, kwargs, timeout):
        self.asked.append(function)
        if function == self.failing:
            return {minion: Answer(error="no") for minion in minions}
        return {minion: Answer(getattr(self, function.replace(".", "_"))(minion, **kwargs)) for minion in minions}

    def saltutil_sync_all(self, minion, refresh):
        return {}

    def saltutil_refresh_pillar(self, minion, wait, timeout):
        self.loaded.add(minion)
        return True

    def hamysql_proposal_look(self, minion):
        assert minion in self.loaded, "a new minion does not know the module yet"
        return copy.deepcopy(self.looks[minion])

    def hamysql_proposal_reached(self, minion, pairs):
        return [pair for pair in pairs if not {*pair} & self.cut]

    def hamysql_proposal_taken(self, minion, interface, addresses):
        assert interface in self.looks[minion]["interfaces"]
        return [address for address in addresses if address in self.taken]

    def hamysql_proposal_understood(self, minion, pillar):
        found = resolved(pillar, minion, None)
        return {
            "settings": redacted(found),
            "storage": {"reached": {}, "module": {"version": "", "loadable": True}},
            "packages": {"pacemaker": "2.1.5-1", "corosync": "3.1.7-1"},
        }

    def propose(self, vip=None, path=None, cluster=None):
        said = []
        returned = propose.propose(self, MINIONS, vip, path, cluster, said.append)
        return returned, said[0] if said else None


def resolved(pillar, minion=MINIONS[0], nodename="db1"):
    merged = resolution.layered(parameters(), pillar)
    return resolution.resolve(merged, minion_id=minion, nodename=nodename)


def completed(pillar):
    """A pillar with its TODOs filled in, and the secrets of ``hamysql.secrets``."""
    whole = judged.filled(pillar)
    return merge(whole, yaml.safe_load(secretfile.text(secretfile.make(secretfile.missing(whole))))["hamysql"])


def test_two_plain_servers():
    """``WRITE_SCREENS=1`` writes the text anew; read the difference."""
    returned, made = Site().propose()
    if os.environ.get("WRITE_SCREENS"):
        (EXPECTED / "proposal.sls").write_text(made, encoding="ascii")
    assert made == (EXPECTED / "proposal.sls").read_text(encoding="ascii")
    assert returned["file"] is None
    assert returned["unfit"] == []
    assert returned["warnings"] == []
    devices = [f"hamysql:fencing:devices:{name}:0" for name in ("db1", "db2")]
    assert returned["todo"] == [
        *(f"{device}:{key}" for device in devices for key in ("options:username", "secrets:password")),
        "hamysql:firewall:client_networks:0",
    ]


def test_what_it_proposes_is_what_both_machines_have():
    found = text.pillar(Site().propose()[1])
    assert found["cluster"]["name"] == "db"
    assert found["cluster"]["nodes"]["db2"] == {
        "minion_id": "db2.example.org",
        "addresses": ["192.0.2.12", "198.51.100.12"],
        "disk": disk()["stable"],
    }
    assert found["vip"] == {"address": "192.0.2.13", "prefix": 24, "interface": "eth0"}
    assert found["fencing"]["devices"]["db1"][0]["options"]["ip"] == "192.0.2.21"


def test_the_virtual_ip_is_one_that_nobody_has():
    found = text.pillar(Site(taken=["192.0.2.13", "192.0.2.14"]).propose()[1])
    assert found["vip"]["address"] == "192.0.2.15"
    every = [f"192.0.2.{number}" for number in range(13, 255)]
    returned, made = Site(taken=every).propose()
    assert text.pillar(made)["vip"]["address"] == TODO
    assert "hamysql:vip:address" in returned["todo"]


def test_a_given_virtual_ip_is_taken_unless_somebody_has_it():
    returned, made = Site().propose(vip="198.51.100.100")
    assert text.pillar(made)["vip"] == {"address": "198.51.100.100", "prefix": 24, "interface": "eth1"}
    assert returned["unfit"] == []
    returned, _ = Site(taken=["192.0.2.100"]).propose(vip="192.0.2.100")
    assert returned["unfit"] == ["vip=192.0.2.100: somebody has this address already"]
    returned, made = Site().propose(vip="203.0.113.7")
    assert text.pillar(made)["vip"] == {"address": "203.0.113.7", "prefix": 32, "interface": "eth0"}
    assert any("routes to it" in warning for warning in returned["warnings"])


def test_a_link_counts_only_when_both_have_reached_each_other():
    returned, made = Site(cut=["198.51.100.12"]).propose()
    assert text.pillar(made)["cluster"]["nodes"]["db1"]["addresses"] == ["192.0.2.11"]
    assert any("found one link between the nodes" in warning for warning in returned["warnings"])


def test_machines_that_do_not_reach_each_other_are_unfit():
    returned, made = Site(cut=["198.51.100.12", "192.0.2.12"]).propose()
    assert returned["unfit"][0].startswith("no address of db1 and db2 in one network reaches the other")
    assert "hamysql:cluster:nodes:db1:addresses:0" in returned["todo"]
    assert "hamysql:vip:address" in returned["todo"]
    assert text.pillar(made)["vip"]["interface"] == "eth0"


def test_the_interfaces_may_have_other_names():
    two = machine(2, gateways=["enp3s0"])
    two["interfaces"]["enp3s0"] = two["interfaces"].pop("eth0")
    found = text.pillar(Site(two=two).propose()[1])
    assert found["vip"] == {"address": "192.0.2.13", "prefix": 24}
    assert [node["vip_interface"] for node in found["cluster"]["nodes"].values()] == ["eth0", "enp3s0"]


def test_two_interfaces_in_one_network_are_two_links():
    one, two = machine(1), machine(2)
    for number, look in enumerate((one, two), 1):
        look["interfaces"]["eth1"]["addresses"] = [f"192.0.2.2{number}/24"]
    found = text.pillar(Site(one, two).propose()[1])
    assert found["cluster"]["nodes"]["db1"]["addresses"] == ["192.0.2.11", "192.0.2.21"]
    assert found["cluster"]["nodes"]["db2"]["addresses"] == ["192.0.2.12", "192.0.2.22"]


@pytest.mark.parametrize(
    "disks",
    [[], [disk(why="it is removable")], [disk(size=99 * 2**30)]],
    ids=["none", "not blank", "of another size"],
)
def test_without_equal_blank_disks_a_human_has_to_say(disks):
    returned, made = Site(two=machine(2, disks=disks)).propose()
    assert returned["unfit"] == [
        "the nodes have no blank disks of equal size; a LUN or an NFS export can hold the data instead"
    ]
    assert "hamysql:storage:drbd:disk" in returned["todo"]
    assert "# another disk: db1: /dev/sdb, 100.0 GiB, blank" in made


def test_the_largest_of_equal_disks_is_chosen_and_the_others_are_told():
    both = {"disks": [disk("/dev/sdc", 200 * 2**30), disk()]}
    made = Site(machine(1, **both), machine(2, **both)).propose()[1]
    assert "200.0 GiB, blank. Its content will be replaced" in made
    assert "# another disk: db2: /dev/sdb, 100.0 GiB, blank" in made


def test_a_machine_without_a_board_says_why():
    board = {"address": "", "why": "Could not open device at /dev/ipmi0"}
    returned, made = Site(one=machine(1, board=board)).propose()
    assert "# No management board was found: Could not open device at /dev/ipmi0" in made
    assert "hamysql:fencing:devices:db1:0:options:ip" in returned["todo"]


def test_what_preflight_would_refuse_is_unfit():
    old = machine(2, system={"name": "Debian", "release": "11.2"})
    site = Site(two=old)
    returned, _ = site.propose()
    (said,) = returned["unfit"]
    assert said.startswith("db2: found Debian 11.2, expected an operating system that hamysql knows")


def test_a_package_that_nobody_offers_is_unfit():
    site = Site()
    site.hamysql_proposal_understood = lambda minion, pillar: {
        **Site.hamysql_proposal_understood(site, minion, pillar),
        "packages": {"pacemaker": "" if minion == MINIONS[1] else "2.1.5-1"},
    }
    assert site.propose()[0]["unfit"][0].startswith("db2: the repositories do not offer pacemaker")


def test_what_does_not_even_resolve_is_unfit_in_the_minions_words():
    site = Site()
    site.failing = "hamysql_proposal.understood"
    assert site.propose()[0]["unfit"] == [f"{name} (minion {name}): {site.failing}: no" for name in MINIONS]


def test_it_writes_a_file_once_that_only_the_master_can_read(tmp_path):
    path = tmp_path / "new.sls"
    returned, said = Site().propose(path=str(path))
    assert said is None
    assert returned["file"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    again = Site()
    with pytest.raises(Refused, match="never overwritten"):
        again.propose(path=str(path))
    assert again.asked == []
    assert path.read_text() == before


def test_what_cannot_be_a_pair_is_refused():
    site = Site()
    with pytest.raises(Refused, match="two nodes"):
        propose.propose(site, ("a", "a"), None, None, None, print)
    with pytest.raises(Refused, match="no address"):
        site.propose(vip="db-vip")
    assert site.asked == []
    with pytest.raises(Refused, match="both machines are called db1"):
        Site(two=machine(2, nodename="db1")).propose()
    with pytest.raises(HamysqlError, match="older version of hamysql in memory: restart its minion"):
        Site(two={"stale": True}).propose()


def test_a_name_that_another_cluster_has_is_not_proposed_and_a_pillar_that_is_there_is_told():
    site = Site()
    site.given = {MINIONS[0]: {"cluster": {"name": "db", "nodes": {"db1": {}}}}}
    returned, _ = site.propose()
    assert "hamysql:cluster:name" in returned["todo"]
    assert returned["warnings"] == [f"{MINIONS[0]} has a pillar `hamysql` already"]
    assert text.pillar(site.propose(cluster="galaxy-db")[1])["cluster"]["name"] == "galaxy-db"


def test_a_stand_in_for_the_virtual_ip_is_of_the_links_family():
    """Its prefix is proposed from that link, and an IPv4 address with that of an IPv6 network is refused."""
    for address, family in (("2001:db8::1", 6), ("192.0.2.1", 4), (TODO, 4)):
        pillar = {"vip": {"address": TODO}, "cluster": {"nodes": {"db1": {"addresses": [address]}}}}
        assert ipaddress.ip_address(judged.filled(pillar)["vip"]["address"]).version == family


# --- whatever the machines have

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.example\.org)?", fullmatch=True)
INTERFACES = st.sampled_from(["eth0", "eth1", "enp3s0f1", "bond0", "vlan.7", "ib0", "1", "on", "null"])
NETWORKS = st.sampled_from(
    [
        "192.0.2.0/24",
        "198.51.100.0/29",
        "203.0.113.8/30",
        "10.0.0.0/8",
        "2001:db8::/64",
        "2001:db8:1::/126",
        "fe80::/64",
    ]
)
WORDS = st.text(max_size=60)


@st.composite
def machines(draw):
    interfaces = {}
    for name in draw(st.lists(INTERFACES, unique=True, max_size=4)):
        addresses = []
        for text_ in draw(st.lists(NETWORKS, max_size=3, unique=True)):
            network = ipaddress.ip_network(text_)
            number = draw(st.integers(1, min(250, network.num_addresses - 2)))
            addresses.append(f"{network[number]}/{network.prefixlen}")
        interfaces[name] = {"mac": "", "addresses": addresses}
    sizes = st.sampled_from([2**30, 2**30 + 512, 2**40])
    count = draw(st.integers(0, 3))
    disks = [
        disk(f"/dev/sd{'abc'[n]}", draw(sizes), draw(st.sampled_from(["", "it is read-only"])), draw(st.sampled_from([None, "/dev/disk/by-id/odd name#\n"])))
        for n in range(count)
    ]  # fmt: skip
    board = draw(st.sampled_from([{"address": "192.0.2.200", "why": ""}, None]))
    return {
        "stale": False,
        "nodename": draw(NAMES),
        "system": {"name": draw(st.sampled_from(["Debian", "Rocky"])), "release": draw(st.sampled_from(["12", "9.6"]))},
        "interfaces": interfaces,
        "gateways": draw(st.lists(st.sampled_from(list(interfaces)), max_size=2)) if interfaces else [],
        "disks": disks,
        "board": board or {"address": "", "why": draw(WORDS)},
    }


@settings(max_examples=150, deadline=None, phases=[Phase.generate])
@given(machines(), machines(), st.sampled_from([None, "192.0.2.77", "2001:db8::77", "10.9.9.9"]))
def test_every_proposal_is_refused_for_its_todos_alone_and_accepted_without_them(one, two, vip):
    if one["nodename"] == two["nodename"]:
        two["nodename"] = f"x{one['nodename']}"
    have = {
        address.partition("/")[0]
        for look in (one, two)
        for i in look["interfaces"].values()
        for address in i["addresses"]
    }
    returned, made = Site(one, two).propose(vip=None if vip in have else vip)
    made.encode("ascii")
    pillar = text.pillar(made)
    for look, minion in ((one, MINIONS[0]), (two, MINIONS[1])):
        found = resolved(completed(pillar), minion, look["nodename"])
        assert found["self"] == look["nodename"]
    secrets = yaml.safe_load(secretfile.text(secretfile.make(secretfile.missing(pillar))))["hamysql"]
    with pytest.raises(ConfigError) as caught:
        resolved(merge(pillar, secrets), MINIONS[0], one["nodename"])
    refused = {problem.path for problem in caught.value.problems if problem.found.startswith(TODO)}
    assert refused == set(returned["todo"])
    assert not [problem for problem in caught.value.problems if problem.path not in refused]
