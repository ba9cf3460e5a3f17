"""An export grows on its server, and its clients see that at once."""

from __future__ import annotations

from hamysql.resolved import Resolved
from hamysql.storage.growth.layers import Growth


class NfsGrowth(Growth):
    def nothing(self, site: Resolved) -> str:
        return f"{site['storage']['nfs']['source']} grows on its server: nothing has to be done on the nodes"


GROWTH = NfsGrowth()
