"""What is proven of the fence devices, and until when."""

from __future__ import annotations

from hamysql.fencing import proof


def test_a_proof_holds_for_the_devices_as_they_were(resolve, pillar):
    fencing = resolve(pillar("fenced"))["fencing"]
    digest = proof.digest(fencing, ["p_fence_db2"])
    record = {"node": "db2", "level": "1", "when": "2026-01-02T03:04:05Z", "digest": digest}
    found = proof.proofs([record], fencing)
    assert found["db2"] == [{"level": 1, "devices": ["p_fence_db2"], "proven": "2026-01-02T03:04:05Z"}]
    assert [level["proven"] for level in found["db1"]] == [None, None]
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0]["options"]["ip"] = "192.0.2.99"
    assert proof.proofs([record], resolve(given)["fencing"])["db2"][0]["proven"] is None


def test_a_digest_is_the_same_on_the_master_and_tells_nothing_of_a_secret(resolve, pillar):
    given = pillar("fenced")
    before = proof.digest(resolve(given)["fencing"], ["p_fence_db2"])
    given["fencing"]["devices"]["db2"][0]["secrets"]["password"] = "another"
    assert proof.digest(resolve(given)["fencing"], ["p_fence_db2"]) == before
