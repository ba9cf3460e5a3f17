"""The operation "update": its order, what forbids it, and a run that is cut off at each question and run again."""

from __future__ import annotations

import pytest
from answering import fails
from test_phase_maintenance import Maintained

from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.members import Answer
from hamysql.master.second_day import updates

WHEN = "2026-01-31 11:00:00Z"
NEW = {"corosync": ("3.1.7-1", "3.1.7-2"), "linux-image-amd64": ("6.1.1-1", "6.1.2-1")}
DATABASE = {"mariadb-server": ("1:10.11.6-0+deb12u1", "1:10.11.9-0+deb12u1")}
BACKUP = {
    **{"name": "20260131-110000", "size": 8e6, "seconds": 2, "speed": 4, "binlog": "", "node": "db2"},
}


class CutOffError(HamysqlError):
    """The run ends here, as one that was killed."""


class Updated(Maintained):
    """A cluster that is whole, with db2 serving, whose nodes have the same packages to update, and a boot after them."""

    def __init__(self, new=NEW, boots=True):
        super().__init__()
        self.new = {name: dict(new) for name in self.surveys}
        self.boot = dict.fromkeys(self.surveys, "")
        self.boots = boots
        self.marks = dict.fromkeys(self.surveys)
        self.boot_ids = {name: f"{name}-1" for name in self.surveys}
        self.without, self.left, self.history = [], [], []
        self.cut = None  # questions that are answered until the run ends
        for seen in self.surveys.values():
            seen["settings"]["backup"] = {"enabled": False, "directory": None}
        self.answers |= {
            "hamysql_update.look": lambda minion, refresh=False: self.seen(minion),
            "hamysql_update.fetch": self.seen,
            "hamysql_update.begin": self.marked,
            "hamysql_update.install": self.install,
            "hamysql_update.reboot": self.reboot,
            "hamysql_update.end": self.unmarked,
            "hamysql_update.tables": "",
            "hamysql_fencing.boot_id": lambda minion: self.boot_ids[minion],
            "hamysql_cluster.stop": self.stopped,
            "hamysql_cluster.start": self.started,
            "hamysql_backup.take": BACKUP,
            "hamysql_update.booting": False,
        }

    def call(self, minions, function, kwargs, timeout):
        if self.cut is not None and function != "hamysql_node.survey":
            if self.cut == 0:
                raise CutOffError(function)
            self.cut -= 1
        return super().call(minions, function, kwargs, timeout)

    def seen(self, minion):
        items = [{"name": name, "old": old, "new": new} for name, (old, new) in self.new[minion].items()]
        coming = ["6.1.2-1-amd64"] if "linux-image-amd64" in self.new[minion] else []
        return {
            "updates": items, "left": self.left, "kernels": coming, "running": "6.1.1-1-amd64", "without": self.without,
            "boot": self.boot[minion], "mark": self.marks[minion], "boot_id": self.boot_ids[minion],
        }  # fmt: skip

    def marked(self, minion):
        self.marks[minion] = {"since": WHEN, "boot": self.boot_ids[minion]}
        return WHEN

    def unmarked(self, minion):
        assert minion not in self.since, "it is still out of the service"
        found, self.marks[minion] = self.marks[minion], None
        return found is not None

    def stopped(self, minion, timeout):
        assert self.since.get(minion), "it is not out of the service"
        assert not self.surveys[minion]["database"]
        self.surveys[minion]["cluster"]["running"] = False
        return True

    def begin(self, minion, node, timeout):
        self.surveys[node]["cluster"]["nodes"][node]["standby"] = True
        self.history.append(f"{node} drained")
        return super().begin(minion, node, timeout)

    def end(self, minion, node):
        assert self.surveys[node]["cluster"]["running"]
        self.surveys[node]["cluster"]["nodes"][node]["standby"] = False
        return super().end(minion, node)

    def install(self, minion):
        assert not self.surveys[minion]["cluster"]["running"], "the cluster runs above it"
        assert self.marks[minion]
        assert all(self.surveys[name]["cluster"]["running"] for name in self.surveys if name != minion)
        done = self.seen(minion)["updates"]
        self.new[minion] = {}
        self.boot[minion] = "kernel 6.1.2-1-amd64 is installed" if self.boots and done else self.boot[minion]
        self.history.append(f"{minion} installed {len(done)}")
        return done

    def reboot(self, minion):
        assert not self.surveys[minion]["cluster"]["running"]
        self.boot_ids[minion] += "+"
        self.boot[minion] = ""
        self.history.append(f"{minion} booted")
        return True


