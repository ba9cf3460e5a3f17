"""A real deployment over members that answer from a table: Salt's client is all that is replaced."""

from __future__ import annotations

from types import SimpleNamespace

from lab_node import PILLARS
from minion import CODE
from orchestration import NOTHING, working

from hamysql.errors import HamysqlError
from hamysql.master import deployment as deployments
from hamysql.master.members import Answer, Members

NAMES = ("db1", "db2")


class Cluster:
    """db1 and db2, and whoever else is asked.

    ``answers`` has a value for each function, or what makes it from the minion and the arguments; a ``HamysqlError`` that it raises
    is the minion's error. A function that is not there fails the test. ``asked`` is what was asked, in its order, without surveys and
    checkpoints; ``checkpoints`` has job, words, and how much was asked before, of each.
    """

    def __init__(self, member=working):
        self.surveys = {name: member(name) for name in NAMES}
        self.answers = {"state.apply": NOTHING}
        self.asked = []
        self.checkpoints = []
        self.events = []

    def deployment(self, monkeypatch, test=False, changed=0):
        """Its deployment, which is the real one."""
        members = Members("galaxy-db", {name: name for name in NAMES}, self.call, PILLARS)
        master = SimpleNamespace(
            opts={}, code=CODE, members=lambda _: members, fire=lambda _, data: self.events.append(data)
        )
        monkeypatch.setattr(deployments, "Master", lambda opts: SimpleNamespace(**{**vars(master), "opts": opts}))
        monkeypatch.setattr(deployments, "Lock", lambda *_: None)
        made = deployments.Deployment({"test": test}, None, "20260131")
        made.changed = changed
        return made

    def call(self, minions, function, kwargs, timeout):
        if function == "hamysql_node.survey":
            return {minion: Answer(self.surveys[minion]) for minion in minions}
        if function == "hamysql_checkpoint.keep":
            self.checkpoints.append((kwargs["job"], kwargs["before"], len(self.asked)))
            return {minion: Answer("20260131T100000Z") for minion in minions}
        self.asked.append((function, tuple(minions), dict(kwargs)))
        return {minion: self._answer(self.answers[function], minion, kwargs) for minion in minions}

    def _answer(self, answer, minion, kwargs):
        try:
            return Answer(answer(minion, **kwargs) if callable(answer) else answer)
        except HamysqlError as exc:
            return Answer(error=str(exc))

    @property
    def functions(self):
        """What was asked, without whom and with what."""
        return [function for function, _, _ in self.asked]

    @property
    def said(self):
        """What the deployment has told of its steps."""
        return [event["text"] for event in self.events if event["state"] == "step"]


def fails(text):
    """An answer that is an error."""

    def answer(minion, **_):
        raise HamysqlError(text)

    return answer
