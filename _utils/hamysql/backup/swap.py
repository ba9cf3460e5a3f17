"""The data of a datadir is replaced: what is in it leaves by renames, and the other data enters it.

Nothing is written over. The folder of the system tables leaves first and enters last, so no server starts in between: it finds no
accounts. Whoever is killed has written down which of the two was under way, and the next one goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from hamysql.backup.beside import COPY, DONE, ENTERING, LEAVING, LOGS, READY, RESTORE, STAYS, UNDO, Beside, Intent
from hamysql.errors import Refused
from hamysql.mysql.datadir import PROOF

Step = Callable[[str], None]


def _nothing(_: str) -> None:
    pass


def replaced(beside: Beside, intent: Intent, step: Step = _nothing) -> Intent:
    """Serve the prepared copy, or go on with that; returns the intent as it is then.

    step
        Called before each change; a test cuts it off there.
    """
    return _carried_out(beside, intent, step)


def undone(beside: Beside, intent: Intent, step: Step = _nothing) -> Intent:
    """Serve the data of before again, or go on with that. A restore that is under way is brought to its end first."""
    if intent.direction == RESTORE:
        if intent.stage == READY:
            raise Refused("nothing was replaced yet: the copy can be given up")
        intent = _carried_out(beside, intent, step)
        # It is written down when the first file is about to leave.
        intent = replace(intent, direction=UNDO, stage=READY)
    return _carried_out(beside, intent, step)


def _carried_out(beside: Beside, intent: Intent, step: Step) -> Intent:
    if intent.stage == READY:
        with beside.folder(intent.into) as source:
            if PROOF not in os.listdir(source):
                raise Refused(f"{beside.named / intent.into} holds no database: nothing is replaced")
        if intent.out in beside.kept():
            raise Refused(f"{beside.named / intent.out} is there already: nothing is replaced")
        step("leaving")
        intent = beside.at(intent, LEAVING)
    if intent.stage == LEAVING:
        with beside.folder(intent.out, make=True) as target:
            _move(beside, beside.data, target, step, first=True)
        step("entering")
        intent = beside.at(intent, ENTERING)
    if intent.stage == ENTERING:
        with beside.folder(intent.into) as source:
            _move(beside, source, beside.data, step, first=False)
        if PROOF not in os.listdir(beside.data):
            raise Refused(f"{beside.datadir} holds no database after the exchange: look at what is in {beside.named}")
        step("done")
        intent = beside.at(intent, DONE)
        beside.remove(intent.into.partition("/")[0])
    return intent


def _move(beside: Beside, source: int, target: int, step: Step, first: bool) -> None:
    """Rename all that is in a folder into another one.

    first
        Whether the system tables are the first, or the last.
    """
    names = [name for name in os.listdir(source) if name not in STAYS]
    names.sort(key=lambda name: (name == PROOF) != first)
    if both := sorted(set(names) & set(os.listdir(target))):
        raise Refused(
            f"nothing is moved, since {', '.join(both[:5])} would replace another one, in {beside.datadir}: somebody has started a "
            f"server meanwhile. Move what it has made out of {beside.datadir}, and run this again"
        )
    for name in names:
        step(name)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    os.fsync(source)
    os.fsync(target)


def given_up(beside: Beside) -> bool:
    """Give up a copy that was not served yet; whether there was one."""
    intent = beside.intent()
    if intent is not None and (intent.stage != READY or intent.direction != RESTORE):
        raise Refused("the data was replaced already: undo that, and do not give the copy up")
    there = intent is not None or COPY in os.listdir(beside.handle)
    beside.forget()
    beside.remove(COPY)
    beside.remove(LOGS)
    return there


def confirmed(beside: Beside, active: Callable[[], bool]) -> list[str]:
    """Take the data away that is not served; returns the folders' names. There is no way back.

    active
        Whether a database server answers on this node.
    """
    intent = beside.intent()
    if intent is not None and intent.stage != DONE:
        raise Refused(f"the {intent.direction} of {intent.name} has not ended: run it again first")
    if not active() or PROOF not in os.listdir(beside.data):
        raise Refused("no database answers here from the data that is to stay: nothing is taken away")
    names = beside.kept()
    for name in names:
        beside.remove(name)
    beside.remove(COPY)
    beside.remove(LOGS)
    beside.forget()
    return names
