"""Preflight's judgement: healthy machines pass, each wrong one is told completely, a cluster at work is not blocked."""

from __future__ import annotations

import copy

import lab_node
import pytest
from printed import mac

from hamysql import pending
from hamysql.preflight import judge as preflight_judge

WINDOW = (1000.0, 1004.0)
MACS = {name: mac("eth0", name) for name in lab_node.NAMES}
ADDRESSES = {"db1": ["10.77.1.11/24", "10.77.2.11/24"], "db2": ["10.77.1.12/24", "10.77.2.12/24"]}
OPERATING = {
    "corosync": "3.1.7-1+deb12u1",
    "drbd-utils": "9.22.0-1",
    "mariadb-server": "1:10.11.6-0+deb12u1",
    "pacemaker": "2.1.5-1+deb12u1",
}


def member(name, **fields):
    """A bare machine of the lab whose clock is right; its fields are those of ``lab_node.Node``."""
    node = lab_node.Node(name, **{"packages": OPERATING, "clock": (1001.0, 1003.0), **fields})
    node.addresses = {"lo": ["127.0.0.1/8", "::1/128"], **node.addresses}
    node.addresses["eth0"].append("fe80::1/64")
    return node


def survey(name):
    return member(name).survey()


@pytest.fixture
def site():
    """The surveys of two bare machines that are fit."""
    return {name: survey(name) for name in ("db1", "db2")}


def settle(site, running=True):
    """The same machines as members of an initialised cluster."""
    for seen in site.values():
        seen["storage"]["latch"] = {"stage": "INITIALISED"}
        seen["cluster"]["running"] = running
    return site


def texts(site, window=WINDOW):
    return [str(finding) for finding in preflight_judge.judge(site, window)]


def test_fit_machines_have_no_finding_bare_or_at_work(site):
    assert texts(site) == []
    assert texts(settle(site)) == []


def test_a_machine_with_another_name_is_told_by_its_key(site):
    site["db2"]["facts"]["nodename"] = "db2.example.org"
    (finding,) = preflight_judge.judge(settle(site), WINDOW)
    assert finding.refuses, "whatever is on its disk: corosync would not know the node"
    assert str(finding) == (
        "db2: found 'db2.example.org' as `uname -n`, expected the node's key 'db2', by which corosync, pacemaker and DRBD "
        "know it (hamysql:cluster:nodes:db2)"
    )


def on(site, backend, **facts):
    """The same machines with other storage, whose module DRBD is missing on purpose."""
    for seen in site.values():
        seen["settings"]["storage"]["backend"] = backend
        module = {"version": "", "loadable": False}
        seen["facts"]["storage"] = copy.deepcopy({"reached": {}, "initiator": "", "module": module, **facts})
    return site


@pytest.mark.parametrize("backend", ["shared", "nfs"])
def test_other_storage_needs_no_module_of_drbd(site, backend):
    assert texts(on(site, backend)) == []
    assert len(texts(on(site, "drbd"))) == 2


@pytest.mark.parametrize(("backend", "key"), [("shared", "shared:iscsi:portal"), ("nfs", "nfs:server")])
def test_a_server_that_does_not_answer_is_told_and_refuses_only_what_is_new(site, backend, key):
    on(site, backend, reached={"192.0.2.40:3260": True})
    assert texts(site) == []
    site["db2"]["facts"]["storage"]["reached"]["192.0.2.40:3260"] = False
    assert texts(site) == [
        f"db2: found no answer from 192.0.2.40:3260, expected one: it has the data (hamysql:storage:{key})"
    ]
    (finding,) = preflight_judge.judge(settle(site), WINDOW)
    assert not finding.refuses


def test_two_nodes_with_the_same_initiator_name_are_refused(site):
    on(site, "shared", initiator="iqn.1993-08.org.debian:01:f00d")
    (finding,) = preflight_judge.judge(settle(site), WINDOW)
    assert finding.refuses, "the target would end the session of the node that serves"
    assert str(finding).startswith(
        "db2: found the iSCSI initiator name iqn.1993-08.org.debian:01:f00d, expected another one"
    )
    site["db2"]["facts"]["storage"]["initiator"] = "iqn.1993-08.org.debian:01:beef"
    assert texts(site) == []


