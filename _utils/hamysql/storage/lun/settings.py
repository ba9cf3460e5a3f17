"""What the pillar may say of the LUN (``hamysql:storage:shared``): its keys and their rules."""

from __future__ import annotations

from hamysql.cib import names as cib_names
from hamysql.schema import values as v
from hamysql.schema.language import Names, Report, Section
from hamysql.schema.values import Config, seconds
from hamysql.storage.lun import NAME
from hamysql.storage.lun import values as w

LUN = Section(
    {
        "device": w.STABLE_DEVICE,
        "iscsi": Section(
            {
                "portal": w.PORTAL,
                "target": w.IQN,
                "username": w.CHAP_NAME,
                "password": w.CHAP_PASSWORD,
                "initiators": Names(v.NAME, v.required(w.IQN), "a mapping of nodes to their iSCSI initiator names"),
                "unit": v.unit("open-iscsi.service"),
                "replacement_timeout": v.count(1, 86400, "seconds"),
            }
        ),
        "lvm": Section({"volume_group": w.LVM_NAME, "logical_volume": w.LVM_NAME, "size": w.SIZE}),
        "reservations": v.one_of("none", "scsi", "mpath"),
        "wipe": w.STABLE_DEVICE,
    }
)

NOTICE = 30  # seconds; a lost path is noticed after 10, and a monitor begins its wait at any moment of that


def check_lun(config: Config, report: Report) -> None:
    lun, nodes = config["storage"][NAME], config["cluster"]["nodes"]
    device = lun["device"]
    if device is None and not report.bad_under(f"{w.PATH}:device"):
        expected = "the LUN, under a name that both nodes have for it, such as '/dev/disk/by-id/wwn-0x600140512345678'"
        report.add(f"{w.PATH}:device", "nothing", expected)
    if lun["reservations"] == "mpath" and device is not None and not device.startswith("/dev/mapper/"):
        report.add(f"{w.PATH}:device", repr(device), "the multipath device below /dev/mapper, for reservations: mpath")
    if lun["lvm"]["size"] is not None and lun["lvm"]["volume_group"] is None:
        report.add(f"{w.PATH}:lvm:volume_group", "nothing", "the volume group's name, beside its volume's size")
    _check_iscsi(lun["iscsi"], nodes, report)
    limit, monitor = (
        lun["iscsi"]["replacement_timeout"],
        config["pacemaker"]["operations"][cib_names.FILE_SYSTEM]["monitor"]["timeout"],
    )
    if lun["iscsi"]["portal"] and None not in (limit, monitor) and limit + NOTICE > seconds(monitor):
        expected = f"at least {NOTICE} s less than the timeout of {cib_names.FILE_SYSTEM}'s monitor ({monitor}), which waits for it"
        report.add(f"{w.PATH}:iscsi:replacement_timeout", f"{limit} s", expected)


def _check_iscsi(iscsi: Config, nodes: Config, report: Report) -> None:
    path = f"{w.PATH}:iscsi"
    needs = {
        "portal": (("target",), "the address of the target's portal"),
        "target": (("portal", "username", "initiators"), "the target's name, as its portal reports it"),
        "username": (("password",), "the CHAP user's name, beside its password"),
        "password": (
            ("username",),
            "the CHAP password that the target knows: 12 to 255 characters (`openssl rand -hex 8`)",
        ),
    }
    for key, (others, expected) in needs.items():
        if iscsi[key] is None and any(iscsi[other] for other in others) and not report.bad_under(f"{path}:{key}"):
            report.add(f"{path}:{key}", "nothing", expected)
    initiators = iscsi["initiators"]
    for name in initiators:
        if name not in nodes:
            report.add(f"{path}:initiators:{name}", f"the key {name!r}", f"one of the nodes: {', '.join(nodes)}")
    if initiators and not report.bad_under(path):
        for name in nodes:
            if name not in initiators:
                report.add(f"{path}:initiators:{name}", "nothing", "a name for each node, or for none of them")
        if len(set(initiators.values())) < len(initiators):
            found, expected = (
                "the same name twice",
                "a name of its own for each node: a target takes two for one, and ends one's session",
            )
            report.add(f"{path}:initiators", found, expected)
