"""Each daemon of a node is killed and restarted, as a fault or an administrator does it, under a writing client.

Whatever happens, nothing acknowledged is lost, and the cluster gets over it without a hand. The gaps are figures, printed at the end.
"""

from __future__ import annotations

import pytest

from lab import api

pytestmark = pytest.mark.long

# pacemakerd starts its children anew. A controller that loses one of them, such as the scheduler, may end: the other node fences that one.
CLUSTER = (
    *("pacemaker-attrd", "pacemaker-based", "pacemaker-execd", "pacemaker-fenced", "pacemaker-schedulerd"),
    *("pacemaker-controld", "corosync"),
)
NOT_NOTICED = ("pacemakerd", "watch-network", "salt-minion", "systemd-journald")
SERVERS = ("mariadb", "mysql", "mysqld")


def processes(day, node, daemon):
    """The daemon's processes, and which boot they are of."""
    pattern = f"^([^ ]*python[0-9.]* )?[^ ]*{daemon}( |:|$)"
    return set(day.ssh(node, f"cat /proc/sys/kernel/random/boot_id; pgrep -f '{pattern}'", check=False).split())


def kill(day, node, daemon):
    """Kill it, and wait until it is there again: started anew, or with its node."""
    boot, *found = sorted(processes(day, node, daemon), key=len, reverse=True)
    assert found, f"{daemon} does not run on {node}"
    day.ssh(node, f"kill -KILL {' '.join(found)}")

    def there():
        now = processes(day, node, daemon)
        return len(now) > 1 and (boot not in now or not now.intersection(found))

    api.wait_for(there, f"{daemon} on {node} to be there again", timeout=180, interval=1)


def both(day, name, act):
    """``act`` on the standby, then on the active node, with the cluster whole after each."""
    outcomes = []
    for node in (day.standby, day.active):
        where = "active" if node == day.active else "standby"
        outcomes.append(day.seen(f"{name} on the {where}", lambda node=node: (act(node), day.cluster.wait_healthy())))
    return outcomes


@pytest.mark.parametrize("daemon", CLUSTER)
def test_the_cluster_gets_over_the_death_of_one_of_its_own(day, daemon):
    both(day, f"{daemon} killed", lambda node: kill(day, node, daemon))
    day.serves(day.cluster.active)


@pytest.mark.parametrize("daemon", NOT_NOTICED)
def test_the_death_of_another_daemon_is_not_noticed(day, daemon):
    server = day.server(day.active)
    outcomes = both(day, f"{daemon} killed", lambda node: kill(day, node, daemon))
    assert [outcome.errors for outcome in outcomes] == [0, 0]
    assert day.server(day.active) == server
    assert day.restarted() == []
    assert day.shot() == set()


@pytest.mark.parametrize("unit", ["corosync", "pacemaker"])
def test_a_restart_of_the_cluster_s_units_is_a_planned_move(day, unit):
    both(day, f"{unit} restarted", lambda node: day.ssh(node, f"systemctl restart {unit}", timeout=180))
    assert day.cluster.active == day.standby
    assert day.restarted() == []
    assert day.shot() == set()


def test_the_database_s_own_unit_interrupts_nobody(day):
    """By habit: the cluster has the server, and the unit must not start a second one, nor stop this one."""
    server = day.server(day.active)
    units = day.ssh(
        day.active,
        f"systemctl list-unit-files --no-legend {' '.join(f'{name}.service' for name in SERVERS)} | cut -d' ' -f1",
    )
    assert units.split()

    def act(node):
        for unit in units.split():
            for verb in ("start", "restart", "stop"):
                day.ssh(node, f"systemctl {verb} {unit}", check=False, timeout=120)

    outcomes = both(day, "the database's unit", act)
    assert [outcome.errors for outcome in outcomes] == [0, 0]
    assert day.server(day.active) == server
    assert day.ssh(day.standby, "pgrep -x 'mariadbd|mysqld' || true").strip() == ""
    assert day.restarted() == []
