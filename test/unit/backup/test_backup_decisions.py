"""When a backup is due, which ones go, and what the pillar may say."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from hamysql.backup import job, manifest, restic
from hamysql.errors import ConfigError, ParseError
from hamysql.schema import language
from support import load_pillar


def at(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("names", "now", "late"),
    [
        ([], "2026-01-31 12:00", 9 * 3600),
        (["20260131T030005Z"], "2026-01-31 12:00", None),
        (["20260130T030005Z"], "2026-01-31 02:59", None),
        (["20260130T030005Z"], "2026-01-31 03:00", 0),
        # Nobody served at 03:00, or the service moved then.
        (["20260130T030005Z"], "2026-01-31 05:15", 2.25 * 3600),
        # One that was taken by hand in the evening does not stand for that of the night.
        (["20260130T200000Z"], "2026-01-31 03:10", 600),
        (["20260131T030005Z", "20260129T030000Z"], "2026-01-31 12:00", None),
    ],
)
def test_a_backup_is_due_from_its_time_on_until_there_is_one(names, now, late):
    assert manifest.due(names, "03:00", at(now)) == late


def kept(*names, proven=()):
    return [{"manifest": {"name": name}, "proof": {} if name not in proven else {"when": "x"}} for name in names]


def test_the_newest_stay_and_the_newest_proven_one():
    assert manifest.gone(kept("5", "4", "3", "2", "1"), 2) == ["3", "2", "1"]
    assert manifest.gone(kept("5", "4", "3", "2", "1", proven=("3", "1")), 2) == ["2", "1"]
    assert manifest.gone(kept("5", "4", proven=("5",)), 7) == []


@pytest.mark.parametrize(
    ("proofs", "now", "due"),
    [
        ([None, None], "2026-01-31 05:00", True),
        ([], "2026-01-31 12:00", False),
        (["2026-01-24 05:01:00Z", None], "2026-01-31 12:00", False),  # the newest one is proven
        ([None, "2026-01-24 05:07:00Z"], "2026-01-31 04:59", False),
        ([None, "2026-01-24 05:07:00Z"], "2026-01-31 05:00", True),
        ([None, "2026-01-25 05:07:00Z"], "2026-01-31 12:00", False),
        ([None, None, "2025-01-25 05:07:00Z"], "2026-01-31 12:00", True),
    ],
)
def test_the_newest_backup_is_tried_out_each_week(proofs, now, due):
    found = [{"manifest": {}, "proof": {"when": when} if when else None} for when in proofs]
    assert manifest.proof_due(found, "05:00", 7, at(now)) is due


def test_the_newest_backup_and_proof_are_told_from_a_list_of_files():
    listed = "20260131T030000Z/manifest.json 1\n20260130T030000Z/manifest.json 2\n20260130T030000Z/proof.json 1769835600.5\n.x/manifest.json 9\nlogs/point 1769839200.0\n"
    assert manifest.glance(listed) == {
        "newest": "2026-01-31T03:00:00Z",
        "proven": "2026-01-31T05:00:00Z",
        "point": "2026-01-31T06:00:00Z",
    }
    assert manifest.glance("") == {"newest": None, "proven": None, "point": None}


def test_a_manifest_that_is_none_is_an_error():
    for text in ("", "{}", "[]", "null"):
        with pytest.raises(ParseError):
            manifest.read(text)


PASSWORD = "canary of the repository"


def pillar(**backup):
    return {**load_pillar("minimal"), "backup": backup}


def test_what_the_timer_is_told_has_no_secret(resolve):
    site = resolve(pillar(directory="/mnt/backups"))
    said = job.task(site)
    assert set(said["mysql"]) == {"flavor", "client", "socket", "datadir", "binary", "user"}
    assert job.place(said).at == "03:00"
    assert "mariadb-backup" in site["package"]["names"]


def test_without_a_folder_there_is_no_package_and_no_backup(resolve):
    site = resolve(pillar(keep=3))
    assert site["backup"]["enabled"] is False
    assert "mariadb-backup" not in site["package"]["names"]


@pytest.mark.parametrize("given", [13 * 60, "13:00"])
def test_a_time_without_quotes_is_what_was_written(resolve, given):
    """YAML reads 13:00 as a number of base 60."""
    assert resolve(pillar(directory="/mnt/backups", at=given))["backup"]["at"] == "13:00"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("directory", "/etc/backups"),
        ("directory", "/var/lib/mysql/b"),
        ("at", "24:00"),
        ("at", True),
        ("keep", 0),
        ("test_at", "5"),
        ("test_every", 367),
        ("throttle", -1),
        ("mounted", "perhaps"),
        ("staging", "/etc/staging"),
        ("repository", "/mnt/backups/restic"),
        ("password", PASSWORD),
        ("environment", {"AWS_ACCESS_KEY_ID": "x"}),
    ],
)
def test_what_makes_no_sense_is_refused(resolve, key, value):
    with pytest.raises(ConfigError, match=f"hamysql:backup:{key}"):
        resolve(pillar(**{"directory": "/mnt/backups", key: value}))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"repository": "/etc/restic"}, "repository"),
        ({"repository": "rest:https://me:canary@host/x"}, "repository"),
        ({"repository": "s3:a b"}, "repository"),
        ({"password": "short"}, "password"),
        ({"password": None}, "password"),
        ({"environment": {"LD_PRELOAD": "/x"}}, "environment"),
        ({"environment": {"RESTIC_REST_USERNAME": "me"}}, "environment"),
    ],
)
def test_a_repository_that_cannot_be_opened_is_refused(resolve, given, key):
    with pytest.raises(ConfigError, match=f"hamysql:backup:{key}") as told:
        resolve(pillar(**{"repository": "s3:https://host/bucket", "password": PASSWORD, **given}))
    assert "canary@" not in str(told.value)


def test_what_restic_is_started_with_is_secret_and_its_address_has_the_login(resolve):
    login = {"RESTIC_REST_USERNAME": "me", "RESTIC_REST_PASSWORD": "canary/@:"}
    found = resolve(pillar(repository="rest:https://host:8000/x", password=PASSWORD, environment=login))
    assert found["backup"]["variables"] == {
        "RESTIC_REPOSITORY": "rest:https://me:canary%2F%40%3A@host:8000/x",
        "RESTIC_PASSWORD": PASSWORD,
    }
    assert "canary" not in str(language.redacted(found))
    assert found["backup"]["told"] == "rest:https://host:8000/x"
    assert "canary" not in str(job.task(found))
    assert "restic" in found["package"]["names"]
    assert restic.without_password("sftp:me@host:/x") == "sftp:me@host:/x"


def test_a_tag_has_no_comma_and_gives_its_value_back():
    said = {"label": "20260131T030000Z", "rows": 3, "text": "0-1-6,1-2-3 = %"}
    tag = restic.tag("tracer", said)
    assert "," not in tag
    assert restic.value(tag.partition("=")[2]) == said
