"""What happens every day, under a writing client: a reboot, a pulled cable, an address that is gone, a clock that is set.

Nobody is fenced in any of these, and nothing acknowledged is lost. The gaps are figures, printed at the end.
"""

from __future__ import annotations

import time

import pytest
from day import MOVED, SERVER, leave

from lab import api

pytestmark = pytest.mark.cluster


def test_a_reboot_of_the_active_node_is_a_planned_move(day):
    """Its pacemaker and DRBD used to stop first, and the other replica then had to be fenced off a peer that was leaving."""

    def work():
        leave(day, day.active, "systemctl reboot")
        day.serves(day.standby)

    day.seen("reboot of the active node", work)
    day.back(day.active)
    assert day.cluster.active == day.standby, "the service moved back by itself"
    assert day.restarted() == [day.active]
    assert day.shot() == set()


def test_a_reboot_of_the_standby_is_not_noticed(day):
    def work():
        leave(day, day.standby, "systemctl reboot")
        time.sleep(20)

    outcome = day.seen("reboot of the standby", work)
    assert outcome.errors == 0
    day.back(day.standby)
    assert day.restarted() == [day.standby]
    assert day.shot() == set()


def test_stopping_pacemaker_on_the_active_node_is_a_planned_move(day):
    def work():
        leave(day, day.active, "systemctl stop corosync")  # and pacemaker before it
        day.serves(day.standby)

    day.seen("corosync stopped on the active node", work)
    assert day.ssh(day.active, "systemctl is-active pacemaker corosync", check=False).split() == ["inactive"] * 2
    day.ssh(day.active, "systemctl start corosync pacemaker", timeout=120)
    day.cluster.wait_healthy()
    assert day.restarted() == []
    assert day.shot() == set()


def test_the_clients_cable_of_the_active_node_moves_the_service_and_leaves_it_there(day):
    def work():
        api.net(day.lab, day.active, "cut", link="0")
        # Its own address answers nobody meanwhile; the other node tells.
        api.wait_for(lambda: "Primary" in drbd(day, day.standby), "the standby to be promoted", timeout=MOVED)
        time.sleep(5)
        api.net(day.lab, day.active, "heal", link="0")
        time.sleep(15)  # the network counts as well again after 10 s

    day.seen("clients' cable of the active node", work)
    day.cluster.wait_healthy()
    assert day.cluster.active == day.standby, "the service moved back by itself"
    assert "disk(" not in changes(day, day.standby), "a replica was out of date meanwhile: it was no planned move"
    assert day.restarted() == []
    assert day.shot() == set()


def drbd(day, node):
    return day.ssh(node, "grep ' 0:' /proc/drbd", check=False)


def changes(day, node):
    """What DRBD's replica went through on a node since the beginning of the test."""
    return day.ssh(node, f"journalctl -k --since=@{day.began[node]} --no-pager | grep 'block drbd0:' || true")


def test_the_replications_cable_alone_leaves_the_service_and_a_standby_that_knows_that_it_is_out_of_date(day):
    def work():
        api.net(day.lab, day.standby, "cut", link="1")
        api.wait_for(
            lambda: "Outdated" in drbd(day, day.standby), "the standby to know that it is out of date", timeout=90
        )

    day.seen("replication's cable", work)
    state = api.salt_run(day.lab, "hamysql.status").stdout
    assert "out of date" in state, state
    assert day.cluster.active == day.active
    api.net(day.lab, day.standby, "heal", link="1")
    day.cluster.wait_healthy()
    left = day.ssh(day.active, "cibadmin --query --xpath //constraints")
    assert "drbd-fence-by-handler" not in left, "the standby could never take over again"
    assert day.restarted() == []
    assert day.shot() == set()


def test_a_virtual_ip_that_something_deletes_is_put_back_and_the_server_stays(day):
    server = day.server(day.active)

    def work():
        day.ssh(day.active, "ip address delete 10.77.1.100/24 dev eth0")
        time.sleep(5)

    day.seen("virtual IP deleted", work)
    assert day.server(day.active) == server, "the server was restarted"
    assert day.cluster.active == day.active


def test_a_score_that_pacemaker_has_lost_comes_back(day):
    """As after a node that was lost and back in the same moment: the daemon believes that it is there, and nobody would be promoted."""
    kept = f"//node_state[@uname='{day.standby}']//nvpair[@name='master-p_drbd_mysql']"

    def score():
        return day.ssh(day.active, f'cibadmin --query --xpath "{kept}" 2>/dev/null', check=False)

    assert 'value="10000"' in score()
    day.ssh(day.active, f'cibadmin --delete --xpath "{kept}"')
    assert score() == ""
    api.wait_for(lambda: 'value="10000"' in score(), "the standby to have a score again", timeout=90)


