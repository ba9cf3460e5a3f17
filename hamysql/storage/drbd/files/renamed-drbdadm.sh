#!/bin/sh
# drbdadm for a machine whose host name somebody has changed: it finds the machine in drbd.conf by that name. Managed by Salt.
#
# ocf:hamysql:drbd has DRBD and its stock agent call this one as long as the host name is not what the cluster calls the machine.

NODE=/var/lib/hamysql/node
ADMIN=/sbin/drbdadm

read -r node <$NODE
# The name is changed for this command alone, and for what it starts.
# shellcheck disable=SC2016 # it is the other shell that expands it
exec unshare --uts sh -c 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"' "$node" $ADMIN "$@"
