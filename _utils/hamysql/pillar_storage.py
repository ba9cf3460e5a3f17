"""Every key that the pillar ``hamysql:storage`` may have; defaults are in ``hamysql/parameters/``."""

from __future__ import annotations

from hamysql import values as v
from hamysql import values_drbd as d
from hamysql import values_storage as w
from hamysql.schema import Items, Names, Section, Value

DRBD = Section(
    {
        "resource": d.RESOURCE,
        "device": Value("a DRBD device, such as '/dev/drbd0'", v.drbd_device),
        "agent": v.one_of("ocf:hamysql:drbd", "ocf:linbit:drbd"),
        "disk": v.DEVICE,
        "link": v.count(0, 7, "the index of the address that replication uses"),
        "port": v.PORT,
        "protocol": v.one_of("A", "B", "C"),
        "shared_secret": d.SECRET,
        "cram_hmac_alg": v.one_of("sha512", "sha384", "sha256", "sha224", "sha1", "md5"),
        "rate": v.RATE,
        "on_io_error": v.one_of("detach", "pass_on", "call-local-io-error"),
        "wfc_timeout": v.count(0, 300000, "seconds (0: without end)"),
        "degr_wfc_timeout": v.count(0, 300000, "seconds (0: without end)"),
        "usage_count": v.one_of("yes", "no", "ask"),
        "initial_sync": v.one_of("auto", "full"),
        "wipe": Names(v.NAME, v.required(v.DEVICE), "a mapping of nodes to the disks whose content may be destroyed"),
        "options": Section(
            {
                "global": d.options(),
                "startup": d.options(),
                "disk": d.options(),
                "net": d.options(),
                "handlers": d.options(),
                "options": d.options(),
            }
        ),
    }
)

SHARED = Section(
    {
        "device": w.STABLE_DEVICE,
        "iscsi": Section(
            {
                "portal": w.PORTAL,
                "target": w.IQN,
                "username": w.CHAP_NAME,
                "password": w.CHAP_PASSWORD,
                "initiators": Names(v.NAME, v.required(w.IQN), "a mapping of nodes to their iSCSI initiator names"),
                "replacement_timeout": v.count(1, 86400, "seconds"),
            }
        ),
        "lvm": Section({"volume_group": w.LVM_NAME, "logical_volume": w.LVM_NAME, "size": w.SIZE}),
        "reservations": v.one_of("none", "scsi", "mpath"),
        "wipe": w.STABLE_DEVICE,
    }
)

NFS = Section(
    {
        "server": w.HOST,
        "export": w.EXPORT,
        "version": w.NFS_VERSION,
        "options": Value("mount options of nfs(5), such as 'hard,timeo=600'", v.mount_options),
    }
)

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
