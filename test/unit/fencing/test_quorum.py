"""The quorum device: what it changes in corosync's configuration, and which pillars are wrong."""

from __future__ import annotations

import base64

import pytest
from minion import load

from hamysql.corosync import conf as corosync_conf
from hamysql.errors import ConfigError, NotReady
from hamysql.fencing import devices
from hamysql.master.members import Answer, Members
from hamysql.master.orchestration import third_vote
from hamysql.system.command import Result

DEVICE = {"minion_id": "qd1", "address": "192.0.2.13"}


@pytest.fixture
def given(pillar):
    found = pillar("fenced")
    found["quorum"] = {"device": dict(DEVICE)}
    return found


def quorum(config):
    return next(part for part in config["corosync"]["sections"] if part["name"] == "quorum")


def test_without_a_device_two_nodes_wait_for_each_other_once(resolve, pillar):
    found = quorum(resolve(pillar("fenced")))
    assert dict(found["options"]) == {"provider": "corosync_votequorum", "two_node": "1"}
    assert found["sections"] == []


def test_a_device_takes_the_place_of_two_node(resolve, given):
    config = resolve(given)
    text = corosync_conf.export(config["corosync"]["sections"])
    assert "two_node" not in text
    (device,) = quorum(config)["sections"]
    (net,) = device["sections"]
    assert dict(device["options"]) == {"model": "net", "votes": "1", "timeout": "5000", "sync_timeout": "15000"}
    assert dict(net["options"]) == {"host": "192.0.2.13", "port": "5403", "algorithm": "ffsplit", "tls": "required"}
    assert "corosync-qdevice" in config["package"]["names"]


def test_with_a_device_nobody_needs_a_head_start_unless_the_pillar_says_so(resolve, given, pillar):
    given["fencing"].pop("delay")
    assert resolve(given)["fencing"]["delay"] == 0
    given["fencing"]["delay"] = 9
    assert resolve(given)["fencing"]["delay"] == 9
    given = pillar("fenced")
    given["fencing"].pop("delay")
    assert resolve(given)["fencing"]["delay"] == devices.HEAD_START


WRONG = [
    ({"address": "192.0.2.13"}, "hamysql:quorum:device:minion_id", "third machine"),
    ({"minion_id": "qd1"}, "hamysql:quorum:device:address", "third machine"),
    ({**DEVICE, "address": "192.0.2.12"}, "hamysql:quorum:device:address", "an address of db2"),
    ({**DEVICE, "minion_id": "db1"}, "hamysql:quorum:device:minion_id", "db1 is a data node"),
    ({**DEVICE, "algorithm": "2nodelms"}, "hamysql:quorum:device:algorithm", "ffsplit"),
    ({**DEVICE, "timeout": 1000}, "hamysql:quorum:device:timeout", "1250 to 150000"),
]


@pytest.mark.parametrize(("device", "path", "expected"), WRONG)
def test_a_wrong_device_names_its_path(resolve, given, device, path, expected):
    given["quorum"]["device"] = device
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert expected in problem.expected


class Machines:
    """Two nodes and a server that sign and install what they are given; ``log`` is who was asked what."""

    def __init__(self, certified):
        self.certified, self.log = dict(certified), []

    def __call__(self, minions, function, kwargs, timeout):
        verb = function.removeprefix("hamysql_quorum.")
        self.log += [(minion, verb) for minion in minions]
        return {minion: Answer(self.answer(minion, verb, kwargs)) for minion in minions}

    def answer(self, minion, verb, kwargs):
        if verb == "authority":
            return "THE AUTHORITY"
        if verb == "certified":
            return self.certified[minion] == kwargs["authority"]
        if verb == "request":
            return f"request of {minion}"
        if verb == "sign":
            assert kwargs["cluster"] == "galaxy-db"
            return f"signed {kwargs['request']}"
        assert verb == "install"
        assert kwargs["certificate"] == f"signed request of {minion}"
        self.certified[minion] = "THE AUTHORITY"
        return True


def certify(machines):
    members = Members("galaxy-db", {"db1": "db1", "db2": "db2"}, machines)
    return third_vote.certify(members, third_vote.server(members, "qd1"))


def test_each_node_has_a_key_of_its_own_signed_and_a_second_time_nothing_is_done():
    machines = Machines({"db1": "", "db2": ""})
    assert certify(machines) == ["db1", "db2"]
    machines.log.clear()
    assert certify(machines) == []
    assert machines.log == [("qd1", "authority"), ("db1", "certified"), ("db2", "certified")]


def test_only_a_node_that_trusts_another_authority_is_certified_anew():
    machines = Machines({"db1": "THE AUTHORITY", "db2": "THE OLD ONE"})
    assert certify(machines) == ["db2"]
    assert ("db1", "request") not in machines.log


@pytest.fixture
def node(tmp_path):
    """A node's module whose commands are in ``ran``; ``certificate`` is what its database has."""
    module = load("_modules/hamysql_quorum.py", "hamysql_quorum_module")
    module.NODE, module.ran, module.certificate = tmp_path, [], "THE CERTIFICATE"
    (tmp_path / "cert9.db").touch()

    def run(argv, **_):
        module.ran.append(" ".join(argv))
        return Result(0 if module.certificate else 255, module.certificate) if argv[0] == "certutil" else Result(0, "")

    module.run = run
    return module


def test_a_daemon_with_the_old_certificate_starts_anew_with_the_new_one(node):
    assert node.install(base64.b64encode(b"new").decode()) is True
    assert node.ran[-1] == "systemctl try-restart corosync-qdevice", "it is not started where it does not run"
    assert node.ran[0].startswith("corosync-qdevice-net-certutil -M")


def test_a_daemon_is_left_alone_where_the_new_certificate_is_not_there(node):
    node.certificate = ""
    with pytest.raises(NotReady, match="no certificate"):
        node.install(base64.b64encode(b"new").decode())
    assert not [line for line in node.ran if line.startswith("systemctl")]
