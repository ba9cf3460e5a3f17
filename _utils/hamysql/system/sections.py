"""Nested configuration (corosync.conf, DRBD's files) as plain data: compared as it is, and written by one function or template.

See :class:`hamysql.resolved.sections.Section`.
"""

from __future__ import annotations

from collections.abc import Iterable

from hamysql.resolved.sections import Section

Option = tuple[str, str | int | None]


def section(name: str, options: Iterable[Option] = (), sections: Iterable[Section] = ()) -> Section:
    """A section; options whose value is ``None`` are left out."""
    written = [[key, value] for key, value in options if value is not None]
    return {"name": name, "options": written, "sections": list(sections)}
