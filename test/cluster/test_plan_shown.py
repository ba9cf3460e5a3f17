"""A cluster at work: the plan of a converged one is empty, that of a drifted one says what would be done about it."""

from __future__ import annotations

import pytest
import untouched

from lab import api

pytestmark = pytest.mark.cluster


def test_a_converged_cluster_has_no_plan(cluster, progress):
    before = untouched.look(cluster.lab, disk=False)
    result = api.deploy(cluster.lab, progress, test=True)
    assert result.changes == {}
    assert untouched.differences(before, untouched.look(cluster.lab, disk=False)) == []
    assert api.salt_run(cluster.lab, "hamysql.preflight", "--out=json").stdout.strip() == "[]"


def test_a_drifted_cluster_s_plan_says_what_pacemaker_would_do_and_changes_nothing(cluster, progress, pillar):
    lab, standby, active = cluster.lab, cluster.standby, cluster.active
    fragment = "/etc/mysql/mariadb.conf.d/90-hamysql.cnf"
    pillar(lambda config: config["storage"]["filesystem"].update(options="noatime,nodiratime"))
    api.ssh(lab, active, "crm_attribute --name pe-warn-series-max --update 77")
    api.ssh(lab, standby, f"cp -a {fragment} /root/ && sed -i 's/^max_connections.*/max_connections = 7/' {fragment}")
    try:
        before = untouched.look(lab, disk=False)
        result = api.deploy(lab, progress, test=True)
        assert untouched.differences(before, untouched.look(lab, disk=False)) == []
    finally:
        api.ssh(lab, active, "crm_attribute --name pe-warn-series-max --update 1000")
        api.ssh(lab, standby, f"mv /root/90-hamysql.cnf {fragment}")
    files = result.changes["hamysql-nodes-configured"]
    assert list(files) == [standby]
    (entry,) = files[standby]
    assert entry.splitlines()[0] == f"~ file {fragment}"
    assert {"    -max_connections = 7", "    +max_connections = 50"} <= set(entry.splitlines())
    assert sorted(result.changes["hamysql-resources-managed"]["resources"]) == [
        "~ cib-bootstrap-options-pe-warn-series-max: property pe-warn-series-max 77 -> 1000",
        "~ p_fs_mysql: params options noatime -> noatime,nodiratime",
    ]
    (resources,) = (s for s in result.states.values() if s["__id__"] == "hamysql-resources-managed")
    told = resources["comment"].partition("what pacemaker would do about it:\n")[2].splitlines()
    for resource in ("p_fs_mysql", "p_mysql"):
        assert any(line.startswith(f"  {resource} restarts on {active}") for line in told)
    assert set(result.changes) == {"hamysql-nodes-configured", "hamysql-resources-managed"}
