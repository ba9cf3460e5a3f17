"""The page docs/operations/replica.md, followed with two real servers; a cluster that was restored; a replica that insists on TLS."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import time

import certificates
import pytest
from test_replica import empty as empty
from test_replica import pytestmark as pytestmark
from test_replica import world as world

from hamysql.backup import restore
from hamysql.errors import Refused
from hamysql.master.replicas import situation
from hamysql.replica import account, record, site, verbs
from hamysql.replica import server as replica_server
from hamysql.system import command, root, wait
from support import ROOT

PAGE = (ROOT / "docs" / "operations" / "replica.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^ *# salt reports\.example\.org hamysql_replica\.(\w+)(.*)$", re.MULTILINE)


@pytest.fixture
def module(world, monkeypatch):
    """The execution module on the replica's machine."""
    spec = importlib.util.spec_from_file_location("hamysql_replica_module", ROOT / "_modules" / "hamysql_replica.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    monkeypatch.setattr(found, "__pillar__", {}, raising=False)
    monkeypatch.setattr(found, "run", world.run)
    file = root.at(str(site.FILE))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(world.task))
    return found


def steps(section):
    """The commands for the replica's machine in a part of the page, as functions and arguments."""
    text = PAGE.partition(f"\n{section}\n")[2]
    text = re.split(r"\n#{2,3} ", text)[0]
    found = []
    for name, words in COMMAND.findall(text):
        given = dict(word.split("=", 1) for word in words.split())
        found.append((name, {key: value.replace("CLUSTER", "galaxy-db") for key, value in given.items()}))
    return found


def test_the_runbook_of_a_promotion_and_the_way_back(world, module):
    world.seed()
    world.source.sql("INSERT INTO shop.orders VALUES (2);")
    world.caught_up()
    world.source.end(signal.SIGKILL)
    ((look, nothing), (promote, confirmed)) = steps("## Promotion")
    assert (look, promote) == ("look", "promote")
    before = module.look(**nothing)["following"]
    assert before["position"] == before["received"], "all that was received is applied"
    with pytest.raises(Refused, match="say confirm=galaxy-db"):
        module.promote()
    module.promote(**confirmed)
    # The page's check: a row of a client, and what `look` says.
    world.replica.sql("CREATE USER app@localhost IDENTIFIED BY 'canary'; GRANT INSERT ON shop.* TO app@localhost;")
    world.replica.server.login("app", "canary", "INSERT INTO shop.orders VALUES (3);")
    after = module.look()
    assert after["record"]["stage"] == "promoted"
    assert (after["following"]["source"], after["following"]["read_only"]) == ("", False)
    assert world.replica.rows() == [1, 2, 3]
    ((back_up, nothing),) = steps("### The way back")
    assert back_up == "back_up"
    said = module.back_up(**nothing)
    # The cluster sees it among its backups, and it can be restored.
    world.source.start()
    proof = restore.tried(command.run, world.site, said["name"], scratch=world.path / "scratch")
    assert proof["tables"] > 20


def test_a_backup_is_refused_before_a_promotion(world, module):
    world.seed()
    with pytest.raises(Refused, match="the node that serves takes the backups"):
        module.back_up()


def restored(world):
    """As after a restore: binary logs begin anew, and the numbers of transactions with them."""
    world.source.sql("RESET MASTER; DELETE FROM shop.orders WHERE id > 1;")


def write(world, first, last):
    world.source.sql(*(f"INSERT INTO shop.orders VALUES ({number});" for number in range(first, last)))


def test_a_replica_that_meets_a_restored_cluster_at_once_is_told_and_seeded_again(world):
    world.seed()
    write(world, 2, 12)
    world.caught_up()
    restored(world)
    write(world, 50, 51)
    world.source.end()
    world.source.start()
    wait.until(lambda: world.server.following()["ended"], bool, "the replica has stopped", timeout=60)
    assert world.situation().kind == situation.BROKEN
    assert 50 not in world.replica.rows()
    world.again()
    world.seed()
    assert world.replica.rows() == [1, 50]


@pytest.mark.parametrize("renumbered", [True, False])
def test_a_replica_that_was_away_during_a_restore_does_not_follow_into_other_data(world, renumbered):
    """Its last number is one of the new binary logs by then. Without other numbers it goes on, and nobody is told."""
    world.seed()
    write(world, 2, 5)
    world.caught_up()
    world.replica.end()
    restored(world)
    if renumbered:
        assert account.renumber(command.run, world.source.server.config, time.time())
        assert not account.renumber(command.run, world.source.server.config, time.time()), "once is enough"
    write(world, 50, 90)
    world.replica.start()
    if renumbered:
        wait.until(lambda: world.server.following()["ended"], bool, "the replica has stopped", timeout=60)
        found = world.situation()
        assert found.kind == situation.BROKEN
        assert world.replica.rows() == [1, 2, 3, 4]
        world.again()
        world.seed()
        assert world.replica.rows() == world.source.rows()
        write(world, 90, 93)
        world.caught_up()
        assert world.replica.rows() == world.source.rows(), "the numbers go on from there"
    else:
        world.caught_up()
        assert world.situation().kind == situation.FOLLOWS
        assert world.replica.rows() != world.source.rows(), "this is what the numbers are for"


def with_tls(world, address):
    """The source has a certificate for an address, and the replica's machine its authority."""
    pair = certificates.pair("db", extensions=f"subjectAltName=IP:{address}\n")
    folder = world.path / "tls"
    folder.mkdir()
    for name, text in pair.items():
        (folder / name).write_text(text)
    authority = folder / "ca"
    tls = [f"ssl-{name} = {folder}/{name}" for name in ("ca", "cert", "key")]
    world.source.options.write_text("\n".join([world.source.options.read_text(), *tls, ""]))
    world.source.end()
    world.source.start()
    world.source.server.config["tls"] = {"enabled": True, **pair}
    verify = account.has_address(command.run, world.source.server.config["tls"], "127.0.0.1")
    world.task |= {"tls": True, "ca": str(authority), "verify": verify}
    return verify


def test_it_insists_on_the_certificate_of_the_virtual_ip(world):
    assert with_tls(world, "127.0.0.1") is True
    world.seed()
    required = "SELECT ssl_type FROM mysql.user WHERE User = 'hamysql-replica';"
    assert world.source.sql(required) == ["ANY"], "the account is let in by TLS alone"
    ciphers = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'hamysql-replica';"
    assert world.source.sql(ciphers) == ["1"]
    # Another machine in the middle: its authority is not the one that the replica trusts.
    other = certificates.pair("db", by="other", extensions="subjectAltName=IP:127.0.0.1\n")
    world.source.end()
    for name in ("cert", "key"):
        (world.path / "tls" / name).write_text(other[name])
    world.source.start()
    wait.until(
        lambda: world.server.following()["error"],
        lambda error: re.search("(?i)certificate|ssl|tls", error),
        "the replica refuses it",
        timeout=60,
    )
    assert world.situation().kind in (situation.FOLLOWS, situation.BROKEN)
    assert list(situation.trouble("reports", world.situation(), replica_server.look(world.server), 300))


def test_a_certificate_without_the_address_encrypts_and_is_not_insisted_on(world):
    assert with_tls(world, "192.0.2.9") is False
    world.seed()
    assert world.situation().kind == situation.FOLLOWS
    assert world.server.following()["receives"] == "Yes"


def test_the_password_is_not_in_what_the_module_says(world, module):
    digest = module.digest()
    assert digest == verbs.digest(world.server)
    said = json.dumps([module.look(), module.there(), digest])
    assert record.password() not in said
