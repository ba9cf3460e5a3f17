"""What the failover bench makes of a journal and of its runs: parts, figures, the drawing."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest

from bench import article, failover, initial_sync, timeline
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
    bars = [item for item in root.findall(".//{*}rect") if item.find("{*}title") is not None]
    assert len(bars) == len(PARTS) + 2
    widths = [float(bar.get("width")) for bar in bars]
    first, second = sum(widths[: len(PARTS)]), sum(widths[len(PARTS) :])
    assert second / first == pytest.approx(5.0 / 50.67, rel=0.01)
    assert "a & b" in "".join(root.itertext())


def test_all_of_a_drawing_is_in_it_also_what_pacemaker_notices_after_the_first_client():
    root = ET.fromstring(timeline.svg({"late": {"detected": 2.0, "served": 5.0, "database": 9.0}}, ""))
    ends = [float(item.get("x")) + float(item.get("width")) for item in root.findall(".//{*}rect") if item.get("x")]
    assert max(ends) <= timeline.WIDTH


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
    assert "served 8.0" in (tmp_path / "x.svg").read_text()


def test_the_articles_settings_are_a_valid_pillar_without_a_guard(resolve):
    found = resolve(article.settings(load(ROOT / "lab" / "pillar.sls"))["hamysql"])
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
