#!/bin/sh
# ocf:hamysql:drbd manages a DRBD 8.4 resource for pacemaker, for what happens all the time and what a failover waits for. Managed by Salt.
#
# It takes what is beyond doubt: a promotion of a replica that is up to date, a demotion of a primary, a monitor of either, with DRBD saying so
# itself, and the start of one that is not configured yet. Each is one program of DRBD's or none (a few for a start, and where DRBD has yet
# to notice that the primary is gone), where ocf:linbit:drbd starts dozens. Whatever else is the case or goes otherwise than expected,
# and each stop, is left to that agent, with the same parameters: DRBD 9 as well, which has other states.

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

STOCK=${OCF_ROOT:-/usr/lib/ocf}/resource.d/linbit/drbd
STATES=/proc/drbd
HANDLER=/usr/lib/hamysql/fence-peer
KNOWN=/var/lib/drbd
KEPT=/var/lib/hamysql
HOST=/proc/sys/kernel/hostname
ADMIN=/sbin/drbdadm                                # what DRBD calls for its handlers,
CALLED=/sys/module/drbd/parameters/usermode_helper # and where it says so
NAMED=/usr/lib/hamysql/by-name                     # has a drbdadm that goes by the cluster's name of this machine

PATIENCE=5 # tenths of a second: DRBD's own ping-timeout, which it does not mention
HURRY=2    # tenths of a second: the same for a primary that is gone, says pacemaker
TOGETHER=3 # seconds that a start waits for the peer: both replicas start together when both nodes were off

# drbdsetup only looks which DRBD is loaded, and starts this one.
SETUP=/lib/drbd/drbdsetup-84
[ -x $SETUP ] || SETUP=drbdsetup

resource=${OCF_RESKEY_drbd_resource:-}
minor=${OCF_RESKEY_minor:-}
# Not empty between a promotion and the first monitor after it.
promoted_file=${HA_RSCTMP:-/run/resource-agents}/hamysql-drbd-$resource.promoted

# Without a process: pacemaker asks for this before each start, which waits for it.
meta_data() {
	echo '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="drbd" version="1.0">
<version>1.0</version>
<longdesc lang="en">
One DRBD resource with one volume, as a promotable clone. The usual cases of start, promote, demote and monitor with DRBD 8.4 are its own,
and quick; everything else is done by ocf:linbit:drbd, which has to be installed.
</longdesc>
<shortdesc lang="en">DRBD resource as a promotable clone</shortdesc>
<parameters>'
	parameter drbd_resource 1 "The name of the DRBD resource."
	parameter minor 1 "The number of its device: 0 for /dev/drbd0."
	parameter ignore_missing_notifications 0 "Of ocf:linbit:drbd: true where the clone has no notifications."
	echo '</parameters>
<actions>
<action name="start" timeout="240s"/>
<action name="stop" timeout="180s"/>
<action name="promote" timeout="180s"/>
<action name="demote" timeout="180s"/>
<action name="notify" timeout="90s"/>
<action name="reload" timeout="30s"/>
<action name="monitor" timeout="60s" interval="29s" role="Promoted"/>
<action name="monitor" timeout="60s" interval="30s" role="Unpromoted"/>
<action name="validate-all" timeout="5s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>'
}

stock() {
	exec "$STOCK" "$1"
}

# Have drbdadm find this machine by the cluster's name of it, also where somebody has changed the host name: DRBD itself, the other agent
# and this one. What a site has set itself stays.
go_by_name() {
	if [ ! -x $NAMED/drbdadm ]; then # without its helper, DRBD would hold all writes
		call_from $NAMED/drbdadm $ADMIN
		return
	fi
	call_from $ADMIN $NAMED/drbdadm
	{ read -r node <$KEPT/node && read -r host <$HOST; } 2>/dev/null || return 0
	[ "$node" = "$host" ] || PATH=$NAMED:$PATH
}

# Have DRBD call another program than this one: call_from PROGRAM OTHER
call_from() {
	called=''
	{ read -r called <$CALLED; } 2>/dev/null
	[ "$called" != "$1" ] || printf %s "$2" >$CALLED # a newline would be part of the name
}

