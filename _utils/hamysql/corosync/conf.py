"""corosync.conf as a tree: built from the configuration, written and read back (format: corosync.conf(5))."""

from __future__ import annotations

from collections.abc import Iterable

from hamysql.corosync import oldest
from hamysql.errors import ParseError
from hamysql.resolved import Resolved
from hamysql.resolved.cluster import Corosync, QuorumDevice
from hamysql.resolved.sections import Section
from hamysql.system.sections import section

# Milliseconds, four times the default of `join`, which corosync wants to be the shorter one.
_LEAST_CONSENSUS = 200
# Milliseconds. knet looks every 200 ms whether a ping is due, its timer resolution, which corosync does not set: this is each time.
_PING_INTERVAL, _LEAST_PING_TIMEOUT = 150, 1000


def build(config: Resolved) -> list[Section]:
    """The sections of corosync.conf for a validated configuration."""
    settings, nodes = config["corosync"], config["cluster"]["nodes"]
    if settings["series"] == 1:
        return oldest.build(config)
    extra, knet = settings["options"], settings["transport"] == "knet"
    links = max(len(node["addresses"]) for node in nodes.values())
    # By default knet sends on one link until that is known to be down. On all of them a link that is lost costs nothing, and a
    # packet that is lost is still there on the other one.
    mode = {"link_mode": "active"} if knet and links > 1 else {"rrp_mode": "passive"} if links > 1 else {}
    totem = section(
        "totem",
        [
            ("version", "2"),
            ("cluster_name", config["cluster"]["name"]),
            ("transport", settings["transport"]),
            ("crypto_cipher", settings["crypto_cipher"]),
            ("crypto_hash", settings["crypto_hash"]),
            ("token", str(settings["token"])),
            *{"consensus": str(consensus(settings)), **mode, **extra["totem"]}.items(),
        ],
        _interfaces(config, links),
    )
    nodelist = section(
        "nodelist",
        sections=[
            section(
                "node",
                [
                    ("name", name),
                    ("nodeid", str(node["id"])),
                    *((f"ring{link}_addr", address) for link, address in enumerate(node["addresses"])),
                ],
            )
            for name, node in nodes.items()
        ],
    )
    quorum = _quorum(config["quorum"]["device"], extra["quorum"])
    log = {"fileline": "off", "to_stderr": "no", "to_logfile": "yes", "logfile": settings["logfile"]}
    log.update({"to_syslog": "yes", "debug": "off", "timestamp": "on", **extra["logging"]})
    sections = [totem, nodelist, quorum, section("logging", log.items())]
    if extra["system"]:
        sections.append(section("system", extra["system"].items()))
    return sections