def test_an_address_that_the_node_has_not(site):
    site["db1"]["facts"]["interfaces"]["eth1"]["addresses"] = []
    assert texts(site) == [
        "db1: found no address 10.77.2.11 on any interface (there are: 10.77.1.11, fe80::1), expected an address that the "
        "node has (hamysql:cluster:nodes:db1:addresses:1)"
    ]


def test_the_vip_s_interface_is_missing(site):
    del site["db2"]["facts"]["interfaces"]["eth0"]
    found = texts(site)
    assert (
        found[1]
        == "db2: found no interface eth0 (there are: eth1), expected the interface of the VIP (hamysql:vip:interface)"
    )
    assert len(found) == 2
    assert "no address 10.77.1.12" in found[0]


@pytest.mark.parametrize("addresses", [["10.77.1.11/26"], ["10.77.1.11/32", "10.77.1.100/24"], ["fe80::1/64"]])
def test_the_vip_is_not_in_its_interface_s_network(site, addresses):
    site["db1"]["facts"]["interfaces"]["eth0"]["addresses"] = addresses
    site["db1"]["cluster"]["running"] = True  # it may have the VIP
    site["db1"]["facts"]["interfaces"]["eth1"]["addresses"].append("10.77.1.11/24")
    (found,) = texts(site)
    shown = ", ".join(address for address in addresses if "." in address and "100" not in address) or "no address"
    assert found == (
        f"db1: found {shown} on eth0, expected one in the network of the VIP 10.77.1.100, or routes to it. The router needs a route "
        "to 10.77.1.100/32 that ends in the network of eth0 itself. A route by way of a node's own address does not follow a "
        "failover. Clients in that network need such a route, too: they cannot reach the VIP without it. The nodes need a route back "
        "to the clients (hamysql:vip:address)"
    )
    assert not any(finding.refuses for finding in preflight_judge.judge(site, WINDOW)), "of a new cluster either"


def test_a_vip_of_ipv6_on_an_interface_that_has_no_address_of_its_own_is_a_matter_of_routes(site):
    for name, seen in site.items():
        seen["settings"]["vip"] |= {"address": "2001:db8::100", "prefix": 128, "interface": "eth2"}
        seen["facts"]["interfaces"]["eth2"] = {"mac": MACS[name], "addresses": []}
    for finding, name in zip(preflight_judge.judge(site, WINDOW), site, strict=True):
        assert not finding.refuses
        assert f"{name}: found no address on eth2" in str(finding)
        assert "a route to 2001:db8::100/128 that ends in the network of eth2 itself" in str(finding)


@pytest.mark.parametrize("settled", [False, True])
def test_a_node_s_own_interface_for_the_vip_has_to_be_there(site, settled):
    for seen in site.values():
        seen["settings"]["cluster"]["nodes"]["db2"]["vip_interface"] = "enp3s0"
    site["db2"]["settings"]["vip"]["interface"] = "enp3s0"
    if settled:
        settle(site)
    (finding,) = preflight_judge.judge(site, WINDOW)
    assert str(finding) == (
        "db2: found no interface enp3s0 (there are: eth0, eth1), expected the interface of the VIP "
        "(hamysql:cluster:nodes:db2:vip_interface)"
    )
    assert finding.refuses is not settled
    site["db2"]["facts"]["interfaces"]["enp3s0"] = site["db2"]["facts"]["interfaces"].pop("eth0")
    assert texts(site) == []


# --- the link of the replication


def replicate(site, source="last", **links):
    """The members replicate over these links."""
    for name, link in links.items():
        settings = site[name]["settings"]
        settings["storage"]["drbd"] |= {"link": link, "link_from": source}
        for node in settings["cluster"]["nodes"].values():
            node["replication"] = node["addresses"][link]
    return site


@pytest.mark.parametrize("settled", [False, True])
def test_replication_over_the_clients_cable_is_told_with_the_way_out(site, settled):
    if settled:
        settle(site)
    replicate(site, "known", db1=0, db2=0)
    findings = preflight_judge.judge(site, WINDOW)
    assert [finding.refuses for finding in findings] == [False, False]
    how = f"; then {pending.STOPPED}" if settled else ""
    assert str(findings[1]) == (
        "db2: found the replication (link 0, 10.77.1.12) on eth0, which has the VIP as well, expected a link of its own: "
        f"set hamysql:storage:drbd:link: 1{how} (hamysql:storage:drbd:link)"
    )