def test_a_replica_that_has_been_synchronised_may_be_promoted_at_once(day):
    """Without a monitor, which comes each 30 s: a node that left before it stopped the service, and nobody was promoted meanwhile."""
    maintenance = "crm_resource --resource ms_drbd_mysql --meta --{} maintenance"
    score = f"attrd_updater --query --name master-p_drbd_mysql --node {day.standby}"
    day.ssh(day.active, f"{maintenance.format('set-parameter')} --parameter-value true && crm_resource --wait")
    try:
        day.ssh(day.standby, "drbdadm disconnect mysql && attrd_updater --name master-p_drbd_mysql --update 10")
        day.seen("replication stopped by hand", lambda: time.sleep(2))
        day.ssh(day.standby, "drbdadm connect mysql")
        day.cluster.wait_healthy()
        api.wait_for(lambda: 'value="10000"' in day.ssh(day.active, score), "the standby's score", timeout=60)
    finally:
        day.ssh(day.active, f"{maintenance.format('delete-parameter')} && crm_resource --wait")


def test_a_step_of_the_clock_interrupts_nobody(day):
    """With a failure in pacemaker's history, whose time is over by that step."""
    day.ssh(day.active, f"kill -KILL $({SERVER})")
    day.cluster.wait_healthy()
    server = day.server(day.active)

    def work():
        day.ssh(day.active, "date --set='+2 hours' >/dev/null")
        time.sleep(20)
        day.ssh(day.active, "date --set='-2 hours' >/dev/null")
        time.sleep(10)

    outcome = day.seen("clock 2 h forward and back", work)
    assert outcome.errors == 0
    assert day.server(day.active) == server
    assert day.restarted() == []
    assert day.shot() == set()


@pytest.mark.long
def test_both_lose_the_clients_network_and_nothing_moves(day):
    """A switch that restarts: neither node is better than the other one."""
    server = day.server(day.active)

    def work():
        for node in (day.active, day.standby):
            api.net(day.lab, node, "cut", link="0")
        time.sleep(15)
        for node in (day.active, day.standby):
            api.net(day.lab, node, "heal", link="0")
        time.sleep(20)

    day.seen("clients' network of both", work)
    day.cluster.wait_healthy()
    assert day.cluster.active == day.active
    assert day.server(day.active) == server
    assert day.shot() == set()


@pytest.mark.long
def test_a_cable_that_comes_and_goes_moves_the_service_once(day):
    def work():
        for _ in range(6):
            api.net(day.lab, day.active, "cut", link="0")
            time.sleep(1)
            api.net(day.lab, day.active, "heal", link="0")
            time.sleep(1)
        time.sleep(15)

    day.seen("a cable that comes and goes", work)
    day.cluster.wait_healthy()
    assert day.cluster.active == day.standby
    assert changes(day, day.standby).count("role( Secondary -> Primary )") == 1
    assert day.restarted() == []


@pytest.mark.long
def test_a_standby_that_is_out_of_date_does_not_take_over_and_the_reason_is_told(day):
    """The active node dies after the replication was lost: it alone has what was acknowledged since."""
    api.net(day.lab, day.standby, "cut", link="1")
    api.wait_for(lambda: "Outdated" in drbd(day, day.standby), "the standby to be out of date", timeout=90)
    outcome = api.start_probe(day.lab, 5).finish()
    assert outcome.acknowledged > 0
    api.bmc_power(day.lab, day.active, "off")  # nobody switches it on again
    api.power(day.lab, day.active, "off")
    time.sleep(30)
    assert "Secondary" in drbd(day, day.standby)
    report = api.status(day.lab)  # pacemaker does not know that the other node is off, and names that one
    assert (report["database"], report["active"]) == (False, day.active)
    state = api.salt_run(day.lab, "hamysql.steps").stdout + api.salt_run(day.lab, "hamysql.plan").stdout
    assert "does not answer" in state
    api.bmc_power(day.lab, day.active, "on")
    api.power(day.lab, day.active, "on")
    api.net(day.lab, day.standby, "heal", link="1")
    day.cluster.wait_healthy(timeout=300)
    assert day.cluster.active == day.active


@pytest.mark.long
@pytest.mark.parametrize("command", ["reboot", "poweroff"])
def test_both_at_once_and_nothing_is_lost(day, command):
    probe = api.start_probe(day.lab, 3600)
    time.sleep(5)
    for node in (day.active, day.standby):
        leave(day, node, f"systemctl --no-block {command}")
    if command == "poweroff":
        for node in (day.active, day.standby):
            api.wait_for(
                lambda node=node: api.power(day.lab, node, "status") == "off", f"{node} to be off", timeout=MOVED
            )
            api.power(day.lab, node, "on")
    time.sleep(20)
    day.cluster.wait_healthy(timeout=300)
    probe.stop()
    outcome = probe.finish()
    day.figures.append(f"both {command}: {outcome.lost} lost, gap {outcome.longest_gap_seconds:.1f} s")
    assert outcome.lost == 0
    assert sorted(day.restarted()) == sorted([day.active, day.standby])
    assert day.shot() == set()


