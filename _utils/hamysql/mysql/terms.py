"""On which terms an account is let in: what a client has to show (``REQUIRE``), and how much it may ask for. Pure.

What the pillar does not set of these stays as the server has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from hamysql.mysql.changes import Change
from hamysql.mysql.flavours.face import Terms
from hamysql.mysql.sql import Account, account, text

OF_CERTIFICATE = ("cipher", "issuer", "subject")


class Admission(TypedDict, total=False):
    """The terms of one of the pillar's users; what is ``None`` the pillar does not set."""

    require: Mapping[str, str | None]
    limits: Mapping[str, float | None]


def required(require: Mapping[str, str | None]) -> str:
    """The clause ``REQUIRE``: of ``tls`` (``NONE``, ``SSL``, ``X509``), or of what has to be in the certificate."""
    parts = [f"{name.upper()} {text(value)}" for name in OF_CERTIFICATE if (value := require.get(name))]
    return "REQUIRE " + (" AND ".join(parts) or require.get("tls") or "NONE")


def limited(limits: Mapping[str, float]) -> str:
    """The limits as they stand behind ``WITH``."""
    return " ".join(f"{name.upper()} {f'{value:.6f}'.rstrip('0').rstrip('.')}" for name, value in limits.items())


def clauses(user: Admission) -> str:
    """What a new account's ``CREATE USER`` says of both, so that it is never there without them."""
    require, limits = user.get("require") or {}, _limits(user)
    parts = [required(require) if any(require.values()) else "", f"WITH {limited(limits)}" if limits else ""]
    return "".join(f" {part}" for part in parts if part)


def diff(found: Terms, who: Account, user: Admission) -> Iterable[Change]:
    """What has to be done so that an account that is there has what the pillar sets of both."""
    require, name = user.get("require") or {}, f"{who[0]}@{who[1]}"
    if any(require.values()) and required(require) != required(found.require):
        clause = required(require)
        yield Change(
            f"requirement of {name}", required(found.require), clause, (f"ALTER USER {account(who)} {clause};",)
        )
    limits = {limit: value for limit, value in _limits(user).items() if found.limits.get(limit, 0) != value}
    if limits:
        old = limited({limit: found.limits.get(limit, 0) for limit in limits})
        new = limited(limits)
        yield Change(f"limits of {name}", old, new, (f"ALTER USER {account(who)} WITH {new};",))


def _limits(user: Admission) -> dict[str, float]:
    return {name: value for name, value in (user.get("limits") or {}).items() if value is not None}