def consensus(settings: Corosync) -> int:
    """Milliseconds for which a node whose token is late may answer before it is out: the pillar's, or a fifth of the token.

    corosync's own is 1.2 tokens, made for any number of nodes; of two, one that is shorter than the token is safe
    (corosync.conf(5)). A fifth of 1250 ms is room for five join messages.
    """
    totem = settings["options"]["totem"]
    given, join = str(totem.get("consensus", "")), str(totem.get("join", ""))
    if given.isdecimal():
        return int(given)
    return max(_LEAST_CONSENSUS, int(settings["token"]) // 5, 2 * int(join) if join.isdecimal() else 0)


def _quorum(device: QuorumDevice, extra: dict[str, str]) -> Section:
    if not device:
        # two_node implies wait_for_all (votequorum(5)): the survivor of two stays quorate, and a node that was never
        # joined by its peer since its start does not begin to serve by itself.
        return section("quorum", [("provider", "corosync_votequorum"), ("two_node", "1"), *extra.items()])
    # The device's vote takes two_node's place: of two halves, the one that has it is quorate (corosync-qdevice(8)).
    net = [("host", device["address"]), ("port", str(device["port"])), ("algorithm", device["algorithm"])]
    model = section("net", [*net, ("tls", "required")])
    # A change of the membership waits for the vote, three times as long at most, as with corosync's own timeouts.
    times = [("timeout", str(device["timeout"])), ("sync_timeout", str(3 * device["timeout"]))]
    parts = [section("device", [("model", "net"), ("votes", "1"), *times], [model])]
    return section("quorum", [("provider", "corosync_votequorum"), *extra.items()], parts)


def multicast(name: str, link: int, six: bool) -> str:
    """The multicast address that corosync makes from a cluster's name where it is given none (``exec/totemconfig.c``).

    It is written down all the same: the map of a corosync in service has it in either case, and it is seen by whoever looks for
    an address that another cluster has.

    six
        Whether the nodes' addresses are of IPv6.
    """
    number = 0
    for letter in name.encode():
        number = (number << 1) + letter
    number = (number & 0xFFFF) + link
    return f"ff15::{number:x}" if six else f"239.192.{number >> 8}.{number % 0xFF}"


def _interfaces(config: Resolved, links: int) -> list[Section]:
    """One interface for each link, all on the same port: knet's own default would be another port for each link.

    Which of a node's addresses to bind is in the node list; corosync 3 ignores ``bindnetaddr`` beside it, and 2 does without.
    """
    settings, cluster = config["corosync"], config["cluster"]
    udp = settings["transport"] == "udp"
    six = any(":" in address for node in cluster["nodes"].values() for address in node["addresses"])
    options = _pings(settings) | settings["options"]["interface"]
    return [
        section(
            "interface",
            [
                ("linknumber" if settings["series"] > 2 else "ringnumber", str(link)),
                ("mcastaddr", settings["mcastaddr"] or multicast(cluster["name"], link, six) if udp else None),
                ("mcastport", str(settings["port"])),
                ("ttl", str(settings["ttl"]) if udp else None),
                *options.items(),
            ],
        )
        for link in range(links)
    ]


def _pings(settings: Corosync) -> dict[str, str]:
    """When a link is taken for down, on which knet sends nothing; nothing where corosync's own times are kept.

    Those are half a token, in which there are a few pings: at 5 % loss links go down several times a minute, and at times both.
    Where everything is sent on all of them nothing is gained by giving one up sooner than the token is lost; where another one has
    to be taken instead, that would be too late.
    """
    options = settings["options"]
    timeout = max(_LEAST_PING_TIMEOUT, int(settings["token"]))
    pings = {"knet_ping_interval": str(_PING_INTERVAL), "knet_ping_timeout": str(timeout)}
    everywhere = options["totem"].get("link_mode", "active") == "active"
    # corosync.conf(5): where one of the two is given, the other one should be.
    given = pings.keys() & options["interface"].keys()
    return pings if settings["transport"] == "knet" and everywhere and not given else {}


def export(sections: Iterable[Section], depth: int = 0) -> str:
    """The text of corosync.conf; ``parse`` reads it back."""
    indent = "  " * depth
    lines = []
    for part in sections:
        lines.append(f"{indent}{part['name']} {{\n")
        lines += [f"{indent}  {key}: {value}\n" for key, value in part["options"]]
        lines.append(export(part["sections"], depth + 1))
        lines.append(f"{indent}}}\n")
    return "".join(lines)


def parse(text: str) -> list[Section]:
    """Read corosync.conf. Raises ``ParseError`` with the line's number for what corosync would not read either."""
    top = section("")
    stack = [top]
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if "{" in line:  # corosync cuts a line at the first one, wherever it is
            if not line.endswith("{"):
                raise ParseError(f"corosync.conf, line {number}: something after an opening brace")
            child = section(line[:-1].strip())
            stack[-1]["sections"].append(child)
            stack.append(child)
        elif line == "}":
            if len(stack) == 1:
                raise ParseError(f"corosync.conf, line {number}: a closing brace without its section")
            stack.pop()
        elif ":" in line and len(stack) > 1:
            key, _, value = line.partition(":")
            stack[-1]["options"].append([key.strip(), value.strip()])
        else:
            raise ParseError(f"corosync.conf, line {number}: neither `name {{`, `name: value` in a section, nor `}}`")
    if len(stack) > 1:
        raise ParseError(f"corosync.conf: section {stack[-1]['name']} is not closed")
    return list(top["sections"])
