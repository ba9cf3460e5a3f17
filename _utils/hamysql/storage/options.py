"""Options of DRBD, mounts and mkfs that leave the data whole and a failover possible: all others are refused with the reason.

Sources: drbd.conf-8.4(5) and drbd.conf-9.0(5), xfs(5), ext4(5), mount(8), nfs(5), mkfs.xfs(8), mke2fs(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hamysql.schema.language import nearest

# --- DRBD. ``None``: any value, of which drbdadm is the judge; nothing in the tuple: not to be set.

_ANY: None = None
DRBD: Mapping[str, Mapping[str, Sequence[str] | None]] = {
    "global": {
        **dict.fromkeys(("minor-count", "dialog-refresh", "cmd-timeout-short", "cmd-timeout-medium", "cmd-timeout-long"), _ANY),
        **dict.fromkeys(("disable-ip-verification", "udev-always-use-vnr"), ("yes", "no")),
    },
    "startup": dict.fromkeys(("outdated-wfc-timeout", "wait-after-sb"), _ANY),
    "disk": {
        **dict.fromkeys(
            ("al-extents", "c-delay-target", "c-fill-target", "c-max-rate", "c-min-rate",
             "disk-barrier", "discard-zeroes-if-aligned", "disable-write-same", "max-bio-bvecs", "read-balancing",
             "rs-discard-granularity", "size"),
            _ANY,
        ),
        "al-updates": ("yes",),
        "disk-flushes": ("yes",),
        "disk-drain": ("yes",),
        "md-flushes": ("yes",),
        "disk-timeout": ("0",),
        "resync-after": (),
        "fencing": ("dont-care",),
    },
    "net": {
        **dict.fromkeys(
            ("timeout", "ping-int", "ping-timeout", "connect-int", "ko-count", "max-buffers", "max-epoch-size", "sndbuf-size",
             "rcvbuf-size", "unplug-watermark", "verify-alg", "csums-alg", "csums-after-crash-only",
             "data-integrity-alg", "tcp-cork",
             "use-rle", "socket-check-timeout", "congestion-fill", "congestion-extents"),
            _ANY,
        ),
        "allow-two-primaries": ("no",),
        "allow-remote-read": ("yes", "no"),
        "always-asbp": ("no",),
        "after-sb-0pri": ("disconnect", "discard-zero-changes"),
        "after-sb-1pri": ("disconnect",),
        "after-sb-2pri": ("disconnect",),
        "rr-conflict": ("disconnect", "retry-connect"),
        "on-congestion": ("block",),
        "fencing": ("dont-care",),
        "transport": ("tcp", "rdma"),
    },
    "handlers": dict.fromkeys(
        ("pri-on-incon-degr", "pri-lost-after-sb", "pri-lost", "local-io-error", "initial-split-brain", "split-brain",
        "out-of-sync",
         "before-resync-target", "before-resync-source", "after-resync-target", "fence-peer", "unfence-peer", "outdate-peer",
         "quorum-lost", "disconnected"),
        _ANY,
    ),
    "options": {
        "cpu-mask": _ANY,
        "on-no-data-accessible": ("io-error", "suspend-io"),
        "auto-promote": ("no",),
        "auto-promote-timeout": _ANY,
        "quorum": ("off",),
        "on-no-quorum": ("suspend-io", "io-error"),
        "on-suspended-primary-outdated": ("disconnect", "force-secondary"),
        **dict.fromkeys(("peer-ack-delay", "peer-ack-window", "twopc-timeout", "twopc-retry-timeout", "max-io-depth"), _ANY),
    },
}  # fmt: skip
_DRBD_WHY = {
    **dict.fromkeys(("disable-ip-verification", "udev-always-use-vnr"), "it is a switch"),
    "rr-conflict": "anything else discards one side's data, or puts an end to a primary, by itself",
    "auto-promote": "pacemaker alone promotes a node",
    "disk-flushes": "without it a power cut loses what was committed; it costs little where the cache has a battery",
    "md-flushes": "without it a power cut loses what was committed; it costs little where the cache has a battery",
    "disk-drain": "without it a power cut loses what was committed",
    "al-updates": "without it DRBD does not know after a crash what the two disks differ in",
    "resync-after": "it names another resource, and drbdadm leaves it out where its file has no other one;"
    " c-max-rate bounds what a synchronisation takes",
    "disk-timeout": "a disk that only seemed dead can still write old data later (drbd.conf(5))",
    "on-congestion": "anything else gives the replica up while it is needed",
    "always-asbp": "it discards one side's data by itself",
    "quorum": "corosync and fencing decide which of two nodes goes on",
}


_ALGORITHM = re.compile(r"[A-Za-z0-9_.()-]{1,63}")


def wrong_drbd(section: str, name: str, value: str) -> Iterator[str]:
    """What is expected instead of an option of DRBD; nothing where it is fine."""
    known = DRBD.get(section, {})
    plain = name.replace("_", "-").lower().removeprefix("no-")
    if name not in known and plain in known:
        yield (
            repr(plain)
            if known[plain] is None or plain == name.replace("_", "-").lower()
            else _expected(plain, known[plain] or ())
        )
    elif name not in known:
        yield f"{nearest(name, list(known)) if known else 'no option'}: an option of drbd.conf(5) that leaves the data to pacemaker"
    elif (words := known[name]) is not None and value not in words:
        yield _expected(name, words)
    elif name.endswith("-alg") and not _ALGORITHM.fullmatch(value):
        yield "the kernel's name of a checksum, of 1 to 63 characters, such as 'crc32c' (/proc/crypto)"


def _expected(name: str, words: Sequence[str]) -> str:
    return f"{' or '.join(map(repr, words)) or 'not to be set'}: {_DRBD_WHY.get(name, 'anything else loses data, or the failover')}"


# --- mount options. The value is a pattern, ``None`` for a word without a value.

_NUMBER, _SIZE, _WORD = r"[0-9]+", r"[0-9]+[kKmMgG]?", r"[A-Za-z0-9_.:-]+"
_MOUNT: dict[str, str | None] = {
    **dict.fromkeys(
        "defaults rw async atime noatime diratime nodiratime relatime norelatime strictatime lazytime nolazytime iversion "
        "noiversion "
        "suid nosuid dev nodev exec noexec nouser _netdev nofail auto noauto acl noacl sync dirsync silent loud".split()
    ),
    **dict.fromkeys(("context", "fscontext", "defcontext", "rootcontext"), _WORD),
}
MOUNT: Mapping[str, Mapping[str, str | None]] = {
    "xfs": {
        **_MOUNT,
        **dict.fromkeys(
            "attr2 inode64 inode32 ikeep noikeep largeio nolargeio swalloc noalign filestreams discard nodiscard wsync "
            "noquota quota "
            "usrquota uquota grpquota gquota prjquota pquota uqnoenforce gqnoenforce pqnoenforce nouuid".split()
        ),
        **dict.fromkeys(("allocsize", "logbsize"), _SIZE),
        **dict.fromkeys(("logbufs", "sunit", "swidth"), _NUMBER),
    },
    "ext4": {
        **_MOUNT,
        **dict.fromkeys(
            "user_xattr nouser_xattr delalloc nodelalloc auto_da_alloc init_itable noinit_itable discard nodiscard "
            "journal_checksum "
            "dioread_lock dioread_nolock i_version quota usrquota grpquota prjquota noquota grpid bsdgroups nogrpid "
            "sysvgroups barrier "
            "block_validity lazytime mballoc".split()
        ),
        **dict.fromkeys(
            ("commit", "stripe", "inode_readahead_blks", "max_batch_time", "min_batch_time", "journal_ioprio", "resuid", "resgid"),
            _NUMBER,
        ),
        "barrier": "|1",
        "data": "ordered|journal",
        "errors": "remount-ro|panic",
    },
    "nfs": {
        **_MOUNT,
        **dict.fromkeys(
            "hard fg ac sharecache nosharecache resvport noresvport intr nointr lock nofsc rdirplus nordirplus cto noac migration "
            "nomigration trunkdiscovery notrunkdiscovery".split()
        ),
        "proto": "tcp|tcp6",
        "sec": "sys|krb5|krb5i|krb5p",
        "local_lock": "none",
        "lookupcache": "all|pos|positive|none",
        "clientaddr": r"[0-9A-Fa-f.:]+",
        **dict.fromkeys(("timeo", "retrans", "rsize", "wsize", "nconnect", "max_connect", "port"), r"[1-9][0-9]*"),
        **dict.fromkeys(("actimeo", "acregmin", "acregmax", "acdirmin", "acdirmax", "retry"), _NUMBER),
    },
}  # fmt: skip
_MOUNT_WHY = {
    "ro": "'rw': a database writes",
    "norecovery": "it not to be set: without the log a crash leaves damage",
    "noload": "it not to be set: without the journal a crash leaves damage",
    "nobarrier": "it not to be set: a power cut loses what was committed",
    "barrier": "'barrier=1': a power cut loses what was committed without it",
    "logdev": "it not to be set: the other node does not have that device",
    "rtdev": "it not to be set: the other node does not have that device",
    "journal_dev": "it not to be set: the other node does not have that device",
    "journal_path": "it not to be set: the other node does not have that device",
    "data": "'data=ordered' or 'data=journal': after a crash other modes show what was never committed",
    "errors": "'errors=remount-ro' or 'errors=panic': a damaged file system must not be written to",
    "proto": "'proto=tcp': only it is made for hard mounts of NFS 4",
    "bg": "it not to be set: the server would start before the mount is there",
}


def wrong_mount(kind: str, options: str) -> Iterator[tuple[str, str]]:
    """Each mount option that is wrong, and what is expected instead.

    kind
        ``xfs``, ``ext4`` or ``nfs``.
    """
    known = MOUNT[kind]
    for option in options.split(","):
        name, is_given, value = option.partition("=")
        if name.startswith("x-") or not option:
            continue
        pattern = known.get(name, "-")
        fits = (pattern is None and not is_given) or (pattern is not None and bool(re.fullmatch(pattern, value)))
        if name not in known or not fits:
            yield (
                option,
                _MOUNT_WHY.get(name, f"mount options of {kind}(5) that are safe for a database that fails over"),
            )


# --- mkfs. A flag with the keys that its value may have: () for a flag without value, (None,) for a value of any kind but a path.

_VALUE = (None,)
MKFS: Mapping[str, Mapping[str, Sequence[str | None]]] = {
    "xfs": {
        "-b": ("size", "log"),
        "-c": (),
        "-d": ("agcount", "agsize", "sunit", "swidth", "su", "sw", "noalign", "size", "sectsize", "cowextsize", "extszinherit"),
        "-f": (),
        "-i": ("size", "perblock", "maxpct", "align", "attr", "projid32bit", "sparse", "nrext64", "exchange"),
        "-K": (),
        "-L": _VALUE,
        "-l": ("internal", "size", "version", "sunit", "su", "lazy-count", "sectsize", "concurrency"),
        "-m": ("bigtime", "crc", "finobt", "inobtcount", "uuid", "rmapbt", "reflink", "metadir", "autofsck"),
        "-n": ("size", "version", "ftype", "parent"),
        "-q": (),
        "-s": ("size", "log"),
    },
    "ext4": {
        "-b": _VALUE, "-C": _VALUE, "-D": (), "-E": ("stride", "stripe_width", "stripe-width", "lazy_itable_init",
        "lazy_journal_init",
               "discard", "nodiscard", "packed_meta_blocks", "resize", "num_backup_sb", "root_owner", "mmp_update_interval",
               "assume_storage_prezeroed", "hash_seed"),
        "-e": ("remount-ro", "panic"), "-F": (), "-g": _VALUE, "-G": _VALUE, "-i": _VALUE, "-I": _VALUE, "-j": (),
        "-J": ("size", "fast_commit_size", "location"), "-L": _VALUE, "-m": _VALUE, "-N": _VALUE, "-O": _VALUE, "-q": (),
        "-r": _VALUE,
        "-T": _VALUE, "-U": _VALUE, "-v": (),
    },
}  # fmt: skip
_FEATURES = (
    "^has_journal",
    "journal_dev",
    "none",
    "^mmp",
    "^metadata_csum",
    "^extent",
)  # of -O; these take a protection away


def wrong_mkfs(kind: str, arguments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The index of each argument of mkfs that is wrong, and what is expected instead."""
    known, waiting, flag, at = MKFS[kind], False, "", 0
    for at, argument in enumerate(arguments):
        if waiting:
            value, waiting = argument, False
        elif argument[:2] in known:
            flag, value = argument[:2], argument[2:]
            if bool(value) <= bool(known[flag]) and not value:
                waiting = bool(known[flag])
                continue
        else:
            yield at, f"an option of mkfs.{kind} that makes one whole file system on the one disk: {', '.join(known)}"
            continue
        if expected := _wrong_value(known[flag], flag, value):
            yield at, expected
    if waiting:
        yield at, f"a value behind {flag}"


def _wrong_value(keys: Sequence[str | None], flag: str, value: str) -> str:
    if not keys:
        return f"{flag} by itself"
    if "/" in value or value.startswith("-"):
        return "no path: all of the file system has to be on the disk that both nodes have"
    if None in keys:
        bad = [word for word in value.split(",") if flag == "-O" and word.lower() in _FEATURES]
        return f"a file system with its journal and its protections, without {bad[0]}" if bad else ""
    for word in value.split(","):
        if word.partition("=")[0] not in keys or (word.startswith("internal=") and word != "internal=1"):
            return (
                f"one of {', '.join(map(str, keys))} behind {flag}: all of the file system has to be on the disk that "
            )
            "both nodes have"
    return ""
