"""What the pillar may say of backups (``hamysql:backup``): its keys, their rules, and what follows. Pure."""

from __future__ import annotations

import re
from typing import Any

from hamysql.mysql.flavours import registry
from hamysql.schema import values as v
from hamysql.schema.language import Report, Section, Value
from hamysql.schema.values import Config

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _time_of_day(value: Any) -> str:
    # YAML reads 13:00 without quotes as a number of base 60, and 03:00 as text.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        value = f"{value // 60:02}:{value % 60:02}"
    return v.fullmatch(_TIME, value)


BACKUP = Section(
    {
        "directory": v.PATH,
        "at": Value("a time of the day in UTC, such as '03:00'", _time_of_day),
        "keep": v.count(1, 1000, "how many backups are kept"),
        "test_at": Value("a time of the day in UTC, such as '05:00'", _time_of_day),
        "test_every": v.count(0, 366, "days between two tests of the newest backup on the standby, 0 for none"),
        "throttle": v.count(0, 1_000_000, "reads and writes a second, 0 for no limit"),
    }
)


def check_backup(config: Config, report: Report) -> None:
    """There is a tool for the flavour."""
    if config["backup"]["directory"] and not registry.of(config["mysql"]).backs_up:
        report.add(
            "hamysql:backup:directory",
            f"a folder, and the flavour {config['mysql']['flavor']}",
            "nothing: hamysql knows no tool for backups of that flavour yet",
        )


def derive_backup(config: Config) -> None:
    """Whether there are backups."""
    config["backup"]["enabled"] = bool(config["backup"]["directory"])
