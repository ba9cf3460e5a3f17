"""Streams of dnf's modules (Enterprise Linux 8 and 9): which version of a program's packages the package manager offers."""

from __future__ import annotations

import configparser
from pathlib import Path

from hamysql.errors import ParseError
from hamysql.system.command import Run

# libdnf's own notes: a file MODULE.module for each, an INI file with a section of the module's name.
MODULES = Path("/etc/dnf/modules.d")


def enabled_stream(module: str, folder: Path = MODULES) -> str:
    """The stream that is enabled of a module; "" where none is. Raises ``ParseError`` for a file that is not dnf's."""
    file = folder / f"{module}.module"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as exc:
        raise ParseError(f"{file} is not as dnf writes it: {exc}") from exc
    if parser.get(module, "state", fallback="") != "enabled":
        return ""
    return parser.get(module, "stream", fallback="")


def enable_stream(run: Run, module: str, stream: str) -> None:
    """Enable a stream. dnf refuses where another one of the module is enabled."""
    run(["dnf", "--assumeyes", "module", "enable", f"{module}:{stream}"], timeout=600)