def test_two_links_on_one_interface_are_one_cable(site):
    for seen in site.values():
        own = seen["facts"]["interfaces"]
        own["eth0"]["addresses"] += own.pop("eth1")["addresses"]
    found = texts(site)
    assert len(found) == 2
    assert all("expected a link of its own: an address on another interface" in text for text in found)


def test_only_drbd_has_a_link_to_choose(site):
    replicate(site, db1=0, db2=0)
    assert len(texts(site)) == 2
    assert texts(on(site, "nfs")) == []


@pytest.mark.parametrize(("backend", "users"), [("drbd", "corosync, the replication"), ("nfs", "corosync")])
def test_one_link_for_all_is_told_once(site, backend, users):
    replicate(on(site, backend), db1=0, db2=0)
    for seen in site.values():
        seen["facts"]["storage"]["module"]["loadable"] = True
        for node in seen["settings"]["cluster"]["nodes"].values():
            del node["addresses"][1:]
    (finding,) = preflight_judge.judge(site, WINDOW)
    assert str(finding) == (
        f"db1: found one link between the nodes, expected two, on cables of their own: {users} and the clients all depend on this "
        "one network. When it is lost, the nodes lose sight of each other, and fencing decides which of them goes on. Give each node "
        "a second address (hamysql:cluster:nodes:NODE:addresses)"
    )
    assert not finding.refuses


def test_members_with_different_links_are_no_members_with_different_pillars(site):
    settle(site)["db2"]["storage"]["latch"] = {}
    replicate(site, "known", db1=1, db2=0)
    findings = [finding for finding in preflight_judge.judge(site, WINDOW) if "as on" in str(finding)]
    assert [str(finding) for finding in findings] == [
        "db2: found link 0 for replication, expected link 1, as on db1: hamysql.orch has this node take it "
        "(hamysql:storage:drbd:link)"
    ]
    assert not findings[0].refuses
    for seen in site.values():
        seen["storage"]["status"] = {"role": "Secondary"}
    (finding,) = [finding for finding in preflight_judge.judge(site, WINDOW) if "as on" in str(finding)]
    assert finding.refuses
    assert pending.STOPPED in str(finding)


def test_a_note_of_a_link_that_cannot_be_used_is_told(site):
    site["db1"]["settings"]["storage"]["drbd"]["link_problem"] = "'abc' in /var/lib/hamysql/drbd-link"
    assert texts(site) == [
        "db1: found 'abc' in /var/lib/hamysql/drbd-link, expected the index of one of its links. This is ignored: link 1 is used "
        "(hamysql:storage:drbd:link)"
    ]


def test_the_vip_answers_from_a_stranger(site):
    site["db2"]["facts"]["vip_owner"] = "02:99:00:00:00:01"
    assert texts(site) == [
        "db2: found an answer for the VIP 10.77.1.100 from 02:99:00:00:00:01, which is no member, expected an address that "
        "no other machine uses (hamysql:vip:address)"
    ]


def test_the_vip_that_the_running_member_has_is_right(site):
    """A member whose pacemaker is stopped hears the active one."""
    settle(site)["db1"]["cluster"]["running"] = False
    site["db1"]["facts"]["vip_owner"] = MACS["db2"]
    site["db2"]["facts"]["interfaces"]["eth0"]["addresses"].append("10.77.1.100/24")
    assert texts(site) == []


@pytest.mark.parametrize("settled", [False, True])
def test_the_vip_set_by_hand_is_found_and_left_by_a_dead_cluster_is_only_mentioned(site, settled):
    if settled:
        settle(site, running=False)
    site["db1"]["facts"]["interfaces"]["eth0"]["addresses"].append("10.77.1.100/24")
    site["db2"]["facts"]["vip_owner"] = MACS["db1"]
    (finding,) = preflight_judge.judge(site, WINDOW)
    assert "db1: found the VIP 10.77.1.100 on eth0, where pacemaker does not run" in str(finding)
    assert finding.refuses is not settled


def test_no_module_for_drbd(site):
    site["db1"]["facts"]["storage"]["module"]["loadable"] = False
    (found,) = texts(site)
    assert found.startswith(
        "db1: found no kernel module drbd for the running kernel, expected the module drbd: install it"
    )
    for one in site.values():
        one["settings"]["package"]["names"] = ["drbd-dkms"]
    assert texts(site) == [], "the module is among the packages that will be installed"


