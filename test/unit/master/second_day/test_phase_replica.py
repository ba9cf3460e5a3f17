"""A replica as the master sees it: its situation, the words of the status, and what each phase of its seeding asks for."""

from __future__ import annotations

import copy
import json

import jinja2
import pytest
import yaml
from answering import fails
from orchestration import NOTHING
from test_phase_backups import MANIFEST, Backed

from hamysql.errors import HamysqlError, Refused
from hamysql.master.replicas import seeding, situation
from hamysql.master.status import replica as status_replica
from hamysql.master.status.look import Machine
from support import ROOT

NAME = MANIFEST["name"]
SOURCE = "10.77.1.100:3306"
FOLLOWING = {
    "source": SOURCE, "receives": "Yes", "applies": "Yes", "ended": False, "error": "", "lag": 0, "position": "0-7-42",
    "received": "0-7-42", "own": "", "read_only": True,
}  # fmt: skip
RECORD = {
    "stage": "following",
    "cluster": "galaxy-db",
    "backup": NAME,
    "position": "0-7-1",
    "when": "2026-01-31 03:00:00Z",
}
RESTORE = {"name": "", "direction": "", "stage": "", "point": "2026", "tables": 90, "to": "", "kept": [], "folder": ""}
LOOKED = {
    "answers": True, "databases": ["shop"], "record": RECORD, "following": FOLLOWING, "restore": RESTORE, "waits": False,
}  # fmt: skip
PILLAR = {
    "minion_id": "reports.example.org",
    "address": "192.0.2.31",
    "server_id": 8,
    "lag": 300,
    "option_lines": ["[mysqld]"],
}


def looked(following=None, record=None, **more):
    made = copy.deepcopy(LOOKED)
    made["following"] = {**FOLLOWING, **following} if following is not None else made["following"]
    made["record"] = {**RECORD, **record} if record is not None else made["record"]
    return {**made, **more}


def of(seen, held=()):
    return situation.of(seen, held, "galaxy-db", SOURCE)


@pytest.mark.parametrize(
    ("seen", "kind", "replaces", "seeds"),
    [
        (None, "new", False, True),
        (looked(record=None, databases=[]) | {"record": None}, "new", False, True),
        (looked() | {"record": None}, "foreign", True, True),
        (looked(record={"cluster": "other"}), "foreign", True, True),
        (looked(record={"stage": "seeding"}, following={"source": ""}), "seeding", False, True),
        (looked(record={"stage": "seeding"}) | {"following": None}, "seeding", False, True),
        (looked(record={"stage": "seeding"}, following={"ended": True, "error": "1236"}), "broken", True, True),
        (looked(record={"stage": "promoted"}), "promoted", True, True),
        (looked() | {"following": None}, "down", True, False),
        (looked(following={"source": ""}), "broken", True, True),
        (looked(following={"own": "0-8-1"}), "broken", True, True),
        (looked(following={"ended": True, "applies": "No", "error": "1062"}), "broken", True, True),
        (looked(following={"applies": "No"}), "stopped", False, False),
        (looked(following={"receives": "Connecting", "error": "2003"}), "follows", False, False),
        (looked(), "follows", False, False),
    ],
)  # fmt: skip
def test_the_situation_says_what_is_to_be_done(seen, kind, replaces, seeds):
    found = of(seen)
    assert (found.kind, found.replaces, found.seeds(False)) == (kind, replaces, seeds)
    assert found.why


def test_data_of_a_machine_that_was_never_a_replica_is_seen():
    found = of(None, ("shop", "a", "b", "c", "d", "e"))
    assert (found.kind, found.why) == ("foreign", "it has databases of its own: shop, a, b, c, d and 1 more")


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (looked(), []),
        (looked(following={"lag": 301}), ["replica reports is behind the cluster, 301 s, expected 300 s at most"]),
        (looked(following={"lag": None}), ["replica reports is behind the cluster, nobody knows how far, expected 300 s at most"]),
        (
            looked(following={"receives": "Connecting", "error": "error connecting\\nto master"}),
            ["replica reports does not reach the virtual IP: error connecting to master"],
        ),
        (looked(following={"read_only": False}), ["replica reports takes writes: `SET GLOBAL read_only = ON` ends that"]),
        (None, [f"replica reports is not set up: {situation.ORCHESTRATION} does that"]),
        (
            looked(following={"ended": True, "error": "Duplicate entry"}),
            [f"replica reports: it has stopped with an error: Duplicate entry ({situation.ORCHESTRATION})"],
        ),
    ],
)  # fmt: skip
def test_the_status_says_what_is_wrong(seen, words):
    machine = Machine(PILLAR, SOURCE, seen)
    assert list(status_replica.trouble("reports", "galaxy-db", machine)) == words
    found = status_replica.seen("galaxy-db", machine)
    assert found["minion"] == "reports.example.org"
    assert found["state"] == of(seen).kind


def test_a_machine_that_does_not_answer_is_unknown():
    machine = Machine(PILLAR, SOURCE, None, "replica reports does not answer")
    assert list(status_replica.trouble("reports", "galaxy-db", machine)) == ["replica reports does not answer"]
    assert status_replica.seen("galaxy-db", machine)["state"] == "unknown"


