"""The operations "restore", "restore_undo" and "restore_confirm": what they refuse, in which order they act, what a killed one leaves."""

from __future__ import annotations

import pytest
from answering import fails
from test_phase_backups import MANIFEST, NAME, Backed

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.master import progress
from hamysql.master.second_day import restores

NOTHING = {
    "name": "",
    "direction": "",
    "stage": "",
    "point": "",
    "tables": 0,
    "to": "",
    "kept": [],
    "folder": "/var/lib/mysql/.hamysql",
}
CLUSTER = "galaxy-db"
POINT = "2026-01-31 03:00:00Z (binlog.000001 42 0-1-7)"


class Restored(Backed):
    """A cluster whose data db2 has; both nodes see the backup. It remembers how far a restore is."""

    def __init__(self, *seen_by):
        super().__init__(*(seen_by or ("db1", "db2")))
        self.state, self.stopped, self.broken = dict(NOTHING), False, False
        for seen in self.surveys.values():
            seen["cluster"]["resources"] = [
                {
                    "id": "p_fs_mysql", "agent": "", "role": "Started", "node": "db2", "parent": "g_mysql", "managed": True,
                    "blocked": False, "failed": False,
                }
            ]  # fmt: skip
        self.answers |= {
            "hamysql_restore.state": lambda _: dict(self.state),
            "hamysql_restore.prepare": self.prepare,
            "hamysql_restore.replace": lambda _, name: self.exchanged("restore", f"before-{name}"),
            "hamysql_restore.undo": lambda _: self.exchanged("undo", f"after-{NAME}"),
            "hamysql_restore.start": self.start,
            "hamysql_restore.give_up": self.give_up,
            "hamysql_restore.confirm": self.confirm,
            "hamysql_migration.stop_server": self.stop,
            "hamysql_migration.start": self.start,
            "hamysql_mysql.apply": {},
            "hamysql_tracer.go": self.answers["hamysql_tracer.go"],
        }

    def prepare(self, minion, name, timeout, to=""):
        assert not self.stopped, "the database serves meanwhile"
        self.state |= {"name": name, "direction": "restore", "stage": "ready", "point": POINT, "tables": 90, "to": to}
        return dict(self.state)

    def stop(self, minion, timeout):
        self.stopped = True
        self.surveys["db2"]["database"] = False
        return True

    def exchanged(self, direction, kept):
        assert self.stopped
        self.state |= {"direction": direction, "stage": "done", "kept": [kept]}
        return dict(self.state)

    def start(self, minion):
        was, self.stopped = self.stopped, False
        self.surveys["db2"]["database"] = not self.broken
        return was

    def give_up(self, minion):
        self.state = dict(NOTHING)
        return True

    def confirm(self, minion):
        gone, self.state = self.state["kept"], dict(NOTHING)
        return gone

    def restored(self):
        """As it is when a restore has ended."""
        self.state |= {"name": NAME, "direction": "restore", "stage": "done", "point": POINT, "tables": 90}
        self.state["kept"] = [f"before-{NAME}"]
        return self

    @property
    def verbs(self):
        looks = ("hamysql_restore.state", "hamysql_cib.interventions", "hamysql_backup.list")
        return [name for name in self.functions if name not in looks and not name.startswith("hamysql_tracer")]


def restore(deployment, name=NAME, confirm=CLUSTER, to=None):
    restores.check(deployment, name, confirm, to)
    restores.prepare(deployment, name, 60, to)
    return restores.replace(deployment, name, 60, to)


