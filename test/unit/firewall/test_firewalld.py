"""firewalld's policy: its rules and its file, what is read back, and what a reload would change of others."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hamysql.errors import CommandFailed
from hamysql.firewall import backends, firewalld, iptables, obstacles
from hamysql.firewall.firewalld import POLICY, Firewalld
from hamysql.ports import Access
from hamysql.system.command import Result
from support import PILLARS

ACCESSES = [
    Access("udp", (5404, 5405), ("192.0.2.12/32",)),
    Access("tcp", (3306,), ("0.0.0.0/0", "10.0.0.0/8"), "ipv4", "192.0.2.100"),
]
# firewall-cmd 1.3.3, Debian 12
SHOWN = """\
hamysql (active)
  priority: -32768
  target: CONTINUE
  ingress-zones: ANY
  egress-zones: HOST
  services:
  ports:
  masquerade: no
  forward-ports:
  icmp-blocks:
  rich rules:
\trule priority="2" family="ipv4" port port="7788" protocol="tcp" drop
\trule priority="1" family="ipv4" source address="192.0.2.12" port port="7788" protocol="tcp" accept
\trule priority="1" family="ipv6" port port="7788" protocol="tcp" drop
"""


def test_each_source_is_let_in_before_everybody_is_kept_out():
    assert list(map(str, firewalld.build("ipv4", ACCESSES))) == [
        'rule priority="1" family="ipv4" source address="192.0.2.12" port port="5404" protocol="udp" accept',
        'rule priority="2" family="ipv4" port port="5404" protocol="udp" drop',
        'rule priority="3" family="ipv4" source address="192.0.2.12" port port="5405" protocol="udp" accept',
        'rule priority="4" family="ipv4" port port="5405" protocol="udp" drop',
        'rule priority="5" family="ipv4" destination address="192.0.2.100" port port="3306" protocol="tcp" accept',
        'rule priority="6" family="ipv4" source address="10.0.0.0/8" destination address="192.0.2.100"'
        ' port port="3306" protocol="tcp" accept',
        'rule priority="7" family="ipv4" destination address="192.0.2.100" port port="3306" protocol="tcp" drop',
    ]


@pytest.mark.parametrize("name", PILLARS)
def test_the_file_says_what_iptables_says(resolve, pillar, name):
    """Source, address and port of each rule of the file, against those of the chain."""
    given = pillar(name)
    given["firewall"] = {**given.get("firewall", {}), "backend": "firewalld"}
    root = ElementTree.fromstring(resolve(given)["firewall"]["policy"])
    assert (root.tag, root.attrib) == ("policy", {"priority": "-32768", "target": "CONTINUE"})
    given["firewall"]["backend"] = "iptables"
    for family, chain in resolve(given)["firewall"]["rules"].items():
        expected = [one for rule in chain[1:] for one in of_chain(rule)]
        rules = [rule for rule in root.findall("rule") if rule.get("family") == family]
        assert [rule.get("priority") for rule in rules] == [str(n) for n in range(1, len(rules) + 1)]
        assert sorted(map(of_rule, rules)) == sorted(expected)


def of_rule(rule):
    def of(tag, key):
        found = rule.find(tag)
        return "" if found is None else found.get(key)

    verdict = "ACCEPT" if rule.find("accept") is not None else "DROP"
    return of("source", "address"), of("destination", "address"), of("port", "protocol"), of("port", "port"), verdict


def of_chain(rule):
    options = {words[0]: words[-1] for words in iptables.normal(rule)}
    addresses = [options.get(key, "").removesuffix("/32").removesuffix("/128") for key in ("-s", "-d")]
    for port in options.get("--dports", options.get("--dport", "")).split(","):
        yield (*addresses, options["-p"], port, options["-j"])


def test_what_is_shown_is_read_back_by_family_and_in_turn():
    head = list(firewalld.HEAD)
    assert firewalld.parse(SHOWN, "ipv4").lines == [
        *head,
        'rule priority="1" family="ipv4" source address="192.0.2.12" port port="7788" protocol="tcp" accept',
        'rule priority="2" family="ipv4" port port="7788" protocol="tcp" drop',
    ]
    assert firewalld.parse(SHOWN, "ipv6").lines == [
        *head,
        'rule priority="1" family="ipv6" port port="7788" protocol="tcp" drop',
    ]
    assert Firewalld().seen(firewalld.parse(SHOWN, "ipv4").plain()) == firewalld.parse(SHOWN, "ipv4")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("services:", "services: mysql"),
        ("masquerade: no", "masquerade: yes"),
        ("priority: -32768", "priority: -1"),
        ("rich rules:\n", "rich rules:\n\trule port port=3306 protocol=tcp accept\n"),
        ("forward-ports:\n", "forward-ports:\n\tport=80:proto=tcp:toport=81:toaddr=\n"),
    ],
)
def test_any_other_setting_of_the_policy_is_a_difference(old, new):
    assert firewalld.parse(SHOWN.replace(old, new), "ipv4") != firewalld.parse(SHOWN, "ipv4")


def test_a_key_that_another_version_shows_without_a_value_is_none():
    other = SHOWN.replace("  services:", "  disable: no\n  services:")
    assert firewalld.parse(other, "ipv4") == firewalld.parse(SHOWN, "ipv4")


def asked(more=(), later=(), saved=""):
    """A firewall-cmd that shows one zone, with these lines more at runtime and permanently, and an iptables-save."""

    def run(argv, **options):
        if argv[0] != firewalld.CMD:
            return Result(0, saved if argv == ["iptables-save"] else "")
        words = [word for word in argv[1:] if word != "--permanent"]
        lines = later if "--permanent" in argv else more
        shown = {
            "--get-default-zone": "public\n",
            "--list-all-zones": "\n".join(["public (active)", "  services: ssh dhcpv6-client", *lines, ""]),
            "--list-all-policies": "" if "--permanent" in argv else SHOWN,
        }
        return Result(0, shown.get(words[0], ""))

    return run


def test_what_a_reload_would_change_is_told():
    assert firewalld.differing(asked()) == []
    assert firewalld.differing(asked(["  interfaces: eth0"])) == [], "of the default zone"
    assert firewalld.differing(asked(["  ports: 80/tcp"], ["  forward: yes"])) == [
        "zone public: ports: 80/tcp, runtime only",
        "zone public: forward: yes, permanent only",
    ]
    own = "-A INPUT -j HAMYSQL\n-A HAMYSQL -i lo -j RETURN\n-A INPUT -j INPUT_direct\n-A INPUT_direct -s 192.0.2.1/32 -j DROP\n"
    assert firewalld.differing(asked(saved=own)) == []
    site = "-A INPUT -s 192.0.2.66/32 -j DROP"
    assert firewalld.differing(asked(saved=f"{own}{site}\n")) == [f"iptables: {site}, lost in a reload"]
    assert firewalld.differing(asked(saved=f":INPUT_ZONES - [0:0]\n{site}\n")) == [], "nobody can tell"
    zone = ["", "site", "  services: ssh"]
    assert firewalld.differing(asked(zone)) == ["zone site: all of it, runtime only"]


def test_an_unknown_exit_code_is_an_error():
    def run(argv, *, accept=(0,), **options):
        raise CommandFailed(argv, 2, "usage: see firewall-cmd man page")

    with pytest.raises(CommandFailed, match="usage"):
        Firewalld().read(run, "ipv4")


def test_hamysqls_chains_in_firewalld_are_no_obstacle_and_no_help():
    """Coming from firewalld, its policy goes: it counts neither as letting in nor as dropping."""
    place = {"family": "inet", "table": "firewalld"}
    base = {"chain": {**place, "name": "filter_INPUT", "type": "filter", "hook": "input", "policy": "accept"}}
    jump = {"rule": {**place, "chain": "filter_INPUT", "expr": [{"jump": {"target": f"filter_IN_policy_{POLICY}"}}]}}
    ours = [
        {"chain": {**place, "name": f"filter_IN_policy_{POLICY}"}},
        {"rule": {**place, "chain": f"filter_IN_policy_{POLICY}", "expr": [{"accept": None}]}},
    ]
    reject = {"rule": {**place, "chain": "filter_INPUT", "expr": [{"reject": None}]}}
    wanted = {"ipv4": [Access("tcp", (7788,), ("192.0.2.12/32",), "ipv4")]}
    dropped = ["inet firewalld filter_INPUT drops tcp port 7788 from 192.0.2.12/32"]
    assert obstacles.find([base, jump, *ours, reject], wanted, ()) == dropped
    assert obstacles.find([base, jump, *ours], wanted, ()) == []
    letting_in = [f"filter_IN_policy_{POLICY}"]
    assert obstacles.find([base, jump, *ours, reject], wanted, (), letting_in) == []


def test_its_name_is_in_the_registry():
    assert isinstance(backends.named("firewalld"), Firewalld)
