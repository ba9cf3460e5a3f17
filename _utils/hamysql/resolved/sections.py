"""A section of a configuration file (corosync.conf, DRBD's files) as plain data."""

from __future__ import annotations

from typing import Any, TypedDict


class Section(TypedDict):
    """A section of a configuration file, see :mod:`hamysql.system.sections`."""

    name: str
    options: list[list[Any]]  # each a name and its value, a text or a number
    sections: list[Section]
