"""What the schema accepts, the real programs accept, and read as the same values: some hundred pillars (20,000 in `make test-long`)."""

from __future__ import annotations

import contextlib
import os
import xml.etree.ElementTree as ET

import generated
import generated_agents
import pytest

from hamysql.errors import HamysqlError
from hamysql.fencing import values as fencing_values

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


@pytest.fixture
def agents(tmp_path):
    with contextlib.closing(generated_agents.Agents(tmp_path)) as found:
        yield found


def fenced(**options):
    pillar = generated.load_pillar("fenced")
    pillar["fencing"]["sbd"] = {"device": "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-iqn.2026-01.org.example:x-lun-1"}
    pillar["fencing"]["devices"]["db1"][0]["options"] |= options
    found = generated.resolved(pillar, "db1")
    assert found
    return found


TEXTS = [
    "CORP\\svc",
    "b\u00fcro",
    "a=b #c",
    'say "hi"',
    "it's",
    "$(id) `id` %h;",
    "a\\",
    "\u4e16\u754c",
    "-o off",
    "1,2;3",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_fence_agent_reads_each_text_as_it_is_in_the_pillar(agents, text):
    found = fenced(username=text, ssh_options=text, **{"anything.else": text})
    found["fencing"]["devices"][0]["secrets"]["password"] = text
    agents.fence(found, True)


def device(found):
    return found["fencing"]["devices"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: device(c)["options"].update(ip="192.0.2.1 "),
        lambda c: device(c)["options"].update(ip='"192.0.2.1"'),
        lambda c: device(c)["options"].update(lanplus="maybe"),
        lambda c: device(c)["secrets"].update(password="x "),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_what_a_fence_agent_reads_as_another_value_is_found(agents, change, whole):
    found = fenced()
    agents.fence(found, whole)
    change(found)
    with pytest.raises(AssertionError):
        agents.fence(found, whole)


@pytest.mark.parametrize("device", ["/dev/`id`", "/dev/$HOME", '/dev/a"b'])
def test_what_sbds_unit_would_read_as_another_value_is_found(agents, device):
    found = fenced()
    agents.sbd(found)
    found["fencing"]["sbd"]["device"] = device
    with pytest.raises((AssertionError, HamysqlError)):
        agents.sbd(found)


@pytest.mark.parametrize("text", [*TEXTS, "two\nlines", " blanks ", "*", "~", "-n", "\\0041", "\\c"])
def test_a_resource_agent_has_each_text_in_its_environment(agents, text):
    agents.environment(resources(options=text))


def test_a_name_that_is_none_in_a_shell_is_found(agents):
    with pytest.raises((AssertionError, HamysqlError)):
        agents.environment(resources(**{"mount.options": "x"}))


def resources(**parameters):
    root = ET.Element("resources")
    attributes = ET.SubElement(ET.SubElement(root, "primitive", {"id": "p_x", "class": "ocf"}), "instance_attributes")
    for name, value in parameters.items():
        ET.SubElement(attributes, "nvpair", name=name, value=value)
    return root


@pytest.mark.parametrize("letter", ["p", "\u00e9"])
def test_pacemaker_reads_the_longest_secret_that_the_pillar_accepts(agents, letter):
    longest = letter * (254 // len(letter.encode()))
    assert fencing_values.secret(longest) == longest
    with pytest.raises(ValueError):
        fencing_values.secret(longest + letter)
    assert f"password={longest}\n" in agents._told({}, {"password": longest})
