"""Which folder a latch is in while the data is moved, and the switch, cut off at each of its steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hamysql.errors import Refused
from hamysql.storage import backends, latch
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.move import switch as move_switch

DRBD = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, "e7c4c235a46d231d")
NAMED = replace(DRBD, resource="galaxy")
LUN = Latch("galaxy-db", "mysql", "/dev/disk/by-id/wwn-0x1", Stage.INITIALISED, "627a22bb", backend="shared")
NAS = Latch("galaxy-db", "mysql", "192.0.2.50:/srv", Stage.INITIALISED, "0c7a", backend="nfs")


class CutOff(BaseException):
    pass


def put(folder, main=(), beside=(), moving=""):
    for known in main:
        latch.write_file(_made(folder) / f"{known.resource}.json", _text(known))
    for known in beside:
        latch.write_file(_made(folder / latch.NEXT) / f"{known.resource}.json", _text(known))
    if moving:
        (_made(folder / latch.NEXT) / latch.MARK).write_text(moving + "\n")


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(known):
    import json

    return json.dumps(known.as_dict())


@pytest.mark.parametrize(
    ("main", "beside", "moving", "asked", "found"),
    [
        ((), (), "", "drbd", None),
        ((DRBD,), (), "", "drbd", DRBD),
        ((DRBD,), (), "", "shared", DRBD),  # as ever: the plan refuses it
        ((DRBD,), (), "shared", "shared", None),  # a move has begun, nothing is made
        ((DRBD,), (LUN,), "shared", "shared", LUN),
        ((DRBD,), (LUN,), "shared", "drbd", DRBD),
        ((DRBD,), (LUN,), "shared", "nfs", DRBD),
        ((LUN,), (), "shared", "shared", LUN),  # switched, not finished
        ((NAMED, LUN), (), "shared", "shared", LUN),  # in the middle of the switch
        ((), (LUN,), "shared", "shared", None),  # somebody has removed the old one: it is a new cluster
        ((LUN,), (NAS,), "nfs", "nfs", NAS),
    ],
)
def test_the_latch_of_a_kind_of_storage(tmp_path, main, beside, moving, asked, found):
    put(tmp_path, main, beside, moving)
    assert latch.read("mysql", asked, tmp_path) == found
    assert latch.in_use(tmp_path) == list(main)
    assert latch.moving_to(tmp_path) == moving


@pytest.mark.parametrize("old", [DRBD, NAMED])
def test_what_is_made_while_a_move_is_under_way_goes_beside_and_the_latch_in_use_stays(tmp_path, old):
    put(tmp_path, [old])
    assert move_switch.begin("shared", True, tmp_path) is True
    latch.write(replace(LUN, stage=Stage.CLAIMED), tmp_path)
    latch.write(replace(LUN, stage=Stage.FILESYSTEM), tmp_path)
    assert latch.in_use(tmp_path) == [old]
    assert latch.read("mysql", "shared", tmp_path).stage is Stage.FILESYSTEM


@pytest.mark.parametrize("old", [DRBD, NAMED])
def test_the_switch_cut_off_anywhere_and_done_again(tmp_path, old):
    steps = []
    put(tmp_path / "all", [old], [LUN], "shared")
    assert move_switch.switch("shared", "now", tmp_path / "all", steps.append) is True
    assert len(steps) == (2 if old.resource == "mysql" else 3)
    for number in range(len(steps)):
        folder = tmp_path / str(number)
        put(folder, [old], [LUN], "shared")
        seen = []

        def cut(step, seen=seen, number=number):
            seen.append(step)
            if len(seen) > number:
                raise CutOff

        with pytest.raises(CutOff):
            move_switch.switch("shared", "now", folder, cut)
        there = latch.in_use(folder)
        assert old in there or LUN in there
        assert latch.read("mysql", "shared", folder) == LUN, "the new latch is there at any moment"
        move_switch.switch("shared", "later", folder)
        assert latch.in_use(folder) == [LUN]
        (kept,) = (folder / move_switch.BEFORE).iterdir()
        assert latch.load(kept) == old
        assert move_switch.switch("shared", "even later", folder) is False
        assert move_switch.forget(folder) is True
        assert move_switch.forget(folder) is False
        assert move_switch.switch("shared", "much later", folder) is False
        assert latch.read("mysql", "shared", folder) == LUN


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage != Stage.INITIALISED])
def test_nothing_is_switched_to_storage_that_is_not_complete(tmp_path, stage):
    put(tmp_path, [DRBD], [replace(LUN, stage=stage)], "shared")
    with pytest.raises(Refused, match="not complete on shared here"):
        move_switch.switch("shared", "now", tmp_path)
    assert latch.in_use(tmp_path) == [DRBD]


@pytest.mark.parametrize("moving", ["", "nfs"])
def test_nothing_is_switched_without_a_move_to_it(tmp_path, moving):
    put(tmp_path, [DRBD], [LUN] if moving else [], moving)
    with pytest.raises(Refused, match="no latch of the new storage"):
        move_switch.switch("shared", "now", tmp_path)


@pytest.mark.parametrize(
    ("main", "moving", "said"),
    [
        ([LUN], "", "on shared already"),
        ([], "", "no data that could be moved"),
        ([replace(DRBD, stage=Stage.DATADIR)], "", "no data that could be moved"),
        ([DRBD], "nfs", "a move to nfs was begun"),
    ],
)
def test_a_move_is_not_begun(tmp_path, main, moving, said):
    put(tmp_path, main, [], moving)
    with pytest.raises(Refused, match=said):
        move_switch.begin("shared", True, tmp_path)


@pytest.mark.parametrize(
    ("known", "seed", "after"),
    [
        (None, True, None),
        (replace(LUN, stage=Stage.CLAIMED), True, Stage.CLAIMED),
        (replace(LUN, stage=Stage.DATADIR), True, Stage.FILESYSTEM),
        (LUN, True, Stage.FILESYSTEM),
        (LUN, False, None),
        (NAS, True, Stage.CLAIMED),
        (NAS, False, None),
        (DRBD, True, Stage.FILESYSTEM),
        (DRBD, False, Stage.METADATA),
        (replace(DRBD, stage=Stage.METADATA), False, Stage.METADATA),
        (replace(DRBD, stage=Stage.SEEDING), True, Stage.SEEDING),
    ],
)
def test_a_copy_that_is_begun_anew(known, seed, after):
    found = backends.KINDS[(known or LUN).backend].reset(known, seed)
    assert (found and found.stage) == after
    assert found is None or replace(found, stage=known.stage) == known


def test_what_a_move_that_was_given_up_has_left_is_not_taken_over(tmp_path):
    put(tmp_path, [DRBD], [LUN])  # its mark is gone, cut off before the rest was
    assert latch.read("mysql", "shared", tmp_path) == DRBD
    move_switch.begin("shared", True, tmp_path)
    assert latch.read("mysql", "shared", tmp_path) is None
