"""What the pillar may say of corosync: its keys, and what must hold between them, its links and the nodes' addresses.

Each rule is about what corosync itself finds out only when it starts, or never.
"""

from __future__ import annotations

from collections.abc import Iterator

from hamysql.corosync import values as c
from hamysql.ports import Access
from hamysql.schema import values as v
from hamysql.schema.language import Report, Section, Value
from hamysql.schema.values import MAKE_KEY, Config

LATEST = 3  # the version of corosync that has knet

COROSYNC = Section(
    {
        "series": v.count(1, LATEST, "corosync's major version"),
        "transport": v.one_of("knet", "udpu", "udp"),
        "port": v.count(2, 65535, "a UDP port (corosync uses this one and the one below)"),
        "token": v.count(100, 600000, "milliseconds"),
        "crypto_cipher": v.one_of("aes256", "aes192", "aes128", "none"),
        "crypto_hash": v.one_of("sha512", "sha384", "sha256", "sha1", "md5", "none"),
        "authkey": Value("a text of 128 to 4095 ASCII characters", v.ascii_text(128, 4095), secret=True),
        "mcastaddr": v.MULTICAST,
        "ttl": v.count(0, 255),
        "logfile": v.PATH,
        "options": Section(c.options()),
    }
)


def _addresses(config: Config) -> Iterator[str]:
    for node in config["cluster"]["nodes"].values():
        yield from (address for address in node["addresses"] if address is not None)


def check_corosync(config: Config, report: Report) -> None:
    corosync, path = config["corosync"], "hamysql:corosync"
    transport = corosync["transport"]
    if transport is None or corosync["series"] is None:
        return
    nodes = config["cluster"]["nodes"]
    links = max((len(node["addresses"]) for node in nodes.values()), default=0)
    if transport == "knet" and corosync["series"] < LATEST:
        found, expected = f"'knet' with corosync {corosync['series']}", "'udpu' or 'udp': knet came with corosync 3"
        report.add(f"{path}:transport", found, expected)
    if transport == "knet" and links > 8:
        report.add("hamysql:cluster:nodes", f"{links} links", "at most 8, corosync's limit")
    if encrypts(corosync):
        if (corosync["crypto_cipher"] or "none") != "none" and corosync["crypto_hash"] == "none":
            report.add(
                f"{path}:crypto_hash",
                "'none'",
                "a hash: corosync encrypts only what it authenticates (corosync.conf(5))",
            )
        if (
            corosync["crypto_hash"] != "none"
            and corosync["authkey"] is None
            and not report.bad_under(f"{path}:authkey")
        ):
            report.add(
                f"{path}:authkey",
                "nothing",
                f"a text of 128 to 4095 ASCII characters, the same on both nodes: {MAKE_KEY}",
            )
    if transport != "knet" and links > (2 if corosync["series"] == 2 else 1):
        report.add(
            f"{path}:transport",
            f"{transport!r} with {links} addresses on a node",
            "'knet', the only transport with several links"
            if corosync["series"] == LATEST
            else "one address on each node, or two with corosync 2",
        )
    if corosync["series"] == 1:
        _check_oldest(config, report)
    if corosync["mcastaddr"] is not None:
        if transport != "udp":
            report.add(f"{path}:mcastaddr", repr(corosync["mcastaddr"]), "not to be set: it is for transport udp")
        elif any(v.family(address) != v.family(corosync["mcastaddr"]) for address in _addresses(config)):
            report.add(f"{path}:mcastaddr", repr(corosync["mcastaddr"]), "an address of the same family as the nodes'")
    _check_families(config, report)
    if not report.bad_under(path):
        _check_totem(corosync, report)
        _check_pings(corosync, report)


def encrypts(corosync: Config) -> bool:
    """Whether the transport encrypts: knet does, and corosync 2 does it for the others as well (its corosync.conf(5))."""
    return bool(corosync["transport"] == "knet" or corosync["series"] == 2)


def _check_oldest(config: Config, report: Report) -> None:
    """corosync 1 has no list of nodes: its members find each other by an address that nothing else on the network uses."""
    corosync, path = config["corosync"], "hamysql:corosync"
    if corosync["transport"] != "udp":
        report.add(f"{path}:transport", repr(corosync["transport"]), "'udp', which corosync 1 was used with")
    if corosync["mcastaddr"] is None and not report.bad_under(f"{path}:mcastaddr"):
        report.add(f"{path}:mcastaddr", "nothing", "a multicast address that no other cluster of the network has")
    if config["quorum"]["device"]["address"]:
        report.add("hamysql:quorum:device", "a quorum device with corosync 1", "none: it came with corosync 2")