def run(deploy, cluster, confirm=None, test=False):
    """All phases; returns their changes, and the last one's words."""
    deployment = deploy(cluster, test=test)
    changes, said = {}, ""
    for phase in (
        lambda: updates.check(deployment, confirm),
        lambda: updates.save(deployment),
        lambda: updates.first(deployment, 900),
        lambda: updates.second(deployment, 900),
        lambda: updates.finish(deployment),
    ):
        found, said = phase()
        changes |= found
    return changes, said


def test_the_standby_comes_first_and_the_service_moves_once(deploy):
    cluster = Updated()
    changes, said = run(deploy, cluster)
    assert changes == {"db1": ["2 packages", "a boot"], "db2": ["2 packages", "a boot"]}
    assert cluster.history == [
        *("db1 drained", "db1 installed 2", "db1 booted"),
        *("db2 drained", "db2 installed 2", "db2 booted"),
    ]
    assert cluster.functions.count("hamysql_cib.move") == 1
    assert said == (
        "db1 was updated (2 packages, a boot); db2 was updated (2 packages, a boot); db1 serves; longest write gap 2.5 s"
    )
    assert cluster.events[-1]["state"] == "finished"
    assert cluster.marks == {"db1": None, "db2": None}


def test_it_is_shown_before_and_nothing_is_changed(deploy):
    cluster = Updated(NEW | DATABASE)
    changes, _ = run(deploy, cluster, test=True)
    assert changes["db1"] == [
        "~ db1 goes into standby",
        "~ db1: corosync 3.1.7-1 -> 3.1.7-2",
        "~ db1: mariadb-server 1:10.11.6-0+deb12u1 -> 1:10.11.9-0+deb12u1",
        "~ db1: linux-image-amd64 6.1.1-1 -> 6.1.2-1",
        "~ db1 boots: kernel 6.1.2-1-amd64 comes",
    ]
    assert changes["db2"][:2] == ["~ the service moves away from db2", "~ db2 goes into standby"]
    looks = {"hamysql_update.look", "hamysql_maintenance.state", "hamysql_cib.interventions"}
    assert set(cluster.functions) == looks


def test_with_nothing_to_update_nobody_is_drained(deploy):
    cluster = Updated({})
    changes, said = run(deploy, cluster)
    assert changes == {}
    assert said.startswith("nothing was to be updated; db2 serves")
    assert cluster.history == []


def cuts():
    """How many questions a whole run asks."""
    return range(80)


@pytest.mark.parametrize("cut", cuts())
def test_cut_off_at_any_question_and_run_again_it_gets_to_its_end(deploy, cut):
    cluster = Updated()
    cluster.cut = cut
    try:
        run(deploy, cluster)
    except CutOffError:
        cluster.cut = None
        run(deploy, cluster)
    assert cluster.new == {"db1": {}, "db2": {}}
    assert cluster.marks == {"db1": None, "db2": None}
    assert cluster.since == {}
    for node in ("db1", "db2"):
        assert cluster.history.count(f"{node} installed 2") == 1
        assert cluster.history.count(f"{node} booted") == 1
    assert all(seen["cluster"]["running"] for seen in cluster.surveys.values())


def test_the_questions_of_a_whole_run_are_all_cut(deploy):
    cluster = Updated()
    run(deploy, cluster)
    assert len(cluster.asked) < len(cuts())


def test_it_refuses_where_the_cluster_could_not_lose_a_node(deploy):
    cluster = Updated()
    cluster.surveys["db1"]["storage"]["status"]["up_to_date"] = False
    with pytest.raises(Refused, match="nothing is moved while this is so"):
        run(deploy, cluster)
    assert cluster.history == []