# What DRBD 8.4 says of our device, as $role and $disk, and of the other one, as $peer_role and $peer_disk; empty if it says nothing.
look() {
	role='' disk='' peer_role='' peer_disk=''
	[ -r $STATES ] || return
	while read -r number _ roles disks _; do
		[ "$number" = "$minor:" ] || continue
		case $roles,$disks in
		ro:*/*,ds:*/*) ;;
		*) return ;;
		esac
		roles=${roles#ro:} disks=${disks#ds:}
		role=${roles%%/*} disk=${disks%%/*} peer_role=${roles##*/} peer_disk=${disks##*/}
		return
	done <$STATES
}

# Whether DRBD 8.4 is loaded and does not know our device.
unconfigured() {
	version=''
	{ read -r _ version _ <$STATES; } 2>/dev/null
	case $version in 8.*) ;; *) return 1 ;; esac
	look
	[ -z "$role" ]
}

# How good a choice this node is for the primary, as ocf:linbit:drbd would say it: that one knows the name as crm_attribute's --promotion.
#
# pacemaker goes by the score in the cluster's configuration. It can be lost there: pacemaker 2.1.5 removes what a lost node had, also when
# that node is back in the same moment. The daemon that keeps the scores does not notice, and writes an unchanged one never again. A
# replica without a score is promoted by nobody, and all looks well. So each recurring monitor looks, and has all written again.
score() {
	attribute=master-${OCF_RESOURCE_INSTANCE%%:*}
	attrd_updater --name "$attribute" --update "$1" >/dev/null 2>&1 || return
	[ "${OCF_RESKEY_CRM_meta_interval:-0}" != 0 ] || return 0
	crm_attribute --query --quiet --lifetime=reboot --name="$attribute" >/dev/null 2>&1
	case $? in 105 | 6) attrd_updater --refresh >/dev/null 2>&1 ;; esac # no such attribute; 6 before pacemaker 2
	return 0
}