def test_the_backup_is_prepared_before_anything_stops_and_the_gap_and_the_point_are_told(deploy):
    cluster = Restored()
    changes, said = restore(deploy(cluster))
    assert changes == {"service": [f"data replaced by {NAME}"]}
    assert f"db2 serves the backup {NAME}: its recovery point is {POINT}, 90 tables are in order" in said
    assert "longest write gap 2.5 s" in said
    assert "none of them is lost" not in said  # what was written since the backup is not served
    assert f"before-{NAME} is kept in /var/lib/mysql/.hamysql" in said
    assert cluster.verbs == [
        *("hamysql_restore.prepare", "hamysql_migration.stop_server", "hamysql_restore.replace"),
        *("hamysql_restore.start", "hamysql_mysql.wait_answering", "hamysql_mysql.apply"),
    ]
    admitted = [arguments for function, _, arguments in cluster.asked if function == "hamysql_tracer.admit"]
    assert admitted == [{"hashes": {"db1": "*db1", "db2": "*db2"}}] * 2
    assert ("hamysql_tracer.go", ("db1", "db2"), {"again": True, "timeout": 60}) in cluster.asked


def test_it_is_shown_before_without_a_word_of_confirmation(deploy):
    cluster = Restored()
    deployment = deploy(cluster, test=True)
    restores.check(deployment, NAME, None)
    changes, _ = restores.prepare(deployment, NAME, 60)
    assert changes == {"restore": [f"~ db2 prepares {NAME} beside the data, and tries it out"]}
    changes, _ = restores.replace(deployment, NAME, 60)
    assert changes == {"service": [f"~ the database stops on db2, gets the data of {NAME}, and starts"]}
    assert cluster.verbs == []


@pytest.mark.parametrize(
    ("change", "name", "confirm", "why"),
    [
        (None, None, CLUSTER, f"no backup was named.*newest one is {NAME}"),
        (None, "20250101T000000Z", CLUSTER, "no node has the backup"),
        (None, NAME, None, '"hamysql_confirm": "galaxy-db"'),
        (None, NAME, "other", "it says 'other'"),
        (lambda c: c.interventions.append("node db1 is in standby"), NAME, CLUSTER, "nothing is restored while this is so"),
        (lambda c: c.restored(), "20260130T030000Z", CLUSTER, "is kept still: take that away with hamysql.orch.restore_confirm"),
        (lambda c: c.state.update(name="x", direction="restore", stage="leaving"), NAME, CLUSTER, "was cut off: run"),
        (lambda c: c.surveys["db1"]["storage"]["status"].update(up_to_date=False), NAME, CLUSTER, "nothing is restored"),
        (lambda c: [s["cluster"].update(resources=[]) for s in c.surveys.values()], NAME, CLUSTER, "no node has the data"),
    ],
)  # fmt: skip
def test_what_may_not_be_restored_is_refused(deploy, change, name, confirm, why):
    cluster = Restored()
    if change:
        change(cluster)
    with pytest.raises(Refused, match=f"(?s){why}"):
        restores.check(deploy(cluster), name, confirm)
    assert cluster.verbs == []


def test_a_node_that_does_not_see_the_backup_is_told(deploy):
    with pytest.raises(Refused, match=f"db2 does not see the backup {NAME}, which db1 has"):
        restores.check(deploy(Restored("db1")), NAME, CLUSTER)


def test_a_database_that_does_not_start_can_be_restored(deploy):
    """It may be what has to be restored; the data is mounted all the same."""
    cluster = Restored()
    cluster.surveys["db2"]["database"] = False
    cluster.interventions = ["p_mysql has target-role=Stopped; `crm resource start p_mysql` ends it"]
    _, said = restore(deploy(cluster))
    assert "the write gap was not measured: no database answered when it began" in said


@pytest.mark.parametrize("stage", ["ready", "leaving", "entering"])
def test_run_again_it_goes_on(deploy, stage):
    cluster = Restored()
    cluster.state |= {"name": NAME, "direction": "restore", "stage": stage, "point": POINT, "tables": 90}
    if stage != "ready":
        cluster.stop("db2", 60)
    restore(deploy(cluster))
    assert "hamysql_restore.prepare" not in cluster.functions
    assert "hamysql_tracer.stop" in cluster.functions, "a writer of the killed run goes on"
    assert cluster.state["stage"] == "done"
    assert cluster.stopped is False


def test_restored_already_it_says_so_and_makes_the_accounts(deploy):
    cluster = Restored().restored()
    changes, said = restore(deploy(cluster), confirm=None)
    assert changes == {}
    assert f"db2 serves the backup {NAME} already" in said
    assert cluster.verbs == ["hamysql_mysql.apply"]


