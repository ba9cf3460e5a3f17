#!/bin/sh
# Hands the service over before pacemaker stops on this node: at a reboot, a poweroff, or `systemctl stop pacemaker`. Managed by Salt.
#
# systemd runs it first (ExecStop of pacemaker.service). By itself pacemaker stops all of DRBD here before it promotes the other replica.
# That one has then lost its peer, asks its fencing handler, and the service waits for all of this. So the node is marked as leaving. The
# service moves while both replicas are connected, as in a planned move, and nothing of it is left here when pacemaker stops.
#
# The mark is an attribute that ends with this run of pacemaker; the constraint l_mysql_leaving reads it.

LEAVING=hamysql-leaving
SERVICE=p_mysql
NODE=/var/lib/hamysql/node # what the cluster calls this machine: its host name may be another one by now
LIMIT=600 # seconds for a move; pacemaker's own stop comes after that
SETTLE=1  # seconds until the mark is part of pacemaker's plan

{ read -r self <$NODE; } 2>/dev/null || read -r self </proc/sys/kernel/hostname

say() {
	echo "hand-over: $1"
}

# Whether the service runs here.
here() {
	case " $(crm_resource --resource $SERVICE --locate --quiet 2>/dev/null | tr '\n' ' ') " in
	*" $self "*) return 0 ;;
	esac
	return 1
}

here
was_here=$?
# Where pacemaker is gone already, or has just ended by itself, this fails, and there is nothing to hand over. A node that has no part of
# the service is marked as well: it is not to be given it now.
attrd_updater --name $LEAVING --update 1 >/dev/null 2>&1 || exit 0
[ $was_here -eq 0 ] || exit 0
members=$(crm_node --partition 2>/dev/null)
if [ "${members# }" = "$self" ] || [ "${members% }" = "$self" ]; then
	say "no other node is there to take over"
	exit 0
fi
say "moving the service to the other node"
# Until pacemaker has nothing left to do: it may have stopped the service here, and not begun to promote the other replica.
for attempt in first second; do
	sleep $SETTLE
	crm_resource --wait --timeout=${LIMIT}s >/dev/null 2>&1
	here || exit 0
	say "the service is still here ($attempt look)"
done
exit 0
