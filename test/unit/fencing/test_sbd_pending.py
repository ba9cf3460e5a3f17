"""What a running sbd differs in from the pillar: a pill must never be written for a node that does not read it."""

from __future__ import annotations

import jinja2
import pytest
from minion import load

from hamysql.fencing import sbd
from hamysql.pending import from_dicts
from hamysql.system.command import Result
from support import ROOT

OPTIONS = {"device": "/dev/disk/by-id/scsi-shared", "watchdog": "/dev/watchdog", "watchdog_timeout": "5"}
NONE = {"device": None}


@pytest.fixture
def site(resolve, pillar):
    def make(**options):
        given = pillar("fenced")
        given["fencing"]["sbd"] = {"device": "/dev/disk/by-id/scsi-shared", **options} if options != NONE else {}
        return resolve(given)

    return make


def found(site, running):
    return [(item.kind, item.path, item.old, item.new) for item in sbd.pending(site, running)]


def file(config):
    """What the highstate writes."""
    template = (ROOT / "hamysql" / "fencing" / "files" / "sbd.jinja").read_text()
    return jinja2.Template(template.replace('{%- from "hamysql/map.jinja" import hamysql with context %}', "")).render(
        hamysql=config
    )


def test_the_options_are_those_of_the_file(site):
    assert sbd.parse_file(file(site())) == OPTIONS


def test_an_sbd_that_runs_with_the_pillar_has_nothing_pending(site):
    assert found(site(), OPTIONS) == []


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("device", "/dev/disk/by-id/scsi-another", "refused"),
        ("watchdog_timeout", 15, "refused"),
        ("watchdog", "/dev/watchdog1", "restart"),
    ],
)
def test_what_the_nodes_must_agree_about_is_refused(site, option, value, kind):
    assert found(site(**{option: value}), OPTIONS) == [
        (kind, f"hamysql:fencing:sbd:{option}", OPTIONS[option], str(value))
    ]


def test_its_beginning_under_a_running_cluster_is_refused(site):
    (item,) = sbd.pending(site(), None)
    assert (item.kind, item.old, item.new) == ("refused", "no sbd", "/dev/disk/by-id/scsi-shared")
    assert "stop the cluster on both nodes" in str(item)


def test_its_end_waits_for_a_restart(site):
    assert found(site(**NONE), OPTIONS) == [("restart", "hamysql:fencing:sbd:device", OPTIONS["device"], "no sbd")]
    assert found(site(**NONE), None) == []


def test_an_sbd_that_is_not_ours_is_left_alone(site, tmp_path):
    module, config = load("_modules/hamysql_change.py", "hamysql_change_sbd"), site(**NONE)
    config["fencing"]["sbd_file"] = str(tmp_path / "sbd")
    module.run = lambda *_, **__: Result(0, "active\nactive\n")
    assert module._sbd(config) == []
    (tmp_path / "sbd").write_text("SBD_DEVICE=/dev/sdz\n")
    assert module._sbd(config) == []
    (tmp_path / "sbd").write_text(file(site()))
    (item,) = module._sbd(config)
    assert (item.kind, item.new) == ("restart", "no sbd")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("inactive\nunknown\n", []),  # before the first start
        ("active\nunknown\n", ["no sbd"]),
        ("active\nfailed\n", ["no sbd"]),
        ("active\nactive\n", []),
        ("active\nactivating\n", []),  # it waits before it starts (SBD_DELAY_START)
    ],
)
def test_the_node_says_whether_it_runs(site, tmp_path, states, expected):
    module, config = load("_modules/hamysql_change.py", "hamysql_change_sbd"), site()
    config["fencing"]["sbd_file"] = str(tmp_path / "sbd")
    (tmp_path / "sbd").write_text(file(config))

    def run(argv, accept):
        assert argv == ["systemctl", "is-active", "corosync", "sbd"]
        return Result(3, states)

    module.run = run
    module._data = module._corosync = module._storage = module._mysql = lambda _: []
    module.__salt__ = {"hamysql.config": lambda **_: config}
    assert [item.old for item in from_dicts(module.pending())] == expected
