"""What a pillar may choose freely, and no code reads by its name. All else that it says has a type beside this."""

from __future__ import annotations

from typing import Any

Options = dict[str, Any]
