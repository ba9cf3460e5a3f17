"""What the failover bench makes of a journal and of its runs: parts, figures, the drawing."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest

from bench import article, failover, initial_sync, timeline
from lab import api
from support import ROOT, load

# journalctl -o short-unix of a lab node that took over, the lines that matter and some that do not
JOURNAL = """\
1795490100.000000 db1 pacemaker-controld[3415]:  notice: Node db2 state is now lost
1795490118.354000 db1 sshd[10]: pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)
1795490126.118458 db1 pacemaker-based[3410]:  notice: Node db2 state is now lost
1795490126.119372 db1 pacemaker-controld[3415]:  notice: Node db2 state is now lost
1795490132.120613 db1 pacemaker-fenced[3411]:  notice: Operation 'reboot' targeting db2 by db1 for pacemaker-controld.3415@db1: OK (complete)
1795490132.165599 db1 pacemaker-controld[3415]:  notice: Peer db2 was terminated (reboot) by db1 on behalf of pacemaker-controld.3415@db1: OK
1795490139.823723 db1 kernel: block drbd0: role( Secondary -> Primary )
1795490144.525137 db1 pacemaker-controld[3415]:  notice: Result of start operation for p_ip_mysql on db1: ok
1795490156.083435 db1 kernel: XFS (drbd0): Mounting V5 Filesystem
1795490156.222881 db1 pacemaker-controld[3415]:  notice: Result of start operation for p_fs_mysql on db1: ok
1795490169.017441 db1 pacemaker-controld[3415]:  notice: Result of start operation for p_mysql on db1: ok
"""
BEGAN, ENDED = 1795490118.35, 1795490168.9
PARTS = {
    "detected": 7.77,
    "fenced": 13.82,
    "promoted": 21.47,
    "address": 26.18,
    "mounted": 37.87,
    "database": 50.67,
    "served": 50.55,
}


def run(gap, lost=0, served=True, **more):
    return {"gap_seconds": gap, "lost": lost, "served_again": served, "acknowledged": 9, **more}


def test_the_parts_of_a_failover_are_read_from_the_journal():
    assert timeline.parts(JOURNAL, BEGAN, ENDED) == PARTS


def test_without_fencing_there_is_no_such_part():
    journal = "\n".join(line for line in JOURNAL.splitlines() if "terminated" not in line)
    assert timeline.parts(journal, BEGAN, ENDED) == {name: time for name, time in PARTS.items() if name != "fenced"}


def test_the_drawing_is_as_long_as_the_parts_took():
    root = ET.fromstring(timeline.svg({"a & b": PARTS, "quick": {"detected": 2.0, "served": 5.0}}, "time < money"))
    drawn = bars(root)
    assert set(drawn) == {*(f"a & b {part}" for part in PARTS), "quick detected", "quick served"}
    widths = {name: right - left for name, (left, right) in drawn.items()}
    first = sum(width for name, width in widths.items() if name.startswith("a & b"))
    second = sum(width for name, width in widths.items() if name.startswith("quick"))
    assert second / first == pytest.approx(5.0 / 50.67, rel=0.01)
    assert "a & b" in "".join(root.itertext())
    assert "time < money" in "".join(root.itertext())


def test_all_of_a_drawing_is_in_it_also_what_pacemaker_notices_after_the_first_client():
    root = ET.fromstring(timeline.svg({"late": {"detected": 2.0, "served": 5.0, "database": 9.0}}, ""))
    left, _, width, _ = map(float, root.get("viewBox").split())
    ends = [right for _, right in bars(root).values()]
    assert len(ends) == 3
    assert max(ends) <= left + width


def test_no_words_of_a_drawing_cover_each_other():
    close = {"detected": 5.0, "fenced": 5.01, "promoted": 5.02, "address": 5.02, "mounted": 5.03, "database": 5.04}
    drawn = timeline.svg({"one": {**close, "served": 5.05}, "two": close}, "seconds")
    places = []
    for item in ET.fromstring(drawn).findall(".//{*}text"):
        # matplotlib says where a text is either as x and y, or as a transformation
        where = re.search(r"translate\(([\d.]+) ([\d.]+)\)", item.get("transform") or "")
        x, y = (float(item.get("x")), float(item.get("y"))) if item.get("x") else map(float, where.groups())
        places.append((item.text, x, y))
    said = [(x, y) for text, x, y in places if text in (*close, "served") or text.endswith(" s")]
    assert len(said) == 2 * (2 * len(close) + 1), "each part of both rows has its name and its time"
    below = {}
    for x, y in said:
        below.setdefault(round(x), []).append(y)
    for heights in below.values():
        heights.sort()
        assert all(after - before >= 18 for before, after in itertools.pairwise(heights)), (
            "a line of text has 13 points"
        )


def test_a_drawing_has_no_background_and_the_same_results_make_the_same_file():
    drawn = [timeline.svg({"a": PARTS}, "seconds") for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "#ffffff" not in drawn[0]


@pytest.mark.parametrize("name", ["failover", "failover-iscsi", "failover-nfs"])
def test_the_pictures_of_the_documentation_are_drawn_from_the_results(tmp_path, name):
    failover.draw(failover.kept(failover.RESULTS / f"{name}.json"), tmp_path / "x.svg")
    drawn, committed = (ET.parse(path).getroot() for path in (tmp_path / "x.svg", failover.DRAWINGS / f"{name}.svg"))
    words = [[item.text for item in root.findall(".//{*}text")] for root in (drawn, committed)]
    assert words[0] == words[1], f"`python -m bench.failover --draw` draws {name}.svg again"


def bars(root):
    """The bars of a drawing by their id: the left and the right end of each."""
    found = {}
    for item in root.findall(".//{*}g"):
        if (item.get("id") or "").rpartition(" ")[2] in timeline.COLOURS:
            points = re.findall(r"[ML] ([\d.]+) [\d.]+", item.find("{*}path").get("d"))
            found[item.get("id")] = (min(map(float, points)), max(map(float, points)))
    return found


def test_figures_are_medians_and_ratios_are_of_them():
    runs = {
        "article": {"power_cut": [run(20.0), run(30.0), run(25.0)], "mysqld_hung": [run(120.0, served=False)]},
        "hamysql": {"power_cut": [run(10.0), run(9.0, lost=2)], "mysqld_hung": [run(40.0)]},
    }
    found = failover.summary(runs)
    assert found["figures"]["article"]["power_cut"] == {
        "median": 25.0,
        "minimum": 20.0,
        "maximum": 30.0,
        "lost": 0,
        "not_served_again": 0,
    }
    assert found["figures"]["hamysql"]["power_cut"]["lost"] == 2
    assert found["ratios"] == {"power_cut": 0.38}
    assert found["runs"] == runs


def test_results_and_drawing_are_kept(tmp_path):
    runs = {"hamysql": {"power_cut": [run(9.0, parts={"served": 9.0}), run(8.0, parts={"served": 8.0})]}}
    failover.keep(failover.summary(runs), tmp_path / "results" / "x.json", tmp_path / "x.svg")
    assert load(tmp_path / "results" / "x.json")["runs"] == runs
    assert failover.kept(tmp_path / "results" / "x.json") == runs
    assert failover.kept(tmp_path / "none.json") == {}
    root = ET.parse(tmp_path / "x.svg").getroot()
    assert list(bars(root)) == ["hamysql served"]
    assert "8.0 s" in "".join(root.itertext())


def test_the_articles_settings_are_a_valid_pillar_without_a_guard(resolve):
    found = resolve(article.settings(load(ROOT / "lab" / "software" / "pillar.sls"))["hamysql"])
    properties = found["pacemaker"]["properties"]
    assert (properties["stonith-enabled"], properties["no-quorum-policy"]) == ("false", "ignore")
    assert (found["corosync"]["token"], found["mysql"]["agent"]) == (1000, "ocf:heartbeat:mysql")
    assert found["fencing"]["devices"] == []


def test_the_bench_of_the_first_synchronisation_has_large_disks(tmp_path):
    nodes = initial_sync.BenchLab(dir=tmp_path).topology.data_nodes
    assert [(node.name, node.disks[0].size_mib) for node in nodes] == [("db1", 20480), ("db2", 20480)]


def test_each_kind_of_storage_has_results_of_its_own():
    drbd, iscsi = failover.arguments([]), failover.arguments(["--storage", "iscsi"])
    assert (drbd.output.name, drbd.drawing.name, drbd.settings) == (
        "failover.json",
        "failover.svg",
        ["article", "hamysql"],
    )
    assert (iscsi.output.name, iscsi.drawing.name, iscsi.settings) == (
        "failover-iscsi.json",
        "failover-iscsi.svg",
        ["hamysql"],
    )


def test_the_articles_settings_are_for_drbd_only(capsys):
    with pytest.raises(SystemExit):
        failover.arguments(["--storage", "nfs", "--settings", "article"])
    assert "no fencing" in capsys.readouterr().err


@pytest.mark.parametrize("said", [None, "the last words\n"])
def test_a_node_that_never_ran_the_server_has_no_last_words_of_it(tmp_path, said):
    log = tmp_path / "error.log"
    if said:
        log.write_text(said)
    done = subprocess.run(["sh", "-c", failover.LAST_WORDS.format(log=log)], capture_output=True, text=True, check=True)
    assert done.stdout == (said or "")


# journalctl -o short-unix of a lab node (corosync 3.1.7) that came up shortly before the other one; some lines are left out
COLD = """\
1795892405.607372 db1 systemd[1]: Started corosync.service - Corosync Cluster Engine.
1795892405.573794 db1 corosync[3443]:   [TOTEM ] Configured link number 0: local addr: 10.77.1.11, port=5405
1795892405.576892 db1 corosync[3443]:   [KNET  ] host: host: 2 has 0 active links
1795892405.581338 db1 corosync[3443]:   [QUORUM] Sync members[1]: 1
1795892405.581422 db1 corosync[3443]:   [QUORUM] Sync joined[1]: 1
1795892405.581499 db1 corosync[3443]:   [TOTEM ] A new membership (1.5) was formed. Members joined: 1
1795892405.583748 db1 corosync[3443]:   [VOTEQ ] Waiting for all cluster members. Current votes: 1 expected_votes: 2
1795892405.589540 db1 corosync[3443]:   [QUORUM] Members[1]: 1
1795892405.589606 db1 corosync[3443]:   [MAIN  ] Completed service synchronization, ready to provide service.
1795892406.049479 db1 corosync[3443]:   [KNET  ] rx: host: 2 link: 0 is up
1795892406.248726 db1 corosync[3443]:   [QUORUM] Sync members[2]: 1 2
1795892406.248815 db1 corosync[3443]:   [QUORUM] Sync joined[1]: 2
1795892406.248884 db1 corosync[3443]:   [TOTEM ] A new membership (1.9) was formed. Members joined: 2
1795892406.280898 db1 corosync[3443]:   [QUORUM] This node is within the primary component and will provide service.
1795892406.280994 db1 corosync[3443]:   [QUORUM] Members[2]: 1 2
1795892406.281062 db1 corosync[3443]:   [MAIN  ] Completed service synchronization, ready to provide service.
"""
CUT = 1795892360.0


def outcome(began, ended):
    return api.Outcome(9, 0, round(ended - began, 2), began, ended, 3, "")


def test_both_nodes_are_members_again_when_corosync_says_so_after_the_cut():
    assert failover.membership(COLD, CUT) == 1795892406.248726
    assert failover.membership(COLD, 1795892406.249) == 1795892406.280994, "what was said before does not count"
    assert failover.membership(COLD, CUT, 1) == 1795892405.581338
    assert failover.membership(COLD, 1795892407.0) is None
    assert failover.membership(COLD.replace("corosync[3443]:", "pacemakerd[3450]:"), CUT) is None


def test_a_cold_start_s_gap_begins_with_the_membership_and_the_whole_outage_is_beside_it():
    other = COLD.replace("406.248726", "406.240000")
    found = failover.cold([COLD, other], CUT, outcome(CUT + 0.5, 1795892420.24))
    assert found == {"gap_seconds": 14.0, "outage_seconds": 59.74}


def test_a_cold_start_that_served_before_its_membership_has_no_gap():
    found = failover.cold([COLD], CUT, outcome(CUT + 0.5, CUT + 40))
    assert found == {"gap_seconds": 0.0, "outage_seconds": 39.5}


def test_a_cold_start_without_a_membership_is_an_error():
    with pytest.raises(api.LabError, match="neither node"):
        failover.cold([COLD, ""], CUT + 100, outcome(CUT + 100.5, CUT + 150))


def test_there_is_no_ratio_where_the_service_stays_away_or_was_never_away():
    runs = {
        "article": {
            "client_cable": [run(120.0, served=False), run(30.0)],
            "both_cold": [run(0.0)],
            "reboot": [run(140.0)],
        },
        "hamysql": {"client_cable": [run(20.0)], "both_cold": [run(2.0)], "reboot": [run(7.0)], "poweroff": [run(7.0)]},
    }
    assert failover.summary(runs)["ratios"] == {"reboot": 0.05}
    runs["hamysql"]["reboot"].append(run(300.0, served=False))
    assert failover.summary(runs)["ratios"] == {}


def test_the_table_has_the_measured_cases_in_their_order():
    runs = {
        "both_cold": [run(2.0, outage_seconds=40.0), run(4.0, outage_seconds=41.0)],
        "mysqld_hung": [run(60.0, served=False), run(61.0, served=False)],
        "client_cable": [run(60.0, served=False), run(9.0)],
        "power_cut": [run(9.04), run(8.0), run(12.0)],
        "reboot": [],
    }
    assert failover.table({"old": runs, "new": {"vip_deleted": [run(0.2)]}}, {"power_cut": 0.5}).splitlines() == [
        "| | old | new | ratio |",
        "|---|---|---|---|",
        "| active node's power cut | 9.0 (8.0 to 12.0) | | 0.5 |",
        "| mysqld hangs | for good | | |",
        "| active node's cable to the clients cut | for good in 1 of 2 | | |",
        "| virtual IP deleted | | 0.2 | |",
        "| both nodes' power cut, from their membership on | 3.0 (2.0 to 4.0); outage 40.5 | | |",
    ]


def test_the_documentation_s_tables_are_those_of_the_results():
    page, readme = ((ROOT / name).read_text() for name in ("docs/figures.md", "README.md"))
    tables = failover.tables(failover.RESULTS)
    for table in tables:
        assert f"\n\n{table}\n" in page
    assert f"\n\n{tables[0]}\n" in readme


def test_the_table_is_printed_and_nothing_is_measured(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["failover", "--table"])
    monkeypatch.setattr(failover, "deploy", None)
    assert failover.main() == 0
    assert capsys.readouterr().out == "\n".join(failover.tables(failover.RESULTS))


class Nodes:
    """A lab's nodes to which a bench does something; keeps what it was asked for."""

    def __init__(self, monkeypatch, folder):
        self.asked, self.writes, self.boot = [], [True, True], 0
        self.lab = api.Lab(dir=folder)
        pillar = self.lab.salt / "pillar" / "lab.sls"
        for path in (pillar.parent, self.lab.logs):
            path.mkdir(parents=True, exist_ok=True)
        pillar.write_text((ROOT / "lab" / "software" / "pillar.sls").read_text())
        monkeypatch.setattr(failover, "api", self)
        monkeypatch.setattr(failover, "Client", lambda lab: self)
        monkeypatch.setattr(failover.time, "sleep", lambda seconds: None)
        self.bench = failover.Bench(self.lab, "hamysql", "drbd")
        monkeypatch.setattr(self.bench, "settled", lambda: "db1")
        monkeypatch.setattr(self.bench, "healthy", lambda: "db1")

    LabError = api.LabError

    def writes_for(self, seconds, limit):
        self.asked.append(f"writes {limit:.0f}")
        return self.writes.pop(0)

    def end(self):
        self.asked.append("end")
        return outcome(time.time(), time.time() + 60)

    def power(self, lab, name, action):
        self.asked.append(f"{action} {name}")
        return "off"

    def net(self, lab, name, action, *, link):
        self.asked.append(f"{action} {name} {link}")

    def ssh(self, lab, name, command, **_):
        if command == failover.BOOT:
            self.boot += 1
            return f"{self.boot}\n"
        if command.startswith("journalctl"):
            return f"{time.time() + 50:.6f} {name} corosync[790]:   [QUORUM] Members[2]: 1 2\n"
        self.asked.append(f"{name}: {command}")
        return ""


