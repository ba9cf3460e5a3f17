"""Every row of the tables of docs/storage/lun.md and nfs.md, by its name: what is planned or refused for a LUN and an export, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hamysql.errors import Refused
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.lun import plan as lun_plan
from hamysql.storage.lun.plan import Lun
from hamysql.storage.nfs import plan as nfs_plan
from hamysql.storage.nfs.plan import Export, View
from hamysql.system.disk import Signature
from support import ROOT

ROWS: dict[str, Callable[[], None]] = {}
UUID, OTHER = "627a22bb-ecf0-48ff-814b-c8b47add52c8", "dbeced43-0000-4000-8000-000000000000"
NAME, DEVICE, SOURCE = "/dev/disk/by-id/wwn-0x1", "/dev/disk/by-id/scsi-1", "192.0.2.50:/srv/galaxy-db"
XFS, FOREIGN = Signature("xfs", 0, UUID), Signature("xfs", 0, OTHER)
WANTED = lun_plan.Wanted("galaxy-db", "xfs")
NFS = nfs_plan.Wanted("galaxy-db", SOURCE)
MADE = [("make_filesystem", "db1"), ("initialise_datadir", "db1"), ("seal", "db1"), ("adopt", "db2")]


def row(name: str):
    def named(test: Callable[[], None]) -> Callable[[], None]:
        ROWS[name] = test
        return test

    return named


def latch(stage: Stage = Stage.INITIALISED, backend: str = "shared", **fields) -> Latch:
    place = DEVICE if backend == "shared" else SOURCE
    return replace(Latch("galaxy-db", "mysql", place, stage, UUID, backend=backend), **fields)


def pair(one: dict | None = None, two: dict | None = None, **both) -> list[Lun]:
    """db1 and db2, which see the same LUN, blank by default."""
    seen = {"size": 10**9, "identity": "0x1 S1", "names": (NAME,), **both}
    return [Lun("db1", DEVICE, **{**seen, **(one or {})}), Lun("db2", DEVICE, **{**seen, **(two or {})})]


def todo(planned) -> list[tuple[str, str]]:
    return [(step.action, " ".join(step.nodes)) for step in planned]


def luns(members: list[Lun], wanted: lun_plan.Wanted = WANTED) -> list[tuple[str, str]]:
    return todo(lun_plan.steps(members, wanted))


def refused(members, wanted=None) -> list[str]:
    """The evidence of a refusal, sentence by sentence."""
    shared = isinstance(members[0], Lun)
    with pytest.raises(Refused) as caught:
        (lun_plan if shared else nfs_plan).steps(members, wanted or (WANTED if shared else NFS))
    head, *reasons = str(caught.value).splitlines()
    assert head == "the storage is left alone:"
    return [reason.removeprefix("  - ") for reason in reasons]


def assert_only_the_key_helps(members: list[Lun], what: str) -> None:
    (reason,) = refused(members)
    assert reason.startswith(f"db1 and db2, {DEVICE}: {what}"), reason
    assert reason.endswith(f"If all that is on it may be lost: hamysql:storage:shared:wipe: {NAME}")
    for name in (NAME, DEVICE):
        wipe, *rest = lun_plan.steps(members, replace(WANTED, wipe=name))
        assert (wipe.action, wipe.nodes, wipe.fresh) == ("wipe", ("db1",), True)
        assert wipe.arguments == {"found": members[0].contents}
        assert todo(rest) == [("claim", "db1"), *MADE]
    (reason,) = refused(members, replace(WANTED, wipe="/dev/disk/by-id/wwn-0x2"))
    assert reason.endswith("(it names /dev/disk/by-id/wwn-0x2 now, which is not this LUN)")
    used = [replace(member, uses=("/dev/sdb is mounted on /srv",)) for member in members]
    assert len(refused(used, replace(WANTED, wipe=NAME))) == 2, "a LUN that is in use is never wiped"


@row("LUN: blank")
def blank():
    planned = lun_plan.steps(pair(), WANTED)
    assert todo(planned) == [("claim", "db1"), *MADE]
    assert [step.action for step in planned if step.fresh] == ["claim", "make_filesystem", "adopt"]
    lvm = lun_plan.steps(pair(), replace(WANTED, kind="LVM2_member"))
    assert [step.action for step in lvm][:3] == ["claim", "make_volume", "make_filesystem"]


@row("LUN: not logged in yet")
def not_logged_in():
    wanted = replace(WANTED, iscsi=True)
    away = {"size": None, "session": False}
    assert luns(pair(away, away), wanted) == [("login", "db1 db2")]
    assert luns(pair({"session": True}, away), wanted) == [("login", "db2")]
    (reason,) = refused(pair({"session": True, "signatures": (FOREIGN,)}, away), replace(wanted, wipe=NAME))
    assert reason.startswith(f"db1, {DEVICE}: holds"), "nothing is wiped that not all have seen"


@row("LUN: not there, or not readable")
def not_there():
    assert refused(pair({"size": None})) == [
        f"db1, {DEVICE}: there is no such block device (hamysql:storage:shared:device)"
    ]
    (reason,) = refused(pair({"size": None, "session": True}), replace(WANTED, iscsi=True))
    assert "no such block device, though the node is logged in to the target" in reason
    known = {"latch": latch(), "signatures": (XFS,)}
    assert refused(pair({"latch": latch(), "error": "Input/output error"}, known)) == [
        f"db1, {DEVICE}: the LUN cannot be read: Input/output error"
    ]


@row("LUN: another one on each node")
def two_luns():
    for other in ({"identity": "0x2 S2"}, {"size": 2 * 10**9}):
        (reason,) = refused(pair(two=other))
        assert reason.startswith("the nodes do not see the same LUN: db1, ")
    (reason,) = refused(pair(two={"signatures": (XFS,)}))
    assert reason.startswith("the nodes see different LUNs: db1, ")
    assert f"{DEVICE}: blank; db2" in reason
    # Nobody knows the numbers: the claim will tell.
    assert luns(pair({"identity": ""}, {"identity": ""}))[0] == ("claim", "db1")


@row("LUN: the other node does not see the claim")
def claim_unseen():
    claimed = {"claim": {"cluster": "galaxy-db", "uuid": UUID}, "latch": latch(Stage.CLAIMED)}
    (reason,) = refused(pair(claimed))
    assert "the nodes see different LUNs" in reason
    assert f"the claim of cluster galaxy-db ({UUID}); db2" in reason


@row("LUN: a file system, a partition table, LVM or DRBD on it")
def foreign():
    for signature in (
        Signature("ext4", 0x438, OTHER),
        Signature("gpt", 512),
        Signature("LVM2_member", 536, "OLC1oI"),
        Signature("drbd", 10**9 - 4036, "feedfeedfeedfeed"),
        Signature("data without a known signature", 4096),
    ):
        assert_only_the_key_helps(pair(signatures=(signature,)), f"not blank, and not made by hamysql: {signature}")
    (reason,) = refused(pair(partitions=("/dev/sdb1",)))
    assert reason.endswith(f"`blockdev --rereadpt {DEVICE}`")


@row("LUN: in use")
def in_use():
    use = "/dev/mapper/vg-data (lvm) lies on /dev/sdb"
    assert refused(pair({"uses": (use,)}), replace(WANTED, wipe=NAME)) == [f"db1, {DEVICE}: the LUN is in use: {use}"]


@row("LUN: claimed by another cluster")
def claimed_elsewhere():
    claim = {"cluster": "other", "uuid": OTHER}
    assert_only_the_key_helps(pair(claim=claim), f"claimed by another cluster: the claim of cluster other ({OTHER})")
    ours = {"cluster": "galaxy-db", "uuid": OTHER}
    assert_only_the_key_helps(pair(claim=ours), "claimed by an unfinished deployment of this cluster")
    # The other cluster came later, and wrote over our claim.
    (reason,) = refused(pair({"latch": latch(Stage.CLAIMED)}, claim=claim))
    assert "claimed by another cluster" in reason


@row("LUN: a deployment cut off anywhere")
def cut_off():
    claim = {"claim": {"cluster": "galaxy-db", "uuid": UUID}}
    cases = [
        (Stage.CLAIMED, {}, [("claim", "db2"), ("make_filesystem", "db2"), ("initialise_datadir", "db2")]),
        (Stage.CLAIMED, claim, [("make_filesystem", "db2"), ("initialise_datadir", "db2")]),
        (Stage.CLAIMED, {"signatures": (XFS,)}, [("make_filesystem", "db2"), ("initialise_datadir", "db2")]),
        (Stage.FILESYSTEM, {"signatures": (XFS,)}, [("initialise_datadir", "db2")]),
        (Stage.DATADIR, {"signatures": (XFS,)}, []),
    ]
    for stage, seen, left in cases:
        assert luns(pair(two={"latch": latch(stage)}, **seen)) == [*left, ("seal", "db2"), ("adopt", "db1")]
    # A mount that a killed run has left on the node that makes the data is no stranger's.
    assert (
        luns(pair(two={"latch": latch(Stage.FILESYSTEM), "mounted": True}, signatures=(XFS,)))[0][0]
        == "initialise_datadir"
    )
    # What somebody else has made on the claimed LUN is not ours.
    (reason,) = refused(pair({"latch": latch(Stage.CLAIMED)}, signatures=(FOREIGN,)))
    assert reason.startswith(f"db1 and db2, {DEVICE}: holds {FOREIGN}, which no node knows")


@row("LUN: ours on both nodes")
def ours():
    for serving in ({}, {"mounted": True, "serving": True}):
        members = pair(serving, latch=latch(), signatures=(XFS,))
        assert luns(members) == []
        assert lun_plan.warnings(members, WANTED) == []


@row("LUN: a node installed again")
def forgotten():
    (step,) = lun_plan.steps(pair({"latch": latch(), "mounted": True, "serving": True}, signatures=(XFS,)), WANTED)
    assert (step.action, step.nodes, step.arguments, step.fresh) == ("adopt", ("db2",), {"uuid": UUID}, True)


@row("LUN: both nodes installed again")
def both_forgotten():
    (reason,) = refused(pair(signatures=(XFS,)))
    assert f"holds {XFS}, which no node knows. If it is this cluster's" in reason
    assert f"`salt-call hamysql_lun.adopt {UUID}`" in reason
    assert reason.endswith(f"hamysql:storage:shared:wipe: {NAME}")


@row("LUN: latches and another file system")
def another_file_system():
    for known in ({}, {"latch": latch()}):
        members = pair({"latch": latch()}, known, signatures=(FOREIGN,))
        for wanted in (WANTED, replace(WANTED, wipe=NAME)):
            (reason,) = refused(members, wanted)
            assert f"holds {FOREIGN}, not xfs with the UUID {UUID} (db1)" in reason
            assert reason.endswith("`rm /var/lib/hamysql/mysql.json` on both nodes")
    (reason,) = refused(pair({"latch": latch()}, {"latch": latch(device_uuid=OTHER)}, signatures=(XFS,)))
    assert f"not xfs with the UUID {OTHER} (db2)" in reason


@row("LUN: latches and a blank LUN")
def blank_again():
    (reason,) = refused(pair({"latch": latch()}), replace(WANTED, wipe=NAME))
    assert f"holds nothing, not xfs with the UUID {UUID} (db1), the cluster's data. Bring the LUN" in reason


@row("LUN: mounted, and not by the cluster")
def mounted():
    for known in (None, latch()):
        (reason,) = refused(pair({"latch": known, "mounted": True}, {"latch": latch()}, signatures=(XFS,)))
        assert reason.startswith(f"db1, {DEVICE}: its file system is mounted on /var/lib/mysql, and not by the cluster")


@row("LUN: a stale override")
def stale():
    members, wanted = pair(latch=latch(), signatures=(XFS,)), replace(WANTED, wipe=NAME)
    assert luns(members, wanted) == []
    assert lun_plan.warnings(members, wanted) == [
        f"hamysql:storage:shared:wipe still names {NAME}: take the key out of the pillar"
    ]


# --- an export

EMPTY = View()
MARKED = View((".hamysql.json",), {"cluster": "galaxy-db", "id": UUID})
FILLED = View((".hamysql.json", "mysql"), {"cluster": "galaxy-db", "id": UUID}, True)


def nodes(one: dict | None = None, two: dict | None = None, **both) -> list[Export]:
    """db1 and db2, which see the same export, an empty one by default."""
    seen = {"view": EMPTY, **both}
    return [Export("db1", SOURCE, **{**seen, **(one or {})}), Export("db2", SOURCE, **{**seen, **(two or {})})]


def exports(members: list[Export]) -> list[tuple[str, str]]:
    return todo(nfs_plan.steps(members, NFS))


def known(stage: Stage = Stage.INITIALISED, **fields) -> Latch:
    return latch(stage, "nfs", **fields)


@row("export: empty")
def empty():
    for view in (EMPTY, View((".snapshot", "lost+found"))):
        planned = nfs_plan.steps(nodes(view=view), NFS)
        assert todo(planned) == [("claim", "db1"), ("initialise_datadir", "db1"), ("seal", "db1"), ("adopt", "db2")]
        assert [step.action for step in planned if step.fresh] == ["claim", "initialise_datadir", "adopt"]


@row("export: not seen yet")
def unseen():
    assert exports(nodes(view=None)) == [("look", "db1 db2")]
    assert exports(nodes({"view": None, "latch": known()}, {"view": None})) == [("look", "db2")]


@row("export: cannot be mounted")
def unmountable():
    view = View(error="mount.nfs: access denied by server")
    assert refused(nodes({"view": view})) == [f"db1, {SOURCE}: cannot be mounted: mount.nfs: access denied by server"]


@row("export: not empty")
def not_empty():
    (reason,) = refused(nodes(view=View(("a", "b", "c", "d", "e", "f", "lost+found"))))
    assert "not empty, and not made by hamysql: a, b, c, d, e and 1 more. hamysql deletes nothing there" in reason
    (reason,) = refused(nodes(view=View(("mysql",), None, True)))
    assert "not made by hamysql: mysql." in reason, "a database without our mark may be anybody's"


@row("export: another one on each node")
def two_exports():
    (reason,) = refused(nodes({"view": View(("a",))}))
    assert reason.endswith(f"the nodes mount different exports: db1, {SOURCE}: a; db2, {SOURCE}: empty")
    (reason,) = refused(nodes({"view": MARKED, "latch": known(Stage.CLAIMED)}))
    assert f"db1, {SOURCE}: the mark {UUID}; db2, {SOURCE}: empty" in reason


@row("export: another cluster's mark")
def other_mark():
    (reason,) = refused(nodes(view=View((".hamysql.json",), {"cluster": "other", "id": OTHER})))
    assert "bears the mark of another cluster, other: use an export for this one alone" in reason


@row("export: a deployment cut off anywhere")
def export_cut_off():
    begun = {"latch": known(Stage.CLAIMED)}
    rest = [("initialise_datadir", "db2"), ("seal", "db2"), ("adopt", "db1")]
    assert exports(nodes(two=begun)) == [("claim", "db2"), *rest]
    assert exports(nodes(two=begun, view=View((f".hamysql.json.{UUID}",)))) == [("claim", "db2"), *rest]
    assert exports(nodes(two=begun, view=MARKED)) == rest
    assert exports(nodes(two=begun, view=FILLED)) == rest
    assert exports(nodes(two={"latch": known(Stage.DATADIR)}, view=FILLED)) == rest[1:]


@row("export: ours on both nodes")
def export_ours():
    assert exports(nodes({"mounted": True, "serving": True}, latch=known(), view=None)) == []


@row("export: a node installed again")
def export_forgotten():
    (step,) = nfs_plan.steps(nodes({"latch": known(), "view": None}, view=FILLED), NFS)
    assert (step.action, step.nodes, step.arguments, step.fresh) == ("adopt", ("db2",), {"uuid": UUID}, True)


@row("export: both nodes installed again")
def export_both_forgotten():
    (reason,) = refused(nodes(view=FILLED))
    assert f"bears this cluster's mark ({UUID}), which no node knows" in reason
    assert f"`salt-call hamysql_nfs.adopt {UUID}`" in reason


@row("export: a latch and another export")
def export_lost():
    for view in (EMPTY, View((".hamysql.json",), {"cluster": "galaxy-db", "id": OTHER})):
        (reason,) = refused(nodes({"latch": known(), "view": None}, view=view))
        assert f"but db1 knows of {UUID}: not the same export, or its data is gone" in reason
    (reason,) = refused(nodes({"latch": known(disk="192.0.2.51:/other"), "view": None}, view=FILLED))
    assert "the data is on 192.0.2.51:/other; another export cannot be named in place" in reason
    (reason,) = refused(nodes({"latch": known()}, {"latch": known(device_uuid=OTHER)}, view=None))
    assert reason.startswith(f"the nodes' latches are about different data (db1: {UUID}; db2: {OTHER})")


@row("export: mounted, and not by the cluster")
def export_mounted():
    for member in (
        nodes({"latch": known(), "mounted": True}, view=None, two={"latch": known()}),
        nodes({"mounted": True}),
    ):
        assert refused(member)[0].startswith(f"db1, {SOURCE}: it is mounted on /var/lib/mysql, and not by the cluster")


@row("another cluster's data, or another kind of storage")
def another_cluster():
    for wrong in ({"cluster": "old"}, {"backend": "drbd"}):
        lun, export = replace(latch(), **wrong), replace(known(), **wrong)
        for reasons in (
            refused(pair({"latch": lun}, signatures=(XFS,))),
            refused(nodes({"latch": export}, view=FILLED)),
        ):
            assert "give the pillar the old values back" in reasons[0]
            assert f"{next(iter(wrong.values()))}" in reasons[0]


def test_the_table_and_its_tests_have_the_same_rows():
    found = []
    for page in ("lun.md", "nfs.md"):
        text = (ROOT / "docs" / "storage" / page).read_text()
        table = text.partition("## The situations: data is never overwritten")[2].partition("\n## ")[0]
        rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
        assert rows[0] == "situation"
        found += rows[1:]
    assert sorted(found) == sorted(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_the_row(name):
    ROWS[name]()
