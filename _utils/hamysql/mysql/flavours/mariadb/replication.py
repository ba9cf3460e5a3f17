"""How MariaDB replicates: by global transaction identifiers, which are the same before and after a failover. Pure.

Sources: MariaDB's manual, "Global Transaction ID", "CHANGE MASTER TO", "SHOW REPLICA STATUS".
"""

from __future__ import annotations

import re

from hamysql.errors import ParseError, Refused
from hamysql.mysql.flavours.allowed import number
from hamysql.mysql.flavours.replication import Following, Replication, Source
from hamysql.mysql.sql import PROLOGUE, text, unescape

_POSITION = re.compile(r"\d+-\d+-\d+(?:,\d+-\d+-\d+)*")
_BY_TIME = 10**15  # numbers from here on are microseconds since 1970: no server has written so many transactions
_RETRY = 5  # seconds between two attempts to connect: a failover takes some
_QUIETLY = "SET SESSION sql_log_off = 1; SET SESSION slow_query_log = 0; SET SESSION sql_log_bin = 0;\n"


class MariaDBs(Replication):
    """MariaDB's, from 10.5 on."""

    options = {
        "read-only": "ON",  # its clients read; root is excepted, and what it writes is seen in its binary log
        "relay-log": "relay",
        # After a crash nothing of a half written relay log is used: it gets all again from its position, a row of InnoDB's.
        "relay-log-recovery": "ON",
        "log-bin": "binlog",
        "log-slave-updates": "OFF",  # so that its binary log has what others than the cluster have written, and nothing else
        "gtid-strict-mode": "ON",
        # A node that died says nothing. After so many seconds without a word the replica connects anew; its source gives a sign of
        # life at half of them.
        "slave-net-timeout": "10",
        "master-retry-count": "0",  # for ever
        "event-scheduler": "OFF",  # a copy of the data has the cluster's events, and they run there
    }
    own = frozenset((*(name.replace("-", "_") for name in options), "bind_address", "server_id", "skip_slave_start"))
    apart = ("ssl_", "require_secure_transport", "bind_address", "server_id", "extra_port", "log_bin", "init_file")
    guarded = {
        "innodb_flush_log_at_trx_commit": number(
            "1", "3", why="after a power cut, a replica would have what the cluster has lost"
        )
    }
    privilege = "REPLICATION SLAVE"
    ask = ("--column-names",)
    source_query = (
        "SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.log_bin, @@GLOBAL.sync_binlog,"
        " @@GLOBAL.innodb_flush_log_at_trx_commit;\n"
    )
    state_query = (
        "SHOW SLAVE STATUS;\nSELECT @@GLOBAL.gtid_slave_pos AS slave_pos, @@GLOBAL.gtid_binlog_pos AS own_pos,"
        " @@GLOBAL.read_only AS read_only;\n"
    )
    start = "START SLAVE;\n"
    stop = "STOP SLAVE;\n"
    receive_no_more = "STOP SLAVE IO_THREAD;\n"
    forget = "STOP SLAVE; RESET SLAVE ALL;\n"
    writable = "SET GLOBAL read_only = OFF;\n"

    def unfit(self, output: str) -> tuple[str, list[str]]:
        position, logs, synchronised, flushed = _cells(output, 4)
        found = []
        if logs != "1":
            found.append("it writes no binary logs yet: it has to be restarted, which the deployment says")
        if synchronised != "1":
            found.append(f"sync_binlog is {synchronised}, expected 1: a power cut would take away what a replica has")
        if flushed not in ("1", "3"):
            found.append(
                f"innodb_flush_log_at_trx_commit is {flushed}, expected 1: a power cut would take away what a replica has"
            )
        return position, found

    def following(self, output: str) -> Following:
        lines = output.splitlines()
        begin = next((number for number, line in enumerate(lines) if line.startswith("slave_pos\t")), None)
        if begin is None:
            raise ParseError("the database does not tell its replication's position")
        position, own, read_only = _cells("\n".join(lines[begin + 1 :]), 3)
        found: Following = {
            "source": "",
            "receives": "No",
            "applies": "No",
            "ended": False,
            "error": "",
            "lag": None,
            "position": position,
            "received": "",
            "own": own,
            "read_only": read_only == "1",
        }
        if begin < 2:
            return found
        row = dict(zip(lines[0].split("\t"), lines[1].split("\t")))
        receives, applies = row["Slave_IO_Running"], row["Slave_SQL_Running"]
        errors = {"Slave_IO": row["Last_IO_Error"], "Slave_SQL": row["Last_SQL_Error"]}
        lag = row["Seconds_Behind_Master"]
        return {
            **found,
            "source": f"{row['Master_Host']}:{row['Master_Port']}"
            if row["Using_Gtid"] == "Slave_Pos"
            else "another one",
            "receives": receives,
            "applies": applies,
            "ended": any(error and row[f"{thread}_Running"] == "No" for thread, error in errors.items()),
            "error": "; ".join(unescape(error) for error in errors.values() if error),
            "lag": int(lag) if lag.isdigit() else None,
            "received": row["Gtid_IO_Pos"],
        }

    def position(self, noted: str) -> str:
        found = "".join(noted.split()[2:])
        if not _POSITION.fullmatch(found):
            raise Refused(
                f"the backup has no position that a replica could begin at ({noted or 'none'}): it was taken before the server "
                "wrote binary logs. Take another one, `salt-run state.orchestrate hamysql.orch.backup`"
            )
        return found

    def begin_at(self, position: str, source: Source) -> str:
        if not _POSITION.fullmatch(position):
            raise Refused(f"{position!r} is no position of MariaDB's")
        words = [
            f"MASTER_HOST = {text(source.address)}",
            f"MASTER_PORT = {source.port}",
            f"MASTER_USER = {text(source.user)}",
            f"MASTER_PASSWORD = {text(source.password)}",
            f"MASTER_CONNECT_RETRY = {_RETRY}",
            "MASTER_USE_GTID = slave_pos",
            f"MASTER_SSL = {int(source.tls)}",
        ]
        if source.tls:
            words.append(f"MASTER_SSL_VERIFY_SERVER_CERT = {int(source.verify)}")
        if source.tls and source.ca:
            words.append(f"MASTER_SSL_CA = {text(source.ca)}")
        return (
            f"{PROLOGUE}{_QUIETLY}STOP SLAVE; RESET SLAVE ALL; RESET MASTER;\n"
            f"SET GLOBAL gtid_slave_pos = {text(position)};\nCHANGE MASTER TO {', '.join(words)};\n"
        )

    def renumbered(self, position: str, moment: float) -> str:
        # A replica says its last number, and its strict mode has the server refuse one that is not in its binary logs.
        if any(int(item.rpartition("-")[2]) >= _BY_TIME for item in position.split(",") if item):
            return ""
        return f"SET SESSION gtid_seq_no = {int(moment * 1e6)};\nFLUSH PRIVILEGES;\n"  # a statement that is logged

    def reached(self, position: str) -> str:
        return f"SELECT MASTER_GTID_WAIT({text(position)}, 0);\n"


def _cells(output: str, count: int) -> list[str]:
    found = output.rstrip("\n").split("\t")
    if len(found) != count:
        raise ParseError(f"the database answered with {len(found)} columns of its replication, expected {count}")
    return found


REPLICATION = MariaDBs()
