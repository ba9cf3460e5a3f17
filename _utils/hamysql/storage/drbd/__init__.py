"""DRBD: its keys in the pillar, its configuration, its status, and the plan for two replicas."""

from __future__ import annotations

from typing import Final

from hamysql.storage.latch import FIRST

NAME: Final = FIRST  # in the pillar and in latches
