"""A site's secrets: which are missing, what the file says, and that nothing is ever overwritten."""

from __future__ import annotations

import os
import stat

import pytest
import yaml

from hamysql.config.resolution import merge
from hamysql.errors import ConfigError, HamysqlError, Refused
from hamysql.master import secretfile
from support import PILLARS, secrets_of

BOTH = [secretfile.AUTHKEY, ("storage", "drbd", "shared_secret")]
CHAP = ("storage", "shared", "iscsi", "password")


def user(name="app", host="%", **more):
    return {"name": name, "host": host, **more}


@pytest.mark.parametrize(
    ("pillar", "paths"),
    [
        ({}, BOTH),
        ({"corosync": {"authkey": "x"}}, BOTH[1:]),
        ({"corosync": {"transport": "udpu"}, "storage": {"drbd": {"shared_secret": "x"}}}, []),
        ({"corosync": {"crypto_hash": "none"}}, BOTH[1:]),
        ({"mysql": {"users": [user(), user(password="x"), user("b", auth="unix_socket")]}}, [*BOTH, ("mysql", "passwords", "app@%")]),
        ({"mysql": {"users": [user("b", password_hash="x"), user("c", absent=True)]}}, BOTH),
        ({"mysql": {"users": [user(auth="ed25519")]}}, [*BOTH, ("mysql", "passwords", "app@%")]),
        ({"mysql": {"users": [user(host="DB.example.org")] * 2}}, [*BOTH, ("mysql", "passwords", "app@db.example.org")]),
        ({"mysql": {"users": [user()], "passwords": {"app@%": "x"}}}, BOTH),
        ({"mysql": {"users": ["app", user("a'b"), {}]}, "corosync": 5, "storage": {"drbd": ["x"]}}, BOTH),
        ({"mysql": {"users": 5, "passwords": []}}, BOTH),
        ({"storage": {"backend": "nfs"}}, BOTH[:1]),
        ({"storage": {"backend": "shared", "shared": {"iscsi": {"portal": "192.0.2.40"}}}}, BOTH[:1]),
        ({"storage": {"backend": "shared", "shared": {"iscsi": {"username": "a"}}}}, [BOTH[0], CHAP]),
        ({"storage": {"backend": "shared", "shared": {"iscsi": {"username": "a", "password": "x"}}}}, BOTH[:1]),
        ({"storage": {"backend": "shared", "shared": ["x"]}}, BOTH[:1]),
    ],
)  # fmt: skip
def test_what_a_pillar_lacks(pillar, paths):
    assert secretfile.missing(pillar) == paths


@pytest.mark.parametrize("name", PILLARS)
def test_a_complete_pillar_lacks_nothing(pillar, name):
    assert secretfile.missing(pillar(name)) == []


def test_a_chap_password_is_one_that_every_array_takes(pillar, resolve):
    given = pillar("iscsi")
    del given["storage"]["shared"]["iscsi"]["password"]
    values = secretfile.make(secretfile.missing(given))
    assert [len(value) for value in values.values()] == [16]
    found = resolve(merge(given, yaml.safe_load(secretfile.text(values))["hamysql"]))
    assert found["storage"]["shared"]["iscsi"]["password"] == values[CHAP]


def test_the_file_makes_a_pillar_without_secrets_whole(pillar, resolve):
    given = pillar("minimal")
    del given["corosync"]["authkey"], given["storage"]["drbd"]["shared_secret"]
    given["mysql"] = {"users": [user(), user("App", "DB.example.org"), user("b", password="own-password")]}
    with pytest.raises(ConfigError):
        resolve(given)
    values = secretfile.make(secretfile.missing(given))
    assert len(set(values.values())) == 4
    made = yaml.safe_load(secretfile.text(values))["hamysql"]
    assert sorted(
        secrets_of({**made, "mysql": [{"password": p} for p in made["mysql"]["passwords"].values()]})
    ) == sorted(values.values())
    found = resolve(merge(given, made))
    assert found["corosync"]["authkey"] == values[secretfile.AUTHKEY]
    assert [one["password"] for one in found["mysql"]["users"]] == [
        values["mysql", "passwords", "app@%"],
        values["mysql", "passwords", "App@db.example.org"],
        "own-password",
    ]
    assert "passwords" not in found["mysql"]


