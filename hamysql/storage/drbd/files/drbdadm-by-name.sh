#!/bin/sh
# drbdadm, which finds this machine in drbd.conf by the name that the cluster knows. Managed by Salt.
#
# By itself it goes by the host name, and DRBD's kernel module calls it for its handlers. Where somebody has changed the host name, as
# cloud-init or an administrator does, no handler would run: a primary that loses its peer would hold all writes. So ocf:hamysql:drbd has
# the module call this one.

NODE=/var/lib/hamysql/node
ADMIN=/sbin/drbdadm

read -r host </proc/sys/kernel/hostname
{ read -r node <$NODE; } 2>/dev/null || node=$host
[ "$node" != "$host" ] || exec $ADMIN "$@"
# The name is changed for this command alone, and for what it starts.
# shellcheck disable=SC2016 # it is the other shell that expands it
exec unshare --uts sh -c 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"' "$node" $ADMIN "$@"
