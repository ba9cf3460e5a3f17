"""Salt, seen from the master: the only file of this package that knows Salt's client, pillar compiler and event bus.

It is used by the runner and by the orchestration's states, which both run in a process of the master.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hamysql import fingerprint
from hamysql.errors import HamysqlError
from hamysql.master.members import Answer, Members, Pillar, choose, clusters

TAG = "hamysql/orch"
Opts = Mapping[str, Any]  # Salt's options
GATHER = (
    60  # seconds for a member that has answered before to say that it is still there: it may be starting a database
)


class Master:
    """A connection to the Salt master of this machine.

    opts
        Any Salt options of the master's process; only ``conf_file`` is read, and the configuration is loaded anew, since an
        orchestration's own options are altered by Salt (``file_client``, ``pillar``, ``test``).
    """

    def __init__(self, opts: Opts) -> None:
        import salt.client
        import salt.config

        self.opts = salt.config.master_config(opts["conf_file"])
        self._client = salt.client.get_local_client(c_path=opts["conf_file"])
        self._known: set[str] = set()  # minions that have answered

    def call(
        self, minions: Sequence[str], function: str, kwargs: Mapping[str, object], timeout: float
    ) -> dict[str, Answer]:
        """Run an execution function on minions; see :class:`hamysql.master.members.Call`.

        A minion that is silent for ``timeout`` is asked whether it still works on the job. It has the master's
        ``gather_job_timeout`` to answer, and a minute if it has answered anything before: that is busy, not down.
        """
        gather = self.opts["gather_job_timeout"]
        returns = self._client.cmd(
            list(minions),
            function,
            kwarg=dict(kwargs),
            timeout=int(timeout),
            tgt_type="list",
            full_return=True,
            gather_job_timeout=max(gather, GATHER) if self._known.issuperset(minions) else gather,
        )
        answers = {}
        for minion, data in returns.items():
            if not isinstance(data, Mapping) or data.get("out") == "no_return" or "ret" not in data:
                continue
            failed = data.get("retcode", 0) != 0 and isinstance(data["ret"], str)
            answers[minion] = Answer(error=data["ret"].strip()) if failed else Answer(data["ret"])
        self._known.update(answers)
        return answers

    def pillars(self, minions: Iterable[str] | None = None) -> dict[str, Pillar]:
        """The ``hamysql`` pillar of every accepted minion that has one, compiled here and now, minions up or not.

        minions
            Only of these, as far as they are accepted; of all by default.
        """
        import salt.pillar
        import salt.utils.minions

        found: dict[str, Pillar] = {}
        accepted = self._accepted()
        for minion in accepted if minions is None else [name for name in minions if name in accepted]:
            _, grains, _ = salt.utils.minions.get_minion_data(minion, self.opts)
            compiler = salt.pillar.Pillar(
                self.opts, grains or {"id": minion}, minion, self.opts.get("saltenv") or "base"
            )
            pillar = compiler.compile_pillar().get("hamysql")
            if isinstance(pillar, Mapping):
                found[minion] = pillar
        return found

    def _accepted(self) -> list[str]:
        import salt.utils.minions

        return list(salt.utils.minions.CkMinions(self.opts).check_minions("*")["minions"])

    def _pillars_of(self, cluster: str) -> dict[str, Pillar]:
        """The pillars of one cluster's members; with hundreds of sites, compiling those of all takes minutes.

        The master's cache of minion data only says where to look. It may be old or empty: where the pillars that are compiled
        now do not make up the cluster, all are compiled.
        """
        import salt.utils.minions

        known = []
        for minion in self._accepted():
            _, _, cached = salt.utils.minions.get_minion_data(minion, self.opts)
            pillar = cached.get("hamysql") if isinstance(cached, Mapping) else None
            if isinstance(pillar, Mapping) and cluster in clusters({minion: pillar}):
                known.append(minion)
        found = self.pillars(known)
        nodes = clusters(found).get(cluster)
        if nodes is None:
            return self.pillars()
        return found | self.pillars(minion for minion in nodes.values() if minion not in found)

    @property
    def served(self) -> list[str]:
        """The folders whose files every minion can read."""
        return [root for roots in self.opts["file_roots"].values() for root in roots]

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group of the master, for files that it is to read; ``None`` where this process is not root's."""
        user = pwd.getpwnam(self.opts["user"])
        return (user.pw_uid, user.pw_gid) if os.geteuid() == 0 else None

    def members(self, cluster: str | None) -> Members:
        """The members of ``cluster``, or of the only cluster that this master has."""
        pillars = self._pillars_of(cluster) if cluster else self.pillars()
        name, minions = choose(clusters(pillars), cluster)
        digests = {node: fingerprint.pillar(pillars.get(minion)) for node, minion in minions.items()}
        return Members(name, minions, self.call, digests)

    @property
    def code(self) -> str:
        """The digest of the formula's code that this master has synchronised."""
        return fingerprint.code(self.opts["extension_modules"])

    def listen(self) -> AbstractContextManager[Any]:
        """The master's event bus, for reading."""
        import salt.utils.event

        bus: AbstractContextManager[Any] = salt.utils.event.get_master_event(
            self.opts, self.opts["sock_dir"], listen=True
        )
        return bus

    def fire(self, cluster: str, data: Mapping[str, object]) -> None:
        """Say something on the event bus under ``hamysql/orch/CLUSTER``."""
        import salt.utils.event

        with salt.utils.event.get_master_event(self.opts, self.opts["sock_dir"], listen=False) as bus:
            bus.fire_event({"cluster": cluster, **data}, f"{TAG}/{cluster}")


class Lock:
    """One orchestration for each cluster at a time: a lock on a file of the master, held until ``release``.

    It goes with the last reference to this object, too, and the kernel drops it with the process, however that ends: an
    orchestration may run in a process that lives on, such as a reactor's.
    """

    def __init__(self, opts: Opts, cluster: str, jid: str) -> None:
        folder = Path(opts["cachedir"]) / "hamysql"
        folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(folder / f"{cluster}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 100).decode(errors="replace").strip()
            os.close(self._handle)
            raise HamysqlError(
                f"another orchestration of {cluster} is running: job {holder or 'unknown'}; wait for it to end"
            ) from None
        self._close = weakref.finalize(self, os.close, self._handle)
        self._close.atexit = False
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{jid}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one begin; done already, nothing."""
        if self._close.alive:
            fcntl.flock(self._handle, fcntl.LOCK_UN)  # a child that was forked meanwhile has the same lock
            self._close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