def test_it_stops_where_redundancy_is_lost_after_the_first_node(deploy):
    cluster = Updated()
    cluster.answers["hamysql_rolling.wait_whole"] = fails("waited 900 s until both replicas are UpToDate")
    with pytest.raises(HamysqlError, match="UpToDate"):
        run(deploy, cluster)
    assert not [line for line in cluster.history if line.startswith("db2")]


def test_a_node_is_not_touched_while_the_other_one_does_not_serve(deploy):
    cluster = Updated()

    def died(minion, node, timeout):
        cluster.surveys["db2"]["database"] = False
        return cluster.begin(minion, node, timeout)

    cluster.answers["hamysql_maintenance.begin"] = died
    with pytest.raises(Refused, match="the database does not answer on db2: db1 is not touched"):
        run(deploy, cluster)
    assert "hamysql_cluster.stop" not in cluster.functions


def test_somebody_elses_maintenance_stays(deploy):
    cluster = Updated()
    cluster.since = {"db1": WHEN}
    with pytest.raises(Refused, match=r"db1 is in maintenance since .* not by an update.*hamysql_return"):
        run(deploy, cluster)


def test_two_updates_at_once_are_for_an_operator(deploy):
    cluster = Updated()
    cluster.marks = {name: {"since": WHEN, "boot": ""} for name in cluster.marks}
    with pytest.raises(Refused, match="an update has begun on db1 and db2 at once"):
        run(deploy, cluster)


def test_a_kernel_without_the_module_is_refused_before_anything(deploy):
    cluster = Updated()
    cluster.without = ["kernel 6.1.2-1-amd64 is installed and has no module drbd"]
    with pytest.raises(Refused, match=r"db1: kernel 6.1.2-1-amd64 is installed and has no module drbd"):
        run(deploy, cluster)
    assert cluster.history == []


def test_a_backup_comes_before_the_database(deploy):
    cluster = Updated(DATABASE)
    for seen in cluster.surveys.values():
        seen["settings"]["backup"] = {"enabled": True, "directory": "/srv/backups"}
    _, said = run(deploy, cluster)
    assert said.startswith("backup 20260131-110000 was taken; db1 was updated")
    assert cluster.functions.index("hamysql_backup.take") < cluster.functions.index("hamysql_update.begin")


def test_without_backups_the_database_wants_a_word(deploy):
    cluster = Updated(DATABASE)
    with pytest.raises(Refused, match=r"mariadb-server would be updated, and this cluster has no backups.*galaxy-db"):
        run(deploy, cluster, confirm="another")
    assert cluster.history == []
    run(deploy, cluster, confirm="galaxy-db")
    assert "hamysql_backup.take" not in cluster.functions


def test_the_databases_own_tables_are_told(deploy):
    cluster = Updated(DATABASE)
    cluster.answers["hamysql_update.tables"] = lambda minion: {"db1": "mariadb-upgrade"}[minion]
    changes, said = run(deploy, cluster, confirm="galaxy-db")
    assert changes["database"] == ["mariadb-upgrade on db1"]
    assert "mariadb-upgrade has run" in said


def test_what_is_left_is_an_error_and_a_boot_into_the_old_kernel_a_warning(deploy):
    cluster = Updated()
    cluster.answers["hamysql_update.install"] = lambda minion: []
    with pytest.raises(HamysqlError, match="db1 and db2 has something left to update"):
        run(deploy, cluster)
    stays = Updated()

    def booted(minion):
        stays.boot_ids[minion] += "+"
        return True

    stays.answers["hamysql_update.reboot"] = booted
    _, said = run(deploy, stays)
    assert "WARNING: db1: kernel 6.1.2-1-amd64 is installed all the same" in said


def test_a_node_that_boots_is_waited_for_by_the_next_run(deploy, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    cluster, left = Updated(), [{"db1": Answer(True), "db2": Answer(False)}, {"db2": Answer(False)}]

    def call(minions, function, kwargs, timeout):
        if function == "hamysql_update.booting" and left:
            return left.pop(0)
        return Updated.call(cluster, minions, function, kwargs, timeout)

    monkeypatch.setattr(cluster, "call", call)
    run(deploy, cluster)
    assert left == []
    assert "db1 does not answer, or is about to boot" in cluster.said


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["update"]) == ["checked", "saved", "standby", "other", "finished"]
