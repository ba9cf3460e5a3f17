"""What the schema accepts, the real programs accept, and read as the same values: some hundred pillars (20,000 in `make test-long`)."""

from __future__ import annotations

import os

import generated
import pytest

from hamysql.errors import HamysqlError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: corosync is asked in a namespace with the node's name"),
    pytest.mark.skipif(bool(generated.MISSING), reason=f"not installed: {', '.join(generated.MISSING)}"),
]


SEED = 17


def test_five_hundred_pillars_are_read_as_they_were_meant(tmp_path):
    # The same ones in each run: what is new by chance is the long test's.
    assert generated.read_some(500, SEED, str(tmp_path)) >= 500


def config():
    return generated.resolved(generated.load_pillar("ipv6"), "db1")


def test_a_value_that_is_read_as_another_one_is_found(tmp_path):
    readers = generated.Readers(tmp_path)
    for change, ask in (
        (
            lambda c: c["mysql"]["option_lines"]["mysqld"].append("init-file = a # b"),
            lambda c: readers.options(c, False),
        ),
        (lambda c: c["storage"]["drbd"].update(resource="other"), readers.drbd),
        (lambda c: c["storage"]["drbd"]["options"]["net"].update({"max-buffers": "9000"}), readers.drbd),
        (lambda c: c["corosync"].update(text=c["corosync"]["text"].replace("token: ", "token: x")), readers.corosync),
        (lambda c: c["pacemaker"]["operations"]["p_mysql"]["stop"].update(interval="7s"), readers.cib),
        (lambda c: c["firewall"]["files"].update(ipv6="*filter\n-A NONE --x\nCOMMIT\n"), readers.firewall),
    ):
        found = config()
        ask(found)
        change(found)
        with pytest.raises((AssertionError, HamysqlError)):
            ask(found)
