#!/bin/sh
# Keeps two replicas from going on by themselves: DRBD 8.4's handlers fence-peer and after-resync-target. Managed by Salt.
#
#   fence-peer fence --timeout SECONDS --dc-timeout SECONDS   DRBD, when a replica that is or will be primary has lost its peer
#   fence-peer unfence                                        DRBD, when a replica has been synchronised
#   fence-peer tidy                                           ocf:hamysql:drbd, at each monitor of a secondary
#
# All of it hangs on one constraint in the cluster's configuration: nobody but this node may be promoted. DRBD lets the writes go on, and
# lets a replica be promoted, when `fence` has placed it. `unfence` takes it away when both replicas are up to date. The constraint has the
# name and the form of crm-fence-peer.sh, DRBD's own handler, which needs dozens of programs, looks every 2 s, and cannot read what
# pacemaker writes from 2.1.7 on. drbd.conf(5) and the kernel's conn_try_outdate_peer say what the exit codes mean.

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

STATES=/proc/drbd
CLONE=ms_drbd_mysql PRIMITIVE=p_drbd_mysql
GOOD=10000 # the score that ocf:hamysql:drbd gives to a replica where both are up to date
BROKEN=1 OUTDATED=4 UNREACHABLE=5 FENCED=7
POLL=0.2  # seconds between two looks
ANSWER=1  # seconds in which a controller that lives answers
RESYNC=10 # seconds for the constraint to go after a resync; `tidy` looks again later
LOG=/dev/kmsg
NODE=/var/lib/hamysql/node # what the cluster calls this machine: its host name may be another one by now
CONFIGURATION=${CIB_file:-/var/lib/pacemaker/cib/cib.xml} # as this node has it

action=$1
resource=${DRBD_RESOURCE:-}
id=drbd-fence-by-handler-$resource
patience=90
controller_patience=20
previous=''
for word; do
	case $previous in
	--timeout) patience=$word ;;
	--dc-timeout) controller_patience=$word ;;
	esac
	previous=$word
done
{ read -r self <$NODE; } 2>/dev/null || read -r self </proc/sys/kernel/hostname
# An XPath: pacemaker has fenced the other node.
FENCED_PEER="status/node_state[@uname!='$self' and (@in_ccm='false' or @in_ccm='0') and (@crmd='offline' or @crmd='0') and @expected='down']"

# Whether so many seconds since the beginning have not passed; then the next look is due: within SECONDS
within() {
	clock
	[ "$now" -lt $((began + $1)) ] && sleep $POLL
}

# Beside what DRBD's kernel module says, and without a process. 14: user.info
say() {
	{ echo "<14>hamysql-fence-peer: $resource: $1" >>$LOG; } 2>/dev/null
}

# Say it, and tell DRBD: answer CODE TEXT
answer() {
	say "$2"
	exit "$1"
}

# What DRBD says of our replica, as $connection, $role, $disk and $peer_disk; not, where it says nothing. A handler must not ask DRBD
# itself: the kernel may be waiting for this very program.
replica() {
	connection='' role='' disk='' peer_disk=''
	while read -r minor connection roles disks _; do
		[ "$minor" = "$DRBD_MINOR:" ] || continue
		case $roles,$disks in ro:*/*,ds:*/*) ;; *) return 1 ;; esac
		connection=${connection#cs:}
		roles=${roles#ro:} disks=${disks#ds:}
		role=${roles%%/*} disk=${disks%%/*} peer_disk=${disks##*/}
		return 0
	done <$STATES
	return 1
}

# One attribute of $state, as $value; empty where it has none.
attribute() {
	value=${state#* "$1"=\"}
	[ "$value" != "$state" ] || value=''
	value=${value%%\"*}
}

# What pacemaker knows of the other node, as $peer: fenced (or gone in order), lost, alive, or unknown; its name as $name. This node's own
# copy: the controller may be the node that was lost, and nobody would answer.
#
# pacemaker 1.1 to 2.1.6 write words (in_ccm="true", crmd="online"), some numbers, and from 2.1.7 on times, 0 for never.
look() {
	peer=unknown name=''
	state=$(cibadmin --query --local --timeout 2 --no-children --xpath "//node_state[@uname!='$self']" 2>/dev/null)
	case $state in '<node_state '*) ;; *) return ;; esac
	attribute uname
	name=$value
	attribute expected
	expected=$value
	attribute in_ccm
	case $value in '' | false | 0) member='' ;; *) member=1 ;; esac
	attribute crmd
	case $value in '' | offline | banned | 0) online='' ;; *) online=1 ;; esac
	case $member,$online,$expected in
	1,1,*) peer=alive ;;
	*,,down) peer=fenced ;; # its controller has ended: fenced, or in order, with all that it ran stopped before
	*) peer=lost ;;
	esac
}

