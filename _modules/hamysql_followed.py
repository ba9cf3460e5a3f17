"""
What a node of the cluster does for a replica that follows it: the account, the position, and what the certificate says.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.errors import Refused
from hamysql.replica import account
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

__virtualname__ = "hamysql_followed"


def __virtual__() -> str:
    return __virtualname__


def admit(name: str, digest: str) -> list[str]:
    """
    On the node that serves: have the account by which a replica follows, which may do nothing else.

    name
        The replica's, in the pillar ``hamysql:replicas``.
    digest
        The hash of its password, which ``digest`` has returned there.

    Returns what was changed, a list. Raises ``NotApplied`` with what the server refuses.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_followed.admit reports '*0123456789ABCDEF0123456789ABCDEF01234567'
    """
    config = __salt__["hamysql.config"]()
    if name not in config["replicas"]:
        raise Refused(f"the pillar has no replica {name!r}, there are: {', '.join(config['replicas']) or 'none'}")
    return account.admit(run, config["mysql"], config["replicas"][name]["address"], digest)


def source() -> str:
    """
    On the node that serves: where the binary logs stand.

    Returns a position, such as ``0-7-42``. Raises ``Refused`` with all that keeps a replica from following this server.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_followed.source
    """
    config = __salt__["hamysql.config"]()
    return account.source(run, config["mysql"], config["self"])


def renumber() -> bool:
    """
    On the node that serves, once a backup has replaced the data: give transactions numbers that none had before.

    A replica of the data of before then stops with an error, and does not follow into other data.

    Returns whether that was to be done.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_followed.renumber
    """
    return account.renumber(run, __salt__["hamysql.config"]()["mysql"], time.time())


def verifies() -> bool:
    """
    On a node: whether a replica can insist on the server's certificate. There are authorities, and it has the virtual IP.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_followed.verifies
    """
    config = __salt__["hamysql.config"]()
    return account.has_address(run, config["mysql"]["tls"], config["vip"]["address"])
