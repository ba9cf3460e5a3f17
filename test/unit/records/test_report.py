"""The support bundle: every secret of every pillar stands in every source, and in none of the bundle's files.

The members' modules are the product's; what they run is faked, and so is Salt.
"""

from __future__ import annotations

import html
import importlib.util
import json
import stat
import tarfile
from types import SimpleNamespace
from urllib.parse import quote

import lab_node
import pytest
from answering import NAMES, Cluster, fails
from minion import CODE

from hamysql.errors import CommandFailed, Refused
from hamysql.master import report
from hamysql.master.members import Members
from hamysql.records import bundle, masks
from hamysql.records.checkpoints import Store
from hamysql.system import files
from hamysql.system.command import Result
from support import PILLARS, ROOT, load_pillar, secrets_of

STALE = "canary-that-left-the-pillar"
CONF = """resource mysql {{ net {{
  shared-secret "{stale}";
}} }}
{rest}
"""
CIB = """<cib validate-with="pacemaker-3.9" epoch="1"><configuration><crm_config/><nodes/><resources>
<primitive id="p_x" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="p_x-i">
<nvpair id="p_x-a" name="anything" value="{stale}"/><nvpair id="p_x-b" name="state" value={secret}/>
</instance_attributes></primitive></resources><constraints/>
<tags><tag id="hamysql-configure"><obj_ref id="p_x"/></tag></tags></configuration><status/></cib>"""


def forms(secret):
    """How programs write it."""
    return [
        secret,
        json.dumps(secret),
        html.escape(secret),
        quote(secret, safe=""),
        repr(secret),
        *(line for line in secret.splitlines() if len(line) > 5 and not line.startswith("-----")),
    ]


