"""Where the files and folders of the pillar may be: one rule for every path.

The formula makes folders, mounts file systems on them and gives them to the database's account. Each has to be one of its own,
never one that the system or another package owns: ``error_log: /var/log/mysqld.log`` would make the account the owner of /var/log.
So each path has a list of what is allowed: the folders of the Filesystem Hierarchy Standard 3.0 for the purpose, and a few of the
site's own in the root.

A folder that is given away has no parent that is given away, too: the account could replace it by a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname
from typing import Any

from hamysql.mysql.flavours import registry
from hamysql.schema.values import Config

_NAMES = [flavour.names for flavour in registry.FLAVOURS.values()]
_FOLDERS = "|".join(folder for names in _NAMES for folder in names.folders)
_SERVICES = "|".join(registry.services())
_WORDS = list(dict.fromkeys(word for names in _NAMES for word in names.words))
_BEGINNING = f"whose name begins with {' or '.join(_WORDS)}"
# What belongs to other packages though its name begins with the database's.
_OTHERS = "mysql-files|mysql-keyring|mysql-upgrade|mysql-cluster|mysql-router|mysql-shell"
_LOGS = f"alternatives|auth|boot|bootstrap|cron|daemon|debug|dnf.*|dpkg|kern|mail|maillog|{_SERVICES}|pacemaker|secure|user|yum"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.:@%=,+-]*"
_OWN = rf"(?!(?:{_OTHERS})(?:/|$))(?:{_FOLDERS})(?:[0-9._-][A-Za-z0-9._-]*)?"
_SITE = rf"(?:/srv|/mnt)/(?!(?:salt|pillar|formulas|reactor|spm|www|ftp|tftp|git)(?:/|$)){_NAME}"
_ROOT = rf"/(?:data[0-9]*|db[0-9]*|databases?|{'|'.join(_WORDS)}|u[0-9][0-9]|vol[0-9]*)"
_SITES = "/srv, /mnt or /data"


@dataclass(frozen=True)
class Rule:
    """What a path of the pillar has to look like; ``found`` says of one whether it does."""

    allowed: re.Pattern[str]
    expected: str

    def found(self, path: str) -> bool:
        return bool(self.allowed.fullmatch(path)) and "/lost+found" not in path


def _rule(expected: str, *patterns: str) -> Rule:
    return Rule(re.compile("|".join(f"(?:{pattern})" for pattern in patterns)), expected)


_PROGRAM = _rule("a program below /usr or /opt, where only root can replace it", rf"/(?:usr|opt|bin|sbin)(?:/{_NAME})+")

_OF_BACKUPS = (
    rf"{_SITE}(?:/{_NAME})*",
    rf"{_ROOT}(?:/{_NAME})*",
    rf"/var/backups(?:/{_NAME})+",
    rf"/backups?(?:/{_NAME})*",
)
_BACKUPS = _rule(
    f"a folder for the backups that is there, or is mounted there: one below {_SITES}, /var/backups or /backup",
    *_OF_BACKUPS,
)

RULES: Mapping[str, Rule] = {
    "mysql:datadir": _rule(
        "a folder of its own, on which the cluster mounts the data: /var/lib/mysql, another one below /var/lib "
        f"{_BEGINNING}, or one below {_SITES}",
        rf"/var/lib/{_OWN}(?:/{_NAME})*",
        rf"{_SITE}(?:/{_NAME})*",
        rf"{_ROOT}(?:/{_NAME})*",
    ),
    "mysql:error_log": _rule(
        "a file in a folder of its own, which the database's account is given: /var/log/mysql/error.log, or one in another folder "
        f"directly below /var/log {_BEGINNING}, or in one directly below {_SITES}",
        rf"/var/log/{_OWN}/{_NAME}",
        rf"{_SITE}/{_NAME}",
        rf"{_ROOT}/{_NAME}/{_NAME}",
    ),
    "mysql:socket": _rule(
        "a file in a folder of its own, which the database's account is given: /run/mysqld/mysqld.sock, or one in another folder "
        f"directly below /run or /var/lib {_BEGINNING}, or in the datadir",
        rf"(?:/var)?/run/{_OWN}/{_NAME}",
        rf"/var/lib/{_OWN}/{_NAME}",
    ),
    "mysql:pid_file": _rule(
        "a file in a folder of its own, which the database's account is given: /run/mysqld/mysqld.pid, or one in another folder "
        f"directly below /run {_BEGINNING}",
        rf"(?:/var)?/run/{_OWN}/{_NAME}",
    ),
    "mysql:config_fragment": _rule(
        f"an option file of its own, which hamysql writes: NAME.cnf in a folder of option files, such as {_NAMES[0].option_folder}",
        rf"/etc/(?:{'|'.join(_WORDS)}|my\.cnf\.d)(?:/{_NAME})*/{_NAME}\.cnf",
        rf"/etc/my\.cnf\.d/{_NAME}\.cnf",
    ),
    "mysql:config_file": _rule(
        "an option file below /etc that ends in .cnf, such as /etc/mysql/my.cnf", rf"/etc(?:/{_NAME})*/{_NAME}\.cnf"
    ),
    "pacemaker:python": _PROGRAM,
    "mysql:binary": _PROGRAM,
    "mysql:client": _PROGRAM,
    "mysql:admin": _PROGRAM,
    "mysql:install_db": _PROGRAM,
    "backup:directory": _BACKUPS,
    "backup:staging": _rule(
        f"a folder in which a backup is made: one below {_SITES}, /var/backups, /backup or /var/lib/hamysql",
        *_OF_BACKUPS,
        rf"/var/lib/hamysql(?:/{_NAME})+",
    ),
    "corosync:logfile": _rule(
        "a file in a folder of its own directly below /var/log, whose name begins with corosync or cluster, such as "
        "/var/log/corosync/corosync.log, or a file NAME.log in /var/log that no other program writes",
        rf"/var/log/(?:corosync|cluster)(?:[0-9._-][A-Za-z0-9._-]*)?/{_NAME}",
        rf"/var/log/(?!(?:{_LOGS})\.log)[A-Za-z0-9][A-Za-z0-9_.-]*\.log",
    ),
    "fencing:sbd:config_file": _rule(
        "/etc/default/sbd or /etc/sysconfig/sbd, which the unit of sbd reads", r"/etc/(?:default|sysconfig)/sbd"
    ),
}
REPOSITORY = _rule(
    "a file of repositories: in /etc/apt/sources.list.d, /etc/yum.repos.d or /etc/zypp/repos.d",
    rf"/etc/apt/sources\.list(?:\.d/{_NAME}\.(?:list|sources))?",
    rf"/etc/(?:yum\.repos\.d|zypp/repos\.d)/{_NAME}\.repo",
)


def problems(config: Config) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the paths of a configuration: (key, what was found, what was expected); ``None`` is nothing to judge."""
    good: dict[str, str] = {}
    for key, rule in RULES.items():
        path: Any = config
        for part in key.split(":"):
            path = path[part]
        if path is None:
            continue
        assert isinstance(path, str)
        if rule.found(path) or (key == "mysql:socket" and dirname(path) == config["mysql"]["datadir"]):
            good[key] = path
        else:
            yield key, repr(path), rule.expected
    if (config["backup"]["repository"] or "").startswith("/") and not _BACKUPS.found(config["backup"]["repository"]):
        yield "backup:repository", repr(config["backup"]["repository"]), _BACKUPS.expected
    for name, repository in config["repo"]["repositories"].items():
        if repository["file"] is not None and not REPOSITORY.found(repository["file"]):
            yield f"repo:repositories:{name}:file", repr(repository["file"]), REPOSITORY.expected
    yield from _entangled({key: _folder(key, path) for key, path in good.items() if key in _GIVEN})


_GIVEN = ("mysql:datadir", "mysql:error_log", "mysql:socket", "mysql:pid_file")
_MAY_SHARE = ({"mysql:datadir", "mysql:socket"}, {"mysql:pid_file", "mysql:socket"})


def _folder(key: str, path: str) -> str:
    folder = path if key == "mysql:datadir" else dirname(path)
    return folder.removeprefix("/var") if folder.startswith("/var/run/") else folder


def _entangled(folders: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Folders that are given away, one in the other."""
    keys = list(folders)
    for number, key in enumerate(keys):
        for other in keys[:number]:
            mine, theirs = folders[key], folders[other]
            apart = not f"{mine}/".startswith(f"{theirs}/") and not f"{theirs}/".startswith(f"{mine}/")
            if not apart and not (mine == theirs and {key, other} in _MAY_SHARE):
                yield key, f"the folder {mine}", f"one apart from {theirs}, of hamysql:{other}"
