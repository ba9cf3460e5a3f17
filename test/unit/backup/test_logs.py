"""Which binary logs follow each other, to which moments they lead, and what the pillar may say beside them."""

from __future__ import annotations

import io

import pytest

from hamysql.backup.logs import chain, events, snapshots
from hamysql.backup.logs.chain import Log, Shipped
from hamysql.errors import ConfigError, ParseError, Refused
from support import load_pillar


def log(number, stamp, before=None):
    return Log(stamp, "binlog", number, before)


def backup(first, ended):
    return {"name": "20260131T030000Z", "log": {"name": first.id, "position": 4, "ended": ended}}


OLD = [log(1, 100), log(2, 160, 100), log(3, 220, 160)]
RESTORED = [log(1, 300), log(2, 360, 300)]
AGAIN = [log(4, 420, 220)]


def test_a_log_is_known_by_its_name():
    for item in (*OLD, *AGAIN):
        assert chain.of_name(item.name) == item
        assert chain.of_name(item.name).before == item.before
    assert chain.of_name("20260131T030000Z") is None
    assert chain.of_name(".making-19700101T000140Z-binlog.000001") is None
    with pytest.raises(ParseError):
        chain.of_file("binlog.index", 1)


def test_numbers_begin_anew_after_a_restore_and_go_on_after_an_undo():
    shipped = sorted([*OLD, *RESTORED, *AGAIN])
    assert chain.follow(OLD[1], shipped) == [*OLD[1:], *AGAIN]
    assert chain.follow(RESTORED[0], shipped) == RESTORED
    assert chain.follow(log(9, 900), shipped) == []
    assert chain.follow(OLD[0], [OLD[0], *OLD[2:]]) == [OLD[0]]


def test_the_moments_are_those_of_the_newest_backup_that_leads_there():
    shipped = Shipped([*OLD, *RESTORED], {OLD[2].id: 280, RESTORED[1].id: 400})
    found = chain.ranges([backup(RESTORED[0], 310), backup(OLD[1], 170), {"name": "20250101T000000Z"}], shipped)
    assert chain.merged(found) == [(170, 280), (310, 400)]
    assert chain.chosen(found, 400).begin == 310
    assert chain.chosen(found, 280).begin == 170
    assert [item.number for item in chain.until(chain.chosen(found, 200), 200).logs] == [2]
    for moment in (169, 290, 401):
        with pytest.raises(
            Refused, match="possible is 1970-01-01 00:02:50 to 1970-01-01 00:04:40; 1970-01-01 00:05:10 to"
        ):
            chain.chosen(found, moment)
    with pytest.raises(Refused, match="no moment yet"):
        chain.chosen([], 1)


def test_a_log_is_needed_while_it_has_what_came_after_the_oldest_backup():
    assert chain.needed(OLD, {}, 170) == OLD[1:]
    assert chain.needed([*OLD, *RESTORED], {OLD[2].id: 290, RESTORED[1].id: 400}, 295) == RESTORED


@pytest.mark.parametrize("text", ["", "2026-05-01", "12:00:03", "2026-05-01T12:00:03Z", "2026-13-01 12:00:03", "now"])
def test_a_moment_is_a_time_to_the_second(text):
    assert chain.told(chain.moment("2026-05-01 12:00:03")) == "2026-05-01 12:00:03"
    with pytest.raises(Refused, match="expected a time in UTC"):
        chain.moment(text)


def test_a_snapshot_has_the_logs_of_a_day_that_follow_each_other():
    day = 86400
    logs = [log(1, 10), log(2, day - 1, 10), log(3, day, day - 1), log(5, day + 5)]
    assert [[item.number for item in run] for run in snapshots.runs(logs)] == [[1, 2], [3], [5]]


@pytest.mark.parametrize("content", [b"", b"\xfebin", b"[mysqld]\n", b"\xfebin" + bytes(18)])
def test_what_is_no_log_is_told(content):
    with pytest.raises(ParseError):
        events.made(io.BytesIO(content))


def pillar(options=None, **backup):
    return {
        **load_pillar("minimal"),
        "backup": backup,
        "mysql": {**load_pillar("minimal").get("mysql", {}), "config": options or {}},
    }


def test_the_server_gets_what_it_needs_where_the_pillar_does_not_say_it(resolve):
    def lines(options=None, **more):
        found = resolve(pillar(options, directory="/mnt/backups", **more))
        return [
            line
            for line in found["mysql"]["option_lines"]["mysqld"]
            if line.startswith(("log", "sync", "server", "expire"))
        ]

    plain = lines(binary_logs=True)
    assert {"log-bin = binlog", "sync-binlog = 1", "expire-logs-days = 3"} <= set(plain)
    assert any(line.startswith("server-id = ") for line in plain)
    assert not any("bin" in line for line in lines())
    own = lines({"mysqld": {"log_bin": "own", "server_id": "7"}}, binary_logs=True)
    assert {"log_bin = own", "server_id = 7"} <= set(own)
    assert not any(line.startswith(("log-bin", "server-id")) for line in own)


@pytest.mark.parametrize(
    ("options", "given", "path"),
    [
        ({}, {"binary_logs": True}, "hamysql:backup:binary_logs"),
        ({"sync_binlog": "0"}, {"directory": "/mnt/backups", "binary_logs": True}, "sync_binlog"),
        ({"log_bin": "/var/lib/mysql/x"}, {"directory": "/mnt/backups", "binary_logs": True}, "log_bin"),
        ({"skip-log-bin": None}, {"directory": "/mnt/backups", "binary_logs": True}, "skip-log-bin"),
        ({"binlog_ignore_db": "a"}, {"directory": "/mnt/backups", "binary_logs": True}, "binlog_ignore_db"),
        ({"binlog_format": "statement"}, {"directory": "/mnt/backups", "binary_logs": True}, "binlog_format"),
    ],
)
def test_what_would_leave_a_hole_in_the_logs_is_refused(resolve, options, given, path):
    with pytest.raises(ConfigError, match=path):
        resolve(pillar({"mysqld": options}, **given))