def load(folder, name, **dunders):
    spec = importlib.util.spec_from_file_location(f"tested_{name}", ROOT / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    vars(module).update(dunders)
    spec.loader.exec_module(module)
    return module


class Bundled(Cluster):
    """A cluster whose every program, log and file has all secrets of its pillar."""

    def __init__(self, pillar, resolve, monkeypatch, tmp_path):
        super().__init__()
        self.pillar, self.silent, self.ran = pillar, set(), []
        self.secrets = list(dict.fromkeys([*secrets_of(pillar), *masks.of_pillar(pillar)]))
        said = [form for secret in self.secrets for form in forms(secret)]
        self.text = (
            "\n".join([f"Jan 31 pacemaker-execd: notice: {form} end" for form in said]) + f"\npassword={STALE} x\n"
        )
        path = tmp_path / "everything"
        path.write_text(CONF.format(stale=STALE, rest=self.text) + f"report-password = {STALE}\n")
        site = resolve(pillar, nodename=pillar_node(pillar), minion_id=pillar_node(pillar))
        site["corosync"]["logfile"] = site["mysql"]["error_log"] = site["mysql"]["config_fragment"] = str(path)
        dunders = {
            "__salt__": {"hamysql.config": lambda **_: site},
            "__pillar__": {"hamysql": pillar},
            "__opts__": {"cachedir": str(tmp_path)},
        }
        reporting = load("_modules", "hamysql_report", **dunders)
        keeping = load("_modules", "hamysql_checkpoint", **dunders)
        for module in (reporting, keeping):
            monkeypatch.setattr(module, "run", self.run)
        monkeypatch.setattr(bundle, "PACEMAKER_LOG", str(path))
        monkeypatch.setattr(keeping, "STORE", Store(tmp_path / "checkpoints"))
        monkeypatch.setattr(keeping.node_ids, "FILE", path)
        monkeypatch.setattr(type(keeping.backends.used(site)), "files", lambda *_: [str(tmp_path / "drbd.res")])
        (tmp_path / "drbd.res").write_text(path.read_text())
        for seen in self.surveys.values():
            seen["facts"]["odd"] = {self.text: [self.text]}
            seen["settings"]["warnings"] = [self.text]
        self.answers |= {
            "hamysql_report.sources": lambda _: reporting.sources(),
            "hamysql_report.collect": lambda _, **kwargs: reporting.collect(**kwargs),
            "hamysql_checkpoint.show": lambda _: keeping.show(),
            "hamysql_checkpoint.list": lambda _: keeping.list_(),
            "hamysql_node.details": fails(f"pacemaker says {self.text}"),
        }
        master = SimpleNamespace(
            code=CODE,
            opts={"cachedir": str(tmp_path)},
            served=["/srv/salt"],
            pillars=lambda _: {"db1": pillar},
        )
        members = Members("galaxy-db", {name: name for name in NAMES}, self.call, lab_node.PILLARS)
        self.view = SimpleNamespace(master=master, members=members)

    def run(self, argv, *, stdin=None, timeout=60, accept=(0,), env=None):
        self.ran.append(tuple(argv))
        if argv[0] == "cibadmin":
            return Result(0, CIB.format(stale=STALE, secret=json.dumps(html.escape(self.secrets[0]))))
        return Result(0, self.text, self.text)

    def call(self, minions, function, kwargs, timeout):
        return super().call([minion for minion in minions if minion not in self.silent], function, kwargs, timeout)

    def made(self, **options):
        given = {"since": "2h", "until": "now", "path": None, "plan": lambda: self.text, "say": lambda text: None}
        said = report.report(self.view, **{**given, **options})
        with tarfile.open(said["file"]) as tar:
            return said, {item.name.partition("/")[2]: tar.extractfile(item).read().decode() for item in tar}


def pillar_node(pillar):
    return next(iter(pillar["cluster"]["nodes"]))


@pytest.fixture
def make(resolve, monkeypatch, tmp_path):
    return lambda name="minimal": Bundled(load_pillar(name), resolve, monkeypatch, tmp_path)


@pytest.mark.parametrize("name", PILLARS)
def test_no_secret_of_a_pillar_is_in_the_bundle(make, name):
    cluster = make(name)
    said, found = cluster.made()
    assert len(found) > 30
    secrets = [form for secret in [*cluster.secrets, STALE] for form in forms(secret)]
    left = {(file, secret) for file, text in found.items() for secret in secrets if secret in text}
    assert left == set()
    assert not [file for file, text in found.items() if "canary" in text]
    for file in ("db1/pacemaker.journal", "db2/database-error.log", "db1/crm_mon.txt", "plan.txt", "db2/survey.json"):
        assert masks.HIDDEN in found[file], file
    assert stat.S_IMODE(files.os.stat(said["file"]).st_mode) == 0o600


def test_it_has_what_a_supporter_asks_for(make):
    cluster = make()
    said, found = cluster.made(since="2026-01-31 09:30", until="2026-01-31 10:30")
    for node in NAMES:
        assert {
            f"{node}/{name}" for name in ("corosync.journal", "kernel.journal", "survey.json", "pacemaker.log")
        } <= set(found)
        assert f"{node}/configuration/var/lib/pacemaker/cib/cib.xml" in found
    assert {"README.txt", "status.json", "plan.txt", "missing.txt", "checkpoints.txt"} <= set(found)
    assert "2026-01-31 09:30:00Z to 2026-01-31 10:30:00Z" in found["README.txt"]
    journals = [argv for argv in cluster.ran if argv[0] == "journalctl"]
    assert all({"--since=@1769851800", "--until=@1769855400"} <= set(argv) for argv in journals)
    assert said["size"] > 1000


def test_it_is_made_while_a_node_is_down_and_says_what_is_missing(make):
    cluster = make()
    cluster.silent = {"db2"}
    said, found = cluster.made()
    assert any("db2 (minion db2) does not answer" in line for line in said["missing"])
    assert "db2 (minion db2) does not answer" in found["missing.txt"]
    assert not [name for name in found if name.startswith("db2/")]
    assert [name for name in found if name.startswith("db1/")]


def test_a_source_that_fails_is_missing_and_no_more(make):
    cluster = make()
    collect = cluster.answers["hamysql_report.collect"]
    broken = fails("no journal files were found")
    cluster.answers["hamysql_report.collect"] = lambda minion, **kwargs: (
        broken(minion) if kwargs["name"] == "corosync.journal" else collect(minion, **kwargs)
    )
    said, found = cluster.made()
    assert "corosync.journal: " in said["missing"][0]
    assert "db1/pacemaker.journal" in found


def test_units_that_have_never_said_anything_have_an_empty_journal(resolve):
    """As on nodes that were deployed a moment ago (systemd 252)."""
    site = resolve(load_pillar("minimal"))

    def journalctl(said):
        def run(argv, **options):
            raise CommandFailed(argv, 1, said)

        return run

    read = bundle.sources(site)["hamysql.journal"]
    silent = journalctl("Failed to add filter for units: No data available")
    assert read(silent, 0, 1) == "(no unit of that name has said anything)\n"
    with pytest.raises(CommandFailed, match="No journal files"):
        read(journalctl("No journal files were opened due to insufficient permissions."), 0, 1)


def test_what_is_there_is_never_overwritten_nor_served(make, tmp_path):
    cluster = make()
    place = tmp_path / "report.tar.gz"
    place.write_text("mine")
    with pytest.raises(Refused, match="files are never overwritten"):
        cluster.made(path=str(place))
    cluster.view.master.served = [str(tmp_path)]
    with pytest.raises(Refused, match="every minion can read"):
        cluster.made(path=str(tmp_path / "other.tar.gz"))
    assert place.read_text() == "mine"


def test_what_a_killed_run_has_left_goes_with_the_next(make, tmp_path):
    cluster = make()
    left = tmp_path / "hamysql" / "reports" / ".making-galaxy-db-20260131T100000Z.tar.gz"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    said, _ = cluster.made()
    assert [str(path) for path in left.parent.iterdir()] == [said["file"]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 1000000.0),
        ("30min", 998200.0),
        ("2h", 992800.0),
        ("1d", 913600.0),
        ("1970-01-02 00:00", 86400.0),
        ("1970-01-02 00:00:05 UTC", 86405.0),
        ("19700102T000000Z", 86400.0),
    ],
)
def test_a_time_is_read(text, seconds):
    assert report.moment(text, 1000000.0) == seconds


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "", "--help", "32-01-2026"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Refused, match="is no time"):
        report.moment(text, 0)