# Whether the other node's controller answers this moment. What pacemaker knows is older than a loss that it has yet to notice.
answers() {
	said=$(crmadmin --timeout "${ANSWER}000ms" --status "$name" 2>&1)
	# pacemaker 2.0.5 to 2.0.9 want a bare number, which later ones take for seconds.
	case $said in *'Cannot parse'*) said=$(crmadmin --timeout "${ANSWER}000" --status "$name" 2>&1) ;; esac
	case $said in *': ok' | *'(ok)') return 0 ;; esac
	return 1
}

# The name of the role in this configuration, as $promoted. Its schema had Master up to 3.6, and knows Promoted from 3.7 on (pacemaker 2.1);
# pacemaker 3 does not know Master.
name_role() {
	promoted=Promoted
	{ read -r root <"$CONFIGURATION"; } 2>/dev/null
	version=${root#*validate-with=\"pacemaker-}
	version=${version%%\"*}
	case $version in
	[012].* | 3.[0-6]) promoted=Master ;;
	esac
}

# Write the constraint into the whole cluster's configuration: write modify|replace XPATH [MARK]. A mark makes it another one, see `renew`.
write() {
	[ -n "${promoted:-}" ] || name_role
	text="<rsc_location rsc=\"$CLONE\" id=\"$id-$CLONE\">
  <rule role=\"$promoted\" score=\"-INFINITY\" id=\"$id-rule-$CLONE${3:-}\">
    <expression attribute=\"#uname\" operation=\"ne\" value=\"$self\" id=\"$id-expr-$CLONE\"/>
  </rule>
</rsc_location>"
	[ "$1" != modify ] || text="<constraints>$text</constraints>"
	cibadmin "--$1" --timeout 9 --xpath "$2" --xml-text "$text" 2>/dev/null
}

# Place the constraint where there is none: place [CONDITION], an XPath about /cib that has to be true in the same moment.
place() {
	write modify "/cib[${1:-configuration}]/configuration/constraints[not(rsc_location[@id='$id-$CLONE'])]"
}

# Put our constraint in the place of our constraint, under another mark. `lift` on the other node may have seen the old one just before
# the connection was lost, and must not take this one away.
renew() {
	clock
	write replace "//rsc_location[@id='$id-$CLONE'][rule/expression/@value='$self']" "-$$-$now"
}

# Whose constraint there is, as $owner: the node that may be promoted; empty where there is none. Its mark as $mark.
owner() {
	owner='' mark=''
	state=$(cibadmin --query --local --timeout 2 --xpath "//rsc_location[@id='$id-$CLONE']" 2>/dev/null) || return
	attribute value
	owner=$value
	state=${state#*<rule}
	attribute id
	mark=$value
}

# Place the constraint, or renew ours; then tell DRBD, and never come back unless no controller has taken it: conclude CODE TEXT
conclude() {
	place && answer "$1" "$2, placed the constraint"
	owner
	case $owner in
	'') ;;
	"$self") renew && answer "$1" "$2, renewed the constraint" ;;
	*) answer $BROKEN "$2, but $owner has placed its own constraint: only its data may be used" ;;
	esac
	reason="$2, and no controller has taken the constraint"
}

