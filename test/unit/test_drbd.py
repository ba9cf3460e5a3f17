"""What DRBD reports. The fixtures were taken from a running kernel module 8.4.11 (names say what was going on)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamysql import drbd
from hamysql.drbd import Generation, Status
from hamysql.errors import ParseError

FIXTURES = Path(__file__).parent / "fixtures" / "drbd"


def proc(name: str) -> str:
    return (FIXTURES / f"proc-drbd-8.4.11-{name}.txt").read_text(encoding="ascii")


def generation(name: str) -> Generation:
    return drbd.parse_generation((FIXTURES / f"get-gi-{name}.txt").read_text(encoding="ascii"))


@pytest.mark.parametrize(
    ("name", "minor", "expected"),
    [
        ("standalone", 0, Status("StandAlone", "Secondary", "Unknown", "Inconsistent", "DUnknown", 65496)),
        ("wfconnection-new", 0, Status("WFConnection", "Secondary", "Unknown", "Inconsistent", "DUnknown", 65496)),
        ("connected-new", 1, Status("Connected", "Secondary", "Secondary", "Inconsistent", "Inconsistent", 65496)),
        ("syncing", 0, Status("SyncSource", "Primary", "Secondary", "UpToDate", "Inconsistent", 59884, 12.5)),
        ("syncing", 1, Status("SyncTarget", "Secondary", "Primary", "Inconsistent", "UpToDate", 59884, 12.5)),
        ("uptodate", 0, Status("Connected", "Primary", "Secondary", "UpToDate", "UpToDate")),
        ("peer-away", 0, Status("StandAlone", "Primary", "Unknown", "UpToDate", "DUnknown", 3072)),
        ("peer-away", 1, Status("WFConnection", "Secondary", "Unknown", "UpToDate", "DUnknown")),
        ("split-brain", 1, Status("StandAlone", "Secondary", "Unknown", "UpToDate", "DUnknown", 1024)),
        ("diskless", 0, Status("WFConnection", "Secondary", "Unknown", "Diskless", "DUnknown")),
    ],
)
def test_proc_drbd_becomes_a_status_of_the_minor(name, minor, expected):
    assert drbd.parse_proc(proc(name), minor) == expected


@pytest.mark.parametrize(
    ("name", "minor"),
    [("loaded", 0), ("minor-diskless", 0), ("minor-0-removed", 0), ("uptodate", 7)],
    ids=["module only", "minor without a disk or peer", "minor taken down", "another minor"],
)
def test_a_minor_that_is_not_configured_has_no_status(name, minor):
    assert drbd.parse_proc(proc(name), minor) is None


@pytest.mark.parametrize(
    ("name", "minor", "connected", "up_to_date"),
    [
        ("uptodate", 0, True, True),
        ("syncing", 0, True, False),
        ("connected-new", 0, True, False),
        ("wfconnection-new", 0, False, False),
        ("peer-away", 0, False, False),
        ("peer-away", 1, False, False),
    ],
)
def test_connected_and_up_to_date_are_about_both_sides(name, minor, connected, up_to_date):
    status = drbd.parse_proc(proc(name), minor)
    assert (status.connected, status.up_to_date) == (connected, up_to_date)
    assert {key: status.as_dict()[key] for key in ("connected", "up_to_date", "done")} == {
        "connected": connected,
        "up_to_date": up_to_date,
        "done": status.done,
    }
    json.dumps(status.as_dict())


def test_a_stale_peer_disk_state_is_not_up_to_date_without_a_connection():
    assert not Status("StandAlone", "Primary", "Unknown", "UpToDate", "UpToDate").up_to_date


def test_the_version_of_the_kernel_module():
    assert drbd.kernel_version(proc("loaded")) == "8.4.11"
    assert drbd.kernel_version("version: 9.1.13 (api:2/proto:110-121)\nTransports (api:17): tcp (9.1.13)\n") == "9.1.13"


@pytest.mark.parametrize("text", ["", " 0: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----\n"])
def test_proc_drbd_without_a_version_is_not_guessed_at(text):
    with pytest.raises(ParseError, match="version"):
        drbd.parse_proc(text, 0)


# --- DRBD 9: the fields are drbdsetup's (drbd-utils 9.22, drbdsetup-status); there is no such kernel to capture from.


def status9(name: str = "mysql", **changes: Any) -> str:
    link = {"volume": 0, "replication-state": "Established", "peer-disk-state": "UpToDate", "out-of-sync": 0}
    peer = {"peer-node-id": 1, "name": "db2", "connection-state": "Connected", "peer-role": "Secondary"}
    link.update({key: value for key, value in changes.items() if key in ("replication-state", "peer-disk-state")})
    link.update({key: value for key, value in changes.items() if key in ("out-of-sync", "done")})
    peer.update({key: value for key, value in changes.items() if key in ("connection-state", "peer-role")})
    volume = {"volume": 0, "minor": 0, "disk-state": changes.get("disk-state", "UpToDate")}
    found = {"name": name, "role": changes.get("role", "Primary"), "devices": [volume]}
    return json.dumps(
        [{"name": "other", "role": "Secondary"}, {**found, "connections": [{**peer, "peer_devices": [link]}]}]
    )


def test_drbd_9_gives_the_same_status():
    assert drbd.parse_json(status9(), "mysql") == Status("Connected", "Primary", "Secondary", "UpToDate", "UpToDate")


def test_drbd_9_shows_a_synchronisation_in_place_of_the_connection():
    text = status9(
        **{"replication-state": "SyncSource", "peer-disk-state": "Inconsistent", "out-of-sync": 512, "done": 42.5}
    )
    status = drbd.parse_json(text, "mysql")
    assert status == Status("SyncSource", "Primary", "Secondary", "UpToDate", "Inconsistent", 512, 42.5)
    assert status.connected


def test_drbd_9_without_its_peer_is_not_connected():
    text = status9(**{"connection-state": "Connecting", "replication-state": "Off", "peer-disk-state": "DUnknown"})
    status = drbd.parse_json(text, "mysql")
    assert status.connection == "Connecting"
    assert not status.connected


@pytest.mark.parametrize("text", ["", "[]", status9("other-resource")])
def test_drbd_9_without_the_resource_has_no_status(text):
    assert drbd.parse_json(text, "mysql") is None


def test_drbd_9_with_a_resource_that_has_no_peer_yet():
    text = json.dumps([{"name": "mysql", "role": "Secondary", "devices": [{"disk-state": "Inconsistent"}]}])
    assert drbd.parse_json(text, "mysql") == Status("StandAlone", "Secondary", "Unknown", "Inconsistent", "DUnknown")


def test_output_that_is_no_json_is_named():
    with pytest.raises(ParseError, match="no JSON"):
        drbd.parse_json("drbdsetup: unknown option --json", "mysql")


# --- generation identifiers


@pytest.mark.parametrize("name", ["8.4.11-just-created", "utils-9.22.0-v09-just-created"])
def test_new_metadata_is_just_created(name):
    assert generation(name).just_created


@pytest.mark.parametrize(
    "name", ["seeded-alone", "syncing", "uptodate-primary", "uptodate-peer", "peer-away", "split-brain-1"]
)
def test_metadata_that_has_carried_data_is_not(name):
    assert not generation(f"8.4.11-{name}").just_created


@pytest.mark.parametrize(
    "text",
    [
        "0000000000000004:00000000000000AB:0000000000000000:0000000000000000:0:0:0:0",
        "0000000000000004:0000000000000000:00000000000000AB:0000000000000000:0:0:0:0",
        "0000000000000004:0000000000000000:0000000000000000:00000000000000AB:0:0:0:0",
        "0000000000000000:0000000000000000:0000000000000000:0000000000000000:0:0:0:0",
    ],
)
def test_any_trace_of_an_earlier_generation_is_not_just_created(text):
    assert not drbd.parse_generation(text).just_created


def test_the_identifiers_are_in_drbds_order():
    found = generation("8.4.11-peer-away")
    assert found == Generation(0xBF47C6620772DF0D, 0x949CA4647D747839, (0x32C4AE688FE0A053, 4))


def test_relatives_are_recognised_whoever_was_primary():
    primary, peer = generation("8.4.11-uptodate-primary"), generation("8.4.11-uptodate-peer")
    assert primary.current != peer.current  # the lowest bit: who is primary
    assert primary.related(peer)
    assert peer.related(primary)


def test_both_halves_of_a_split_brain_descend_from_the_same_data():
    assert generation("8.4.11-split-brain-0").related(generation("8.4.11-split-brain-1"))


def test_strangers_are_not_related_though_both_were_created_once():
    # Both have "just created" in their history, which every replica has.
    assert not generation("8.4.11-uptodate-primary").related(generation("8.4.11-seeded-alone"))
    new = generation("8.4.11-just-created")
    assert not new.related(new)


@pytest.mark.parametrize("text", ["", "\n", "no such resource", "0004:0000", "not:hexa:deci:mal"])
def test_output_that_has_no_identifiers_is_named(text):
    with pytest.raises(ParseError, match="get-gi"):
        drbd.parse_generation(text)


UUIDS = st.integers(0, 2**64 - 1)


@given(UUIDS, UUIDS, UUIDS, UUIDS)
def test_identifiers_survive_being_written(current, bitmap, younger, older):
    text = ":".join(f"{uuid:016X}" for uuid in (current, bitmap, younger, older)) + ":1:1:0:1:0:0:0\n"
    assert drbd.parse_generation(text) == Generation(current, bitmap, (younger, older))
