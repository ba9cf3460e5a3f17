"""What is taken away from a machine that is given back, and what stays."""

from __future__ import annotations

from pathlib import Path

from hamysql.records import laid
from hamysql.system import root

STAYS = (
    "/var/lib/hamysql/mysql.json",
    "/etc/lvm/lvmlocal.conf",
    "/etc/systemd/system/other.service",
    "/etc/drbd.d/other.res",
)
GOES = (
    "/etc/systemd/system/hamysql-backup.timer",
    "/etc/corosync/corosync.conf",
    "/etc/corosync/authkey",
    "/etc/drbd.d/mysql.res",
    "/var/lib/pacemaker/cib/cib.xml",
    "/var/lib/pacemaker/cib/cib-1.raw",
)


def test_what_is_ours_goes_and_the_data_s_own_stays(tmp_path, pillar, resolve):
    site = resolve(pillar("minimal"))
    for path in (*STAYS, *GOES, site["mysql"]["config_fragment"], "/etc/hamysql/x", "/usr/lib/hamysql/reach.py"):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    units = tmp_path / "etc/systemd/system"
    ours, foreign = site["package"]["masked_units"][:2]
    (units / ours).symlink_to("/dev/null")
    (units / foreign).symlink_to("/lib/systemd/system/foreign.service")
    with root.below(tmp_path):
        found = ["/" + str(path.relative_to(tmp_path)) for path in laid.files(site)]
        folders = laid.folders()
    assert set(GOES) | {site["mysql"]["config_fragment"], f"/etc/systemd/system/{ours}"} == set(found)
    assert found[0] == GOES[0]
    assert folders == [Path(tmp_path / name) for name in ("usr/lib/hamysql", "etc/hamysql")]
