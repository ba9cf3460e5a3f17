"""Who may reach which port because of the storage. Pure."""

from __future__ import annotations

from hamysql.ports import Access, family
from hamysql.schema.values import Config


def ports(config: Config) -> list[Access]:
    """DRBD's port, for the other node's end of the link; nobody connects to a node for the other kinds."""
    if config["storage"]["backend"] != "drbd":
        return []
    own, peer = (config["cluster"]["nodes"][config[which]]["replication"] for which in ("self", "peer"))
    return [Access("tcp", (config["storage"]["drbd"]["port"],), (peer,), family(own))]
