"""The file server: a third, small node whose kernel serves NFS 4.1. The formula knows nothing of how it is set up.

Not a user-space server on the administrator's side: a node can be lost as a real server is, by power and by cable, and comes back
with its grace time; and the kernel's nfsd is the other half of what the nodes' own kernel was tested with.
"""

from __future__ import annotations

EXPORT = "/srv/mysql"
PORT = 2049
# Seconds. The kernel takes 10 at the least; 90 is its default.
LEASE = GRACE = 10

# sync: what a client has been told is stable, is. no_wdelay: a commit does not wait for others to come along.
SETUP = f"""\
mkdir -p {EXPORT} /etc/nfs.conf.d /etc/exports.d
cat >/etc/nfs.conf.d/lab.conf <<END
[nfsd]
vers3 = no
vers4.0 = no
threads = 4
lease-time = {LEASE}
grace-time = {GRACE}
END
echo '{EXPORT} {{clients}}(rw,sync,no_wdelay,no_root_squash,no_subtree_check)' >/etc/exports.d/lab.exports
echo '/dev/ubdb {EXPORT} ext4 defaults 0 0' >/etc/fstab
mountpoint -q {EXPORT} || mount {EXPORT}
# NFS 4 needs none of these.
systemctl -q mask rpcbind.service rpcbind.socket rpc-statd.service rpc-statd-notify.service
. /etc/os-release
echo "deb [trusted=yes] file:/srv/repo/main $VERSION_CODENAME main" >/etc/apt/sources.list.d/lab.list
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends nfs-kernel-server
"""
