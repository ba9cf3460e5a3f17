"""The option parser of fence-agents' own library, asked by tests: a line of JSON in, a line of JSON out.

Run by the system's Python, for which Debian installs the library. In: ``{"names": [options of the agent], "text": its standard input}``;
out: ``{name: value}`` as the agent has them. Without a line on standard input it is a fence agent itself: it says its metadata, and
writes what else it is told into the file that ``FENCE_LIBRARY_SAID`` names.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

METADATA = """<resource-agent name="fence_dummy"><parameters><parameter name="action"/></parameters>
<actions><action name="validate-all"/><action name="off"/></actions></resource-agent>"""

# Switches of fence_ipmilan's own.
SWITCHES = ("lanplus",)


def main() -> None:
    sys.path.append("/usr/share/fence")
    import fencing  # type: ignore[import-not-found]

    logging.disable()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        print(json.dumps(read(fencing, asked["names"], asked["text"])), flush=True)


def read(fencing: Any, names: list[str], text: str) -> dict[str, str]:
    """What an agent with these options finds on its standard input. Agents have options of their own beside the library's."""
    known = {option.get("longopt", "").replace("-", "_"): name for name, option in fencing.all_opt.items()}
    keys = {}
    for name in names:
        plain = name.replace("-", "_")
        keys[name] = plain if plain in fencing.all_opt else known.get(plain, name)
        own = {"getopt": "" if plain in SWITCHES else ":", "longopt": plain.replace("_", "-"), "help": "", "order": 1}
        fencing.all_opt.setdefault(keys[name], own)
    sys.argv[1:] = []
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    found = fencing.process_input(list(dict.fromkeys(keys.values())))
    return {name: found.get("--" + fencing.all_opt[key]["longopt"]) for name, key in keys.items()}


def agent() -> None:
    told = sys.stdin.buffer.read()
    if b"action=metadata\n" in told:
        print(METADATA)
    else:
        Path(os.environ["FENCE_LIBRARY_SAID"]).write_bytes(told)


if __name__ == "__main__":
    if sys.argv[0].rpartition("/")[2].startswith("fence_dummy"):
        agent()
    else:
        main()
