"""What the pillar may say of the storage (``hamysql:storage``): which kind it is, and what all kinds share.

The keys and rules of each kind are in ``settings`` of its package.
"""

from __future__ import annotations

from hamysql.fencing.settings import OPT_OUT
from hamysql.schema import values as v
from hamysql.schema.language import Items, Report, Section, Value
from hamysql.schema.values import Config
from hamysql.storage import options as storage_options
from hamysql.storage.drbd.settings import DRBD, check_drbd
from hamysql.storage.lun.settings import SHARED, check_shared
from hamysql.storage.nfs.settings import NFS, check_nfs

STORAGE = Section(
    {
        "backend": v.one_of("drbd", "shared", "nfs"),
        "drbd": DRBD,
        "shared": SHARED,
        "nfs": NFS,
        "filesystem": Section(
            {
                "type": v.one_of("xfs", "ext4"),
                "agent": v.one_of("ocf:hamysql:filesystem", "ocf:heartbeat:Filesystem"),
                "options": Value("mount options, such as 'noatime'", v.mount_options),
                "mkfs_options": Items(Value("one argument of mkfs", v.argument), "a list of mkfs arguments"),
            }
        ),
    }
)


WITHOUT_FENCING = {
    "shared": "two nodes that mount a LUN at the same time destroy its file system. Only fencing keeps a node that does not answer "
    "from having it mounted",
    "nfs": "an NFS server's locks protect only InnoDB files and the Aria log. A node that does not answer keeps its locks as long "
    "as it reaches the server. Then no failover ends",
}


def check_storage(config: Config, report: Report) -> None:
    backend = config["storage"]["backend"]
    if backend != "nfs":
        _check_filesystem(config["storage"]["filesystem"], report)
    if backend == "drbd":
        check_drbd(config, report)
    elif backend in WITHOUT_FENCING:
        if config["fencing"]["i_accept_data_loss_without_fencing"] is True:
            report.add(OPT_OUT, f"true with storage:backend: {backend}", f"fence devices: {WITHOUT_FENCING[backend]}")
        for name, node in config["cluster"]["nodes"].items():
            if node["disk"] is not None:
                path = f"hamysql:cluster:nodes:{name}:disk"
                report.add(
                    path, repr(node["disk"]), f"nothing: with storage:backend: {backend} no node has its own disk"
                )
        (check_shared if backend == "shared" else check_nfs)(config, report)


def _check_filesystem(filesystem: Config, report: Report) -> None:
    kind, path = filesystem["type"], "hamysql:storage:filesystem"
    if kind is None:
        return
    for option, expected in storage_options.wrong_mount(kind, filesystem["options"] or ""):
        report.add(f"{path}:options", repr(option), expected)
    arguments = filesystem["mkfs_options"]
    if not report.bad_under(f"{path}:mkfs_options"):
        for number, expected in storage_options.wrong_mkfs(kind, arguments):
            report.add(f"{path}:mkfs_options:{number}", repr(arguments[number]), expected)
