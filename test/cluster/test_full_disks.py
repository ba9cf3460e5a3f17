"""A file system that is full, of the system on either node and that of the data: nobody is fenced, and all goes on when it has room again.

The gaps are figures, printed at the end.
"""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
from day import leave

from lab import api

pytestmark = pytest.mark.long
# The rest is written: root may use what ext4 keeps for it.
FILL = """
room=$(df --output=avail --block-size=1 {0} | tail -1)
fallocate --length "$room" {0}/fill 2>/dev/null
dd if=/dev/zero of={0}/fill.more bs=1M status=none 2>/dev/null
dd if=/dev/zero of={0}/fill.rest bs=4k status=none 2>/dev/null
df --output=avail {0} | tail -1
"""


@contextmanager
def full(day, node, folder):
    """A folder's file system without a free block."""
    try:
        assert int(day.ssh(node, FILL.format(folder), timeout=180)) < 1000  # KiB, which XFS keeps for itself
        yield
    finally:
        day.ssh(node, f"rm -f {folder.rstrip('/')}/fill*")


def test_a_full_system_of_the_active_node_stops_nobody_and_the_service_can_leave(day):
    def work():
        with full(day, day.active, "/"):
            time.sleep(40)  # each monitor once
            assert day.cluster.active == day.active
            leave(day, day.standby, "systemctl reboot")  # the membership changes, which corosync notes in a file
            time.sleep(5)
            day.cluster.wait_healthy()
            api.salt_json(day.lab, day.standby, "hamysql_cib.move", day.standby)
            day.serves(day.standby)

    day.seen("the active node's system is full", work)
    day.cluster.wait_healthy()
    assert day.restarted() == [day.standby]
    assert day.shot() == set()


def test_a_full_system_of_the_standby_does_not_keep_it_from_taking_over(day):
    def work():
        with full(day, day.standby, "/"):
            api.power(day.lab, day.active, "off")
            time.sleep(5)
            day.serves(day.standby)

    day.seen("power cut, while the standby's system is full", work)
    day.cluster.repair()
    assert day.cluster.active == day.standby


def test_full_data_stops_nobody_and_writes_go_on_when_there_is_room(day):
    server = day.server(day.active)

    def work():
        with full(day, day.active, "/var/lib/mysql"):
            time.sleep(40)

    day.seen("the data's file system is full", work)
    assert day.server(day.active) == server
    assert day.cluster.active == day.active
    assert day.restarted() == []
    assert day.shot() == set()
