"""Cluster properties and defaults: which values they may have. For the pillar, and for what a site's `crm configure` text adds.

A property, or a default of all resources, also decides about the database, its storage and its fencing. So each is listed with the
values that leave these working. Source: Pacemaker Explained 2.1 and 3.0, "Cluster Options", "Resource Meta-Attributes" and
"Resource Operations".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

TRUE = ("true", "yes", "on", "y", "1")
FALSE = ("false", "no", "off", "0", "n")
_AMOUNT = re.compile(
    r"\+?([0-9]+(\.[0-9]+)?( ?(us|usec|ms|msec|s|sec|m|min|h|hr))?%?|infinity)|P[0-9A-Z.]+", re.IGNORECASE
)
_FENCED = "no node may run what another one may still run"
_SERVES = "else pacemaker does not run the database, or does not move it"

# Any number, time, word or boolean is fine for these.
_ANY = (
    "batch-limit cluster-delay cluster-ipc-limit cluster-recheck-interval dc-deadtime election-timeout enable-acl fence-reaction "
    "join-finalization-timeout join-integration-timeout load-threshold migration-limit node-action-limit node-health-base "
    "node-health-green node-health-red node-health-strategy node-health-yellow node-pending-timeout pe-error-series-max "
    "pe-input-series-max pe-warn-series-max placement-strategy shutdown-escalation shutdown-lock-limit start-failure-is-fatal "
    "stonith-max-attempts stonith-timeout transition-delay concurrent-fencing stonith-action priority-fencing-delay".split()
)
# The words for the values that others may have, and why.
_WORDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "stonith-enabled": (TRUE, _FENCED),
    "startup-fencing": (TRUE, f"a node that was never seen may run the database: {_FENCED}"),
    "no-quorum-policy": (("stop", "freeze", "demote", "suicide", "fence"), _FENCED),
    "symmetric-cluster": (TRUE, f"no resource has a list of nodes of its own: {_SERVES}"),
    "maintenance-mode": (
        FALSE,
        "pacemaker watches and moves nothing then; `crm_attribute --name maintenance-mode --update true` is for that",
    ),
    "stop-all-resources": (FALSE, _SERVES),
    "stop-orphan-resources": (TRUE, "what left the configuration would run on"),
    "stop-removed-resources": (TRUE, "what left the configuration would run on"),
    "stop-orphan-actions": (TRUE, "what left the configuration would run on"),
    "cancel-removed-actions": (TRUE, "what left the configuration would run on"),
    "remove-after-stop": (FALSE, "pacemaker forgets what it has stopped"),
    "enable-startup-probes": (TRUE, f"what runs already has to be seen: {_FENCED}"),
    "shutdown-lock": (FALSE, f"a node that is shut down would keep the database for itself: {_SERVES}"),
    "stonith-action": (("reboot", "off"), _FENCED),
    "is-managed-default": (TRUE, _SERVES),
}
_FREE = frozenset(_ANY) - set(_WORDS)
_OWN = (
    "stonith-watchdog-timeout",
    "cluster-name",
    "cluster-infrastructure",
    "dc-version",
    "have-watchdog",
    "last-lrm-refresh",
)
_ALIASES = {  # the names of pacemaker 3.0.2 and later
    "fencing-enabled": "stonith-enabled",
    "fencing-action": "stonith-action",
    "fencing-timeout": "stonith-timeout",
    "fencing-max-attempts": "stonith-max-attempts",
    "fencing-watchdog-timeout": "stonith-watchdog-timeout",
    "fencing-reaction": "fence-reaction",
}
# Defaults of all resources, the formula's own among them.
_RESOURCES: Mapping[str, str] = {
    "resource-stickiness": "0 or more: with less the database moves by itself",
    "migration-threshold": "a number",
    "failure-timeout": "a time",
    "priority": "a number",
}
# Defaults of all operations. What another one decides (on-fail, enabled, role) each operation has to decide for itself.
_OPERATIONS: Mapping[str, str] = {
    "timeout": "a time",
    "interval": "a time",
    "record-pending": "a boolean",
}


def canonical(name: str) -> str:
    """A property's name as pacemaker writes it."""
    plain = name.replace("_", "-").lower()
    return _ALIASES.get(plain, plain)


def wrong_property(name: str, value: str, without_fencing: bool = False) -> Iterator[str]:
    """What is expected instead of a property's value; nothing where it is fine.

    without_fencing
        Whether the pillar accepts the loss of data without fencing.
    """
    plain, said = canonical(name), value.strip().lower()
    if plain in _WORDS:
        words, why = _WORDS[plain]
        if without_fencing and (plain, said) in (
            ("no-quorum-policy", "ignore"),
            *((key, word) for key in OPTIONAL for word in FALSE),
        ):
            return
        if said not in words:
            yield f"{_named(words)}: {why}"
    elif plain not in _FREE and plain not in _OWN:
        known = [*_FREE, *_WORDS]
        close = difflib.get_close_matches(plain[:60], known, n=1, cutoff=0.6)
        yield f"{close[0]!r}, the nearest property that pacemaker knows" if close else "a property that pacemaker knows"


OPTIONAL = ("stonith-enabled", "startup-fencing")  # what the opt-out of fencing turns off


def wrong_default(section: str, name: str, value: str) -> Iterator[str]:
    """The same for a default of all resources (``rsc_defaults``) or of all operations (``op_defaults``)."""
    known = _RESOURCES if section == "rsc_defaults" else _OPERATIONS
    if name not in known:
        why = (
            "any other one decides about the database and its storage as well, and each resource can have it for itself"
        )
        yield f"one of {', '.join(known)}: {why}"
    elif name != "record-pending" and not _AMOUNT.fullmatch(value.strip()):
        yield known[name]


def _named(words: tuple[str, ...]) -> str:
    return "true" if words == TRUE else "false" if words == FALSE else " or ".join(words)