def test_a_link_that_does_not_work_in_one_direction(site):
    site["db2"]["facts"]["unreachable"] = site["db2"]["facts"]["absent"] = ["10.77.2.11"]
    (finding,) = preflight_judge.judge(site, WINDOW)
    assert str(finding) == (
        "db2: found no answer to a ping from 10.77.2.12 to 10.77.2.11 of db1, expected link 1 to work "
        "(hamysql:cluster:nodes:db1:addresses:1)"
    )
    assert finding.refuses


def test_pings_that_may_be_filtered_are_no_proof(site):
    for name, address in (("db1", "10.77.2.12"), ("db2", "10.77.2.11")):
        site[name]["facts"]["unreachable"] = [address]
    one, two = preflight_judge.judge(site, WINDOW)
    assert (one.refuses, two.refuses) == (False, False)
    assert "to 10.77.2.12 of db2 (a packet filter may have kept it back), expected link 1 to work" in str(one)


def test_an_address_that_is_missing_is_not_also_a_broken_link(site):
    site["db1"]["facts"]["interfaces"]["eth1"]["addresses"] = []
    site["db1"]["facts"]["unreachable"] = ["10.77.2.12"]
    site["db2"]["facts"]["unreachable"] = ["10.77.2.11"]
    (found,) = texts(site)
    assert "no address 10.77.2.11" in found


@pytest.mark.parametrize(
    ("package", "version", "same"),
    [
        ("mariadb-server", "1:10.11.9-0+deb12u1", True),
        ("mariadb-server", "1:10.6.18-1", False),
        ("mariadb-server", "", True),
        ("corosync", "3.0.1-2", True),
        ("corosync", "2.4.5-1", False),
        ("drbd-utils", "8.9.10-2", False),
    ],
)
def test_versions_that_do_not_go_together(site, package, version, same):
    site["db2"]["facts"]["packages"][package] = version
    found = texts(site)
    assert (found == []) is same
    if not same:
        expected = f"expected the same major version as on db1, which has {OPERATING[package]} (hamysql:package)"
        assert found == [f"db2: found {package} {version}, {expected}"]


@pytest.mark.parametrize("backend", ["drbd", "shared", "nfs"])
@pytest.mark.parametrize(
    ("one", "two", "found"), [([100, 102], [102, 107], 1), ([100, 102], [100, 102], 0), ([], [102, 107], 0)]
)
def test_an_account_with_another_number_is_told_and_refused_where_files_cannot_change_their_owner(
    site, backend, one, two, found
):
    site = on(site, backend)
    for name, numbers in (("db1", one), ("db2", two)):
        site[name]["facts"]["account"] = numbers
    told = [finding for finding in preflight_judge.judge(site, WINDOW) if finding.path == "hamysql:mysql:user"]
    assert [(finding.node, finding.refuses) for finding in told] == [("db2", backend == "nfs")] * found


NEWER = {"mariadb-server": "1:11.8.3-0+deb13u1", "drbd-utils": "10.1-1"}


@pytest.mark.parametrize(("newer", "refused"), [("db2", False), ("db1", True), ("", True)])
def test_a_machine_with_a_newer_release_is_refused_unless_its_operator_says_so(site, newer, refused):
    site["db2"]["facts"]["packages"].update(NEWER)
    found = preflight_judge.judge(site, WINDOW, newer)
    assert {finding.node for finding in found if finding.refuses} == ({"db2"} if refused else set())
    assert len([finding for finding in found if finding.node == "db2"]) == len(NEWER)
    told = "db1: found a database that is older than that on db2, expected a node that is replaced next: once db2 has served"
    assert any(str(finding).startswith(told) for finding in found) is (newer == "db2")


def test_an_older_machine_is_refused_though_newer_ones_are_not(site):
    site["db1"]["facts"]["packages"].update(NEWER)
    found = preflight_judge.judge(site, WINDOW, "db2")
    assert [finding.refuses for finding in found] == [True] * len(NEWER)


def test_another_corosync_than_the_configuration_is_written_for(site):
    """A pillar that an older system had may say ``corosync:series``, and corosync would not start with that file."""
    for name in ("db1", "db2"):
        site[name]["facts"]["packages"]["corosync"] = "2.4.5-1"
    assert texts(site) == [
        f"{name}: found corosync 2.4.5-1, expected corosync 3 (hamysql:corosync:series)" for name in ("db1", "db2")
    ]


def test_two_kernels_with_different_drbds(site):
    site["db1"]["facts"]["storage"]["module"]["version"] = "8.4.11"
    assert texts(site) == [], "the other one is not loaded yet"
    site["db2"]["facts"]["storage"]["module"]["version"] = "9.2.8"
    (found,) = texts(site)
    assert "db2: found DRBD's kernel module 9.2.8" in found