def _check_families(config: Config, report: Report) -> None:
    """corosync does not read an address of the other family than the one that it is told to look for; for udp that is IPv4."""
    corosync, path = config["corosync"], "hamysql:corosync:options:totem:ip_version"
    only = corosync["options"]["totem"].get("ip_version", "ipv4" if corosync["transport"] == "udp" else "")
    wrong = [address for address in _addresses(config) if f"ipv{v.family(address)}" != only]
    if only in ("ipv4", "ipv6") and wrong and not report.bad_under(path):
        found = (
            repr(only) if "ip_version" in corosync["options"]["totem"] else f"{only!r}, which is corosync's own for udp"
        )
        report.add(
            path,
            found,
            f"a version that {wrong[0]} has: 'ipv4-6' or 'ipv6-4' for both, 'ipv{v.family(wrong[0])}' for one",
        )


# Milliseconds, and how often a token is sent again: MINIMUM_TIMEOUT, JOIN_TIMEOUT and TOKEN_RETRANSMITS_BEFORE_LOSS_CONST in
# corosync's totemconfig.c, whose totem_volatile_config_validate refuses what is less.
_LEAST, _LEAST_HOLD, _JOIN, _AGAIN = 30, 14, 50, 4


def _check_totem(corosync: Config, report: Report) -> None:
    """What corosync demands of its times together; see corosync.conf(5), ``token_retransmits_before_loss_const``."""
    options, path = corosync["options"]["totem"], "hamysql:corosync"
    token, again = corosync["token"], int(options.get("token_retransmits_before_loss_const", _AGAIN))
    retransmit = int(options.get("token_retransmit", token / (again + 0.2)))
    if retransmit < _LEAST:
        least = -int(-_LEAST * (again + 0.2) // 1)
        expected = f"at least {least} ms, so that corosync can send a lost token again {again} times, {_LEAST} ms apart"
        report.add(f"{path}:token", f"{token} ms", expected)
    elif int(options.get("hold", retransmit * 0.8 - 10)) < _LEAST_HOLD:
        report.add(f"{path}:options:totem:token_retransmit", f"{retransmit} ms", f"at least {_LEAST} ms")
    join = int(options.get("join", _JOIN))
    if "consensus" in options and int(options["consensus"]) < join:
        where, found = f"{path}:options:totem:consensus", f"{options['consensus']} ms"
        report.add(where, found, f"at least {join} ms, the time of a join message")
    send_join = int(options.get("send_join", 0))
    if send_join > join:
        expected = f"at most {join} ms, the time of a join message: a later one is not waited for"
        report.add(f"{path}:options:totem:send_join", f"{send_join} ms", expected)
    if corosync["transport"] != "knet":
        priority = corosync["options"]["interface"].get("knet_link_priority", "1")
        if priority != "1":
            report.add(
                f"{path}:options:interface:knet_link_priority", priority, "not to be set: it is for transport knet"
            )


def _check_pings(corosync: Config, report: Report) -> None:
    """A link is down when no ping was answered for its time: nobody waits for one that is sent later.

    corosync counts what is not given: with two pongs, half a token and a quarter of it (corosync.conf(5), ``knet_ping_interval``).
    """
    given, path = corosync["options"]["interface"], "hamysql:corosync:options:interface"
    token, pongs = corosync["token"], int(given.get("knet_pong_count", 2))
    interval = int(given.get("knet_ping_interval", token // (2 * pongs)))
    timeout = int(given.get("knet_ping_timeout", token // pongs))
    if interval >= timeout and given.keys() & {"knet_ping_interval", "knet_ping_timeout"}:
        name = "knet_ping_timeout" if "knet_ping_timeout" in given else "knet_ping_interval"
        found = {"knet_ping_timeout": timeout, "knet_ping_interval": interval}[name]
        expected = f"knet_ping_interval ({interval} ms) to be shorter than knet_ping_timeout ({timeout} ms)"
        report.add(f"{path}:{name}", f"{found} ms", expected)


def ports(config: Config) -> list[Access]:
    """Who may reach corosync: the other node, from each of its addresses."""
    port, peer = config["corosync"]["port"], config["cluster"]["nodes"][config["peer"]]
    return [Access("udp", (port - 1, port), tuple(peer["addresses"]))]