class Replicated(Backed):
    """A cluster with a replica, whose machine answers by how far it is; db2 serves."""

    def __init__(self, seen=None):
        super().__init__("db1", "db2")
        self.seen = seen
        for survey in self.surveys.values():
            survey["settings"]["replicas"] = {"reports": PILLAR}
        self.answers |= {
            "saltutil.sync_all": {},
            "state.apply": NOTHING,
            "hamysql_followed.source": "0-7-42",
            "hamysql_followed.verifies": False,
            "hamysql_followed.admit": ["user hamysql-replica@192.0.2.31"],
            "hamysql_replica.there": lambda minion: self.seen is not None,
            "hamysql_replica.holds": [],
            "hamysql_replica.look": lambda minion: self.seen,
            "hamysql_replica.digest": "*HASH",
            "hamysql_replica.begin": lambda minion, name: self.note(stage="seeding", backup=name),
            "hamysql_replica.prepare": {**RESTORE, "name": NAME, "stage": "ready"},
            "hamysql_replica.exchange": {**RESTORE, "name": NAME, "stage": "done"},
            "hamysql_replica.follow": FOLLOWING,
            "hamysql_replica.wait": FOLLOWING,
            "hamysql_replica.finish": ["before-20260131T030000Z"],
            "hamysql_replica.restart": True,
        }

    def note(self, **more):
        self.seen = looked(record=more, following={"source": ""})
        return self.seen["record"]

    def all(self, deployment, backup=None, confirm=None):
        """Each phase; returns their comments."""
        return [
            seeding.check(deployment, None, confirm)[1],
            seeding.configure(deployment, None, 900)[1],
            seeding.prepare(deployment, None, backup, 3600, confirm)[1],
            seeding.replace(deployment, None, 900, confirm)[1],
            seeding.follow(deployment, None, 86400)[1],
        ]

    @property
    def of_replica(self):
        return [name.removeprefix("hamysql_replica.") for name in self.functions if name.startswith("hamysql_replica.")]


def test_a_new_machine_gets_all_of_it_and_the_hash_alone_travels(deploy):
    cluster = Replicated()
    said = cluster.all(deploy(cluster))
    done = [name for name in cluster.of_replica if name not in ("there", "look", "holds")]
    assert done == ["digest", "begin", "prepare", "exchange", "follow", "wait", "finish"]
    assert ("hamysql_followed.admit", ("db2",), {"name": "reports", "digest": "*HASH"}) in cluster.asked
    (applied,) = [asked for asked in cluster.asked if asked[0] == "state.apply"]
    assert applied[1] == ("reports.example.org",)
    assert applied[2]["pillar"]["hamysql_replica_server"]["service"] == "mariadb.service"
    assert "longest write gap" in said[2]
    assert said[-1].startswith("reports follows, and had all of 0-7-42")


def test_one_that_follows_is_left_as_it_is(deploy):
    cluster = Replicated(looked())
    cluster.answers["hamysql_followed.admit"] = []
    deployment = deploy(cluster)
    outcomes = [
        seeding.configure(deployment, "reports", 900),
        seeding.prepare(deployment, "reports", None, 3600),
        seeding.replace(deployment, "reports", 900),
        seeding.follow(deployment, "reports", 60),
    ]
    assert [changes for changes, _ in outcomes] == [{}] * 4
    assert not {"begin", "exchange", "follow", "finish", "restart"} & set(cluster.of_replica)


def test_options_that_wait_have_it_started_anew(deploy):
    cluster = Replicated(looked(waits=True))
    changes, _ = seeding.configure(deploy(cluster), None, 900)
    assert "restart" in cluster.of_replica
    assert changes["reports's database"] == "started with its options"


def test_one_that_was_stopped_goes_on_and_is_not_seeded(deploy):
    cluster = Replicated(looked(following={"applies": "No"}))
    cluster.all(deploy(cluster))
    assert "follow" in cluster.of_replica
    assert "begin" not in cluster.of_replica


@pytest.mark.parametrize(
    "seen", [looked() | {"record": None}, looked(record={"stage": "promoted"}), looked(following={"own": "0-8-1"})]
)
def test_data_is_replaced_with_the_clusters_name_alone(deploy, seen):
    cluster = Replicated(seen)
    deployment = deploy(cluster)
    for wrong in (None, "other"):
        with pytest.raises(Refused, match='"hamysql_confirm": "galaxy-db"'):
            seeding.check(deployment, None, wrong)
    seeding.check(deployment, None, "galaxy-db")
    assert "begin" not in cluster.of_replica


def test_a_server_that_does_not_answer_is_started_and_seeded_only_if_that_was_said(deploy):
    cluster = Replicated(looked() | {"following": None, "answers": False})
    deployment = deploy(cluster)
    seeding.check(deployment, None, None)
    seeding.configure(deployment, None, 900)
    seeding.prepare(deployment, None, None, 3600)
    assert "restart" in cluster.of_replica
    assert "begin" not in cluster.of_replica
    seeding.prepare(deployment, None, None, 3600, "galaxy-db")
    assert "begin" in cluster.of_replica


