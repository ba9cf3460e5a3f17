#!/bin/sh
# ocf:hamysql:filesystem mounts one local file system for pacemaker: on DRBD, on a LUN, or on a volume. Managed by Salt.
#
# What it does otherwise than ocf:heartbeat:Filesystem: it knows this one case and no other, so a start is one program (mount) where
# that one's starts dozens, which is time in which nobody is served; and its monitor sees a file system that the kernel has
# shut down or made read-only, as a lost path leaves it.

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

device=${OCF_RESKEY_device:-}
directory=${OCF_RESKEY_directory:-}
fstype=${OCF_RESKEY_fstype:-}
options=${OCF_RESKEY_options:-defaults}
timeout=$((${OCF_RESKEY_CRM_meta_timeout:-60000} / 1000)) # of the operation, seconds
POLL=0.2 # seconds

# Without a process: pacemaker asks for this before each start, which waits for it.
meta_data() {
	echo '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="filesystem" version="1.0">
<version>1.0</version>
<longdesc lang="en">
One local file system, mounted on one folder. Stop ends what still has a file open there, politely for the first half of its timeout.
It ends nobody, and unmounts nothing, where this file system is not mounted.
Monitor also finds a file system that the kernel has shut down or made read-only after errors. With OCF_CHECK_LEVEL 10 it reads a block
of the device past all caches: what is served from memory does not notice a lost path.
</longdesc>
<shortdesc lang="en">Mounted local file system</shortdesc>
<parameters>'
	parameter device 1 "The block device."
	parameter directory 1 "The folder to mount it on; it has to be there."
	parameter fstype 1 "Its type."
	parameter options 0 "Options of mount(8); default: defaults."
	echo '</parameters>
<actions>
<action name="start" timeout="60s"/>
<action name="stop" timeout="60s"/>
<action name="monitor" timeout="60s" interval="20s" depth="0"/>
<action name="monitor" timeout="120s" interval="20s" depth="10"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>'
}

# Whether something is mounted on the folder; the topmost mount is $source, with $flags, and $stack says whether ours is among them.
# The kernel writes a blank as \040, which hamysql's folders have none of.
mounted() {
	source='' flags='' stack=''
	while read -r from where _ given _; do
		[ "$where" = "$directory" ] || continue
		source=$from flags=$given
		! may_be_ours || stack=ours
	done </proc/self/mounts
	[ -n "$source" ]
}

# Whether the mounted device is ours, by whichever of its names: links of udev lead to what the kernel shows.
ours() {
	# shellcheck disable=SC3013 # -ef: dash and bash know it
	[ "$source" = "$device" ] || [ "$source" -ef "$device" ]
}

# Not whether it is proven: of a disk that is lost, a name may be gone while it is mounted still.
may_be_ours() {
	ours && return 0
	case $source:$device in /*:/*) [ ! -e "$device" ] || [ ! -e "$source" ] ;; *) return 1 ;; esac
}

validate() {
	for name in device directory fstype; do
		eval "[ -n \"\$$name\" ]" || fail $OCF_ERR_CONFIGURED "the parameter $name is missing"
	done
	[ -d "$directory" ] || mounted || fail $OCF_ERR_INSTALLED "$directory: no such folder"
}

monitor() {
	mounted || return $OCF_NOT_RUNNING
	ours || fail $OCF_ERR_GENERIC "$source is mounted on $directory, not $device"
	case ,$flags, in
	*,ro,*) case ,$options, in *,ro,*) ;; *) fail $OCF_ERR_GENERIC "$directory has become read-only: see the kernel's messages" ;; esac ;;
	esac
	[ -d "$directory" ] || fail $OCF_ERR_GENERIC "the file system on $directory does not work any more: see the kernel's messages"
	if [ "${OCF_CHECK_LEVEL:-0}" -ge 10 ]; then
		said=$(dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct 2>&1) || fail $OCF_ERR_GENERIC "$device cannot be read: $said"
	fi
	return $OCF_SUCCESS
}

start() {
	validate
	if mounted; then
		ours && return $OCF_SUCCESS
		fail $OCF_ERR_GENERIC "$source is mounted on $directory already"
	fi
	said=$(mount -t "$fstype" -o "$options" "$device" "$directory" 2>&1) && return $OCF_SUCCESS
	fail $OCF_ERR_GENERIC "$said"
}

stop() {
	clock
	polite=$((now + timeout / 2))
	known='' # what ours is called here; another name is another file system's
	while mounted && [ -n "$stack" ]; do
		umount "$directory" 2>/dev/null && continue
		clock
		signal=TERM
		[ "$now" -lt "$polite" ] || signal=KILL
		# It may have gone meanwhile, by somebody else's hand. Where nothing is mounted, the folder is one of the root file system, whose
		# users are all processes; --ismountpoint has fuser look itself as well.
		if mounted && may_be_ours && [ "$source" = "${known:=$source}" ]; then
			echo "$directory is in use: SIG$signal for whoever has a file open there" >&2
			fuser --kill "-$signal" --mount --ismountpoint "$directory" >/dev/null 2>&1
		fi
		sleep $POLL
	done
	[ -z "$source" ] || echo "$source is mounted on $directory, not $device: it is left alone" >&2
	return $OCF_SUCCESS
}

case $1 in
meta-data) meta_data ;;
start) start ;;
stop) stop ;;
monitor) monitor ;;
validate-all) validate ;;
usage | help) echo "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
'') fail $OCF_ERR_ARGS "usage: $0 start|stop|monitor|validate-all|meta-data" ;;
*) fail $OCF_ERR_UNIMPLEMENTED "$1: no such action" ;;
esac
exit $?
