"""What the pillar may say of DRBD (``hamysql:storage:drbd``): its keys and their rules."""

from __future__ import annotations

from hamysql.schema import values as v
from hamysql.schema.language import Names, Report, Section
from hamysql.schema.values import MAKE_PASSWORD, Config
from hamysql.storage import options as storage_options
from hamysql.storage.drbd import values as d

DRBD = Section(
    {
        "resource": d.RESOURCE,
        "device": d.DEVICE,
        "agent": v.one_of("ocf:hamysql:drbd", "ocf:linbit:drbd"),
        "disk": v.DEVICE,
        "link": v.count(0, 7, "the index of the address that replication uses"),
        "port": v.PORT,
        "protocol": v.one_of("A", "B", "C"),
        "shared_secret": d.SECRET,
        "cram_hmac_alg": v.one_of("sha512", "sha384", "sha256", "sha224", "sha1", "md5"),
        "rate": d.RATE,
        "on_io_error": v.one_of("detach", "pass_on", "call-local-io-error"),
        "wfc_timeout": v.count(0, 300000, "seconds (0: without end)"),
        "degr_wfc_timeout": v.count(0, 300000, "seconds (0: without end)"),
        "usage_count": v.one_of("yes", "no", "ask"),
        "initial_sync": v.one_of("auto", "full"),
        "verify": Section(
            {
                "alg": v.one_of("crc32c", "md5", "sha1", "sha256", "sha512"),
                "every": v.count(1, 366, "days between two verifications"),
                "at": v.TIME_OF_DAY,
                "rate": d.RATE,
            }
        ),
        "wipe": Names(v.NAME, v.required(v.DEVICE), "a mapping of nodes to the disks whose content may be destroyed"),
        "options": Section(
            {
                "global": d.options(),
                "startup": d.options(),
                "disk": d.options(),
                "net": d.options(),
                "handlers": d.options(),
                "options": d.options(),
            }
        ),
    }
)

# Options that hamysql writes itself; the key of the pillar that sets each, or why there is none.
OWN_DRBD = {
    "global": {"usage-count": "usage_count"},
    "startup": {"wfc-timeout": "wfc_timeout", "degr-wfc-timeout": "degr_wfc_timeout"},
    "disk": {"on-io-error": "on_io_error", "resync-rate": "rate", "c-plan-ahead": "rate: auto"},
    "net": {"protocol": "protocol", "cram-hmac-alg": "cram_hmac_alg", "shared-secret": "shared_secret"},
    "handlers": {},
    "options": {},
}

# Options that belong to fencing, two primaries or an automatic loss of one side's changes.
DANGEROUS_DRBD = {
    "allow-two-primaries": "not to be set: the file systems of this formula are for one node at a time",
    "fencing": "not to be set: hamysql:fencing decides it",
    "after-sb-0pri": "'disconnect' or 'discard-zero-changes': anything else discards one side's data by itself",
    "after-sb-1pri": "'disconnect': anything else discards one side's data by itself",
    "after-sb-2pri": "'disconnect': anything else discards one side's data by itself",
}

FENCE_HANDLERS = ("fence-peer", "unfence-peer", "after-resync-target", "outdate-peer")
HARMLESS_SPLIT_BRAIN = {"after-sb-0pri": ("disconnect", "discard-zero-changes")}


def _check_options(options: Config, report: Report) -> None:
    for section, given in options.items():
        for name, value in given.items():
            where = f"hamysql:storage:drbd:options:{section}:{name}"
            if not report.bad_under(where):  # by check_drbd: it knows where else an option is set
                for expected in storage_options.wrong_drbd(section, name, str(value)):
                    report.add(where, repr(value), expected)


def check_drbd(config: Config, report: Report) -> None:
    drbd, path = config["storage"]["drbd"], "hamysql:storage:drbd"
    nodes = config["cluster"]["nodes"]
    if (
        drbd["disk"] is None
        and not report.bad_under(f"{path}:disk")
        and not all(node["disk"] for node in nodes.values())
    ):
        report.add(
            f"{path}:disk", "nothing", "the disk or volume on each node that DRBD replicates, such as '/dev/sdb'"
        )
    if drbd["shared_secret"] is None and not report.bad_under(f"{path}:shared_secret"):
        report.add(f"{path}:shared_secret", "nothing", f"{d.SECRET.expected}: {MAKE_PASSWORD}")
    for where, disk in [(f"{path}:disk", drbd["disk"])] + [
        (f"hamysql:cluster:nodes:{n}:disk", node["disk"]) for n, node in nodes.items()
    ]:
        if disk is not None and disk.startswith("/dev/drbd"):
            report.add(where, repr(disk), "the disk below DRBD, not a DRBD device")
    for name in drbd["wipe"]:
        if nodes and name not in nodes:
            report.add(f"{path}:wipe:{name}", "no node of this cluster", f"one of {', '.join(nodes)}")
    links = min((len(node["addresses"]) for node in nodes.values()), default=0)
    if drbd["link"] is not None and nodes and links and drbd["link"] >= links:
        report.add(f"{path}:link", str(drbd["link"]), f"0 to {links - 1}, the index of one of the nodes' addresses")
    if drbd["port"] is not None and drbd["port"] == config["mysql"]["port"]:
        report.add(f"{path}:port", str(drbd["port"]), "another port than hamysql:mysql:port")
    for section, own in OWN_DRBD.items():
        for name, value in drbd["options"][section].items():
            where = f"{path}:options:{section}:{name}"
            if name in own:
                report.add(where, "an option that hamysql writes itself", f"{path}:{own[name]} to be set instead")
            elif (
                name in DANGEROUS_DRBD
                and section in ("net", "disk")
                and value not in HARMLESS_SPLIT_BRAIN.get(name, ("disconnect", "no", "dont-care"))
            ):
                report.add(where, repr(value), DANGEROUS_DRBD[name])
            elif (
                section == "handlers"
                and name in FENCE_HANDLERS
                and not config["fencing"]["i_accept_data_loss_without_fencing"]
            ):
                report.add(where, "a handler that hamysql writes itself", "not to be set: hamysql:fencing decides it")
    _check_verify(drbd, report)
    _check_options(drbd["options"], report)


def _check_verify(drbd: Config, report: Report) -> None:
    """Replicas are compared by a digest that drbd.conf has to name."""
    path, verify = "hamysql:storage:drbd:verify", drbd["verify"]
    elsewhere = drbd["options"]["net"].get("verify-alg")
    if verify["alg"] and elsewhere:
        report.add(f"{path}:alg", repr(verify["alg"]), "nothing, or no hamysql:storage:drbd:options:net:verify-alg")
    if verify["every"] and not (verify["alg"] or elsewhere) and not report.bad_under(f"{path}:alg"):
        report.add(
            f"{path}:alg", "nothing", "the digest that hamysql:storage:drbd:verify:every needs, such as 'sha256'"
        )
