"""What the pillar may say of replicas, and the option file that each of them gets."""

from __future__ import annotations

import re

import pytest

from hamysql.errors import ConfigError
from hamysql.replica import site

REPORTS = {"minion_id": "reports.example.org", "address": "192.0.2.31"}


@pytest.fixture
def given(pillar):
    """A pillar with a replica, for which all is there."""
    found = pillar("fenced")
    found["backup"] = {"directory": "/mnt/backups", "binary_logs": True}
    found["replicas"] = {"reports": dict(REPORTS)}
    found.setdefault("mysql", {})
    return found


def problems(resolve, pillar):
    with pytest.raises(ConfigError) as error:
        resolve(pillar)
    return {problem.path: problem for problem in error.value.problems}


def test_a_cluster_without_one_is_what_it_was(resolve, given):
    del given["replicas"]
    without = resolve(given)
    given["replicas"] = {"reports": dict(REPORTS)}
    with_one = resolve(given)
    assert without["replicas"] == {}
    assert [key for key in without if without[key] != with_one[key]] == ["firewall", "replicas"]
    for key in ("options", "option_lines"):
        assert without["mysql"][key] == with_one["mysql"][key]


def test_the_firewall_lets_it_in(resolve, given):
    shown = str(resolve(given)["firewall"])
    assert "192.0.2.31" in shown
    del given["replicas"]
    assert "192.0.2.31" not in str(resolve(given)["firewall"])


def test_what_is_left_out_follows_from_the_names(resolve, given):
    given["replicas"]["second"] = {"address": "192.0.2.32"}
    found = resolve(given)["replicas"]
    assert [(item["minion_id"], item["lag"]) for item in found.values()] == [
        ("reports.example.org", 300),
        ("second", 300),
    ]
    numbers = {item["server_id"] for item in found.values()}
    (clusters,) = [line for line in resolve(given)["mysql"]["option_lines"]["mysqld"] if line.startswith("server-id")]
    assert len(numbers) == 2
    assert int(clusters.rpartition("=")[2]) not in numbers


def test_its_options_are_the_clusters_but_for_what_a_replica_needs(resolve, given):
    given["mysql"]["config"] = {
        "mysqld": {
            "innodb_buffer_pool_size": "1G",
            "lower_case_table_names": 1,
            "ssl_cipher": "ALL",
            "event_scheduler": "ON",
        },
        "client": {"port": 3306},
    }
    given["replicas"]["reports"]["config"] = {"innodb_buffer_pool_size": "2G"}
    lines = resolve(given)["replicas"]["reports"]["option_lines"]

    def last(name):
        return [line for line in lines if re.match(rf"{name.replace('-', '[-_]')} =", line)][-1].rpartition("= ")[2]

    wanted = {
        "innodb-buffer-pool-size": "2G", "lower-case-table-names": "1", "event-scheduler": "OFF", "read-only": "ON",
        "bind-address": "192.0.2.31", "log-slave-updates": "OFF", "gtid-strict-mode": "ON", "relay-log-recovery": "ON",
    }  # fmt: skip
    assert {name: last(name) for name in wanted} == wanted
    assert "[client]" not in lines
    assert not [line for line in lines if line.startswith("ssl_")]
    assert len([line for line in lines if line.startswith("bind-address")]) == 1


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        (lambda given: given["backup"].pop("binary_logs"), "backup:binary_logs", "a replica begins with a backup"),
        (lambda given: given["mysql"].update(flavor="mysql"), "replicas", "hamysql has no replicas of that flavour yet"),
        (
            lambda given: given["mysql"].update(config={"mysqld": {"innodb_flush_log_at_trx_commit": 2}}),
            "mysql:config:mysqld:innodb_flush_log_at_trx_commit",
            "a replica would have what the cluster has lost",
        ),
        (lambda given: given["replicas"]["reports"].pop("address"), "replicas:reports:address", "address of one host"),
        (
            lambda given: given["replicas"].update(two={"minion_id": "db1", "address": "192.0.2.31"}),
            "replicas:two:minion_id",
            "db1 has this one",
        ),
        (
            lambda given: given["replicas"].update(two={"address": "192.0.2.31"}),
            "replicas:two:address",
            "reports has this one",
        ),
        (
            lambda given: given["replicas"]["reports"].update(server_id=7)
            or given["mysql"].update(config={"mysqld": {"server-id": 7}}),
            "replicas:reports:server_id",
            "the cluster has this one",
        ),
        (
            lambda given: given["replicas"]["reports"].update(config={"skip-read_only": None}),
            "replicas:reports:config:skip-read_only",
            "a replica needs hamysql's value of it",
        ),
        (
            lambda given: given["replicas"]["reports"].update(config={"datadir": "/srv"}),
            "replicas:reports:config:datadir",
            "a replica needs hamysql's value of it",
        ),
    ],
)  # fmt: skip
def test_what_would_not_do_is_refused(resolve, given, change, path, expected):
    change(given)
    found = problems(resolve, given)
    assert expected in found[f"hamysql:{path}"].expected


def test_its_task_has_no_secret(resolve, given):
    given["backup"] = {"repository": "rest:https://nas.example.org/", "password": "canary-1234", "binary_logs": True}
    given["backup"]["environment"] = {"RESTIC_REST_USERNAME": "user", "RESTIC_REST_PASSWORD": "canary-5678"}
    task = site.task(resolve(given), "reports", verify=False)
    assert "canary" not in str(task)
    assert (task["name"], task["backup"]["node"], task["service"]) == ("reports", "reports", "mariadb.service")
    secrets = {"password": "canary-1234", "environment": given["backup"]["environment"]}
    found = site.backups(task, secrets).environment
    assert found == {
        "RESTIC_REPOSITORY": "rest:https://user:canary-5678@nas.example.org/",
        "RESTIC_PASSWORD": "canary-1234",
    }
    with pytest.raises(site.Refused, match="the minion of reports has no password for it"):
        site.backups(task, {})
