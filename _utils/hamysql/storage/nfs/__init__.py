"""An NFS export: its keys in the pillar, its mark, and the plan for it."""

from __future__ import annotations

from typing import Final

NAME: Final = "nfs"  # in the pillar and in latches