# The scores of a replica that is up to date: 10000 where it is primary or nothing better can be, 1000 where the other one may be better.
monitor() {
	look
	case $role:$disk/$peer_disk in
	Primary:UpToDate/*)
		just_promoted && return $OCF_RUNNING_PROMOTED
		score 10000 && return $OCF_RUNNING_PROMOTED
		;;
	Secondary:UpToDate/UpToDate) tidy && score 10000 && return $OCF_SUCCESS ;;
	Secondary:UpToDate/DUnknown)
		tidy
		look
		[ "$disk" = UpToDate ] && score 1000 && return $OCF_SUCCESS
		;;
	# A probe, before anything is started here: pacemaker waits for those of all nodes.
	'':/) [ "${OCF_RESKEY_CRM_meta_interval:-}" != 0 ] || ! unconfigured || return $OCF_NOT_RUNNING ;;
	esac
	stock monitor
}

# What DRBD's fencing may have left behind on a secondary: our handler knows.
tidy() {
	[ ! -x $HANDLER ] || DRBD_RESOURCE=$resource DRBD_MINOR=$minor $HANDLER tidy
}

# Move the metadata to the end of a disk that has grown while DRBD was down. It lies where the disk ended before, as drbdmeta has noted.
#
# "drbdmeta check-resize" does that as well, and until drbd-utils 9.34 at least it puts the bitmap into the wrong place: what the peer
# lacks would be taken for other blocks, and never be synchronised (drbd-utils 998865d3). So what lies there is dumped, from a device that
# ends where the disk ended, and restored. The dump stays until that is done: after a power cut in between it is restored again.
follow() {
	dump=$KEPT/drbd-$resource.metadata
	{ read -r known _ <$KNOWN/drbd-minor-"$minor".lkbd; } 2>/dev/null || known=''
	[ -n "$known" ] || [ -e "$dump" ] || return 0
	backing=$(drbdadm sh-ll-dev "$resource") && size=$(blockdev --getsize64 "$backing") || return 0
	case $known$size in *[!0-9]*) return 0 ;; esac
	# The block that makes it metadata comes last: with it all is in its place, and what was written since counts.
	[ ! -e "$dump" ] || ! drbdmeta "$minor" v08 "$backing" internal get-gi >/dev/null 2>&1 || rm "$dump"
	if [ ! -e "$dump" ]; then
		[ "$known" -lt "$size" ] || return 0
		before=$(losetup --find --show --sizelimit "$known" "$backing") ||
			fail $OCF_ERR_GENERIC "$backing has grown from $known to $size bytes while DRBD was down. No loop device shows its old end. Give it the old size back"
		if drbdmeta "$minor" v08 "$before" internal apply-al && drbdmeta "$minor" v08 "$before" internal dump-md >"$dump.new"; then
			sync "$dump.new" && mv "$dump.new" "$dump"
		fi
		losetup --detach "$before"
		rm -f "$dump.new"
		[ -e "$dump" ] || return 0 # no metadata ended there
	fi
	drbdmeta --force "$minor" v08 "$backing" internal restore-md "$dump" ||
		fail $OCF_ERR_GENERIC "$backing has grown while DRBD was down, and its metadata cannot be moved: it is kept in $dump"
	rm "$dump"
	echo "$backing has grown to $size bytes while DRBD was down: its metadata follows" >&2
}

# Configure the device in the kernel: what is there already, or does not come up, is the other agent's.
start() {
	[ -r $STATES ] || { modprobe drbd && go_by_name; }
	unconfigured || stock start
	follow
	drbdadm check-resize "$resource" # notes the size of the disk
	drbdadm up "$resource" || stock start
	$SETUP wait-connect "$minor" --wfc-timeout=$TOGETHER --degr-wfc-timeout=$TOGETHER --outdated-wfc-timeout=$TOGETHER >/dev/null 2>&1
	look
	case $role:$disk in
	Secondary:UpToDate | Secondary:Consistent | Secondary:Outdated | Secondary:Inconsistent) monitor ;;
	*) stock start ;;
	esac
}

# Whether this is the first monitor after a promotion. It comes while a failover waits for the file system, and to say the score takes more
# than all else that it does. The next one says it; until then it stays what pacemaker has just promoted this node for.
just_promoted() {
	[ -s "$promoted_file" ] && true >"$promoted_file"
}

# Both ends of DRBD's connection as drbdsetup wants them, as $here and $there, empty if DRBD does not say; and its ping-timeout as $patience.
connection() {
	here='' there='' patience=$PATIENCE side=''
	shown=$($SETUP show "$resource") || return
	while read -r word value rest; do
		case $word in
		_this_host | _remote_host) side=$word ;;
		ping-timeout) patience=${value%;} ;;
		address)
			case $side in
			_this_host) here=$value:${rest%%;*} ;;
			_remote_host) there=$value:${rest%%;*} ;;
			esac
			;;
		esac
	done <<-SHOWN
		$shown
	SHOWN
}

# Promote while DRBD still believes in a primary that is gone, as pacemaker knows, or it would not have us promoted. DRBD itself needs
# some more seconds of pings to notice; asked meanwhile it pings once more, waits for the whole ping-timeout, and looks again. So a ping
# gets less time for this one promotion. A primary that answers stays the only one.
promote_at_once() {
	connection
	[ -n "$here" ] && [ -n "$there" ] && [ "$patience" -gt $HURRY ] || return
	$SETUP net-options "$here" "$there" --ping-timeout=$HURRY && $SETUP primary "$minor" 2>/dev/null
	$SETUP net-options "$here" "$there" --ping-timeout="$patience" ||
		echo "DRBD may still have a ping-timeout of $HURRY: drbdadm adjust $resource" >&2
	look
}

# DRBD itself refuses a promotion that its fencing does not allow; the other agent says so, or tries again.
promote() {
	look
	[ "$role:$disk" = Secondary:UpToDate ] || stock promote
	[ "$peer_role" != Primary ] || promote_at_once
	if [ "$role:$disk" = Secondary:UpToDate ] && $SETUP primary "$minor"; then
		look
	fi
	[ "$role" = Primary ] || stock promote
	{ echo "$minor" >"$promoted_file"; } 2>/dev/null
	return $OCF_SUCCESS
}

demote() {
	look
	if [ "$role" = Primary ] && $SETUP secondary "$minor"; then
		look
		[ "$role" = Secondary ] && return $OCF_SUCCESS
	fi
	stock demote
}

case $1 in
meta-data)
	meta_data
	exit $OCF_SUCCESS
	;;
usage | help)
	echo "usage: $0 start|stop|promote|demote|monitor|notify|reload|validate-all|meta-data"
	exit $OCF_SUCCESS
	;;
stop)
	go_by_name
	call_from $NAMED/drbdadm $ADMIN # the program may go with the cluster
	stock stop
	;;
notify | reload | validate-all) stock "$1" ;;
start | promote | demote | monitor) ;;
*) exit $OCF_ERR_UNIMPLEMENTED ;;
esac
case $minor in
'' | *[!0-9]*)
	[ "$1" != start ] || stock start
	fail $OCF_ERR_CONFIGURED "the parameter minor is not a number"
	;;
esac
go_by_name
case $1 in
start) start ;;
promote) promote ;;
demote) demote ;;
monitor) monitor ;;
esac
exit $?
