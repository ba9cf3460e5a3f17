#!/bin/sh
# What DRBD 8.4 runs before a replica that has lost its peer may be written to (drbd.conf(5), fence-peer). Managed by Salt.
#
# It knows one case, the usual one: pacemaker has fenced the peer, or is about to, and our data is up to date. Then it does what DRBD's own
# crm-fence-peer.sh does (a constraint that lets nobody else be promoted until the peer is up to date again, and "peer was stonithed"), in
# a third of the time, and looks five times a second where that one sleeps 2 s. Whatever else is the case is left to that one.
#
# DRBD's pings and corosync's token notice a loss at about the same time. Where DRBD was first, pacemaker still calls the peer online, and
# crm-fence-peer.sh would ask the peer itself, which does not answer, while all writes are held. So pacemaker is given NOTICE seconds.
# fence-peer.sh NOTICE [ARGUMENTS OF crm-fence-peer.sh]

STOCK=/usr/lib/drbd/crm-fence-peer.sh
STATES=/proc/drbd
LOCKS=/var/lock/drbd # crm-fence-peer.sh and crm-unfence-peer.sh have theirs here
CLONE=ms_drbd_mysql
FENCED=7 # peer was stonithed
POLL=0.2 # seconds
LOG=/dev/kmsg

notice=$1
shift
patience=0
previous=''
for word; do
	[ "$previous" = --timeout ] && patience=$word
	previous=$word
done
read -r self </proc/sys/kernel/hostname

# Seconds since boot, as $now.
clock() {
	read -r now _ </proc/uptime
	now=${now%%.*}
}

# Whether our replica is up to date and alone; its role as $role.
up_to_date() {
	while read -r minor connection role disks _; do
		[ "$minor" = "$DRBD_MINOR:" ] || continue
		case $connection:$disks in
		*:ds:UpToDate/UpToDate) return 1 ;;
		cs:Connected:*) return 1 ;;
		*:ds:UpToDate/*) return 0 ;;
		esac
	done <$STATES
	return 1
}

# What pacemaker knows of the only other node, as $known: fenced, lost, alive, or what was said instead. This node's own copy: the
# controller may be the node that was lost, and nobody would answer.
peer() {
	known=$(cibadmin --query --local --timeout 2 --no-children --xpath "//node_state[@uname!='$self']" 2>&1)
	case $known in
	'<node_state '*' in_ccm="false"'* | '<node_state '*' in_ccm="0"'*) ;;
	'<node_state '*) known=alive && return ;;
	*) return ;;
	esac
	case $known in
	*' crmd="offline"'* | *' crmd="0"'*) ;;
	*) known=alive && return ;;
	esac
	case $known in
	*' expected="down"'*) known=fenced ;;
	*) known=lost ;;
	esac
}

# Whether so many seconds since the beginning have not passed; then the next look is due.
within() {
	clock
	[ "$now" -lt $((began + $1)) ] && sleep $POLL
}

# Beside what DRBD's kernel module says, and without a process. 14: user.info
say() {
	{ echo "<14>hamysql-fence-peer: $DRBD_RESOURCE: $1" >>$LOG; } 2>/dev/null
}

# The constraint, if the peer is fenced and there is none: one step in the CIB of the whole cluster, and one program. Its text is the
# other one's, which has to know it again; newer ones name the role otherwise.
place() {
	id=drbd-fence-by-handler-$DRBD_RESOURCE
	# shellcheck disable=SC2016 # the script's own text
	promoted=$(sed -n 's/.*${role:="\([A-Z][a-z]*\)"}.*/\1/p' $STOCK)
	[ -n "$promoted" ] || return 1
	fenced="@uname!='$self' and (@in_ccm='false' or @in_ccm='0') and (@crmd='offline' or @crmd='0') and @expected='down'"
	cibadmin --modify --timeout 9 \
		--xpath "/cib[status/node_state[$fenced]]/configuration/constraints[not(rsc_location[@id='$id-$CLONE'])]" \
		--xml-text "<constraints><rsc_location rsc=\"$CLONE\" id=\"$id-$CLONE\">
  <rule role=\"$promoted\" score=\"-INFINITY\" id=\"$id-rule-$CLONE\">
    <expression attribute=\"#uname\" operation=\"ne\" value=\"$self\" id=\"$id-expr-$CLONE\"/>
  </rule>
</rsc_location></constraints>" 2>/dev/null
}

# Whether the peer is fenced and the constraint placed; or else why not, as $reason.
fence() {
	reason="no lock in $LOCKS"
	[ -d "$LOCKS" ] || mkdir -m 0700 "$LOCKS" || return 1
	exec 9>"$LOCKS/fence.$DRBD_RESOURCE"
	flock --exclusive --wait 5 9 || return 1
	clock
	began=$now
	# Before it tells a secondary to be promoted, pacemaker has fenced the peer, as a rule.
	up_to_date && [ "$role" = ro:Secondary/Unknown ] && place && return
	while up_to_date; do
		peer
		reason="pacemaker says of the peer: $known"
		case $known in
		fenced)
			reason='the constraint could not be placed'
			place
			return
			;;
		lost) within "$patience" || return 1 ;;
		alive) within "$notice" || return 1 ;;
		*) return 1 ;;
		esac
	done
	reason='the replica here is not up to date and alone'
	return 1
}

if fence; then
	say 'the peer is fenced, placed the constraint'
	exit $FENCED
fi
say "$reason: left to $STOCK"
exec $STOCK "$@"