def test_a_window_has_an_end_behind_its_begin():
    with pytest.raises(Refused, match="is not before"):
        report.window("1h", "2h", 1000000.0)


def test_a_text_that_is_too_long_loses_its_oldest_lines():
    lines = [f"{number} {'x' * (number % 97)} {number * 7919}\n" for number in range(50_000)]
    packed = bundle.pack("".join(lines), room=20_000)
    assert len(packed["data"]) <= 20_000
    text = bundle.unpack(packed)
    assert text.startswith(f"(the oldest {packed['left_out']} lines are left out)\n")
    assert text.endswith(lines[-1])
    assert bundle.unpack(bundle.pack("short\n")) == "short\n"


def test_the_end_of_a_log_is_read_and_no_link_is_followed(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\n")
    assert files.tail(log) == "one\ntwo\nthree\n"
    assert files.tail(log, 8) == "three\n"
    (tmp_path / "link").symlink_to(log)
    with pytest.raises(files.Unreadable):
        files.tail(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        files.tail(tmp_path / "none")


def test_an_unknown_source_is_refused(make):
    with pytest.raises(Refused, match="there is no source"):
        bundle.read(None, {"corosync": {"logfile": ""}, "mysql": {"error_log": ""}}, "/etc/shadow", 0, 1)


def test_short_secrets_are_hidden_where_they_stand_alone_and_times_are_none():
    hide = masks.Masks(["a", "42"]).hide
    assert (
        hide("a man, password a; 42 and 1042")
        == f"{masks.HIDDEN} man, password {masks.HIDDEN}; {masks.HIDDEN} and 1042"
    )
    assert masks.of_pillar({"corosync": {"token": 3000, "authkey": "k" * 128}}) == ["k" * 128]
    assert masks.of_pillar({"unknown": {"password": "canary"}, "mysql": None}) == ["canary"]
    assert masks.of_pillar("nothing of a pillar") == []


def test_a_secret_of_a_file_goes_and_a_time_stays():
    assert (
        masks.file('  shared-secret "x y";\n  ping-int 10;\n') == f"  shared-secret {masks.HIDDEN};\n  ping-int 10;\n"
    )
    assert masks.cib("no xml") == "(what was found is no cluster configuration)\n"
