"""What the lab itself has to know of the pillar that it serves: where the database is, and who may write to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from lab.basics.context import Lab
from lab.basics.errors import LabError

PROBE = "probe"  # the user and the database of lab/software/pillar.sls that the probe uses


@dataclass(frozen=True)
class Settings:
    """A few values of the lab's pillar."""

    cluster: str
    vip: str
    port: int
    users: dict[str, str]
    databases: tuple[str, ...]
    quorum_device: bool = False
    backend: str = "drbd"

    def probe_login(self) -> dict[str, Any]:
        """How the probe reaches the database through the virtual IP."""
        if PROBE not in self.users or PROBE not in self.databases:
            raise LabError(
                f"the lab's pillar has no user or no database {PROBE!r} (see lab/software/pillar.sls), the probe needs both"
            )
        login = {"host": self.vip, "port": self.port, "user": PROBE, "password": self.users[PROBE]}
        return {**login, "database": PROBE}


def read(lab: Lab) -> Settings:
    """Read the pillar that the lab's master serves; plain YAML, as lab/software/pillar.sls is."""
    path = lab.salt / "pillar/lab.sls"
    try:
        pillar = yaml.safe_load(path.read_text())["hamysql"]
        mysql = pillar.get("mysql", {})
        return Settings(
            cluster=pillar["cluster"]["name"],
            vip=pillar["vip"]["address"],
            port=int(mysql.get("port", 3306)),
            users={user["name"]: user.get("password", "") for user in mysql.get("users", [])},
            backend=pillar.get("storage", {}).get("backend", "drbd"),
            quorum_device=bool(pillar.get("quorum", {}).get("device")),
            databases=tuple(database["name"] for database in mysql.get("databases", [])),
        )
    except OSError as exc:
        raise LabError(f"the lab has no pillar yet ({path}): start it with `python -m lab up`") from exc
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as exc:
        raise LabError(f"{path.resolve()} cannot be read as a hamysql pillar in plain YAML: {exc!r}") from exc
