"""Operations of a cluster whose nodes share a LUN or an export."""

from __future__ import annotations

import copy

import pytest
from test_operate import Alone, Machines, fence_test, members

from hamysql.errors import HamysqlError
from hamysql.fencing import take_over
from hamysql.master import operate, operations, rolling
from hamysql.storage import backends

LUN = {
    "backend": "shared",
    "disk": "/dev/disk/by-id/wwn-0x1",
    "size": 10**9,
    "mounted": False,
    "session": True,
    "error": "",
}
EXPORT = {"backend": "nfs", "disk": "192.0.2.50:/srv/galaxy-db", "mounted": True}


@pytest.fixture
def shared(surveys):
    """A healthy cluster whose LUN is reserved as the last resort."""
    for survey in surveys.values():
        survey["storage"] = copy.deepcopy(LUN)
        survey["cluster"]["resources"].append({"id": "p_fence_scsi", "role": "Started", "failed": False, "node": "db1"})
        for levels in survey["settings"]["fencing"]["levels"].values():
            levels.append({"level": 2, "devices": ["p_fence_scsi"]})
        survey["settings"]["fencing"]["reservations"] = {"id": "p_fence_scsi"}
    return surveys


class Reserved(Machines):
    """Machines whose second level takes their access to the LUN away, and leaves them running."""

    registered_still = False

    def prove(self, minion, node, level):
        if level == 1:
            return super().prove(minion, node, level)
        self.log.append(f"{minion} cuts {node} off the LUN")
        return 1.0

    def registered(self, minion, node):
        return self.registered_still

    def reset(self, minion):
        self.log.append(f"{minion} starts anew")
        self.boots[minion] = next(self.ids)
        return True


def test_a_healthy_cluster_has_no_reasons(shared):
    assert operations.unhealthy(shared) == []
    assert (
        operations.unhealthy(
            {
                name: {**seen, "storage": EXPORT, "facts": {**seen["facts"], **reach(True)}}
                for name, seen in shared.items()
            }
        )
        == []
    )


def reach(answers):
    return {"storage": {"reached": {"192.0.2.50:2049": answers}, "initiator": ""}}


@pytest.mark.parametrize(
    ("change", "reason", "state"),
    [
        ({"size": None}, "the LUN /dev/disk/by-id/wwn-0x1 is not there", "LUN /dev/disk/by-id/wwn-0x1 is not there"),
        (
            {"session": False},
            "the node is not logged in to the iSCSI target",
            "LUN /dev/disk/by-id/wwn-0x1 seen, not logged in",
        ),
    ],
)
def test_a_node_that_does_not_see_the_lun_is_told(shared, change, reason, state):
    shared["db2"]["storage"].update(change)
    assert operations.unhealthy(shared) == [f"db2: {reason}"]
    assert f"db2: {reason}" in list(rolling.obstacles(shared))
    assert backends.state(shared["db2"]) == state
    assert backends.state(shared["db1"]) == "LUN /dev/disk/by-id/wwn-0x1 seen"


def test_a_server_that_cannot_be_reached_is_told():
    seen = {"storage": EXPORT, "facts": reach(False)}
    assert backends.trouble(seen) == "192.0.2.50:2049 cannot be reached"
    assert backends.state(seen) == "192.0.2.50:/srv/galaxy-db mounted, 192.0.2.50:2049 cannot be reached"
    assert backends.trouble({**seen, "facts": reach(True)}) == ""


def test_a_reservation_is_proven_by_the_lun_and_the_node_is_started_anew(shared):
    machines = Reserved(shared)
    fence_test(machines)
    cut = machines.log.index("db1 cuts db2 off the LUN")
    assert machines.log[cut : cut + 3] == ["db1 cuts db2 off the LUN", "db2 starts anew", "proven db2 2"]
    assert [line for line in machines.log if "anew" in line] == ["db2 starts anew", "db1 starts anew"]


def test_a_node_that_is_still_registered_was_not_cut_off(shared):
    machines = Reserved(shared)
    machines.registered_still = True
    with pytest.raises(HamysqlError, match="still registered with the LUN"):
        fence_test(machines)
    assert "db2 starts anew" not in machines.log


def test_a_reservation_that_does_not_run_is_told(shared):
    shared["db1"]["cluster"]["resources"].pop()
    assert operations.unhealthy(shared) == ["fence device p_fence_scsi does not run: look at `crm_mon -1rf`"]


def test_with_one_copy_of_the_data_only_the_peer_s_power_matters(evidence):
    seen = {**evidence, "backend": "shared", "flags": {}}
    assert backends.alone(seen) == []
    told = backends.KINDS["shared"].consider(seen)
    assert "db1 is off, says p_fence_db1" in told
    assert "still has the data mounted" in told
    assert "DRBD" not in told
    assert backends.alone({**seen, "power": {"p_fence_db1": "on"}})
    assert take_over.unseen({**seen, "power": {}}, None)


def test_what_the_data_is_on_has_to_be_what_the_pillar_says(evidence):
    """Else DRBD's own witness, that this replica is outdated, would not be asked."""
    seen = {**evidence, "backend": "shared", "elsewhere": "drbd", "flags": {}}
    assert backends.alone({**seen, "elsewhere": ""}) == []
    (reason,) = backends.alone(seen)
    assert reason.startswith("the data is on drbd, and the pillar says shared")


def test_the_node_that_came_back_takes_over(shared, evidence):
    machines = Alone(shared, {**evidence, "backend": "shared", "flags": {}})
    operate.take_over(members(machines), "db2", "galaxy-db", None, 60, lambda _: None)
    assert machines.log == ["db2 takes over, None is off"]
