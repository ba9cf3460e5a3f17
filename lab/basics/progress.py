"""What the operator sees while something takes long: a bar, the step, the seconds; and the times at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table


class Progress:
    """Shows the stage at work (a bar on a terminal, plain lines elsewhere) and remembers how long each took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.seconds: dict[str, float] = {}
        self._stage = ""
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False)

    def step(self, text: str) -> None:
        """What the stage does now; the step before it is done."""
        if self._bar:
            self._bar.advance(self._task)
            self._bar.update(self._task, description=f"{self._stage}: {text}")
        else:
            self.say(f"{self._stage}: {text}" if self._stage else text)

    def bar(self, done: float, of: float, text: str) -> None:
        """How far the stage has come."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=of, description=f"{self._stage}: {text}")

    @contextmanager
    def stage(self, name: str, steps: int | None = None) -> Iterator[None]:
        """A part of the work whose time is shown at the end; ``steps`` is how often ``step`` will be called in it."""
        started = time.monotonic()
        self._stage = name
        if self.console.is_terminal:
            columns = (BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Bar(*columns, console=self.console, transient=True)
            self._task = self._bar.add_task(name, total=steps, completed=-1 if steps else 0)
            self._bar.start()
        try:
            yield
        finally:
            if self._bar:
                self._bar.stop()
                self._bar = None
            self._stage = ""
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - started

    def show_times(self) -> None:
        """The table of the stages' times."""
        if not self.seconds:
            return
        table = Table("stage", "seconds", title="how long it took")
        table.columns[1].justify = "right"
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("total", f"{sum(self.seconds.values()):.1f}")
        self.console.print(table)
