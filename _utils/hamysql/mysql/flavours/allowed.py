"""Which values an option of the server may have, and why others are refused. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ON, OFF = ("on", "true", "1"), ("off", "false", "0")


@dataclass(frozen=True)
class Allowed:
    """The values that an option may have, in words, and why others are refused."""

    accepts: Callable[[str | None], bool]
    expected: str


def words(*taken: str, why: str) -> Allowed:
    """One of these words, in small or capital letters; an option without a value is on."""
    listed = " or ".join(
        dict.fromkeys(word.upper() if word in ("on", "off") else word for word in taken if word not in _SYNONYMS)
    )
    return Allowed(lambda value: (value if value is not None else "on").lower() in taken, f"{listed}: {why}")


_SYNONYMS = ("true", "false", "1", "0")


def never(why: str) -> Allowed:
    """No value at all."""
    return Allowed(lambda value: False, f"not to be set: {why}")


def number(*numbers: str, why: str) -> Allowed:
    """One of these numbers."""
    return Allowed(lambda value: value in numbers, f"{' or '.join(numbers)}: {why}")
