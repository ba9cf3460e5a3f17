#!/bin/sh
# ocf:hamysql:network has each node watch the network that clients reach the service through. Managed by Salt.
#
# It only starts and stops /usr/lib/hamysql/watch-network, which sets two attributes of the node. Constraints of the service read them.

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

WATCH=/usr/lib/hamysql/watch-network
POLL=0.1 # seconds

interface=${OCF_RESKEY_nic:-}
address=${OCF_RESKEY_ip:-}
targets=${OCF_RESKEY_reachable:-}
python=${OCF_RESKEY_python:-/usr/bin/python3}
pid_file=${HA_RSCTMP:-/run/resource-agents}/hamysql-network.pid

# Without a process: pacemaker asks for this before each start, which waits for it.
meta_data() {
	echo '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="network" version="1.0">
<version>1.0</version>
<longdesc lang="en">
Watches one interface of the node, as a clone on each. The attribute hamysql-carrier is below zero while the interface has no carrier, and
hamysql-reach while addresses do not answer that have to. It also puts the virtual IP back where something else has deleted it.
</longdesc>
<shortdesc lang="en">Watches the network of the virtual IP</shortdesc>
<parameters>'
	parameter nic 1 "The interface."
	parameter ip 1 "The virtual IP."
	parameter reachable 0 "Addresses that have to answer ARP, neighbour solicitation or a ping, with blanks between them."
	parameter python 0 "The program that runs the watcher."
	echo '</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="30s" depth="0"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>'
}

validate() {
	[ -n "$interface" ] || fail $OCF_ERR_CONFIGURED "the parameter nic is missing"
	[ -n "$address" ] || fail $OCF_ERR_CONFIGURED "the parameter ip is missing"
	for program in "$python" $WATCH; do
		[ -x "$program" ] || fail $OCF_ERR_INSTALLED "$program: no such program"
	done
}

# Whether the watcher runs, with its process id as $pid.
running() {
	pid='' words=''
	[ -r "$pid_file" ] && read -r pid <"$pid_file"
	case $pid in '' | *[!0-9]*) return 1 ;; esac
	{ words=$(tr '\0' ' ' <"/proc/$pid/cmdline"); } 2>/dev/null
	case $words in *"$WATCH "*) return 0 ;; esac
	return 1
}

start() {
	validate
	running && return $OCF_SUCCESS
	[ -d "${pid_file%/*}" ] || mkdir -p "${pid_file%/*}"
	# shellcheck disable=SC2086 # the targets are words of their own
	setsid "$python" $WATCH "$interface" "$address" $targets >/dev/null 2>&1 </dev/null &
	echo $! >"$pid_file"
	return $OCF_SUCCESS
}

stop() {
	if running; then
		kill "$pid"
		while running; do sleep $POLL; done
	fi
	rm -f "$pid_file"
	return $OCF_SUCCESS
}

case $1 in
meta-data) meta_data ;;
start) start ;;
stop) stop ;;
monitor) running || exit $OCF_NOT_RUNNING ;;
validate-all) validate ;;
usage | help) echo "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
'') fail $OCF_ERR_ARGS "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
*) fail $OCF_ERR_UNIMPLEMENTED "$1: no such action" ;;
esac
exit $?
