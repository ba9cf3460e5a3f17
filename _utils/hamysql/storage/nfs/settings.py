"""What the pillar may say of the export (``hamysql:storage:nfs``): its keys and their rules."""

from __future__ import annotations

import re
from typing import Any

from hamysql.schema import values as v
from hamysql.schema.language import Report, Section, Value
from hamysql.schema.values import Config, path
from hamysql.storage import options as storage_options


def export(value: Any) -> str:
    return "/" if value == "/" else path(value)


def nfs_version(value: Any) -> str:
    """YAML reads a bare 4.1 as a number."""
    text = str(value) if isinstance(value, (str, float)) else ""
    if text not in ("4.1", "4.2"):
        raise ValueError
    return text


EXPORT = Value("the path of an export, such as '/srv/galaxy-db'", export)

NFS_VERSION = Value("'4.1' or '4.2'", nfs_version)


NFS = Section(
    {
        "server": v.HOST,
        "export": EXPORT,
        "version": NFS_VERSION,
        "options": Value("mount options of nfs(5), such as 'hard,timeo=600'", v.mount_options),
    }
)

_NFS = "hamysql:storage:nfs"

# Options of a mount, and why the database must not have them or where they are set instead.
BAD_NFS_OPTIONS = {
    "soft": "'hard': a soft mount tells the database that a write has failed which the server has made, or will make",
    "softerr": "'hard': it ends like soft",
    "softreval": "it not to be set: it shows old contents as if they were the present ones",
    "nolock": "it not to be set: the server's locks keep a second database server away",
    "local_lock": "it not to be set: the server's locks keep a second database server away",
    "ro": "it not to be set: a database writes",
    "udp": "'proto=tcp', the only transport of NFS 4",
    "vers": f"{_NFS}:version to be set instead",
    "nfsvers": f"{_NFS}:version to be set instead",
    "minorversion": f"{_NFS}:version to be set instead",
}


def check_nfs(config: Config, report: Report) -> None:
    nfs = config["storage"]["nfs"]
    for key, expected in (("server", "the NFS server's address or name"), ("export", "the path that it exports")):
        if nfs[key] is None and not report.bad_under(f"{_NFS}:{key}"):
            report.add(f"{_NFS}:{key}", "nothing", expected)
    for option in (nfs["options"] or "").split(","):
        name = option.partition("=")[0]
        if name in BAD_NFS_OPTIONS:
            report.add(f"{_NFS}:options", repr(option), BAD_NFS_OPTIONS[name])
        elif re.fullmatch(r"v[0-9.]+", option):
            report.add(f"{_NFS}:options", repr(option), f"{_NFS}:version to be set instead")
        else:
            for wrong, expected in storage_options.wrong_mount("nfs", option):
                report.add(f"{_NFS}:options", repr(wrong), expected)
