"""The states of TLS: rendered without a key, in the order in which a server can bear them, and gone when it left the pillar."""

from __future__ import annotations

import json

import certificates
import pytest
from salt_node import SYSTEMS, Node

from hamysql.schema.language import MASK
from support import load_pillar

PAIR = certificates.pair()


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    made = []

    def node(said, system="debian12"):
        given = load_pillar("minimal")
        given["mysql"] = {"tls": said}
        made.append(Node(tmp_path_factory.mktemp("tls") / "root", given, system))
        return made[-1]

    yield node
    for one in made:
        one.end()


def lines_of(key: str) -> list[str]:
    return key.splitlines()[1:-1]


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "centos6"])  # which has a pillar of its own
def test_the_highstate_lays_the_files_down_before_the_options_that_name_them(make, system):
    node = make({**PAIR, "required": True}, system)
    low = node.low()
    names = [chunk["__id__"] for chunk in low]
    order = [
        "hamysql-package-installed",
        "hamysql-mysql-tls-installed",
        "hamysql-mysql-config-file-managed",
        "hamysql-change-applied",
    ]
    assert [name for name in names if name in order] == order
    chunks = {chunk["__id__"]: chunk for chunk in low}
    assert {"hamysql_tls": "hamysql-mysql-tls-installed"} in chunks["hamysql-mysql-config-file-managed"]["require"]
    assert {"hamysql_change": "hamysql-change-possible"} in chunks["hamysql-mysql-tls-installed"]["require"]
    assert "openssl" in chunks["hamysql-package-installed"]["pkgs"]
    assert "hamysql-mysql-tls-absent" not in names
    shown = json.dumps([low, node.call("hamysql.settings"), node.call("hamysql_tls.judge")])
    assert not [line for line in lines_of(PAIR["key"]) if line in shown]
    assert node.call("hamysql.settings")["mysql"]["tls"]["key"] == MASK


def test_the_option_file_names_the_files(make):
    text = make({**PAIR, "required": True}).call(
        "slsutil.renderer", "salt://hamysql/mysql/files/hamysql.cnf.jinja", default_renderer="jinja", saltenv="base"
    )
    for name in ("cert", "key", "ca"):
        assert f"\nssl_{name} = /etc/hamysql/tls/current/{name}.pem\n" in text
    assert "\nrequire_secure_transport = ON\n" in text


def test_files_that_left_the_pillar_go_after_the_options_and_only_where_there_are_any(make, tmp_path, monkeypatch):
    assert "tls" not in json.dumps([chunk["__id__"] for chunk in make({}).low("hamysql.mysql")])
    monkeypatch.setattr("hamysql.mysql.tls.files.FOLDER", str(tmp_path))
    (chunk,) = [chunk for chunk in make({}).low("hamysql.mysql") if "tls" in chunk["__id__"]]
    assert (chunk["state"], chunk["fun"]) == ("file", "absent")
    assert {"file": "hamysql-mysql-config-file-managed"} in chunk["require"]


def test_a_whole_test_run_shows_no_key(make):
    told = make({**PAIR, "required": True}).call("state.apply", "hamysql.mysql", test=True)
    ret = next(ret for ret in told.values() if ret["__id__"] == "hamysql-mysql-tls-installed")
    assert ret["result"] is None, ret
    assert ret["changes"]["/etc/hamysql/tls/current/key.pem"] == {"old": "", "new": "the pillar's key"}
    assert not [line for line in lines_of(PAIR["key"]) if line in json.dumps(told)]
