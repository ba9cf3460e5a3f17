"""
The packages of a node, its kernel and a boot: the verbs of ``hamysql.orch.update``, on the node that they are about.

Each looks at its node first. What changes something wants the mark of ``begin``, and a node below which no cluster runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.config import packages
from hamysql.mysql.flavours import registry
from hamysql.storage import backends
from hamysql.system.command import run
from hamysql.upkeep import look as upkeep_look
from hamysql.upkeep import mark as upkeep_mark
from hamysql.upkeep import verbs

if TYPE_CHECKING:
    from injected import __grains__, __salt__

    from hamysql.upkeep.look import Seen, Site, UpdateSeen

__virtualname__ = "hamysql_update"


def __virtual__() -> str:
    return __virtualname__


def _site() -> Site:
    site = __salt__["hamysql.config"]()
    package = site["package"]
    return upkeep_look.Site(
        __grains__["os_family"],
        tuple(package["owned"]),
        tuple(package["versions"]),
        backends.used(site).module_of_kernel,
    )


def _out_of_service() -> None:
    running = __salt__["hamysql_cluster.status"]()["running"] or __salt__["hamysql_mysql.active"]()
    verbs.out_of_service(__salt__["hamysql.config"]()["self"], running)


def look(refresh: bool = False) -> Seen:
    """
    What there is to update on this node. Nothing is installed.

    refresh
        Whether the lists of the repositories are fetched first (default: False).

    Returns ``{"updates": [{"name", "old": "" for a new package, "new": "" for one that goes}], "left": [packages that are held or
    pinned], "kernels": [that come], "running": the kernel, "without": [sentences on kernels without the storage's module], "boot":
    why the node has to boot or "", "mark": {"since", "boot"} of an update that has begun here or None, "boot_id"}``. Raises
    ``CommandFailed`` where a repository does not answer, and ``Refused`` on a system whose package manager hamysql does not know.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_update.look refresh=True
    """
    site = _site()
    if refresh:
        site.manager.refresh(run)
    return upkeep_look.seen(run, site)


def fetch() -> Seen:
    """
    Download what there is to update, and look at it: a kernel shows then whether it has the storage's module. Nothing is installed.

    Returns what ``look`` does. Raises ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_update.fetch
    """
    site = _site()
    verbs.fetched(run, site)
    return upkeep_look.seen(run, site)


def begin() -> str:
    """
    Mark this node as one that is being updated, before it is taken out of the service.

    Returns since when, as text.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_update.begin
    """
    return upkeep_mark.write()["since"]


def install() -> list[UpdateSeen]:
    """
    Install what there is to update. Services of the cluster are not touched by the packages' scripts.

    Returns what was updated, see ``look``. Raises ``Refused`` where the cluster runs here, where no update has begun, or where a
    kernel lacks the storage's module afterwards, and ``CommandFailed`` with the package manager's words.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_update.install
    """
    _out_of_service()
    return verbs.install(run, _site(), packages.guarded_units(__salt__["hamysql.config"]()["package"]))


def reboot() -> bool:
    """
    Have this node boot anew, a moment after this has returned.

    Returns True. Raises ``Refused`` where the cluster runs here, where no update has begun, or where a kernel that it may boot
    lacks the storage's module.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_update.reboot
    """
    _out_of_service()
    return verbs.reboot(run, _site())


def booting() -> bool:
    """
    Whether this node is about to boot, since ``reboot`` was called.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_update.booting
    """
    return verbs.BOOTING.exists()


def end() -> bool:
    """
    Take the mark away: this node is updated, and back in the service.

    Returns whether there was one.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_update.end
    """
    return upkeep_mark.remove()


def tables() -> str:
    """
    Have the database's own tables as its release needs them, by its own program, on the node that serves, where that is needed.

    Returns the program's name, "" where nothing was needed. Raises ``CommandFailed`` with its words.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_update.tables
    """
    mysql = __salt__["hamysql.config"]()["mysql"]
    programs = registry.of(mysql).upgrade(mysql)
    if programs is None:
        return ""
    needed, act = programs
    if run(needed, accept=(0, 1), timeout=300).returncode:
        return ""
    run(act, timeout=3600)
    return str(act[0]).rpartition("/")[2]
