"""Options of DRBD, mounts and mkfs that lose data or a failover: refused; the lists say what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from hamysql.errors import ConfigError

DRBD, FILES, NFS = "hamysql:storage:drbd:options", "hamysql:storage:filesystem", "hamysql:storage:nfs:options"


def refused(resolve: Any, pillar: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(pillar)
    return {problem.path: problem.expected for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("section", "name", "value", "why"),
    [
        ("net", "rr-conflict", "violently", "discards"),
        ("net", "rr-conflict", "call-pri-lost", "discards"),
        ("net", "rr_conflict", "violently", ""),
        ("net", "always-asbp", True, "discards"),
        ("net", "on-congestion", "pull-ahead", "needed"),
        ("net", "allow-two-primaries", True, "one node at a time"),
        ("net", "after-sb-0pri", "discard-least-changes", "discards"),
        ("disk", "disk-flushes", False, "power cut"),
        ("disk", "md-flushes", "no", "power cut"),
        ("disk", "no-disk-flushes", True, "power cut"),
        ("disk", "no-md-flushes", "yes", "power cut"),
        ("disk", "disk_flushes", "no", ""),
        ("disk", "disk-drain", False, "power cut"),
        ("disk", "al-updates", False, "after a crash"),
        ("disk", "disk-timeout", 600, "old data"),
        ("disk", "on-io-error", "pass_on", "on_io_error"),
        ("options", "auto-promote", True, "pacemaker alone"),
        ("options", "quorum", "majority", "fencing decide"),
        ("options", "auto_promote", "yes", ""),
        ("startup", "become-primary-on", "both", "pacemaker"),
        ("startup", "become-primary-on", "db1", "pacemaker"),
        ("net", "pingint", 1, "'ping-int'"),
        ("net", "no-such", 1, "drbd.conf(5)"),
        ("disk", "resync-after", "other", "drbdadm leaves it out"),
        ("disk", "resync_after", "2813", ""),
        ("disk", "al-stripes", 4, "drbd.conf(5)"),  # an option of `drbdmeta create-md`
        ("global", "udev-always-use-vnr", 1, "a switch"),
        ("net", "verify-alg", "a" * 64, "1 to 63 characters"),
        ("net", "csums-alg", "sha1 sha256", "1 to 63 characters"),
    ],
)
def test_an_option_of_drbd_that_loses_data_is_refused(resolve, pillar, section, name, value, why):
    given = pillar("fenced")
    given["storage"]["drbd"]["options"] = {section: {name: value}}
    assert why in refused(resolve, given)[f"{DRBD}:{section}:{name}"]


def test_a_switch_of_drbds_global_section_is_there_or_not(resolve, pillar):
    given = pillar("fenced")
    given["storage"]["drbd"]["options"] = {
        "global": {"udev-always-use-vnr": True, "disable-ip-verification": False, "minor-count": 64}
    }
    text = resolve(given)["storage"]["drbd"]["global_text"]
    assert text == "global {\n  usage-count no;\n  minor-count 64;\n  udev-always-use-vnr;\n}\n"


@pytest.mark.parametrize(
    ("rate", "taken"),
    [
        ("4194304", True),
        ("4194305", False),
        ("4g", True),
        ("5G", False),
        ("4097M", False),
        (0, False),
        ("10MB", False),
        (True, False),
    ],
)
def test_a_rate_is_one_that_drbd_takes(resolve, pillar, rate, taken):
    given = pillar("fenced")
    given["storage"]["drbd"]["rate"] = rate
    if taken:
        assert resolve(given)["storage"]["drbd"]["rate"] == rate
    else:
        assert "up to 4G" in refused(resolve, given)["hamysql:storage:drbd:rate"]


def test_options_of_drbd_that_tune_it_are_taken(resolve, pillar):
    given = pillar("fenced")
    given["storage"]["drbd"]["options"] = {
        "net": {"max-buffers": 8000, "rr-conflict": "retry-connect", "verify-alg": "sha1", "sndbuf-size": "10M"},
        "disk": {"al-extents": 1237, "disk-flushes": True, "disk-barrier": False, "c-max-rate": "200M"},
        "handlers": {
            "split-brain": "/usr/lib/drbd/notify-split-brain.sh root",
            "before-resync-target": "echo x > /dev/null",
        },
        "options": {"on-no-data-accessible": "io-error", "auto-promote": False, "cpu-mask": 3},
    }
    assert resolve(given)["storage"]["drbd"]["resource_texts"]


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("xfs", "ro", "writes"),
        ("xfs", "noatime,ro", "writes"),
        ("xfs", "ro,norecovery", "damage"),
        ("xfs", "nobarrier", "power cut"),
        ("xfs", "logdev=/dev/sdc", "mount options"),
        ("xfs", "rtdev=/dev/sdc", "mount options"),
        ("xfs", "logdev=sdc", "other node"),
        ("xfs", "remount", "safe"),
        ("xfs", "bind", "safe"),
        ("xfs", "RO", "safe"),
        ("xfs", "user", "safe"),
        ("xfs", "loop", "safe"),
        ("ext4", "noload", "damage"),
        ("ext4", "barrier=0", "power cut"),
        ("ext4", "data=writeback", "ordered"),
        ("ext4", "errors=continue", "remount-ro"),
        ("ext4", "journal_path=/dev/sdc", "mount options"),
        ("ext4", "journal_dev=0x801", "other node"),
        ("ext4", "journal_async_commit", "safe"),
        ("ext4", "sb=32768", "safe"),
    ],
)
def test_a_mount_option_that_loses_data_is_refused(resolve, pillar, kind, options, why):
    given = pillar("fenced")
    given["storage"]["filesystem"] = {"type": kind, "options": options}
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    assert any(why in problem.expected for problem in caught.value.problems if problem.path == f"{FILES}:options")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("xfs", "noatime,nodiratime,logbufs=8,logbsize=256k,inode64"), ("ext4", "noatime,data=ordered,barrier=1,commit=5,discard"),
     ("xfs", "defaults,_netdev,x-systemd.device-timeout=30"), ("ext4", "errors=panic,stripe=64")],
)  # fmt: skip
def test_usual_mount_options_are_taken(resolve, pillar, kind, options):
    given = pillar("fenced")
    given["storage"]["filesystem"] = {"type": kind, "options": options}
    assert resolve(given)["storage"]["filesystem"]["options"] == options


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("hard,proto=udp", "proto=tcp"),
        ("hard,proto=rdma", "proto=tcp"),
        ("hard,udp", "proto=tcp"),
        ("hard,v3", ":version"),
        ("hard,v4.2", ":version"),
        ("hard,vers=3", ":version"),
        ("hard,nfsvers=3", ":version"),
        ("hard,minorversion=0", ":version"),
        ("softerr", "soft"),
        ("hard,local_lock=all", "locks"),
        ("hard,nocto", "safe"),
        ("hard,bg", "before the mount"),
        ("hard,fsc", "safe"),
        ("hard,timeo=0", "safe"),
        ("hard,ro", "writes"),
        ("hard,Soft", "safe"),
    ],
)
def test_an_option_of_nfs_that_lies_to_the_database_is_refused(resolve, pillar, options, why):
    given = pillar("nfs")
    given["storage"]["nfs"]["options"] = options
    assert why in refused(resolve, given)[NFS]


def test_usual_options_of_nfs_are_taken(resolve, pillar):
    given = pillar("nfs")
    given["storage"]["nfs"]["options"] = (
        "hard,proto=tcp,timeo=600,retrans=2,rsize=1048576,wsize=1048576,nconnect=4,sec=krb5p,noatime"
    )
    assert resolve(given)


@pytest.mark.parametrize(
    ("kind", "arguments", "at"),
    [
        ("xfs", ["-l", "logdev=/dev/sdc"], 1),
        ("xfs", ["-llogdev=/dev/sdc"], 0),
        ("xfs", ["-l", "size=64m,logdev=/dev/sdc"], 1),
        ("xfs", ["-l", "internal=0"], 1),
        ("xfs", ["-r", "rtdev=/dev/sdc"], 0),
        ("xfs", ["-d", "name=/dev/sdc"], 1),
        ("xfs", ["-d", "file=1"], 1),
        ("xfs", ["-N"], 0),
        ("xfs", ["-p", "proto"], 0),
        ("xfs", ["-l"], 0),
        ("xfs", ["sdc"], 0),
        ("ext4", ["-J", "device=LABEL=journal"], 1),
        ("ext4", ["-Jdevice=/dev/sdc"], 0),
        ("ext4", ["-O", "journal_dev"], 1),
        ("ext4", ["-O", "^has_journal"], 1),
        ("ext4", ["-O^has_journal"], 0),
        ("ext4", ["-O", "64bit,^mmp"], 1),
        ("ext4", ["-n"], 0),
        ("ext4", ["-S"], 0),
        ("ext4", ["-e", "continue"], 1),
        ("ext4", ["-E", "offset=4096"], 1),
        ("ext4", ["-d", "folder"], 0),
    ],
)
def test_a_file_system_that_is_not_whole_on_its_disk_is_refused(resolve, pillar, kind, arguments, at):
    given = pillar("fenced")
    given["storage"]["filesystem"] = {"type": kind, "mkfs_options": arguments}
    assert next(iter(refused(resolve, given))) == f"{FILES}:mkfs_options:{at}"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("xfs", ["-m", "reflink=0,crc=1", "-i", "size=512", "-K", "-L", "data"]), ("xfs", ["-lsize=128m", "-f"]),
     ("ext4", ["-m", 0, "-O", "64bit", "-E", "stride=16,stripe_width=64", "-J", "size=512"])],
)  # fmt: skip
def test_usual_arguments_of_mkfs_are_taken(resolve, pillar, kind, arguments):
    given = pillar("fenced")
    given["storage"]["filesystem"] = {"type": kind, "mkfs_options": arguments}
    assert resolve(given)