@pytest.mark.parametrize(
    ("module", "utils", "pacemaker", "told"),
    [
        ("9.2.8", "9.22.0-1", "2.1.7-1", True),
        ("9.2.8", "9.27.0-1.el9", "3.0.0", True),
        ("9.2.8", "9.28.0-1", "3.0.0", False),
        ("9.3.0", "9.34.0-1.el10.elrepo", "3.0.1", False),
        ("9.2.8", "9.22.0-1", "2.1.6-5ubuntu2", False),
        ("8.4.11", "9.22.0-1", "3.0.0", False),
        ("9.2.8", "", "3.0.0", False),
    ],
)
def test_drbd_9s_own_handler_has_to_understand_this_pacemaker(site, module, utils, pacemaker, told):
    for seen in site.values():
        seen["facts"]["storage"]["module"]["version"] = module
        seen["facts"]["packages"] = {"drbd9x-utils": utils, "pacemaker": pacemaker}
    found = [text for text in texts(site) if "with pacemaker" in text]
    assert len(found) == (2 if told else 0)
    assert all("drbd-utils 9.28 or newer" in text for text in found)


@pytest.mark.parametrize(("system", "release"), [("Debian", "11"), ("Fedora", "40"), ("Debian", "120")])
def test_an_operating_system_that_nobody_tried(site, system, release):
    site["db1"]["facts"]["system"] = {"name": system, "release": release}
    (found,) = texts(site)
    assert found.startswith(
        f"db1: found {system} {release}, expected an operating system that hamysql knows: Debian 12 or 13"
    )


@pytest.mark.parametrize(
    ("name", "release"),
    [
        *(("Enterprise Linux", release) for release in ("8.10", "9.6", "9", "10.1")),
        *(("Ubuntu", release) for release in ("22.04", "24.04")),
        *(("SUSE", release) for release in ("15.7", "16.0")),
        ("Debian", "13.2"),
    ],
)
def test_a_minor_release_is_no_matter(site, name, release):
    site["db1"]["facts"]["system"] = {"name": name, "release": release}
    assert texts(site) == []


def test_a_system_that_is_only_rendered_is_never_deployed_and_says_why(site):
    site["db1"]["facts"]["system"] = {"name": "Enterprise Linux", "release": "6.4"}
    (found,) = preflight_judge.judge(site)
    assert found.refuses
    assert "rendered for migration's sake only" in str(found)
    assert "move the data with a dump" in str(found)


# --- clocks: db1's survey ran from 1 s to 3 s after the question, the last answer came after 4 s


@pytest.mark.parametrize(("ahead", "findings"), [(-13, 1), (-12, 0), (0, 0), (12, 0), (13, 1)])
def test_a_difference_that_the_times_of_the_surveys_explain_is_none(site, ahead, findings):
    site["db2"]["facts"]["clock"] = [1001.0 + ahead, 1003.0 + ahead]
    assert len(texts(site)) == findings


@pytest.mark.parametrize(("ahead", "first", "behind"), [(60, "db2", "db1"), (-60, "db1", "db2")])
def test_a_clock_that_is_wrong_is_told_by_the_member_that_is_ahead(site, ahead, first, behind):
    site["db2"]["facts"]["clock"] = [1001.0 + ahead, 1003.0 + ahead]
    # db1's is right within 1 s: the survey took 2 of the 4 s
    assert texts(site) == [
        f"{first}: found a clock that is at least 58 s ahead of {behind}'s, expected 10 s at most: synchronise the clocks"
    ]
    assert texts(site, None) == []


# --- who is blocked


def spoil(site):
    """Everything wrong that can be wrong at once on both machines."""
    for name, seen in site.items():
        facts = seen["facts"]
        facts["system"] = {"name": "Debian", "release": "9"}
        facts["storage"]["module"] = {"version": {"db1": "8.4.11", "db2": "9.2.8"}[name], "loadable": False}
        facts["interfaces"]["eth0"]["addresses"] = [ADDRESSES[name][0].replace("/24", "/32")]
        silent = [address.partition("/")[0] for other in ADDRESSES for address in ADDRESSES[other]]
        facts["unreachable"] = facts["absent"] = silent
        facts["interfaces"]["eth1"]["addresses"] = [] if name == "db2" else ADDRESSES["db1"][1:]
    site["db1"]["facts"]["clock"] = [2000.0, 2002.0]
    site["db2"]["facts"]["packages"]["mariadb-server"] = "1:10.5.2"
    return site