def test_killed_it_goes_on_with_the_noted_backup(deploy):
    cluster = Replicated()
    cluster.note(stage="seeding", backup="20260130T030000Z")
    deployment = deploy(cluster)
    seeding.prepare(deployment, None, None, 3600)
    assert ("hamysql_replica.begin", ("reports.example.org",), {"name": "20260130T030000Z"}) in cluster.asked
    assert "hamysql_backup.take" not in cluster.functions
    cluster.seen["restore"] = {**RESTORE, "stage": "leaving"}
    with pytest.raises(Refused, match="reports is between two states of its data, with 20260130T030000Z"):
        seeding.prepare(deployment, None, NAME, 3600)


def test_a_machine_that_does_not_see_the_backups_says_what_to_do(deploy):
    cluster = Replicated()
    cluster.answers["hamysql_replica.begin"] = fails("there is no backup X in /mnt/backups/galaxy-db")
    with pytest.raises(HamysqlError, match=r"there is no backup X(?s:.*)reports has to see the backups.*/mnt/backups"):
        seeding.prepare(deploy(cluster), None, None, 3600)


def test_nothing_is_done_while_the_cluster_is_not_sound_or_cannot_be_followed(deploy):
    cluster = Replicated()
    cluster.answers["hamysql_followed.source"] = fails("no replica can follow the server on db2:")
    with pytest.raises(HamysqlError, match="no replica can follow"):
        seeding.check(deploy(cluster), None, None)
    cluster = Replicated()
    cluster.surveys["db1"]["cluster"]["quorum"] = False
    with pytest.raises(Refused, match="no replica is seeded while this is so:"):
        seeding.check(deploy(cluster), None, None)


@pytest.mark.parametrize("name", [None, "other"])
def test_the_replica_is_named_where_there_is_more_than_one(deploy, name):
    cluster = Replicated()
    for survey in cluster.surveys.values():
        survey["settings"]["replicas"] = {"reports": PILLAR, "second": PILLAR}
    with pytest.raises(Refused, match="the replica was not named"):
        seeding.check(deploy(cluster), name, None)
    for survey in cluster.surveys.values():
        survey["settings"]["replicas"] = {}
    with pytest.raises(Refused, match="the pillar has no replica"):
        seeding.check(deploy(cluster), name, None)


def test_a_plan_changes_nothing_and_shows_each_step(deploy):
    cluster = Replicated()
    said = cluster.all(deploy(cluster, test=True))
    assert set(cluster.of_replica) == {"there", "holds"}
    assert all(kwargs["test"] for function, _, kwargs in cluster.asked if function == "state.apply")
    assert "a backup that db2 takes" in said[2]
    assert said[3:] == [
        "the database of reports stops, gets the backup's data, and starts",
        "reports follows the virtual IP, and catches up",
    ]


def test_the_states_of_its_machine_are_what_the_orchestration_gives_them(deploy):
    cluster = Replicated()
    cluster.surveys["db1"]["settings"]["repo"]["repositories"] = {
        "main": {"options": {"name": "deb file:/srv bookworm main"}, "packages": [], "disable_after_install": False},
        "other": {
            "options": {"name": "deb file:/other bookworm main"},
            "packages": ["x"],
            "disable_after_install": True,
        },
    }
    for survey in cluster.surveys.values():  # what a site with backups has
        survey["settings"]["package"]["pkgs"].append("mariadb-backup")
    cluster.surveys["db2"]["settings"]["repo"] = cluster.surveys["db1"]["settings"]["repo"]
    seeding.configure(deploy(cluster), None, 900)
    (given,) = [asked[2]["pillar"] for asked in cluster.asked if asked[0] == "state.apply"]
    environment = jinja2.Environment()
    environment.filters["json"] = json.dumps
    template = (ROOT / "hamysql" / "replica" / "server.sls").read_text(encoding="utf-8")
    states = yaml.safe_load(environment.from_string(template).render(pillar=given))
    assert {id_ for id_ in states if "repo" in id_} == {"hamysql-replica-repo-main-managed"}
    said = {}
    for id_, state in states.items():
        ((function, items),) = state.items()
        said[id_] = (function, {key: value for item in items for key, value in item.items()})
    assert said["hamysql-replica-server-installed"][1]["pkgs"] == ["mariadb-server", "mariadb-client", "mariadb-backup"]
    function, options = said["hamysql-replica-options-file-managed"]
    assert (function, options["contents"][1:]) == ("file.managed", ["[mysqld]"])
    task = json.loads(said["hamysql-replica-task-file-managed"][1]["contents"])
    assert (task["cluster"], task["name"]) == ("galaxy-db", "reports")
    assert said["hamysql-replica-authorities-file"][0] == "file.absent"
    assert said["hamysql-replica-server-boot-enabled"] == (
        "service.enabled",
        said["hamysql-replica-server-boot-enabled"][1],
    )
    for _, options in said.values():
        for need in options.get("require", []):
            ((_, name),) = need.items()
            assert name in states