def test_killed_before_its_start_it_starts(deploy):
    cluster = Restored().restored()
    cluster.stop("db2", 60)
    restore(deploy(cluster))
    assert cluster.stopped is False


def test_where_nothing_was_exchanged_the_database_starts_again(deploy):
    cluster = Restored()
    cluster.answers["hamysql_restore.replace"] = fails("somebody has a file open")
    with pytest.raises(HamysqlError, match=r"(?s)somebody has a file open.*starts again with its data"):
        restore(deploy(cluster))
    assert cluster.stopped is False
    assert cluster.state["stage"] == "ready"


def test_where_something_was_exchanged_it_stays_stopped_and_that_is_told(deploy):
    cluster = Restored()

    def cut(minion, name):
        cluster.state["stage"] = "leaving"
        raise HamysqlError("the disk has an error")

    cluster.answers["hamysql_restore.replace"] = cut
    with pytest.raises(HamysqlError, match=r"(?s)run this again: it goes on where it was\. The database stays stopped"):
        restore(deploy(cluster))
    assert cluster.stopped is True


def test_a_backup_that_does_not_serve_is_told_with_the_way_back(deploy):
    cluster = Restored()
    cluster.broken = True

    def waits(minion, timeout):
        raise NotReady("waited 60 s until the database answers")

    cluster.answers["hamysql_mysql.wait_answering"] = waits
    with pytest.raises(HamysqlError, match=r"(?s)waited 60 s.*run hamysql\.orch\.restore_undo"):
        restore(deploy(cluster))


def test_the_data_of_before_is_put_back(deploy):
    cluster = Restored().restored()
    deployment = deploy(cluster)
    restores.check_undo(deployment, CLUSTER)
    changes, said = restores.undo(deployment, 60)
    assert changes == {"service": [f"data of before {NAME} put back"]}
    assert f"after-{NAME} is kept" in said
    assert cluster.verbs == [
        *("hamysql_migration.stop_server", "hamysql_restore.undo"),
        *("hamysql_restore.start", "hamysql_mysql.wait_answering", "hamysql_mysql.apply"),
    ]
    deployment = deploy(cluster)
    restores.check_undo(deployment, None)
    assert restores.undo(deployment, 60)[0] == {}


def test_an_undo_wants_a_word_and_something_to_undo(deploy):
    with pytest.raises(Refused, match='"hamysql_confirm": "galaxy-db"'):
        restores.check_undo(deploy(Restored().restored()), None)
    with pytest.raises(Refused, match="there is no restore to undo"):
        restores.check_undo(deploy(Restored()), CLUSTER)


def test_an_undo_gives_up_a_copy_that_was_not_served_and_starts_what_was_stopped(deploy):
    cluster = Restored()
    cluster.prepare("db2", NAME, 60)
    cluster.stop("db2", 60)
    deployment = deploy(cluster)
    restores.check_undo(deployment, CLUSTER)
    _, said = restores.undo(deployment, 60)
    assert "given up" in said
    assert cluster.stopped is False
    assert cluster.state == NOTHING


def test_a_confirmation_takes_away_what_is_kept(deploy):
    cluster = Restored().restored()
    with pytest.raises(Refused, match=r"There is no way back(.|\n)*hamysql_confirm"):
        restores.check_confirm(deploy(cluster), None)
    deployment = deploy(cluster, test=True)
    restores.check_confirm(deployment, None)
    assert restores.confirm(deployment)[0] == {"restore": [f"~ /var/lib/mysql/.hamysql/before-{NAME} is taken away"]}
    deployment = deploy(cluster)
    restores.check_confirm(deployment, CLUSTER)
    assert restores.confirm(deployment)[0] == {"restore": [f"before-{NAME} taken away"]}
    deployment = deploy(cluster)
    restores.check_confirm(deployment, CLUSTER)
    assert restores.confirm(deployment) == ({}, "nothing is kept any more")


