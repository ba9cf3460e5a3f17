"""
Package repositories: ``pkgrepo.managed``, with what that lacks in Salt 3006.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.system import debian

if TYPE_CHECKING:
    from typing import Any

    from injected import __grains__, __opts__, __states__

__virtualname__ = "hamysql_repository"


def __virtual__() -> str:
    return __virtualname__


def enabled(name: str, **options: Any) -> dict[str, Any]:
    """
    Have a repository, and have it enabled.

    name
        The line of an apt repository, or a repository's id elsewhere.
    options
        Those of ``pkgrepo.managed``.

    .. code-block:: yaml

        hamysql-repo-site-managed:
          hamysql_repository.enabled:
            - name: deb [signed-by=/etc/apt/keyrings/site.asc] https://repo.example.org/debian bookworm main
            - file: /etc/apt/sources.list.d/site.list
    """
    return _manage({"name": name, **options}, True)


def disabled(name: str, **options: Any) -> dict[str, Any]:
    """
    Have a repository, and have it disabled. The arguments are those of ``enabled``.

    .. code-block:: yaml

        hamysql-repo-site-disabled:
          hamysql_repository.disabled:
            - name: deb [signed-by=/etc/apt/keyrings/site.asc] https://repo.example.org/debian bookworm main
            - file: /etc/apt/sources.list.d/site.list
    """
    return _manage({"name": name, **options}, False)


def _manage(options: dict[str, Any], wanted: bool) -> dict[str, Any]:
    if __grains__["os_family"] != "Debian":
        return __states__["pkgrepo.managed"](**options, enabled=wanted)
    if "file" in options and __grains__["saltversioninfo"][0] < 3008:
        return _line(options, wanted)
    return __states__["pkgrepo.managed"](**options, disabled=not wanted)


def _line(options: dict[str, Any], wanted: bool) -> dict[str, Any]:
    """
    What Salt 3006 cannot do: its ``pkgrepo.managed`` ignores ``disabled`` on Debian, refuses ``trusted=yes`` for want of a key,
    and with python3-apt foresees changes that it does not make. It still brings the keys; the line itself is seen to here.
    """
    name, path = options["name"], Path(options["file"])
    ret = {"name": name, "result": True, "changes": {}, "comment": f"{name} is {'enabled' if wanted else 'disabled'}"}
    if debian.with_source(_text(path), name, wanted) == _text(path):
        return ret
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {"repo": name}}
    if wanted and not options.get("trusted"):
        ret = __states__["pkgrepo.managed"](**options)
        if ret["result"] is False:
            return ret
    path.write_text(debian.with_source(_text(path), name, wanted), encoding="utf-8", errors="surrogateescape")
    return {**ret, "changes": {"repo": name}}


def _text(path: Path) -> str:
    # What is not UTF-8 in somebody's comment goes back as it was.
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
