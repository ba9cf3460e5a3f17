"""What a replica's machine has to know of its cluster: a file that the orchestration lays down there. It has no secret.

The machine is no member, so it needs no pillar of the cluster's. The password by which it follows is its own, and never travels.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TypedDict

from hamysql.backup import job
from hamysql.backup.settings import login
from hamysql.backup.take import Site
from hamysql.errors import NotReady, ParseError, Refused
from hamysql.mysql.flavours import registry
from hamysql.resolved import Resolved
from hamysql.system import files, root

FOLDER = PurePosixPath("/etc/hamysql")
FILE = FOLDER / "replica.json"
CA = FOLDER / "replica-ca.pem"
USER = "hamysql-replica"  # the account of each replica; the host tells them apart
PILLAR = "hamysql_replica"  # of a replica's minion: what opens a repository of backups


class Secrets(TypedDict, total=False):
    """The pillar ``hamysql_replica`` of a replica's minion: what opens a repository of backups, as in ``hamysql:backup``."""

    password: str
    environment: dict[str, str]


class Task(TypedDict):
    """The content of the file. ``address`` and ``port`` are of the virtual IP, ``tls``, ``ca`` and ``verify`` of the way there.

    ``service`` is the unit of the database server, ``options`` its option file, ``backup`` as for the timer of the backups.
    """

    cluster: str
    name: str
    address: str
    port: int
    tls: bool
    ca: str
    verify: bool
    service: str
    options: str
    repository: str
    backup: job.Task


def task(config: Resolved, name: str, verify: bool) -> Task:
    """What a replica has to know, from the resolved configuration; its secrets may be masked.

    verify
        Whether the cluster's certificate has the virtual IP, so that the replica can insist on it.
    """
    mysql, tls = config["mysql"], config["mysql"]["tls"]
    backup = job.task(config)
    backup["node"] = name
    return {
        "cluster": config["cluster"]["name"],
        "name": name,
        "address": config["vip"]["address"],
        "port": mysql["port"],
        "tls": tls["enabled"],
        "ca": str(CA) if tls["enabled"] and tls["ca"] else "",
        "verify": verify,
        "service": f"{registry.of(mysql).names.services[0]}.service",
        "options": mysql["config_fragment"],
        "repository": config["backup"]["repository"] or "",
        "backup": backup,
    }


def read() -> Task:
    """The file of this machine. Raises ``NotReady`` where it is missing."""
    text = files.text_if_any(root.at(str(FILE)), links=True)
    if text is None:
        raise NotReady(
            f"this machine is no replica yet ({FILE} is missing): `salt-run state.orchestrate hamysql.orch.replica` makes it one"
        )
    try:
        found: Task = json.loads(text)
        if set(Task.__annotations__) - set(found):
            raise ValueError("keys are missing")
    except (ValueError, TypeError) as exc:
        raise ParseError(f"{FILE} cannot be read ({exc}): run hamysql.orch.replica, which writes it again") from exc
    return found


def backups(said: Task, pillar: Secrets) -> Site:
    """Where the replica's machine sees the cluster's backups.

    pillar
        ``hamysql_replica`` of its minion, which has the ``password`` and the ``environment`` of a repository.
    """
    if not said["repository"]:
        return job.place(said["backup"])
    password = pillar.get("password")
    if not password:
        raise Refused(
            f"the backups are in the repository {said['repository']}, and the minion of {said['name']} has no password for it: "
            f"give it a pillar `{PILLAR}` with the password and the environment of hamysql:backup"
        )
    environment = {str(key): str(value) for key, value in dict(pillar.get("environment") or {}).items()}
    return job.place(said["backup"], login(said["repository"], str(password), environment))


def datadir(said: Task) -> Path:
    """The folder of the data."""
    return Path(said["backup"]["mysql"]["datadir"])
