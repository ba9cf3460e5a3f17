"""What the pillar may say of backups (``hamysql:backup``): its keys, their rules, and what follows. Pure."""

from __future__ import annotations

from hamysql.mysql.flavours import registry
from hamysql.schema import values as v
from hamysql.schema.language import Report, Section
from hamysql.schema.values import Config

BACKUP = Section(
    {
        "directory": v.PATH,
        "at": v.TIME_OF_DAY,
        "keep": v.count(1, 1000, "how many backups are kept"),
        "test_at": v.TIME_OF_DAY,
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
