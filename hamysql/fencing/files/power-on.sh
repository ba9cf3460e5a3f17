#!/bin/sh
# Switches a node on again that pacemaker has had switched off to start it anew. Managed by Salt.
#
# pacemaker runs it as an alert, on each node, after each fencing. Nobody waits for it: the takeover goes on when the node is off, and
# whether it can be switched on does not matter to that.

PAUSE=5    # seconds: the takeover has the processors, and the board, for itself
ATTEMPTS=3 # a board that has just switched off may be busy

node=${CRM_alert_node:-}
limit=${hamysql_timeout:-60} # of one attempt, seconds

[ "${CRM_alert_kind:-}" = fencing ] && [ "${CRM_alert_rc:-}" = 0 ] || exit 0
case ${CRM_alert_desc:-} in
"Operation reboot of $node by "*) ;;
*) exit 0 ;;
esac
# The nodes whose devices only switch off where pacemaker wants a reboot.
case " ${hamysql_nodes:-} " in
*" $node "*) ;;
*) exit 0 ;;
esac

say() {
	logger --tag hamysql-power-on --priority "daemon.$1" "$2"
}

attempt=1
while [ $attempt -le $ATTEMPTS ]; do
	sleep $PAUSE
	if said=$(stonith_admin --unfence "$node" --timeout "$limit" 2>&1); then
		say info "$node was fenced, and is switched on again"
		exit 0
	fi
	say warning "$node was fenced, and could not be switched on (attempt $attempt of $ATTEMPTS): $said"
	attempt=$((attempt + 1))
done
say err "$node stays switched off: stonith_admin --unfence $node"
exit 1