@pytest.mark.long
def test_the_active_node_powers_off_while_the_other_one_is_down(day):
    """There is nobody to hand over to, so nothing waits for a move; and nothing is lost."""
    leave(day, day.standby, "systemctl poweroff")
    api.wait_for(lambda: api.power(day.lab, day.standby, "status") == "off", "the standby to be off", timeout=MOVED)
    written = api.start_probe(day.lab, 5).finish()
    assert written.acknowledged > 0
    leave(day, day.active, "systemctl poweroff")
    api.wait_for(lambda: api.power(day.lab, day.active, "status") == "off", "the active node to be off", timeout=60)
    for node in (day.active, day.standby):
        api.power(day.lab, node, "on")
    day.cluster.wait_healthy(timeout=300)
    assert day.cluster.active == day.active, "the other one lacks what was written last"


@pytest.mark.long
def test_a_host_name_with_a_domain_that_somebody_has_set_costs_nothing(day):
    """`hostnamectl set-hostname db1.example.org`, or cloud-init: pacemaker goes on under the name that corosync knows."""
    names = {node: day.ssh(node, "hostname").strip() for node in (day.active, day.standby)}
    try:
        for node in names:
            day.ssh(node, f"hostname {node}.example.org")
        api.net(day.lab, day.standby, "cut", link="1")
        day.seen(
            "replication's cable, with other host names",
            lambda: api.wait_for(
                lambda: "Outdated" in drbd(day, day.standby), "the standby to know that it is out of date", timeout=90
            ),
        )
        assert day.cluster.active == day.active
        api.net(day.lab, day.standby, "heal", link="1")
        day.cluster.wait_healthy()

        day.began[day.standby] = day.ssh(day.standby, "date +%s").strip()

        def work():
            leave(day, day.active, "systemctl stop corosync")
            day.serves(day.standby)

        day.seen("corosync stopped, with other host names", work)
        assert "disk(" not in changes(day, day.standby), "a replica was out of date meanwhile: it was no planned move"
        day.ssh(day.active, "systemctl start corosync pacemaker", timeout=120)
        day.cluster.wait_healthy()
        assert (day.restarted(), day.shot()) == ([], set())
    finally:
        for node, name in names.items():
            day.ssh(node, f"hostname {name}")


GATEWAY = "10.77.1.99"


@pytest.fixture
def router(lab):
    """A machine on the clients' network that has GATEWAY; a node's port can be kept away from it, and from nothing else."""
    name = f"{lab.namespace}-gw"
    inside = ["ip", "-n", lab.namespace]
    api.run(["ip", "netns", "add", name])
    try:
        api.run([*inside, "link", "add", "gw0", "type", "veth", "peer", "name", "eth0", "netns", name])
        api.run([*inside, "link", "set", "gw0", "master", "br0", "up"])
        api.run([*inside, "link", "set", "dev", "gw0", "type", "bridge_slave", "isolated", "on"])
        api.run(["ip", "-n", name, "address", "add", f"{GATEWAY}/24", "dev", "eth0"])
        api.run(["ip", "-n", name, "link", "set", "eth0", "up"])

        def keep_away(node, state):
            api.run([*inside, "link", "set", "dev", f"{node}-0", "type", "bridge_slave", "isolated", state])

        yield keep_away
    finally:
        api.run(["ip", "netns", "delete", name])


@pytest.mark.long
def test_the_service_goes_to_the_node_that_reaches_the_gateway_and_stays_when_nobody_does(
    day, pillar, progress, router
):
    """Each node has its carrier all the time."""
    pillar(lambda config: config["vip"].update(reachable=[GATEWAY]))
    try:
        assert api.deploy(day.lab, progress).changes
        before = day.cluster.active
        (other,) = {"db1", "db2"} - {before}

        def work():
            router(before, "on")
            day.serves(other)
            router(before, "off")

        day.seen("gateway out of reach of the active node", work)
        server = day.server(other)

        def nobody():
            for node in (before, other):
                router(node, "on")
            time.sleep(20)
            for node in (before, other):
                router(node, "off")
            time.sleep(20)

        outcome = day.seen("gateway out of reach of both", nobody)
        assert outcome.errors == 0
        assert (day.cluster.active, day.server(other)) == (other, server)
        assert day.shot() == set()
    finally:
        pillar(lambda config: config["vip"].pop("reachable", None))
        api.deploy(day.lab, progress)
