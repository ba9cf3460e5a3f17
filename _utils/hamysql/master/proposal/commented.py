"""The text of a pillar with a comment beside each value that needs one. Pure."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hamysql.adoption.described import Described
from hamysql.master.proposal.text import scalar
from hamysql.schema.values import Config

WIDTH = 120  # of a comment's line

_HEAD = """\
Described by `salt-run hamysql.adopt {minions}`: the cluster that runs there, and what hamysql takes over of it.

Nothing was changed. docs/operations/adopt.md says what comes next.
1. Look at each line that says NOT TAKEN OVER, and at what the command has returned.
2. Fill in each TODO. The deployment is refused until then.
3. Assign this file to both minions in the pillar's top file{beside}.
4. Make the secrets that are missing: `salt-run hamysql.secrets /srv/pillar/NAME-secrets.sls`
"""


def text(found: Described, minions: Sequence[str], secrets: str) -> str:
    """The pillar file.

    secrets
        The path of the second file, which has the secrets; "" without one.
    """
    beside = f", and behind it {secrets}, which has the secrets and the fence devices that need some" if secrets else ""
    head = _HEAD.format(minions=" ".join(minions), beside=beside)
    lines = [f"# {part}".rstrip() for line in head.splitlines() for part in textwrap.wrap(line, WIDTH) or [""]]
    lines += ["hamysql:", *_mapping(found.pillar, "hamysql", "  ", found.comments)]
    made = "\n".join([*lines, ""])
    return re.sub(r"[^\n\x20-\x7e]", "?", made)  # only comments have others: a value is quoted


def _mapping(value: Config, path: str, indent: str, comments: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for key, item in value.items():
        here = f"{path}:{key}"
        shown = scalar(key)
        if _empty(item):
            continue
        if isinstance(item, dict):
            yield from _comments(comments.get(here, ()), indent)
            yield f"{indent}{shown}:"
            yield from _mapping(item, here, f"{indent}  ", comments)
        else:
            yield from _comments(comments.get(here, ()), indent)
            yield f"{indent}{shown}: {_value(item)}"
    # What has no key, or no value any more, is told at the end of where it would be.
    for here, said in comments.items():
        if here.startswith(f"{path}:"):
            key = here.removeprefix(f"{path}:").partition(":")[0]
            if _empty(value.get(key)):
                yield from _comments(said, indent)


def _empty(value: object) -> bool:
    """Whether nothing would be left of a value in the text."""
    return all(map(_empty, value.values())) if isinstance(value, dict) else value in (None, "", [])


def _comments(said: Sequence[str], indent: str) -> Iterator[str]:
    for sentence in dict.fromkeys(said):
        for line in textwrap.wrap(sentence, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {line}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(map(scalar, value))}]"
    return json.dumps(value)  # JSON is YAML
