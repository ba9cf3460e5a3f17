"""Each file's own language: what is quoted, what is refused, and what bounds the work of saying so."""

from __future__ import annotations

import pytest
import yaml

from hamysql.corosync import conf as corosync_conf
from hamysql.errors import ConfigError, ParseError
from hamysql.fencing import values as fencing_values
from hamysql.schema import language


def problems(resolve, given) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    return {problem.path: problem.expected for problem in caught.value.problems}


def test_a_switch_of_corosync_that_yaml_reads_as_a_boolean_is_the_word_that_corosync_knows(resolve, pillar):
    given = pillar("minimal")
    given["corosync"]["options"] = yaml.safe_load(
        "{logging: {debug: off, timestamp: on, to_syslog: no, fileline: yes}, quorum: {auto_tie_breaker: no},"
        " system: {sched_rr: yes, move_to_root_cgroup: no}, totem: {block_unlisted_ips: no, clear_node_high_bit: yes}}"
    )
    text = resolve(given)["corosync"]["text"]
    for line in (
        "debug: off",
        "timestamp: on",
        "to_syslog: no",
        "fileline: on",
        "auto_tie_breaker: 0",
        "sched_rr: yes",
    ):
        assert f"  {line}\n" in text
    for line in ("move_to_root_cgroup: no", "block_unlisted_ips: no", "clear_node_high_bit: yes"):
        assert f"  {line}\n" in text


def test_corosyncs_lines_are_cut_where_corosync_cuts_them():
    with pytest.raises(ParseError, match="line 2"):
        corosync_conf.parse("totem {\n  a: b{c\n}\n")


def drbd(resolve, given) -> str:
    return resolve(given)["storage"]["drbd"]["resource_texts"]["9"]


def test_words_that_drbd_would_misread_stand_in_quotes(resolve, pillar):
    given = pillar("minimal")
    disk = "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0"
    given["storage"]["drbd"] |= {"resource": "disk", "disk": disk}
    given["storage"]["drbd"]["options"] = {
        "handlers": {"split-brain": 'logger "a\\b" # x'},
        "net": {"verify-alg": "sha1"},
    }
    given["cluster"]["nodes"] = {"db1": given["cluster"]["nodes"]["db1"], "1": given["cluster"]["nodes"]["db2"]}
    text = drbd(resolve, given)
    assert 'resource "disk" {' in text
    assert '  on "1" {' in text
    assert "  on db1 {" in text
    assert f'disk "{disk}";' in text
    assert r"""split-brain "logger \"a\\b\" # x";""" in text
    assert "verify-alg sha1;" in text


@pytest.mark.parametrize("name", ["all", "global", "common", "minor-0"])
def test_a_resource_that_drbdadm_takes_for_something_else_is_refused(resolve, pillar, name):
    given = pillar("minimal")
    given["storage"]["drbd"]["resource"] = name
    assert "another name" in problems(resolve, given)["hamysql:storage:drbd:resource"]


def test_a_handler_that_drbdadm_cannot_hold_is_refused(resolve, pillar):
    given = pillar("minimal")
    for command in ("x" * 256, '"' * 128, "a\nb"):
        given["storage"]["drbd"]["options"] = {"handlers": {"split-brain": command}}
        assert "hamysql:storage:drbd:options:handlers:split-brain" in problems(resolve, given)


def test_the_link_of_replication_is_no_matter_where_nothing_is_replicated(resolve, pillar):
    given = pillar("nfs")
    for node in given["cluster"]["nodes"].values():
        node["addresses"] = node["addresses"][:1]
    given["storage"]["drbd"] = {"link": 1}
    assert resolve(given)["cluster"]["nodes"]["db1"]["replication"] == given["cluster"]["nodes"]["db1"]["addresses"][0]


@pytest.mark.parametrize(
    ("server", "right"),
    [
        ("nas-galaxy-db.storage.example.org", True),
        ("Nas.Example.Org.", True),
        ("nas-.example.org", False),
        ("nas..example.org", False),
        (".", False),
        ("a" * 64 + ".org", False),
        ("nas-galaxy-db.storage.example.org:/srv/x", False),
    ],
)
def test_the_name_of_a_host_has_labels(resolve, pillar, server, right):
    given = pillar("nfs")
    given["storage"]["nfs"]["server"] = server
    if right:
        assert resolve(given)["storage"]["nfs"]["server"] == server.lower()
    else:
        assert "hamysql:storage:nfs:server" in problems(resolve, given)


