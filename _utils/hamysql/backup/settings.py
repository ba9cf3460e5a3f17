"""What the pillar may say of backups (``hamysql:backup``): its keys, their rules, and what follows. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from hamysql.mysql.flavours import registry
from hamysql.schema import values as v
from hamysql.schema.language import Names, Report, Secret, Section, Value
from hamysql.schema.values import MAKE_PASSWORD, Config

_REPOSITORY = re.compile(r"(?:(?:azure|b2|gs|rclone|rest|s3|sftp|swift):)?[A-Za-z0-9_.:@%/~\[\]-]{1,500}")
_VARIABLE = re.compile(r"(?:AWS|AZURE|B2|GOOGLE|OS|RCLONE|RESTIC_REST|ST)_[A-Z0-9_]{1,60}")
LOGIN = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")

BACKUP = Section(
    {
        "directory": v.PATH,
        "mounted": v.BOOLEAN,
        "repository": Value(
            "a repository of restic: an absolute path, or such as 's3:https://HOST/BUCKET', 'sftp:USER@HOST:/PATH', "
            "'rest:https://HOST/PATH'",
            v.matching(_REPOSITORY),
        ),
        "password": Value("the repository's password, a text of 8 to 200 bytes", v.text(8, 200), secret=True),
        "environment": Names(
            Value("a variable of restic such as AWS_ACCESS_KEY_ID", v.matching(_VARIABLE)),
            Value("a text of 1 to 1000 bytes", v.text(1, 1000), secret=True),
            "a mapping of variables to values",
        ),
        "staging": v.PATH,
        "at": v.TIME_OF_DAY,
        "keep": v.count(1, 1000, "how many backups are kept"),
        "test_at": v.TIME_OF_DAY,
        "test_every": v.count(0, 366, "days between two tests of the newest backup on the standby, 0 for none"),
        "binary_logs": v.BOOLEAN,
        "throttle": v.count(0, 1_000_000, "reads and writes a second, 0 for no limit"),
    }
)


def check_backup(config: Config, report: Report) -> None:
    """There is one place, which can be opened, and a tool for the flavour."""
    backup, path = config["backup"], "hamysql:backup"
    repository = backup["repository"]
    if (backup["directory"] or repository) and not registry.of(config["mysql"]).backs_up:
        key = "directory" if backup["directory"] else "repository"
        report.add(
            f"{path}:{key}",
            f"a place, and the flavour {config['mysql']['flavor']}",
            "nothing: hamysql knows no tool for backups of that flavour yet",
        )
    if backup["binary_logs"] and not (backup["directory"] or repository):
        report.add(f"{path}:binary_logs", "true without a place", "hamysql:backup:directory or repository as well")
    if backup["directory"] and repository:
        report.add(f"{path}:repository", "a directory beside it", "one place: a repository may be in that directory")
    if repository and not backup["password"] and not report.bad_under(f"{path}:password"):
        report.add(
            f"{path}:password", "nothing", f"a password for the repository: {MAKE_PASSWORD}, and keep it elsewhere too"
        )
    if not repository:
        for key in ("password", "environment"):
            if backup[key]:
                report.add(f"{path}:{key}", "one without a repository", "hamysql:backup:repository as well")
        return
    if ":" in repository.partition("://")[2].partition("/")[0].rpartition("@")[0]:
        report.add(
            f"{path}:repository",
            "a password in an address",
            f"it in hamysql:backup:environment, as {' and '.join(LOGIN)}",
        )
    if len(set(LOGIN) & set(backup["environment"])) == 1:
        report.add(f"{path}:environment", "one of them", f"both of {' and '.join(LOGIN)}, or none")


def derive_backup(config: Config) -> None:
    """Whether there are backups, where, and what restic is started with."""
    backup = config["backup"]
    backup["mounted"] = backup["mounted"] is not False
    backup["binary_logs"] = backup["binary_logs"] is True
    backup["enabled"] = bool(backup["directory"] or backup["repository"])
    backup["told"] = backup["directory"] or backup["repository"] or ""
    backup["variables"] = {}
    if backup["repository"]:
        variables = login(backup["repository"], backup["password"] or "", backup["environment"])
        backup["variables"] = {name: Secret(value) for name, value in variables.items()}


def login(repository: str, password: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that restic is started with, for a repository, its password, and what its protocol needs."""
    variables = dict(environment)
    names = [variables.pop(name, "") for name in LOGIN]
    if all(names):
        # restic reads these two variables from 0.16 on, and each version reads an address.
        scheme, sign, rest = repository.partition("://")
        repository = f"{scheme}{sign}{':'.join(quote(word, safe='') for word in names)}@{rest}"
    return {**variables, "RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": password}
