"""A site's secrets: which ones its pillar lacks, new ones for them, and the pillar file that holds them.

Secrets that belong to something else, such as the passwords of fence devices or the key of a certificate, cannot be invented here.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamysql.errors import HamysqlError, Refused
from hamysql.master.members import Pillar, choose, clusters
from hamysql.master.salt import Master
from hamysql.mysql.accounts import BY_SOCKET
from hamysql.mysql.values import account
from hamysql.storage import backends
from hamysql.system.command import Run

Path_ = tuple[str, ...]  # the keys that lead to a value below the pillar `hamysql`

AUTHKEY: Path_ = ("corosync", "authkey")
PASSWORDS: Path_ = ("mysql", "passwords")

HEAD = """\
# Secrets of hamysql, made by `salt-run hamysql.secrets`. Keep this file from others and out of plain version control, give it
# to the members of the cluster only (the pillar's top file), and keep a copy of it: it cannot be made again.
"""


def missing(pillar: Pillar) -> list[Path_]:
    """The secrets that a pillar ``hamysql`` needs and has not, in the order of the file; the pillar may be incomplete or wrong."""
    found: list[Path_] = []
    corosync = _below(pillar, "corosync")
    encrypted = corosync.get("transport", "knet") == "knet" and corosync.get("crypto_hash") != "none"
    if encrypted and not corosync.get("authkey"):
        found.append(AUTHKEY)
    for kind in backends.KINDS.values():
        if kind.name == (_below(pillar, "storage").get("backend") or backends.DEFAULT):
            section = _below(pillar, "storage", kind.name)
            found += [("storage", kind.name, *keys) for keys in kind.missing_secrets(section)]
    have = _below(pillar, *PASSWORDS)
    users = _below(pillar, "mysql").get("users")
    for user in users if isinstance(users, (list, tuple)) else ():
        if isinstance(user, Mapping) and not _has_another_way(user):
            try:
                name = account("@".join((user["name"], user["host"])))
            except (KeyError, TypeError, ValueError):
                continue  # what is wrong with it is said by the pillar's own check
            if name not in have and (*PASSWORDS, name) not in found:
                found.append((*PASSWORDS, name))
    return found


def _has_another_way(user: Pillar) -> bool:
    """Whether a pillar's user needs no password apart."""
    return any(map(user.get, ("password", "password_hash", "absent"))) or user.get("auth") == BY_SOCKET


def _below(pillar: Any, *keys: str) -> Pillar:
    for key in keys:
        pillar = pillar.get(key) if isinstance(pillar, Mapping) else None
    return pillar if isinstance(pillar, Mapping) else {}


def provide(master: Master, run: Run, path: str, cluster: str | None, gpg_key: str | None) -> dict[str, Any]:
    """Make the secrets that a cluster's pillar lacks, in a new file; see the runner."""
    place = check_place(path, master.served)
    pillars = master.pillars()
    found = clusters(pillars)
    minions = choose(found, cluster)[1].values() if found or cluster else ()
    wanted = [pillars[minion] for minion in minions if minion in pillars] or [{}]
    lacking = list(dict.fromkeys(item for pillar in wanted for item in missing(pillar)))
    if not lacking:
        raise Refused("the cluster's pillar has all of its secrets: nothing was made")
    home = master.opts.get("gpg_keydir") or str(Path(master.opts["conf_file"]).parent / "gpgkeys")
    write(place, text(make(lacking), gpg(run, home, gpg_key) if gpg_key else None), master.owner)
    return {"file": str(place), "made": [":".join(("hamysql", *item)) for item in lacking]}


def make(paths: Iterable[Path_]) -> dict[Path_, str]:
    """A new secret for each path, from the system's random numbers."""
    return {path: secrets.token_hex(_bytes(path)) for path in paths}


def _bytes(path: Path_) -> int:
    """How many random bytes a secret is made of; it has twice as many characters."""
    if path[0] == "storage":
        return backends.KINDS[path[1]].secrets[path[2:]]
    return 128 if path == AUTHKEY else 16


def text(values: Mapping[Path_, str], encrypt: Callable[[str], str] | None = None) -> str:
    """The pillar file with these secrets.

    encrypt
        Turns a secret into an ASCII-armoured message for Salt's gpg renderer; plain text by default.
    """
    lines = ["#!yaml|gpg" if encrypt else "#!yaml", *HEAD.splitlines(), "hamysql:"]
    open_keys: Path_ = ()
    for path, value in values.items():
        *parents, name = path
        same = next(
            (n for n, (a, b) in enumerate(zip(open_keys, parents)) if a != b), min(len(open_keys), len(parents))
        )
        lines += [f"{'  ' * (depth + 1)}{parents[depth]}:" for depth in range(same, len(parents))]
        open_keys = tuple(parents)
        indent = "  " * len(path)
        if encrypt:
            message = [f"{indent}  {line}" for line in encrypt(value).strip().splitlines()]
            lines += [f"{indent}{json.dumps(name)}: |-", *message]
        else:
            lines.append(f"{indent}{json.dumps(name)}: {json.dumps(value)}")
    return "\n".join([*lines, ""])


def gpg(run: Run, home: str, key: str) -> Callable[[str], str]:
    """What encrypts a text for ``key`` of the keyring in the folder ``home``; raises ``CommandFailed`` with gpg's own words."""
    argv = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--no-tty",
        "--armor",
        "--trust-model",
        "always",
        "--no-auto-key-locate",
    ]
    return lambda plain: run([*argv, "--recipient", key, "--encrypt"], stdin=plain).stdout


def check_place(path: str, served: Iterable[str], what: str = "pillars and secrets") -> Path:
    """The place of the new file. Raises ``Refused`` where it would be overwritten, or served to every minion.

    served
        The folders of the master's file server.
    what
        What is never overwritten, in words.
    """
    place = Path(path)
    if not place.is_absolute():
        raise Refused(f"{path} is not an absolute path; name a file of the pillar, such as /srv/pillar/db.sls")
    if os.path.lexists(place):
        raise Refused(f"{path} exists already, and {what} are never overwritten: name another file, or move it away")
    if not place.parent.is_dir():
        raise Refused(f"there is no folder {place.parent}")
    for root in served:
        if place.parent.resolve().is_relative_to(Path(root).resolve()):
            raise Refused(f"{path} is below {root}, whose files every minion can read; name a file of the pillar")
    return place


def write(place: Path, content: str, owner: Sequence[int] | None = None) -> None:
    """Write a new file that only its owner can read; one that exists is never touched.

    owner
        Numbers of user and group; by default whoever runs this.
    """
    try:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"{place} exists already, and pillars and secrets are never overwritten") from None
    except OSError as exc:
        raise HamysqlError(f"{place} cannot be made: {exc.strerror}") from exc
    try:
        with open(handle, "w", encoding="ascii") as file:
            if owner:
                os.fchown(handle, owner[0], owner[1])
            os.fchmod(handle, 0o600)
            file.write(content)
            file.flush()
            os.fsync(handle)
    except BaseException:
        place.unlink()
        raise