def test_nothing_is_taken_away_while_no_database_answers_or_a_restore_is_at_work(deploy):
    cluster = Restored().restored()
    cluster.surveys["db2"]["database"] = False
    with pytest.raises(Refused, match="no database answers on db2"):
        restores.check_confirm(deploy(cluster), CLUSTER)
    cluster = Restored()
    cluster.prepare("db2", NAME, 60)
    with pytest.raises(Refused, match="is prepared and was not served yet"):
        restores.check_confirm(deploy(cluster), CLUSTER)


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["restore"]) == ["checked", "prepared", "replaced"]
    assert list(progress.ORDERS["restore_undo"]) == ["checked", "undone"]
    assert list(progress.ORDERS["restore_confirm"]) == ["checked", "confirmed"]


TO = "2026-01-31 12:00:03"


def moments(cluster):
    """A cluster whose binary logs lead to each moment from a backup."""
    cluster.answers["hamysql_backup.way"] = lambda minion, to: {"manifest": MANIFEST, "logs": 3}
    for seen in cluster.surveys.values():
        seen["settings"]["backup"]["binary_logs"] = True
    return cluster


def test_a_moment_is_restored_from_the_backup_that_leads_there(deploy):
    cluster = moments(Restored())
    changes, said = restore(deploy(cluster), None, to=TO)
    assert changes == {"service": [f"data replaced by {NAME}"]}
    assert f"db2 serves the data of {TO} UTC, from the backup {NAME}" in said
    assert "take a backup, hamysql.orch.backup: until then no moment from now on can be restored" in said
    assert ("hamysql_restore.prepare", ("db2",), {"name": NAME, "timeout": 60, "to": TO}) in cluster.asked
    changes, _ = restores.prepare(deploy(moments(Restored()), test=True), None, 60, TO)
    assert changes == {"restore": [f"~ db2 prepares {NAME} up to {TO} beside the data, and tries it out"]}


def test_killed_it_goes_on_with_the_backup_that_it_had_begun_with(deploy):
    """A newer one may lead there now, or none any more."""
    cluster = moments(Restored())
    cluster.state |= {"name": NAME, "direction": "restore", "stage": "ready", "point": POINT, "tables": 90, "to": TO}
    del cluster.answers["hamysql_backup.way"]
    _, said = restore(deploy(cluster), None, to=TO)
    assert f"db2 serves the data of {TO} UTC" in said
    assert "hamysql_restore.prepare" not in cluster.functions


def test_what_is_kept_of_another_moment_is_in_the_way(deploy):
    cluster = moments(Restored()).restored()
    cluster.state |= {"to": "2026-01-31 11:00:00"}
    with pytest.raises(Refused, match="is kept still"):
        restores.check(deploy(cluster), None, CLUSTER, TO)


def test_a_backup_that_does_not_lead_there_is_refused(deploy):
    with pytest.raises(Refused, match=f"the backup {NAME} leads to {TO}, and 20250101T000000Z was named"):
        restores.check(deploy(moments(Restored())), "20250101T000000Z", CLUSTER, TO)


@pytest.mark.parametrize("replicas", [{}, {"reports": {}}])
def test_a_restore_numbers_transactions_anew_where_somebody_follows_and_an_undo_does_not(deploy, replicas):
    cluster = Restored()
    for seen in cluster.surveys.values():
        seen["settings"]["replicas"] = replicas
    cluster.answers["hamysql_followed.renumber"] = True
    deployment = deploy(cluster)
    restores.check(deployment, NAME, CLUSTER)
    restores.prepare(deployment, NAME, 60)
    restores.replace(deployment, NAME, 60)
    numbered = [asked for asked in cluster.functions if asked == "hamysql_followed.renumber"]
    assert len(numbered) == len(replicas)
    if replicas:
        assert cluster.functions.index("hamysql_mysql.apply") < cluster.functions.index("hamysql_followed.renumber")
    restores.check_undo(deployment, CLUSTER)
    restores.undo(deployment, 60)
    assert [asked for asked in cluster.functions if asked == "hamysql_followed.renumber"] == numbered
