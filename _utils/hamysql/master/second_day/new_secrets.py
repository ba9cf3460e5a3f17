"""New values in a pillar file of secrets that ``salt-run hamysql.secrets`` has made; the old file is kept until they are in use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hamysql.errors import HamysqlError, Refused
from hamysql.master import secretfile
from hamysql.master.salt import Master
from hamysql.master.secretfile import Path_
from hamysql.storage import backends
from hamysql.system import files
from hamysql.system.command import Run

MARK = "# Secrets of hamysql, made by"
GPG = "#!yaml|gpg"


def before(place: Path) -> Path:
    """Where the old file is kept, which no pillar can name: it does not end with ``.sls``."""
    return place.with_name(f"{place.name}.before")


def check(path: str) -> Path:
    """The place of a file that hamysql has made. Raises ``Refused`` for all others."""
    place = Path(path)
    if not place.is_absolute():
        raise Refused(f"{path} is not an absolute path; name the file of `salt-run hamysql.secrets`")
    text = files.text_if_any(place)
    if text is None:
        raise Refused(f"there is no file {path}; `salt-run hamysql.secrets` makes one")
    if not any(line.startswith(MARK) for line in text.splitlines()[:3]):
        raise Refused(
            f"{path} was not made by `salt-run hamysql.secrets`: change its values yourself, and leave the file out"
        )
    return place


def changing(place: Path) -> list[Path_]:
    """The secrets of the file that get new values: all but those that something else has to know first."""
    return [path for path in _values(place) if _is_ours(path)]


def _is_ours(path: Path_) -> bool:
    """Not one that something outside of the cluster has to know first, such as the password of a target."""
    if path[:1] == ("storage",):
        kind = backends.KINDS.get(path[1])
        return kind is not None and path[2:] in kind.secrets and path[2:] not in kind.known_elsewhere
    return path == secretfile.AUTHKEY or path[:2] == secretfile.PASSWORDS


def renew(place: Path, run: Run, master: Master, gpg_key: str | None) -> bool:
    """Keep the file, and write it anew with other secrets; whether that was left to do. A run that was cut off goes on."""
    old = files.text(place)
    kept = files.text_if_any(before(place))
    if kept is not None and kept != old:
        return False
    encrypted = old.startswith(GPG)
    if encrypted and not gpg_key:
        raise Refused(
            f'{place} is encrypted: say for whom the new secrets are, with "hamysql_gpg_key" in the pillar of this command'
        )
    values = _values(place)
    made = secretfile.make(changing(place))
    text = secretfile.text(
        {**values, **made}, _encrypting(secretfile.gpg(run, _home(master), str(gpg_key)), made) if encrypted else None
    )
    if kept is None:
        secretfile.write(before(place), old, master.owner)
    new = place.with_name(f"{place.name}.new")
    new.unlink(missing_ok=True)
    secretfile.write(new, text, master.owner)
    os.replace(new, place)
    files.synchronise(place.parent)
    return True


def _encrypting(encrypt: Callable[[str], str], made: Mapping[Path_, str]) -> Callable[[str], str]:
    """What is kept is a message already."""
    fresh = frozenset(made.values())
    return lambda value: encrypt(value) if value in fresh else value


def in_the_pillar(place: Path, run: Run, master: Master, minions: Sequence[str]) -> None:
    """Raise ``Refused`` unless the file is the one that the minions' pillar is made of: each of its secrets is there."""
    pillars = master.pillars(minions)
    decrypt = _decrypting(run, _home(master)) if files.text(place).startswith(GPG) else str
    for path, value in _values(place).items():
        plain = decrypt(value).rstrip("\n")
        for minion in minions:
            if _at(pillars.get(minion), path) != plain:
                raise Refused(
                    f"the pillar of {minion} has another hamysql:{':'.join(path)} than {place}: is this the file of its pillar?"
                )


def forget(place: Path) -> bool:
    """Remove the old file; whether there was one."""
    there = before(place).exists()
    before(place).unlink(missing_ok=True)
    return there


def _home(master: Master) -> str:
    return master.opts.get("gpg_keydir") or str(Path(master.opts["conf_file"]).parent / "gpgkeys")


def _decrypting(run: Run, home: str) -> Callable[[str], str]:
    argv = ["gpg", "--homedir", home, "--batch", "--no-tty", "--quiet", "--decrypt"]
    return lambda message: run(argv, stdin=message).stdout


def _at(pillar: Any, path: Path_) -> Any:
    for name in path:
        pillar = pillar.get(name) if isinstance(pillar, Mapping) else None
    return pillar


def _values(place: Path) -> dict[Path_, str]:
    try:
        found = yaml.safe_load(files.text(place))
    except yaml.YAMLError:  # its text has secrets, and stays out of the message
        raise HamysqlError(f"{place} is no YAML") from None
    return dict(_leaves(found.get("hamysql", {}) if isinstance(found, dict) else {}))


def _leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, str(name)))
    else:
        yield path, str(value)
