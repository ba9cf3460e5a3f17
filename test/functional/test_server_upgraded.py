"""The server's own tables are brought to its release only where that is needed, by the real mariadb-upgrade on a real server."""

from __future__ import annotations

import importlib.util

import pytest
from database_server import MISSING, running

from support import ROOT

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def test_the_servers_own_tables_are_upgraded_where_they_are_older(tmp_path):
    spec = importlib.util.spec_from_file_location("tested_hamysql_update", ROOT / "_modules" / "hamysql_update.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with running(tmp_path) as server:
        module.__salt__ = {"hamysql.config": lambda: {"mysql": server.config}}
        (info,) = [path for path in (tmp_path / "data").glob("*_upgrade_info")] or [
            tmp_path / "data" / "mysql_upgrade_info"
        ]
        info.write_text("10.3.1-MariaDB")
        assert module.tables() == "mariadb-upgrade"
        assert module.tables() == ""
