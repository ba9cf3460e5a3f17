"""
The files of the database clients' TLS on one node, from the pillar ``hamysql:mysql:tls``: see :mod:`hamysql.mysql.tls.files`, and
:mod:`hamysql.mysql.tls.certificate` for what is judged.

A running server reads them again by ``hamysql_change.apply``. No function returns or logs a key, nor does an argument hold one.
"""

from __future__ import annotations

import grp
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.errors import ConfigError, HamysqlError, Refused
from hamysql.mysql.tls import certificate
from hamysql.mysql.tls import files as tls_files
from hamysql.system.command import acting_as, exists, run

if TYPE_CHECKING:
    from typing import Any

    from injected import __salt__

    from hamysql.resolved.software import Mysql

__virtualname__ = "hamysql_tls"

FOLDER = Path(tls_files.FOLDER)


def __virtual__() -> str:
    return __virtualname__


def _config(misnamed: bool = False) -> Mysql:
    return __salt__["hamysql.config"](misnamed=misnamed)["mysql"]


def _gid(config: Mysql) -> int | None:
    try:
        return grp.getgrnam(config["group"]).gr_gid
    except KeyError:
        return None


def present() -> bool:
    """
    Whether files of TLS are on this node, whatever the pillar says.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tls.present
    """
    return FOLDER.is_dir()


def judge() -> dict[str, list[dict[str, Any]]]:
    """
    Whether the server could start with the pillar's certificate, key and authorities, and clients believe it. Changes nothing.

    Returns ``{"refused": [{"path": of the pillar, "found", "expected"}], "warnings": [the same]}``: both are empty where the pillar
    sets up no TLS, and where openssl is not installed yet. A set that is in service already is only warned of.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tls.judge
    """
    config = _config(misnamed=True)
    if not config["tls"]["enabled"] or not exists(tls_files.OPENSSL):
        return {"refused": [], "warnings": []}
    verdict = _verdict(config, tls_files.there(FOLDER, None))
    return {name: list(found) for name, found in asdict(verdict).items()}


def _verdict(config: Mysql, seen: tls_files.There) -> certificate.Verdict:
    wanted = tls_files.texts(config)
    return certificate.judge(run, wanted, seen.texts != wanted, time.time())


def pending() -> dict[str, dict[str, Any]]:
    """
    The files that ``install`` would write or put right: ``{path: {"old", "new"}}`` in words, without anything of their content.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tls.pending
    """
    config = _config(misnamed=True)
    return (
        tls_files.differences(tls_files.there(FOLDER, _gid(config)), tls_files.texts(config))
        if config["tls"]["enabled"]
        else {}
    )


def install() -> dict[str, dict[str, Any]]:
    """
    Lay the pillar's certificate, key and authorities down, as one set: all of them take the old ones' place at the same moment.

    Returns what was done, in the form of ``pending``. Raises ``ConfigError`` with all that is wrong with the set, ``Refused`` where
    the server's account could not read the key, and ``HamysqlError`` where its group is missing. The old files are kept then.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_tls.install
    """
    config = _config()
    if not config["tls"]["enabled"]:
        return {}
    gid, wanted = _gid(config), tls_files.texts(config)
    if gid is None:
        raise HamysqlError(f"there is no group {config['group']} on this node (hamysql:mysql:group)")
    seen = tls_files.there(FOLDER, gid)
    done = tls_files.differences(seen, wanted)
    if seen.texts != wanted and (refused := _verdict(config, seen).refused):
        raise ConfigError(refused)
    # In a folder that was not root's, nothing is put right by name.
    if seen.texts != wanted or {"", tls_files.CURRENT} & set(seen.astray):
        place = tls_files.prepare(FOLDER, wanted, gid)
        with acting_as(config["user"]):
            readable = run(["test", "-r", str(place / "key.pem")], accept=(0, 1)).returncode == 0
        if not readable:
            tls_files.clear(FOLDER)
            raise Refused(
                f"the account {config['user']} could not read {place.parent / tls_files.CURRENT}/key.pem, which is for the group "
                f"{config['group']}: the server would not start. Put the account into that group"
            )
        tls_files.switch(FOLDER, place)
    elif done:
        tls_files.repair(FOLDER, seen, gid)
        tls_files.clear(FOLDER)
    return done