def test_hints_for_many_or_long_words_are_few_and_bounded(resolve, pillar, monkeypatch):
    compared: list[int] = []
    real = language.difflib.get_close_matches

    def close(word, known, **how):
        compared.append(len(word) * sum(map(len, known)))
        return real(word, known, **how)

    monkeypatch.setattr(language.difflib, "get_close_matches", close)
    given = pillar("minimal")
    given |= {f"mysq{number}": 1 for number in range(500)} | {"k" * 100_000: 1}
    users = [{"name": f"user{number}", "host": "%", "auth": "unix_socket"} for number in range(500)]
    given["mysql"] = {"users": users, "passwords": {f"usr{number}@%": "x" for number in range(500)}}
    given["package"] = {"versions": {f"package{number}": "1" for number in range(500)}}
    found = problems(resolve, given)
    assert len(found) >= 1500
    assert len(compared) <= 20
    assert max(compared) <= 60 * 60 * 100
    assert max(map(len, found.values())) < 5000
    assert found["hamysql:mysq0"] == "'mysql', the nearest known key"


@pytest.mark.parametrize("text", ["CORP\\svc", "b\u00fcro", 'a"b', "#x=y", "a b", "{}"])
@pytest.mark.parametrize("kind", ["options", "secrets"])
def test_a_fence_agent_gets_what_it_can_read(resolve, pillar, kind, text):
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0].setdefault(kind, {})["username" if kind == "options" else "password"] = text
    found = next(device for device in resolve(given)["fencing"]["devices"] if device["node"] == "db2")
    assert text in found[kind].values()


@pytest.mark.parametrize("text", [" a", "a ", '"a"', "a\nb", ""])
@pytest.mark.parametrize("kind", ["options", "secrets"])
def test_what_a_fence_agent_would_read_as_something_else_is_refused(resolve, pillar, kind, text):
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0].setdefault(kind, {})["port"] = text
    assert f"hamysql:fencing:devices:db2:0:{kind}:port" in problems(resolve, given)


@pytest.mark.parametrize("value", ["\u00a1<", "b\u00fcro & co", 'CORP\\\u00e9"x'])
def test_pacemaker_escapes_nothing_behind_a_letter_beyond_ascii(value):
    with pytest.raises(ValueError):
        fencing_values.option(value)


@pytest.mark.parametrize("value", ["<\u00a1", "b\u00fcro", "a & <b>", "CORP\\sv\u00e9"])
def test_what_pacemaker_prints_again_is_taken_as_it_is(value):
    assert fencing_values.option(value) == value


def test_a_privilege_is_refused_where_no_server_grants_it_with_the_reason(resolve, pillar):
    given = pillar("minimal")
    grants = [{"privileges": ["SELECT", "PROCESS"], "on": "app.*"}, {"privileges": ["LOCK TABLES"], "on": "app.t"}]
    grants += [{"privileges": ["SELECT (id)"], "on": "app.*"}, {"privileges": ["PROXY"], "on": "*.*"}]
    given["mysql"] = {"users": [{"name": "app", "host": "%", "auth": "unix_socket", "grants": grants}]}
    found = {
        path.removeprefix("hamysql:mysql:users:0:grants:"): text for path, text in problems(resolve, given).items()
    }
    assert found["0:privileges:1"] == "'on' to be '*.*': PROCESS is a privilege on the whole server"
    assert "whole database" in found["1:privileges:0"]
    assert "one table" in found["2:privileges:0"]
    assert "PROXY" in found["3:privileges:0"]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("operations", "path"),
    [
        ({"p_mysql": {"stop": {"interval": "20s"}}}, "p_mysql:stop:interval"),
        ({"p_drbd_mysql": {"monitor_promoted": {"interval": "30000ms"}}}, "p_drbd_mysql:monitor_unpromoted:interval"),
    ],
)
def test_operations_that_pacemaker_would_ignore_are_refused(resolve, pillar, operations, path):
    given = pillar("minimal")
    given["pacemaker"] = {"operations": operations}
    assert f"hamysql:pacemaker:operations:{path}" in problems(resolve, given)


def test_an_operation_that_is_said_to_be_done_once_is(resolve, pillar):
    given = pillar("minimal")
    given["pacemaker"] = {"operations": {"p_mysql": {"start": {"interval": 0}}}}
    assert resolve(given)["pacemaker"]["operations"]["p_mysql"]["start"]["interval"] == "0s"


def test_a_handler_that_is_called_like_a_keyword_is_a_string(resolve, pillar):
    given = pillar("minimal")
    given["storage"]["drbd"]["options"] = {"handlers": {"split-brain": True}, "net": {"tcp-cork": False}}
    text = drbd(resolve, given)
    assert 'split-brain "yes";' in text
    assert "tcp-cork no;" in text