def test_everything_is_told_at_once_by_node_and_refused_for_what_is_new(site):
    findings = preflight_judge.judge(spoil(site), WINDOW)
    assert [finding.node for finding in findings] == sorted(finding.node for finding in findings)
    refusing = [finding for finding in findings if finding.refuses]
    assert [finding.path for finding in findings if not finding.refuses] == ["hamysql:vip:address"] * 2, (
        "routes may lead there"
    )
    assert len(refusing) == 10
    text = preflight_judge.refusal(findings, ["the storage is left alone:\n  - db1, /dev/ubdb: not blank"])
    lines = text.splitlines()
    assert lines[0] == "preflight has found 10 things to put right, and nothing was touched:"
    assert lines[1:11] == [f"  - {finding}" for finding in refusing]
    assert lines[11] == "the storage is left alone:"


def test_a_cluster_that_holds_data_is_warned_and_not_blocked(site):
    findings = preflight_judge.judge(spoil(settle(site)), WINDOW)
    assert len(findings) == 12
    assert preflight_judge.refusal(findings) == ""


def test_a_new_member_of_an_old_cluster_is_judged_as_new(site):
    spoil(settle(site))["db2"]["storage"]["latch"] = {}
    refused = [finding for finding in preflight_judge.judge(site, WINDOW) if finding.refuses]
    assert {finding.node for finding in refused} == {"db1", "db2"}
    assert [str(finding)[:40] for finding in refused if finding.node == "db1"] == [
        "db1: found a clock that is at least 997 s"[:40]
    ], "of the old one only what it has to have in common with the new"


@pytest.mark.parametrize(("version", "parts", "expected"), [
    ("1:10.11.6-0+deb12u1", 2, "10.11"), ("3.1.7-1", 1, "3"), ("2.1.5~rc1", 1, "2"), ("8.4", 3, "8.4"), ("9~beta", 1, "9"),
])  # fmt: skip
def test_a_major_version(version, parts, expected):
    assert preflight_judge.major(version, parts) == expected


def test_a_member_that_has_its_configuration_already_has_the_same_pillar(site):
    """It knows the nodes' ids and its link from its own files, the other one from the pillar."""
    before = texts(site)
    ours = site["db2"]["settings"]["cluster"]
    ours["ids_from"] = "known"
    ours["nodes"]["db1"]["replication"] = "10.77.1.11"
    assert texts(site) == before
    ours["nodes"]["db1"]["id"], ours["nodes"]["db2"]["id"] = 2, 1
    assert [text for text in texts(site) if "the ids" in text]
    assert not any("other nodes in its pillar" in text for text in texts(site))


def test_members_with_other_pillars_are_not_compared_any_further(site):
    site["db2"]["settings"]["cluster"]["nodes"]["db1"]["addresses"] = ["10.77.1.99"]
    site["db1"]["facts"]["storage"]["module"]["loadable"] = False
    assert texts(site) == [
        "db2: found other nodes in its pillar, expected what db1 has: the same pillar on all members (hamysql:cluster)"
    ]


def test_nothing_to_say_is_no_error():
    assert preflight_judge.refusal(()) == ""
    assert preflight_judge.refusal((), ["only this"]) == "only this"


# --- TLS of the database's clients


@pytest.mark.parametrize("settled", [False, True])
def test_a_certificate_that_a_server_could_not_start_with_is_told_before_anything_is_touched(site, settled):
    if settled:
        settle(site)
    problem = {"path": "hamysql:mysql:tls:key", "found": "another key", "expected": "the certificate's"}
    site["db2"]["facts"]["tls"] = {"refused": [problem], "warnings": []}
    (found,) = preflight_judge.judge(site, WINDOW)
    assert str(found) == "db2: found another key, expected the certificate's (hamysql:mysql:tls:key)"
    assert found.refuses


def test_a_certificate_that_ends_soon_is_only_warned_of(site):
    problem = {"path": "hamysql:mysql:tls:cert", "found": "it expires", "expected": "a longer one"}
    site["db1"]["facts"]["tls"] = {"refused": [], "warnings": [problem]}
    assert [finding.refuses for finding in preflight_judge.judge(site, WINDOW)] == [False]
