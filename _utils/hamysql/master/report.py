"""A support bundle: what all members that answer have to say around a time, in one file that only root can read, without secrets.

Each member hides the secrets of its own pillar. The master hides those of all members' pillars once more, in all that it has got.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from hamysql.errors import HamysqlError, Refused, SaltError
from hamysql.master import checkpoints, secretfile
from hamysql.master.deployment import View
from hamysql.master.members import Answers
from hamysql.master.status import look, verdict
from hamysql.records import bundle
from hamysql.records.masks import Masks, of_pillar

Say = Callable[[str], None]

_MAKING = ".making-"
_AGO = re.compile(r"(\d+)\s*(s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y%m%dT%H%M%S")


class Reported(TypedDict):
    """The bundle's file, its size in bytes, and sentences about what is missing in it."""

    file: str
    size: int
    missing: list[str]


def moment(text: str, now: float) -> float:
    """A time in seconds since 1970: ``now``, ``30min``, ``2h`` or ``1d`` ago, or a time in UTC; else ``Refused`` is raised."""
    plain = str(text).strip()
    if plain == "now":
        return now
    if found := _AGO.fullmatch(plain):
        return now - int(found[1]) * _SECONDS[found[2]]
    for form in _FORMS:
        try:
            return float(timegm(time.strptime(plain.removesuffix("Z").removesuffix(" UTC").strip(), form)))
        except ValueError:
            continue
    raise Refused(
        f"{plain!r} is no time: say how long ago it was, such as 30min, 2h or 1d, or a time in UTC, such as '2026-01-31 10:00'"
    )


def window(since: str, until: str, now: float) -> tuple[float, float]:
    """Begin and end in seconds since 1970. Raises ``Refused`` where the end is not behind the begin."""
    begin, end = moment(since, now), moment(until, now)
    if begin >= end:
        raise Refused(f"since={since} is not before until={until}: nothing lies between them")
    return begin, end


def report(view: View, since: str, until: str, path: str | None, plan: Callable[[], str], say: Say) -> Reported:
    """Make the bundle; see the runner.

    plan
        What a deployment would do now, as text.
    """
    now = time.time()
    begin, end = window(since, until, now)
    place = _place(view, path, now)
    masks = Masks(
        secret for pillar in view.master.pillars(view.members.minions.values()).values() for secret in of_pillar(pillar)
    )
    say(f"asking {' and '.join(view.members.minions)}")
    missing: dict[str, None] = {}
    files = dict(_of_members(view, begin, end, missing, say))
    say("asking for the status, and for the plan")
    files |= _of_master(view, masks, missing)
    try:
        files["plan.txt"] = plan()
    except SaltError as exc:
        files["plan.txt"] = f"not known: {exc}\n"
    hidden = {name: masks.hide(text) for name, text in files.items()}
    said = [masks.hide(line) for line in missing]
    hidden["missing.txt"] = "".join(f"{line}\n" for line in said or ["nothing"])
    hidden["README.txt"] = _readme(view, begin, end, now)
    _write(place, hidden, now)
    return {"file": str(place), "size": place.stat().st_size, "missing": said}


def _of_members(view: View, begin: float, end: float, missing: dict[str, None], say: Say) -> Mapping[str, str]:
    found: dict[str, str] = {}
    sources = _noted(view.members.answers("hamysql_report.sources"), missing)
    for name in dict.fromkeys(name for names in sources.values() for name in names):
        on = [node for node, names in sources.items() if name in names]
        say(f"{name} of {' and '.join(on)}")
        answers = view.members.answers("hamysql_report.collect", on, name=name, since=begin, until=end)
        for node, packed in _noted(answers, missing, f"{name}: ").items():
            found[f"{node}/{name}"] = bundle.unpack(packed)
            if packed["left_out"]:
                missing[f"{node}/{name}: its oldest {packed['left_out']} lines"] = None
    on = list(sources)
    if on:
        for node, texts in _noted(
            view.members.answers("hamysql_checkpoint.show", on), missing, "configuration: "
        ).items():
            for file, text in texts.items():
                found[f"{node}/configuration{file}"] = text
    return found


def _of_master(view: View, masks: Masks, missing: dict[str, None]) -> dict[str, str]:
    """Status, surveys, and the list of checkpoints. JSON writes a text otherwise than it is, so secrets are hidden before."""
    seen = look.members(view, bring=False)
    for node, member in seen.items():
        if member.unknown:
            missing[f"the survey of {node}: {member.unknown}"] = None
    found = {
        f"{node}/survey.json": _json(masks.hide_all(asdict(member))) for node, member in seen.items() if member.survey
    }
    try:
        found["status.json"] = _json(masks.hide_all(verdict.status(view.members.cluster, seen)))
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as exc:  # it was made for what a member says, and one may be odd
        missing[f"the status cannot be told of what the members say: {exc!r}"] = None
    found["checkpoints.txt"] = "".join(f"{line}\n" for line in checkpoints.lines(view.members))
    return found


def _noted(answers: Answers, missing: dict[str, None], what: str = "") -> dict[str, Any]:
    for line in (*answers.silent.values(), *(f"{what}{line}" for line in answers.failed.values())):
        missing[line] = None
    return answers.values


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"


def _readme(view: View, begin: float, end: float, now: float) -> str:
    import salt.version

    first, last, made = (time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(when)) for when in (begin, end, now))
    return (
        f"Report of the cluster {view.members.cluster}, made {made}.\n"
        f"The journals are from {first} to {last}. Of a log file it is the end.\n"
        f"Nodes: {', '.join(view.members.minions)}. Salt of the master: {salt.version.__version__}. Code: {view.master.code}.\n"
        "The secrets of the pillar are hidden. Data of your own, such as names, addresses and queries in logs, is not.\n"
    )


def _place(view: View, path: str | None, now: float) -> Path:
    if path is not None:
        return secretfile.check_place(path, view.master.served, "files")
    folder = Path(view.master.opts["cachedir"]) / "hamysql" / "reports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for left in folder.glob(f"{_MAKING}*"):  # of a run that was killed
        left.unlink(missing_ok=True)
    return folder / f"{view.members.cluster}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}.tar.gz"


def _write(place: Path, files: Mapping[str, str], now: float) -> None:
    """The bundle under another name first: what has its own name is complete. Only its owner can read it."""
    making = place.with_name(f"{_MAKING}{place.name}")
    making.unlink(missing_ok=True)
    root = place.name.removesuffix(".gz").removesuffix(".tar")
    try:
        handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as tar:
                for name, text in sorted(files.items()):
                    data = text.encode(errors="replace")
                    member = tarfile.TarInfo(f"{root}/{name}")
                    member.size, member.mode, member.mtime = len(data), 0o600, int(now)
                    tar.addfile(member, io.BytesIO(data))
            raw.flush()
            os.fsync(raw.fileno())
        os.link(making, place)  # never over a file that has come meanwhile
    except OSError as exc:
        raise HamysqlError(f"the report {place} cannot be written: {exc.strerror}") from exc
    finally:
        making.unlink(missing_ok=True)
