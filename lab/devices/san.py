"""The SAN: a third, small node whose kernel is an iSCSI target (LIO) with one LUN, and a portal on each of the lab's networks. The
formula knows nothing of how it is set up.

Not ``tgtd`` on the administrator's side: that does not know PREEMPT AND ABORT, which ``fence_scsi`` fences with, and forgets
reservations when it ends. The kernel's knows all of SCSI-3 persistent reservations and keeps those that ask for it (APTPL).
"""

from __future__ import annotations

# Constants of the lab, published with the project: never use them elsewhere.
TARGET = "iqn.2004-01.org.example:hamysql-lab"
USER, PASSWORD = "hamysql", "lab-only-chap"  # RFC 3720 wants 12 characters at least
PORT = 3260
# The kernel makes the LUN's world wide name of its own prefix and the first 25 digits of this.
SERIAL = "68616d79-7371-6c31-0000-000000000001"
WWID = f"36001405{SERIAL.replace('-', '')[:25]}"
DEVICE = f"/dev/disk/by-id/scsi-{WWID}"

# Reservations that were to persist through a loss of power: the kernel has written them to a file, and has to be told.
RESTORE = """\
registration=
[ ! -e $kept ] || while read -r line; do
    case $line in
        PR_REG_START:*) registration= ;;
        PR_REG_END:*) printf %s "$registration" >$lun/pr/res_aptpl_metadata ;;
        *=*) registration=$registration${registration:+,}$line ;;
    esac
done <$kept
"""
# configfs is what a target is made with; the kernel takes a trailing line feed as a part of a name or password.
TARGET_SCRIPT = f"""\
#!/bin/sh
# Makes the iSCSI target at each boot.
set -eu
mountpoint -q /sys/kernel/config || {{ modprobe configfs; mount -t configfs configfs /sys/kernel/config; }}
modprobe -a target_core_mod target_core_iblock iscsi_target_mod
cd /sys/kernel/config/target
lun=core/iblock_0/lun1
mkdir -p $lun /var/target/pr
printf udev_path=/dev/ubdb >$lun/control
printf 1 >$lun/enable
printf {SERIAL} >$lun/wwn/vpd_unit_serial
printf HAMYSQL >$lun/wwn/vendor_id
printf LAB-SAN >$lun/wwn/product_id
kept=/var/target/pr/aptpl_{SERIAL}
{RESTORE}group=iscsi/{TARGET}/tpgt_1
mkdir -p $group/lun/lun_1
for address in {{addresses}}; do mkdir -p $group/np/$address:{PORT}; done
ln -s /sys/kernel/config/target/$lun $group/lun/lun_1/lun1
# Any initiator that knows the password may write.
printf 1 >$group/attrib/generate_node_acls
printf 1 >$group/attrib/cache_dynamic_acls
printf 0 >$group/attrib/demo_mode_write_protect
printf 1 >$group/attrib/authentication
printf CHAP >$group/param/AuthMethod
printf {USER} >$group/auth/userid
printf {PASSWORD} >$group/auth/password
printf 1 >$group/enable
"""
UNIT = """\
[Unit]
Description=iSCSI target
After=lab-init.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-target
[Install]
WantedBy=multi-user.target
"""
SETUP = f"""\
cat >/usr/local/sbin/lab-target <<'END'
{TARGET_SCRIPT}END
chmod +x /usr/local/sbin/lab-target
cat >/etc/systemd/system/lab-target.service <<'END'
{UNIT}END
systemctl -q daemon-reload
systemctl -q enable --now lab-target.service
"""
