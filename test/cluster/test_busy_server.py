"""Ten minutes of a server that has no connection and no processor left: it is busy, and nobody takes it for hung.

A lab's node has one processor, and User-Mode Linux gives it to no thread as fast as a machine does. With 150 busy connections its
corosync, though it has the highest priority, is late for its token now and then, and the node is fenced. 60 leave it in peace.
"""

from __future__ import annotations

import time

import pytest

from lab import api

pytestmark = pytest.mark.long

SERVER = "/run/mysqld/mysqld.pid"
SOCKET = "/run/mysqld/mysqld.sock"
CONNECTIONS = 60
HALF = 300  # seconds, of which the load takes WARM to come up
WARM = 40
SQL = f"mariadb --no-defaults --socket={SOCKET} --user=root"
# The second half has the connection that is kept for an administrator used as well. Each connection of a client has the server compute, one short query after the other. Beside them, four programs want the node's processor as well.
LOAD = f"""
exec >/dev/null 2>&1
for hog in 1 2 3 4; do (while :; do :; done) & done
[ "$1" = busy ] || (while :; do {SQL} --execute="SELECT SLEEP(600)"; sleep 1; done) &
exec mariadb-slap --no-defaults --socket={SOCKET} --user=busy --concurrency={CONNECTIONS} --create-schema=busy --no-drop \\
  --number-of-queries=100000000 --query="SELECT BENCHMARK(50000, SHA2('x', 512))"
"""
# What a monitor waits for, timed: the longest of all that were asked during the load.
ASK = f"""
longest=0
end=$(($(date +%s) + {HALF - WARM}))
while [ "$(date +%s)" -lt $end ]; do
  began=$(date +%s%3N)
  mariadb-admin --no-defaults --socket={SOCKET} --user=root ping >/dev/null 2>&1 || echo unanswered
  lasted=$(($(date +%s%3N) - began))
  [ $lasted -le $longest ] || longest=$lasted
  sleep 5
done
echo $longest
"""


@pytest.mark.parametrize(
    ("used", "words"),
    [("busy", "every connection of clients used"), ("all", "the administrator's as well")],
)
def test_a_busy_server_is_not_taken_for_hung(cluster, figures, used, words):
    lab, active = cluster.lab, cluster.active

    def sql(text):
        return api.ssh(lab, active, f'{SQL} --batch --skip-column-names --execute="{text}"', timeout=120).strip()

    before = sql("SELECT @@max_connections")
    sql(f"SET GLOBAL max_connections = {CONNECTIONS}; CREATE DATABASE IF NOT EXISTS busy")
    sql("CREATE USER IF NOT EXISTS busy@localhost; GRANT ALL ON busy.* TO busy@localhost")
    server = api.ssh(lab, active, f"cat {SERVER}")
    began = int(time.time())
    start = f"cat >/run/load.sh; systemd-run --quiet --unit=load sh /run/load.sh {used}"
    api.ssh(lab, active, start, stdin=LOAD)
    try:
        seen = api.ssh(
            lab, active, f"sleep {WARM}; cat /proc/loadavg; ls /proc/$(cat {SERVER})/task | wc -l", timeout=200
        )
        load, threads = float(seen.split()[0]), int(seen.split()[-1])
        assert threads > CONNECTIONS, "not every connection is used"
        assert load > CONNECTIONS / 3, "the server's threads do not run"
        answers = api.ssh(lab, active, ASK, timeout=HALF + 100).split()
    finally:
        api.ssh(lab, active, "systemctl stop load", timeout=120, check=False)
    failed = (
        f"journalctl --unit=pacemaker --since=@{began} --no-pager | grep -c 'p_mysql.*\\(error\\|Timed Out\\)' || true"
    )
    said = api.ssh(lab, active, failed).strip()
    kept = api.ssh(lab, active, f"cat {SERVER}") == server
    time.sleep(20)  # a query that runs is ended by the server, and its connection is free then
    sql(f"DROP DATABASE busy; DROP USER busy@localhost; SET GLOBAL max_connections = {before}")
    longest = int(answers[-1]) / 1000
    figures.append(f"busy server, {words}: load {load:.0f}, longest answer {longest:.1f} s, {said} monitors failed")
    assert "unanswered" not in answers
    assert (said, kept) == ("0", True), "the server was taken for hung"
