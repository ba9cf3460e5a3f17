#!/bin/sh
# ocf:hamysql:address has the virtual IP on one interface for pacemaker. Managed by Salt.
#
# What it does otherwise than ocf:heartbeat:IPaddr2: it knows this one case (no load balancing, no lvs, no labels), so a start or a
# monitor is one program (ip) where that one's are dozens, in time and processors that the database's start needs at that moment.

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

HELPERS=${HA_BIN:-/usr/libexec/heartbeat} # of the package resource-agents

address=${OCF_RESKEY_ip:-}
prefix=${OCF_RESKEY_cidr_netmask:-}
interface=${OCF_RESKEY_nic:-}
case $address in
*:*) family=inet6 ;;
*) family=inet ;;
esac
# The process that tells the network where the address is.
sender_file=${HA_RSCTMP:-/run/resource-agents}/hamysql-address-$address.pid
# There while the address has to be here, with its prefix and interface: watch-network puts it back where something else deletes it.
here_file=${HA_RSCTMP:-/run/resource-agents}/hamysql-address-$address.here

# Without a process: pacemaker asks for this before each start, which waits for it.
meta_data() {
	echo '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="address" version="1.0">
<version>1.0</version>
<longdesc lang="en">
One address, IPv4 or IPv6, on one interface. Start tells the network where it is: five gratuitous ARP packets, or unsolicited neighbour
advertisements, a second long.
</longdesc>
<shortdesc lang="en">Virtual IP address</shortdesc>
<parameters>'
	parameter ip 1 "The address."
	parameter cidr_netmask 1 "The length of its network's prefix."
	parameter nic 1 "The interface."
	echo '</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>'
}

validate() {
	[ -n "$address" ] || fail $OCF_ERR_CONFIGURED "the parameter ip is missing"
	[ -n "$interface" ] || fail $OCF_ERR_CONFIGURED "the parameter nic is missing"
	case $prefix in '' | *[!0-9]*) fail $OCF_ERR_CONFIGURED "cidr_netmask is '$prefix', not the length of a prefix" ;; esac
	[ -d "/sys/class/net/$interface" ] || fail $OCF_ERR_INSTALLED "$interface: no such interface"
	for program in send_arp send_ua; do
		[ -x "$HELPERS/$program" ] || fail $OCF_ERR_INSTALLED "$HELPERS/$program: no such program"
	done
}

monitor() {
	[ -d "/sys/class/net/$interface" ] || return $OCF_NOT_RUNNING
	found=$(ip -oneline -family $family address show dev "$interface" to "$address") ||
		fail $OCF_ERR_GENERIC "ip says nothing about $interface"
	case $found in
	'') return $OCF_NOT_RUNNING ;;
	*dadfailed*) fail $OCF_ERR_GENERIC "$address is somebody else's: duplicate address detection" ;;
	esac
	return $OCF_SUCCESS
}

# Have the address on the interface, and tell the network.
put() {
	validate
	# Nobody may bind to an IPv6 address while the kernel asks for a duplicate; pacemaker has seen to it that there is none.
	case $family in
	inet) set -- broadcast + ;;
	*) set -- nodad ;;
	esac
	if said=$(ip -family $family address add "$address/$prefix" dev "$interface" "$@" 2>&1); then
		is_up || said=$(ip link set "$interface" up 2>&1) || fail $OCF_ERR_GENERIC "$said"
		announce
	else
		monitor || fail $OCF_ERR_GENERIC "$said"
	fi
}

start() {
	put
	echo "$prefix $interface" >"$here_file"
	return $OCF_SUCCESS
}

# For watch-network, where something else has deleted the address. Only start makes the file, and stop removes it first. So where the
# cluster has stopped the address meanwhile, the file is gone, and what was put back goes as well.
restore() {
	put
	[ -e "$here_file" ] || stop
	return $OCF_SUCCESS
}

# Whether the interface is switched on (IFF_UP).
is_up() {
	read -r flags <"/sys/class/net/$interface/flags"
	[ $((flags & 1)) -eq 1 ]
}

announce() {
	[ -d "${sender_file%/*}" ] || mkdir -p "${sender_file%/*}"
	[ ! -e "$sender_file.arp" ] || rm -f "$sender_file.arp" # send_arp's own; it kills whoever has the number in it
	case $family in
	inet) set -- "$HELPERS/send_arp" -i 200 -r 5 -p "$sender_file.arp" "$interface" "$address" auto not_used not_used ;;
	*) set -- "$HELPERS/send_ua" -i 200 -c 5 "$address" "$prefix" "$interface" ;;
	esac
	setsid "$@" >/dev/null 2>&1 </dev/null &
	echo $! >"$sender_file"
}

stop() {
	rm -f "$here_file" # before the address goes
	# It would go on to say that the address is here.
	if [ -r "$sender_file" ]; then
		read -r pid <"$sender_file"
		name=''
		{ [ -n "$pid" ] && read -r name <"/proc/$pid/comm"; } 2>/dev/null
		case $name in send_arp | send_ua) kill "$pid" ;; esac
		rm -f "$sender_file" "$sender_file.arp"
	fi
	# Wherever it is and with whatever prefix: somebody may have set it by hand.
	found=$(ip -oneline -family $family address show to "$address" 2>&1) || fail $OCF_ERR_GENERIC "ip says nothing about $address: $found"
	while read -r _ device _ there _; do
		[ -n "$device" ] || continue
		said=$(ip -family $family address delete "$there" dev "${device%%@*}" 2>&1) || fail $OCF_ERR_GENERIC "$said"
	done <<-FOUND
		$found
	FOUND
	return $OCF_SUCCESS
}

case $1 in
meta-data) meta_data ;;
start) start ;;
stop) stop ;;
restore) restore ;;
monitor) monitor ;;
validate-all) validate ;;
usage | help) echo "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
'') fail $OCF_ERR_ARGS "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
*) fail $OCF_ERR_UNIMPLEMENTED "$1: no such action" ;;
esac
exit $?
