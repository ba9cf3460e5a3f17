"""Secrets taken out of texts that leave the nodes: by the values that the pillar has, and by the names of options. Pure.

Each alone is not enough: a log repeats a value without its name, and a file may hold a secret that has left the pillar.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from urllib.parse import quote

from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.config import rules
from hamysql.errors import ParseError
from hamysql.schema import secretnames
from hamysql.schema.language import Items, Names, Node, Section, Value
from hamysql.schema.secretnames import HIDDEN

# A shorter value is hidden only where it stands alone: without that, a password "a" would take all letters a.
SHORT = 6
_PARAMS = re.compile(r"\bparams\b(.*?)(?=\b(?:op|operations|meta|utilization)\b|$)", re.DOTALL)
_GIVEN = re.compile(r"""([\w.-]+)=("(?:\\.|[^"\\])*"|'[^']*'|\S+)""")
_LINE = re.compile(r"""(?m)^(\s*)([\w-]+)(\s*[=:]\s*|\s+)(\S.*)$""")
_PEM = re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(?:-----END [^-]*PRIVATE KEY-----|\Z)", re.DOTALL)


def of_pillar(pillar: object) -> list[str]:
    """The secrets of a pillar ``hamysql``, which may be incomplete or wrong: all that its schema or a key's name says is one."""
    return list(dict.fromkeys(_below(pillar, rules.schema(), "")))


def _below(value: object, node: Node | None, name: str, inside: bool = False) -> Iterator[str]:
    """The secrets of a part of a pillar.

    name
        Its key, where the user has chosen it: "" where the schema says whether it is a secret.
    inside
        Whether all below is one.
    """
    named = secretnames.is_secret(name) and not isinstance(value, (int, float))  # `token` is a time
    inside = inside or (isinstance(node, Value) and node.secret) or named
    if isinstance(value, Mapping):
        for key, item in value.items():
            child = _child(node, key)
            fixed = isinstance(node, Section) and child is not None
            yield from _below(item, child, "" if fixed else str(key), inside)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _below(item, node.item if isinstance(node, Items) else None, name, inside)
    elif inside and value is not None and not isinstance(value, bool):
        yield from _parts(str(value))


def _child(node: Node | None, key: object) -> Node | None:
    if isinstance(node, Section):
        return node.keys.get(str(key))
    if isinstance(node, Names):
        return node.known.get(str(key), node.item)
    return None


def _parts(text: str) -> Iterator[str]:
    """A secret, its lines, and what a text for crm sets: a log has these apart."""
    if not text.strip():
        return
    yield text
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORT and not line.startswith("-----"))
    for params in _PARAMS.findall(text):
        for name, given in _GIVEN.findall(params):
            plain = given[1:-1] if given[:1] in "\"'" and given[-1:] == given[:1] else given
            if secretnames.is_secret(name) or len(plain) >= SHORT:
                yield plain


class Masks:
    """What hides the values of some secrets.

    secrets
        Their texts, see :func:`of_pillar`.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        long = [re.escape(form) for form in ordered if len(form) >= SHORT]
        short = [rf"(?<![\w-]){re.escape(form)}(?![\w-])" for form in ordered if len(form) < SHORT]
        self._pattern = re.compile("|".join([*long, *short])) if forms else None

    def hide(self, text: str) -> str:
        """The text without the values, without what its own words call a secret, and without private keys."""
        text = _PEM.sub(HIDDEN, text)
        if self._pattern:
            text = self._pattern.sub(HIDDEN, text)
        return secretnames.hide_in_file(text)

    def hide_all(self, value: object) -> object:
        """The same of all texts in a structure of plain data, its keys included."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide_all(key): self.hide_all(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide_all(item) for item in value]
        return value


def _forms(secret: str) -> Iterator[str]:
    """How programs write it: as it is, in XML, in JSON, in an option file, in a URL."""
    yield secret
    yield escape(secret, quote=True)
    yield escape(secret, quote=False).replace('"', "&quot;")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield secret.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    yield quote(secret, safe="")
    yield repr(secret)[1:-1]


def file(text: str, is_secret: Callable[[str], bool] = secretnames.is_secret) -> str:
    """A configuration file of lines ``name value``, ``name = value`` or ``name: value``, with the values of secrets hidden."""

    def line(found: re.Match[str]) -> str:
        end = ";" if found[4].rstrip().endswith(";") else ""
        return f"{found[1]}{found[2]}{found[3]}{HIDDEN}{end}" if is_secret(found[2]) else found[0]

    return _LINE.sub(line, text)


def cib(text: str) -> str:
    """A CIB with the values hidden that may be secrets: by their names, and all parameters of what a text for crm has made.

    Of a text that is no CIB nothing is shown but that.
    """
    try:
        root = model.parse(text)
        have = model.index(model.configuration(root))
    except ParseError:
        return "(what was found is no cluster configuration)\n"
    theirs = cib_plan.listed(have, cib_plan.TEXT_TAG)
    for element in root.iter():
        if isinstance(element.tag, str) and element.get("id") in theirs:
            for pair in element.iterfind(".//instance_attributes/nvpair"):
                _hide(pair)
    for pair in root.iter("nvpair"):
        if secretnames.is_secret(pair.get("name", "")):
            _hide(pair)
    ET.indent(root)
    return ET.tostring(root, "unicode") + "\n"


def _hide(pair: ET.Element) -> None:
    if "value" in pair.attrib and pair.get("value") != "lrm://":
        pair.set("value", HIDDEN)