def test_an_encrypted_file_holds_messages_and_no_secret():
    values = secretfile.make([*BOTH, ("mysql", "passwords", "app@%")])
    text = secretfile.text(values, lambda plain: f"-----BEGIN-----\n\n{plain[::-1]}\n-----END-----\n")
    assert text.startswith("#!yaml|gpg\n#")
    assert not any(value in text for value in values.values())
    made = yaml.safe_load(text)["hamysql"]
    for value, message in (
        (values[BOTH[0]], made["corosync"]["authkey"]),
        (values["mysql", "passwords", "app@%"], made["mysql"]["passwords"]["app@%"]),
    ):
        assert message == f"-----BEGIN-----\n\n{value[::-1]}\n-----END-----"


def test_the_file_is_for_its_owner_only_and_never_overwritten(tmp_path):
    place = secretfile.check_place(str(tmp_path / "new.sls"), [])
    before = os.umask(0)
    try:
        secretfile.write(place, "first", (os.geteuid(), os.getegid()))
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with pytest.raises(Refused, match="never overwritten"):
        secretfile.write(place, "second")
    with pytest.raises(Refused, match="never overwritten"):
        secretfile.check_place(str(place), [])
    assert place.read_text() == "first"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link.sls").symlink_to(tmp_path / "elsewhere")
    for call in (lambda p: secretfile.check_place(str(p), []), lambda p: secretfile.write(p, "x")):
        with pytest.raises(Refused):
            call(tmp_path / "link.sls")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_cannot_be_written_is_not_left_behind_half(tmp_path):
    place = tmp_path / "new.sls"
    with pytest.raises(UnicodeEncodeError):
        secretfile.write(place, "\N{SNOWMAN}")
    assert not place.exists()
    with pytest.raises(HamysqlError, match="cannot be made: No such file"):
        secretfile.write(tmp_path / "none" / "new.sls", "x")


@pytest.mark.parametrize(
    ("path", "words"),
    [("new.sls", "not an absolute path"), ("{}/none/new.sls", "no folder"), ("{}/files/deep/new.sls", "every minion can read")],
)  # fmt: skip
def test_a_bad_place_is_refused(tmp_path, path, words):
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "served").symlink_to(tmp_path / "files")
    with pytest.raises(Refused, match=words):
        secretfile.check_place(path.format(tmp_path), [str(tmp_path / "served")])


# --- passwords apart from their users


@pytest.mark.parametrize(
    ("mysql", "path", "expected"),
    [
        ({"users": [user(password="p")], "passwords": {"app@%": "q"}}, "hamysql:mysql:users:0", "one of the two"),
        ({"users": [user(auth="unix_socket")], "passwords": {"app@%": "q"}}, "hamysql:mysql:users:0", "one of the two"),
        ({"users": [user()], "passwords": {"ap@%": "q"}}, "hamysql:mysql:passwords:ap@%", "'app@%', the nearest"),
        ({"users": [], "passwords": {"app@%": "q"}}, "hamysql:mysql:passwords:app@%", "a user in"),
        ({"users": [user()], "passwords": {"app": "q"}}, "hamysql:mysql:passwords:app", "an account"),
        ({"users": [user()], "passwords": {"app@%": None}}, "hamysql:mysql:passwords:app@%", "1 to 128"),
        ({"users": [user()], "passwords": {"app@%": "canary\n"}}, "hamysql:mysql:passwords:app@%", "1 to 128"),
    ],
)
def test_wrong_passwords_are_told_by_their_account(pillar, resolve, mysql, path, expected):
    given = pillar("minimal")
    given["mysql"] = mysql
    with pytest.raises(ConfigError) as error:
        resolve(given)
    problems = {problem.path: problem for problem in error.value.problems}
    assert expected in problems[path].expected
    assert "canary" not in str(error.value)
    assert set(problems) <= {path, "hamysql:mysql:users:0:password"}
