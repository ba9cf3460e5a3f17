"""An iSCSI session that is logged in at boot, and whose record has the pillar's values: open-iscsi's files and output. Pure.

``iscsiadm`` takes a CHAP password only as an argument, which every local user can read. So it makes the record, with the
distribution's values, and ours are put into its file (iscsiadm(8), "node"; the records are text, ``name = value``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hamysql.resolved.storage import Iscsi
from hamysql.schema.language import Secret
from hamysql.storage.lun.values import split_portal
from hamysql.system import root

# Where the record of a node is kept: Debian, Enterprise Linux.
FOLDERS = (Path("/etc/iscsi/nodes"), Path("/var/lib/iscsi/nodes"))
INITIATOR_NAME = Path("/etc/iscsi/initiatorname.iscsi")
SESSIONS = Path("/sys/class/iscsi_session")
SECRET = frozenset({"node.session.auth.password"})


def wanted(iscsi: Iscsi) -> dict[str, str]:
    """The values of the record that the pillar decides."""
    found = {
        "node.startup": "automatic",
        "node.conn[0].startup": "automatic",
        "node.session.timeo.replacement_timeout": str(iscsi["replacement_timeout"]),
        # A connection that is silent for 5 s is asked, and given up 5 s later: then the time above begins.
        "node.conn[0].timeo.noop_out_interval": "5",
        "node.conn[0].timeo.noop_out_timeout": "5",
        "node.session.auth.authmethod": "CHAP" if iscsi["username"] else "None",
    }
    if iscsi["username"]:
        found["node.session.auth.username"] = iscsi["username"]
        found["node.session.auth.password"] = Secret(iscsi["password"])
    return found


def parse_record(text: str) -> dict[str, str]:
    """The values of a record's file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def differences(record: Mapping[str, str], want: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the record has otherwise than is wanted: ``{name: {"old", "new"}}``, without any secret."""
    found = {}
    for name, value in want.items():
        old = record.get(name, "")
        if old != value:
            hidden = name in SECRET
            found[name] = {
                "old": "(another one)" if hidden and old else old,
                "new": "(the pillar's)" if hidden else str(value),
            }
    return found


def merged(text: str, want: Mapping[str, str]) -> str:
    """A record's text with the wanted values in it: replaced where they are, added before its end where not."""
    left, lines = dict(want), []
    for line in text.splitlines():
        name = line.partition("=")[0].strip()
        if name in want and not line.lstrip().startswith("#"):
            if name in left:
                lines.append(f"{name} = {left.pop(name)!s}")
            continue
        if line.startswith("# END RECORD"):
            lines += [f"{name} = {value!s}" for name, value in left.items()]
            left = {}
        lines.append(line)
    lines += [f"{name} = {value!s}" for name, value in left.items()]
    return "\n".join([*lines, ""])


def record_file(iscsi: Iscsi) -> Path | None:
    """The file of the node's record; ``None`` where there is none yet.

    Its folder has the portal's address and port, and the number of its portal group where that is known; in it there is one file
    for each interface. Without a group's number older versions have a file in the place of the folder.
    """
    address, port = split_portal(iscsi["portal"])
    for folder in FOLDERS:
        for place in sorted((root.at(folder) / str(iscsi["target"])).glob(f"{_escaped(address)},{port}*")):
            if place.is_file():
                return place
            if (place / "default").is_file():
                return place / "default"
    return None


def _escaped(address: str) -> str:
    return re.sub(r"([][*?])", r"[\1]", address)


def logged_in(target: str) -> bool:
    """Whether the kernel has a session with the target that works."""
    return any(
        _read(place / "targetname") == target and _read(place / "state") == "LOGGED_IN"
        for place in root.at(SESSIONS).glob("session*")
    )


def has_session(target: str) -> bool:
    """Whether the kernel has a session with the target, be it one that waits for its path to come back."""
    return any(_read(place / "targetname") == target for place in root.at(SESSIONS).glob("session*"))


def initiator_name() -> str:
    """This machine's initiator name; "" where it has none yet."""
    found = re.search(r"^InitiatorName=(\S+)", _read(root.at(INITIATOR_NAME)), re.MULTILINE)
    return found[1] if found else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
