"""A LUN that both nodes see: its keys in the pillar, its claim, iSCSI, and the plan for it."""

from __future__ import annotations

from typing import Final

NAME: Final = "shared"  # in the pillar and in latches; all else calls it a LUN, because an export is shared as well
