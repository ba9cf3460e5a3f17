"""What cuts off a job in a world: who is lost, and at which moment."""

from __future__ import annotations

from typing import Any

MOMENTS = ("before", "half", "after")  # of a program, or of the change of a file


class PowerCut(BaseException):
    """The node goes down in the middle of a program. Not an ``Exception``: nothing in the product may catch it."""


class MinionKilled(BaseException):
    """The minion's process goes, the kernel under it stays as it is."""


class MasterKilled(BaseException):
    """The orchestration goes; what it has started on the minions runs to its end."""


class Interruption:
    """Raises at one moment of the n-th program from now on, once."""

    def __init__(self, world: Any, number: int, moment: str, error: type[BaseException]) -> None:
        self.world, self.at, self.moment, self.error = world, world.programs + number, moment, error
        self.happened = False

    def __call__(self, node: Any, moment: str) -> None:
        if not self.happened and (self.world.programs, moment) == (self.at, self.moment):
            self.happened = True
            raise self.error(node.name)