fence() {
	clock
	began=$now
	reason=''
	# Before it has a secondary promoted, pacemaker has fenced the peer, as a rule: one program asks for that, and places it.
	replica && [ "$role:$disk:$peer_disk" = Secondary:UpToDate:DUnknown ] && place "$FENCED_PEER" &&
		answer $FENCED 'the peer is fenced, placed the constraint'
	while :; do
		replica || answer $BROKEN 'DRBD does not know this resource'
		case $connection:$disk:$peer_disk in
		Connected:* | Sync*:* | *:UpToDate:UpToDate) answer $BROKEN 'the peer is connected again, nothing to fence' ;;
		*:UpToDate:* | *:Consistent:*) ;;
		*) answer $UNREACHABLE "the replica here is $disk: not to be used without the peer's" ;;
		esac
		look
		case $peer:$role:$disk in
		fenced:*:UpToDate) conclude $FENCED 'the peer is fenced' ;;
		# That the peer was shot makes our data no better: it may have had more.
		fenced:*) answer $UNREACHABLE "the peer is fenced, and the replica here is only $disk: it may lack what the peer has written" ;;
		# Pacemaker wants this node promoted and has nothing promoted on the other one, which is leaving, or has lost the link.
		alive:Secondary:UpToDate) conclude $OUTDATED 'the peer lives and is not primary' ;;
		# Its writes are held meanwhile. A peer that does not answer may be gone, or shooting: pacemaker will notice.
		alive:*) if answers; then conclude $OUTDATED 'the peer lives, and only the replication is lost'; fi ;;
		esac
		if ! within "$patience"; then
			[ "$disk" = UpToDate ] || answer $UNREACHABLE "the peer is $peer, and the replica here is only $disk"
			conclude $UNREACHABLE "the peer is $peer after $patience s"
			within "$controller_patience" || answer $BROKEN "$reason: writes stay held"
		fi
	done
}

# Take the constraint away that `owner` has found, and no later one.
lift() {
	cibadmin --delete --timeout 9 --xpath "//rsc_location[@id='$id-$CLONE'][rule/@id='$mark']" 2>/dev/null
}

# Lift the constraint if both replicas are up to date, with $reason where it stays. It is looked for first: where the connection is lost
# after the second look at DRBD, the primary renews it.
lifted() {
	owner
	replica
	reason="the replicas are $disk and $peer_disk"
	[ "$disk:$peer_disk" = UpToDate:UpToDate ] || return 1
	[ -n "$owner" ] || return 0
	reason='no controller has lifted the constraint'
	lift || return
	reason='there is another constraint now'
	owner # nothing to delete is no error to pacemaker
	[ -z "$owner" ] && say 'both replicas are up to date, the constraint is lifted'
}

unfence() {
	clock
	began=$now
	until lifted; do
		within $RESYNC || answer $BROKEN "$reason: the constraint stays"
	done
	# Until the next monitor, up to 30 s, pacemaker would know the score of a replica that is being synchronised. A node that leaves
	# meanwhile stops the service, and the other one is not promoted.
	attrd_updater --name "master-$PRIMITIVE" --update $GOOD >/dev/null 2>&1
	exit 0
}

# What is left behind where DRBD calls nobody. A connection that comes back before anything was written needs no resync, and nobody
# lifts the constraint. And a secondary whose primary has gone on without it does not know by itself that it is out of date.
tidy() {
	replica || exit 0
	case $role:$disk/$peer_disk in
	Secondary:UpToDate/UpToDate) lifted ;;
	Secondary:UpToDate/DUnknown | Secondary:Consistent/DUnknown)
		owner
		case $owner in
		'' | "$self") ;;
		*) drbdsetup outdate "$DRBD_MINOR" 2>/dev/null && say "$owner has gone on without this replica: it is out of date" ;;
		esac
		;;
	esac
	exit 0
}

case $action in
unfence) unfence ;;
tidy) tidy ;;
*) fence ;; # also the way in which drbd.conf called it before: with a number, and then the same
esac