@pytest.mark.parametrize(
    ("case", "node", "asked"),
    [
        ("reboot", "db1", ["writes 60", "db1: systemctl reboot", "writes 300", "end"]),
        ("poweroff", "db1", ["writes 60", "db1: systemctl poweroff", "status db1", "writes 300", "end"]),
        ("standby_reboot", "db2", ["writes 60", "db2: systemctl reboot", "writes 300", "end"]),
        ("client_cable", "db1", ["writes 60", "cut db1 0", "writes 120", "heal db1 0", "end"]),
        ("vip_deleted", "db1", ["writes 60", "db1: ip address delete 10.77.1.100/24 dev eth0", "writes 120", "end"]),
    ],
)
def test_what_is_done_to_which_node(monkeypatch, tmp_path, case, node, asked):
    nodes = Nodes(monkeypatch, tmp_path)
    found = nodes.bench.run(case, 1)
    assert nodes.asked == asked
    assert {name: found[name] for name in ("node", "served_again", "lost")} == {
        "node": node,
        "served_again": True,
        "lost": 0,
    }
    assert set(found) == {"node", "gap_seconds", "served_again", "acknowledged", "lost"}


@pytest.mark.parametrize(
    ("case", "undone"),
    [
        ("client_cable", "heal db1 0"),
        ("vip_deleted", "db1: ip address add 10.77.1.100/24 dev eth0"),
        ("mysqld_hung", f"db1: kill -CONT {failover.SERVER}"),
    ],
)
def test_what_the_service_did_not_come_back_from_is_made_good_before_the_rows_are_read(
    monkeypatch, tmp_path, case, undone
):
    nodes = Nodes(monkeypatch, tmp_path)
    nodes.writes = [True, False]
    assert nodes.bench.run(case, 1)["served_again"] is False
    assert nodes.asked[-2:] == [undone, "end"]


def test_a_cold_start_cuts_both_nodes_before_it_switches_on_either(monkeypatch, tmp_path):
    nodes = Nodes(monkeypatch, tmp_path)
    found = nodes.bench.run("both_cold", 1)
    assert sorted(nodes.asked[1:3]) == ["off db1", "off db2"]
    assert sorted(nodes.asked[3:5]) == ["on db1", "on db2"]
    assert found["node"] == "both"
    assert found["outage_seconds"] == 60
    assert 0 < found["gap_seconds"] < found["outage_seconds"]


def test_each_case_can_be_done():
    assert set(failover.Bench(api.Lab(), "hamysql", "drbd").cases) == set(failover.CASES)
    assert failover.arguments(["--only", "both_cold"]).only == ["both_cold"]
