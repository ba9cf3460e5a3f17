"""
What this node has to say in a support bundle (``salt-run hamysql.report``), without the secrets of its pillar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.records import bundle
from hamysql.records.masks import Masks, of_pillar
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __pillar__, __salt__

    from hamysql.records.bundle import Packed

__virtualname__ = "hamysql_report"


def __virtual__() -> str:
    return __virtualname__


def sources() -> list[str]:
    """
    The names of what this node can be asked for: its journals, logs, and what its cluster shows.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_report.sources
    """
    return list(bundle.sources(__salt__["hamysql.config"](misnamed=True)))


def collect(name: str, since: float, until: float) -> Packed:
    """
    One source, secrets hidden.

    name
        One of ``hamysql_report.sources``.
    since, until
        The window of the journals, in seconds since 1970. Of a log file it is the end.

    Returns ``{"data": base64 of the compressed text, "left_out": number of its oldest lines that did not fit}``. Raises ``Refused``
    for a name that is none, and ``CommandFailed`` where a journal cannot be read.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_report.collect corosync.journal 1769850000 1769853600
    """
    text = bundle.read(run, __salt__["hamysql.config"](misnamed=True), name, since, until)
    return bundle.pack(Masks(of_pillar(__pillar__.get("hamysql"))).hide(text))
