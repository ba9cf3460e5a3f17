"""What the runner shows: one cluster, once or again and again, and all clusters of a master."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hamysql.errors import Refused
from hamysql.master.deployment import View
from hamysql.master.members import clusters as of_pillars
from hamysql.master.salt import Master, Opts
from hamysql.master.status import look, screen, verdict
from hamysql.master.status.shape import Status

CLEAR = "\033[H\033[2J"  # of a terminal: to its upper left corner, and all is erased (ECMA-48)

OUTPUTTER = "hamysql_status"  # of _output/

Say = Callable[[str], None]


def status(view: View, watch: float | None, say: Say | None) -> dict[str, object]:
    """The status of a cluster, see :mod:`hamysql.master.status.shape`, with the name of what prints it as words.

    watch
        Seconds until it is looked at again, until somebody interrupts that; ``None`` for once.
    say
        Prints a screen of words; ``None`` where a program reads the return: that is the data alone then.
    """
    if watch is not None and (isinstance(watch, bool) or not isinstance(watch, (int, float)) or watch <= 0):
        raise Refused(f"watch={watch} is no number of seconds: say watch=5")
    if watch is not None and say is None:
        raise Refused("watch shows words on a terminal again and again: leave out --out, or leave out watch")
    found = _seen(view)
    if say is None:
        return {**found}
    with _ctrl_c() as pressed, suppress(KeyboardInterrupt, SystemExit):  # Salt makes the one of the other
        while watch is not None and not pressed.was:
            clear = CLEAR if sys.stdout.isatty() else ""
            say(f"{clear}{screen.text(found, time.time())}\n\nEvery {watch} s; Ctrl-C ends this.")
            pressed.sleep(watch)
            found = _seen(view, bring=False)
    return {**found, "outputter": OUTPUTTER}


def _seen(view: View, bring: bool = True) -> Status:
    members = look.members(view, bring)
    return verdict.status(view.members.cluster, members, look.replicas(view, members))


class _Pressed:
    """Whether Ctrl-C was pressed. A sleep ends then; a look at the members goes on to its end, or a second Ctrl-C."""

    was = False
    asleep = False

    def __call__(self, *_: object) -> None:
        again, self.was = self.was, True
        if again or self.asleep:
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        self.asleep = True
        try:
            if self.was:
                raise KeyboardInterrupt
            time.sleep(seconds)
        finally:
            self.asleep = False


@contextmanager
def _ctrl_c() -> Iterator[_Pressed]:
    """Salt makes an error of Ctrl-C where it waits for minions, so it is only noted there."""
    pressed = _Pressed()
    try:
        before = signal.signal(signal.SIGINT, pressed)
    except ValueError:  # not the main thread, which has no Ctrl-C
        yield pressed
        return
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def cluster_lines(opts: Opts) -> list[str]:
    """All clusters of the master, each in one line."""
    names = sorted(of_pillars(Master(opts).pillars()))
    return [screen.line(_seen(View(opts, name))) for name in names]
