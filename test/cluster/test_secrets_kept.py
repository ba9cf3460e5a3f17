"""No secret of the lab's pillar is seen anywhere outside of the files that need it, in a whole deployment from bare nodes."""

from __future__ import annotations

import pytest

from lab import api
from support import load, secrets_of

pytestmark = pytest.mark.cluster

# What Salt asks about a service before it changes anything.
SHOWN = "sleep 1; systemctl status pacemaker.service"
# A child of pacemaker with a secret among its arguments, as ipmitool is one for the second that it runs.
CHILD = """
echo $$ >/sys/fs/cgroup/system.slice/pacemaker.service/cgroup.procs
exec sh -c 'sleep 120; true' ipmitool -P an-argument-of-a-child
"""


def test_a_highstate_does_not_log_the_arguments_of_pacemakers_children(deployed):
    lab, words = deployed.lab, "an-argument-of-a-child"
    start = f"cat >/run/child.sh; systemd-run --quiet --unit=child sh /run/child.sh; {SHOWN} | grep -c {words}"
    assert int(api.ssh(lab, "db1", start, stdin=CHILD)) == 1
    try:
        assert deployed.highstate("db1") == {"db1": {}}
        logged = api.ssh(
            lab,
            "db1",
            f"grep -c {words} /var/log/salt/minion; grep -c 'Running state .pacemaker.' /var/log/salt/minion",
            check=False,
        )
        without, looked = map(int, logged.split())
        assert (without, looked > 0) == (0, True)
    finally:
        api.ssh(lab, "db1", "pkill -f an-argument-of-a-[c]hild; rm /run/child.sh", check=False)


def test_no_secret_is_in_process_lists_events_returns_or_logs_of_a_deployment(deployed, witness):
    lab = deployed.lab
    pillar = load(lab.project / "lab" / "software" / "pillar.sls")["hamysql"]
    replication = pillar["storage"]["drbd"]["shared_secret"]
    fence = sorted(
        {device["secrets"]["password"] for level in pillar["fencing"]["devices"].values() for device in level}
    )
    secrets = sorted(set(secrets_of(pillar)) - {*fence, replication})
    assert len(secrets) >= 2
    # The witness has seen what it should have: programs, events, logs at debug level.
    for name, program in (("db1", b"dpkg"), ("db2", b"dpkg"), ("master", b"salt-run")):
        assert any(program in line for line in witness.lines[name])
    assert "hamysql/orch/" in witness.events.read_text()
    assert "[DEBUG" in (lab.logs / "master.log").read_text()
    logs = {f"{name}: /var/log/salt/minion" for name in ("db1", "db2")}
    assert logs <= set(witness.found(["Running state [/etc/drbd.d/mysql.res]"]))
    assert witness.found(secrets) == [], witness.shown(secrets)
    # Two programs of others give a secret to their own helper as an argument, for as long as that runs
    # (docs/development/decisions/fencing.md).
    # drbdsetup becomes drbdsetup-84 where the kernel has DRBD 8.4.
    for texts, programs in ((fence, ["ipmitool"]), ([replication], ["drbdsetup", "drbdsetup-84"])):
        allowed = {f"{name}: process list: {program}" for name in ("db1", "db2") for program in programs}
        assert set(witness.found(texts)) <= allowed, witness.shown(texts)
