"""
Checkpoints: what the configuration of this node and of its cluster was before a change, and the way back to it.

They are in ``/var/lib/hamysql/checkpoints``, which only root can enter. A highstate and the orchestration make them by themselves.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import salt.payload

from hamysql.cib import agents as cib_agents
from hamysql.cib import kept as cib_kept
from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.corosync import node_ids
from hamysql.errors import CommandFailed, Refused
from hamysql.records import masks, undo
from hamysql.records.checkpoints import CIB, PRESENT, Store
from hamysql.schema import secretnames
from hamysql.storage import backends
from hamysql.system import files
from hamysql.system.command import run

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypedDict

    from injected import __opts__, __salt__

    from hamysql.cib.plan import Change
    from hamysql.records.checkpoints import Manifest

    class Undone(TypedDict):
        """What an undo changes, what pacemaker does about that, and what forbids it."""

        changes: list[dict[str, str]]
        actions: list[str]
        problems: list[str]
        begun: bool


__virtualname__ = "hamysql_checkpoint"
__func_alias__ = {"list_": "list"}

STORE = Store()


def __virtual__() -> str:
    return __virtualname__


def _files() -> list[tuple[str, Callable[[str], bool] | None]]:
    """The files that are kept, and which of their options are secrets; corosync's has none, and its `token` is a time."""
    site = __salt__["hamysql.config"](misnamed=True)
    return [
        (str(node_ids.FILE), None),
        (site["mysql"]["config_fragment"], secretnames.is_databases_secret),
        *((path, secretnames.is_secret) for path in backends.used(site).files(site)),
    ]


def _paths() -> dict[str, str]:
    """The paths of all that is kept, by their names in a checkpoint."""
    return {CIB: str(cib_kept.FILE), **{Path(path).name: path for path, _ in _files()}}


def _texts() -> dict[str, str]:
    """What there is of it. The cluster's configuration is as it is; of all others the secrets are hidden."""
    found = {}
    try:
        cib = cib_kept.known(run)
    except CommandFailed:  # pacemaker runs and does not answer: a highstate does not wait for that
        cib = cib_kept.kept()
    if cib is not None:
        found[CIB] = cib
    for path, is_secret in _files():
        text = files.text_if_any(path, links=True)
        if text is not None:
            found[Path(path).name] = masks.file(text, is_secret) if is_secret else text
    return found


def keep(job: str = "", before: str = "a highstate", cib_only: bool = False, name: str = "") -> str:
    """
    Make a checkpoint, unless the newest one has the same configuration. The last 20 are kept.

    job
        Salt's job that is about to change something; this one by default.
    before
        What is about to change something, in words.
    cib_only
        Whether the newest one will do where it has the same cluster configuration, whatever the files are; False by default.
    name
        The checkpoint's name, a time such as ``20260131T100000Z``, so that both nodes have the same; this moment by default.

    Returns the name of the checkpoint that has the present configuration, "" where there is nothing yet.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_checkpoint.keep before='a change by hand'
    """
    paths = _paths()
    texts = _texts()
    return STORE.keep(texts, {name: paths[name] for name in texts}, job or _job(), before, cib_only, name)


def _job() -> str:
    """The job that this process works on, as the minion has noted it; "" where it has not."""
    for path in (Path(__opts__["cachedir"]) / "proc").glob("[0-9]*"):
        try:
            said = salt.payload.loads(files.read(path))
        except Exception:  # it is being written, or of a job that has just ended
            continue
        if isinstance(said, dict) and said.get("pid") == os.getpid():
            return str(said.get("jid", ""))
    return ""


def list_() -> list[Manifest]:
    """
    The checkpoints of this node, the newest first.

    Returns ``[{"name", "when": seconds since 1970, "job", "before": what was about to change something, "files": {name: path}}]``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_checkpoint.list
    """
    return STORE.manifests()


def show(name: str = PRESENT) -> dict[str, str]:
    """
    A checkpoint's files, or the present ones, with the secrets hidden.

    name
        The checkpoint; ``now`` by default, for what there is at present.

    Returns ``{path: text}``. Raises ``Refused`` where there is no such checkpoint.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_checkpoint.show
        salt db1 hamysql_checkpoint.show 20260131T100000Z
    """
    paths: Mapping[str, str]
    if name == PRESENT:
        paths = _paths()
        texts: Mapping[str, str] = _texts()
    else:
        found = STORE.read(name)
        paths, texts = found.manifest["files"], found.texts
    return {paths[item]: masks.cib(text) if item == CIB else text for item, text in texts.items()}


def diff(name: str) -> Undone:
    """
    What ``hamysql_checkpoint.restore`` would change now. Nothing is carried out.

    name
        The checkpoint.

    Returns ``{"changes": see hamysql_cib.diff, "actions": [what pacemaker would do], "problems": [what forbids it, as
    sentences], "begun": whether a change of agents was cut off, which ``restore`` would end}``. Raises ``NotReady`` where pacemaker
    does not run, and ``Refused`` where there is no such checkpoint.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_checkpoint.diff 20260131T100000Z
    """
    return _undone(name)


def restore(name: str) -> Undone:
    """
    Put back the cluster's configuration of a checkpoint, as far as hamysql owns it, by the same patch as ``hamysql_cib.apply``.

    name
        The checkpoint.

    Files of the node stay as they are. Returns what was changed, in the form of ``hamysql_checkpoint.diff``. Raises ``Refused``
    with all that forbids it, and what ``hamysql_cib.apply`` raises.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_checkpoint.restore 20260131T100000Z
    """
    seen = _undone(name)
    if seen["problems"]:
        raise Refused(
            "\n".join([f"the checkpoint {name} is not put back:", *(f"  - {line}" for line in seen["problems"])])
        )
    kept = STORE.read(name).cib
    own = cib_live.apply(run, lambda live: _guarded(live, kept, cib_plan.TAG))
    text = cib_live.apply(run, lambda live: _guarded(live, kept, cib_plan.TEXT_TAG), tag=cib_plan.TEXT_TAG)
    changes = [*own.plan.changes, *text.plan.changes]
    return {"changes": _plain(changes), "actions": [*own.actions, *text.actions], "problems": [], "begun": False}


def _guarded(live: str, kept: str, tag: str) -> ET.Element:
    """What a tag is to own. The guard stands before each attempt: somebody may have changed the cluster since it was planned."""
    if found := undo.problems(live, kept):
        raise Refused("\n".join(["the cluster has changed meanwhile, and nothing is put back:", *found]))
    return undo.wanted(kept, tag)


def _undone(name: str) -> Undone:
    kept = STORE.read(name).cib
    live = cib_live.query(run)
    begun = cib_agents.begun(live)
    problems = undo.problems(live, kept)
    if problems:
        return {"changes": [], "actions": [], "problems": problems, "begun": begun}
    own = cib_live.preview(run, lambda _: undo.wanted(kept, cib_plan.TAG))
    text = cib_live.preview(
        run,
        lambda _: undo.wanted(kept, cib_plan.TEXT_TAG),
        tag=cib_plan.TEXT_TAG,
        after=lambda live: cib_plan.plan(live, undo.wanted(kept, cib_plan.TAG)).xml,
    )
    changes = [*own.plan.changes, *text.plan.changes]
    actions = text.actions if text.plan.changes else own.actions
    return {"changes": _plain(changes), "actions": list(actions), "problems": [], "begun": begun}


def _plain(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [dataclasses.asdict(change) for change in changes]
