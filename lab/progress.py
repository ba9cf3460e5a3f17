"""What the operator sees while something takes long: the stage, the step, the seconds; and the times at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.table import Table


class Progress:
    """Shows a stage at work (a spinner on a terminal, lines elsewhere) and remembers how long each took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.seconds: dict[str, float] = {}
        self._stage = ""
        self._status: Status | None = None

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False)

    def step(self, text: str) -> None:
        """What the stage does now."""
        if self._status:
            self._status.update(f"{self._stage}: {text}")
        else:
            self.say(f"{self._stage}: {text}" if self._stage else text)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A part of the work whose time is shown at the end."""
        started = time.monotonic()
        self._stage = name
        if self.console.is_terminal:
            self._status = self.console.status(name)
            self._status.start()
        try:
            yield
        finally:
            if self._status:
                self._status.stop()
                self._status = None
            self._stage = ""
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - started

    def show_times(self) -> None:
        """The table of the stages' times."""
        table = Table("stage", "seconds", title="times")
        table.columns[1].justify = "right"
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("total", f"{sum(self.seconds.values()):.1f}")
        self.console.print(table)
