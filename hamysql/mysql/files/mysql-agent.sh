#!/bin/sh
# ocf:hamysql:mysql runs one MariaDB or MySQL server for pacemaker. Managed by Salt.
#
# What it does otherwise than ocf:heartbeat:mysql: it polls two to five times a second instead of every one or two seconds, it
# notices a server that hangs, tells it from one that waits for its storage, and never makes a datadir. It starts next to no
# processes: /proc and the shell's own tests say most of what it has to know.
#
# The server's account can put anything into its own folders: links, pipes, foreign process ids. So root keeps its notes in a
# folder of its own ($run), and whatever is made, written or removed in the account's folders, the account does (as_account).

# shellcheck source=hamysql/pacemaker/files/agents-1.sh
. "${OCF_ROOT:-/usr/lib/ocf}/lib/hamysql/agents-1.sh"

binary=${OCF_RESKEY_binary:-/usr/sbin/mariadbd}
admin_binary=${OCF_RESKEY_admin_binary:-/usr/bin/mariadb-admin}
config=${OCF_RESKEY_config:-/etc/mysql/my.cnf}
datadir=${OCF_RESKEY_datadir:-/var/lib/mysql}
socket=${OCF_RESKEY_socket:-/run/mysqld/mysqld.sock}
pid_file=${OCF_RESKEY_pid:-/run/mysqld/mysqld.pid}
log=${OCF_RESKEY_log:-/var/log/mysql/error.log}
user=${OCF_RESKEY_user:-mysql}
group=${OCF_RESKEY_group:-mysql}
ping_timeout=${OCF_RESKEY_ping_timeout:-20}
frozen_timeout=${OCF_RESKEY_frozen_timeout:-4}
storage_timeout=${OCF_RESKEY_storage_timeout:-0}
timeout=$((${OCF_RESKEY_CRM_meta_timeout:-120000} / 1000)) # of the operation, seconds
# Root's alone; gone after a boot, as the processes are.
run=${HA_RSCTMP:-/run/resource-agents}/hamysql
own=$run/${OCF_RESOURCE_INSTANCE:-mysql}.pid        # "ID BORN": the server's process, and the tick in which it was born (proc(5))
hung_file=$run/${OCF_RESOURCE_INSTANCE:-mysql}.hung # the process that a monitor found hanging
newest=$datadir/hamysql-series # "11.8": the series of the newest server that was started on this data; it goes with the data
version_file=$run/${OCF_RESOURCE_INSTANCE:-mysql}.version # "11.8 BINARY": the series of the binary here; "-" where it does not tell
said=$run/${OCF_RESOURCE_INSTANCE:-mysql}.out       # what the server says before it has its error log open
KILL_AFTER_HUNG=5 # seconds: what has not answered for $ping_timeout will not shut down either
KILL_AFTER_FROZEN=0 # seconds: what does nothing at all does not shut down
KILL_RESERVE=15   # seconds of stop's timeout that are left for a kill
SAY_RESERVE=10    # seconds of monitor's timeout that are left to say that a server hangs
AT_ONCE=2         # seconds: a server that answers within them has its storage not looked at
STILL=3           # seconds: storage that has not read a block within them stands still
LOOK=0.5          # seconds between two looks at the server and the storage
LATE=2            # seconds: a look that comes so late says that the node itself was short of time
IDLE=2            # percent of one processor: an idle server's own threads take 0.02
POLL=0.2          # seconds
START_POLL=0.5    # seconds: nobody waits for the agent's word, clients come when the server does, and each look takes its processor

# Without a process: pacemaker asks for this before each start, which waits for it.
meta_data() {
	echo '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="mysql" version="1.0">
<version>1.0</version>
<longdesc lang="en">
One MariaDB or MySQL server. Start returns once the server answers, after its crash recovery; stop asks it to shut down and kills
it when only 15 s of its time are left; monitor asks it for an answer. The datadir has to be there: this agent never
makes one.
</longdesc>
<shortdesc lang="en">MariaDB or MySQL server</shortdesc>
<parameters>'
	parameter binary 0 "The server itself, not mysqld_safe, which would restart it behind pacemaker's back." string /usr/sbin/mariadbd
	parameter admin_binary 0 "mariadb-admin or mysqladmin, which asks for an answer." string /usr/bin/mariadb-admin
	parameter config 0 "The option file." string /etc/mysql/my.cnf
	parameter datadir 0 "The folder of the data." string /var/lib/mysql
	parameter socket 0 "The server's unix socket." string /run/mysqld/mysqld.sock
	parameter pid 0 "The file with the server's process id." string /run/mysqld/mysqld.pid
	parameter log 0 "The server's error log." string /var/log/mysql/error.log
	parameter user 0 "The account that the server runs as." string mysql
	parameter group 0 "The group of the folder of socket and process id, where start makes it." string mysql
	parameter ping_timeout 0 "Seconds in which a server has to answer on its socket; longer is a hang." integer 20
	parameter frozen_timeout 0 "Seconds without an answer after which a server that does nothing at all is a hang; 0: nobody looks at that." integer 4
	parameter storage_timeout 0 "Seconds after which it is a hang though the storage stood still as well; 0: nobody looks at that." integer 0
	echo '</parameters>
<actions>
<action name="start" timeout="300s"/>
<action name="stop" timeout="120s"/>
<action name="monitor" timeout="60s" interval="10s" depth="0"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>'
}

# Whether $run is there, and root's alone: this agent has made it so that nobody else can enter it.
trusted() {
	[ -d "$run" ] && [ ! -L "$run" ] && [ -O "$run" ]
}

keep_notes() {
	# shellcheck disable=SC2174 # what is above it is the system's
	trusted || { mkdir -p -m 0700 "$run" && trusted; } || fail $OCF_ERR_GENERIC "$run: is not a folder of root's"
}

# The server's account as $uid and $gid, without a process where it is a local one.
account() {
	while IFS=: read -r name _ uid gid _; do
		[ "$name" = "$user" ] && return 0
	done </etc/passwd
	uid=$(id -u "$user" 2>/dev/null) && gid=$(id -g "$user")
}

# Run a program as the server's account: as_account PROGRAM ARGUMENTS
as_account() {
	setpriv --reuid="$uid" --regid="$gid" --init-groups "$@"
}

# Whether the server runs, with its process id as $pid: the process that this agent has noted. A number that another program has got
# since, and a process that nobody has buried yet, are not the server.
running() {
	pid='' born=''
	if trusted && [ -r "$own" ]; then
		read -r pid born <"$own"
		[ -n "$born" ] && alive && return 0
		# shellcheck disable=SC3013 # -nt, and -ef below: dash and bash know them
		[ "$pid_file" -nt "$own" ] || return 1
	fi
	claimed
}

alive() {
	look && [ "$since_boot" = "$born" ]
}

# The tick in which $pid was born, as $since_boot; fails where there is no such process.
look() {
	stat=''
	{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086 # numbers, and a letter
	set -- ${stat##*) }
	case $1 in [ZX]) return 1 ;; esac
	since_boot=${20} ticks=$((${12} + ${13}))
}

# Whether the server's own pid file names a server of ours that is not in the notes: an earlier version of this agent has started it, or
# somebody by hand. The file is the account's, so it is believed only where the account runs that very program.
claimed() {
	[ -f "$pid_file" ] || return 1
	pid=$(dd if="$pid_file" bs=16 count=1 iflag=nofollow,nonblock 2>/dev/null)
	case $pid in '' | 0* | *[!0-9]* | ????????*) return 1 ;; esac
	look && account && owned && runs_binary || return 1
	born=$since_boot
	[ ! -O / ] || keep_notes # not for an unprivileged caller, who may look
	! trusted || echo "$pid $born" >"$own"
}

owned() {
	real=''
	while read -r key real effective _; do
		[ "$key" != Uid: ] || break
	done 2>/dev/null <"/proc/$pid/status"
	[ "$real" = "$uid" ] && [ "$effective" = "$uid" ]
}

# Whether $pid runs the binary, or the one that was there before its package was upgraded.
runs_binary() {
	# shellcheck disable=SC3013
	[ "/proc/$pid/exe" -ef "$binary" ] && return 0
	[ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$binary") (deleted)" ]
}

# The series (major.minor) that a text begins with, as $series; fails where it begins with none. The text may be the account's.
series_in() {
	series=${1%%[!0-9.]*}
	case $series in
	.* | *..* | *[0-9][0-9][0-9][0-9]*) series='' ;;
	*.[0-9]*)
		minor=${series#*.}
		series=${series%%.*}.${minor%%.*}
		;;
	*) series='' ;;
	esac
	[ -n "$series" ]
}

# Whether the first series is newer than the second one.
is_newer() {
	[ "${1%.*}" -gt "${2%.*}" ] || { [ "${1%.*}" -eq "${2%.*}" ] && [ "${1#*.}" -gt "${2#*.}" ]; }
}

# The series of the binary as $version, "" or "-" where it does not tell. It is asked only where the note is not younger than the binary
# and its folder: a package manager gives the file the time of its build, and the folder that of its installation. Probes and monitors
# come by here as well, so a start finds the note, and a failover does not wait for that.
ask_version() {
	version='' noted=''
	[ -O / ] && [ -x "$binary" ] || return 0 # an unprivileged caller may look
	# shellcheck disable=SC2174 # as in keep_notes, which would fail a probe
	{ trusted || { mkdir -p -m 0700 "$run" && trusted; }; } 2>/dev/null || return 0
	[ ! -r "$version_file" ] || read -r version noted <"$version_file"
	# shellcheck disable=SC3013
	[ "$noted" = "$binary" ] && [ "$version_file" -nt "$binary" ] && [ "$version_file" -nt "${binary%/*}" ] && return 0
	version=$(timeout --kill-after=1 5 "$binary" --no-defaults --version 2>/dev/null </dev/null)
	ended_with=$?
	series_in "${version#*Ver }"
	version=$series
	case $ended_with in
	124 | 137) ;; # it had no time
	*) echo "${version:--} $binary" >"$version_file" ;;
	esac
}

# Leave where a newer server was started on this data than the one here: that would not read it, or read it wrongly. A start has noted it
# in the data, and mariadb-upgrade has where somebody has upgraded the data by other means since. The files are the account's: no link is
# followed, no pipe waited for. $stale says that the note has to be written.
refuse_newer_data() {
	stale=''
	ask_version
	case $version in [0-9]*) ;; *) return 0 ;; esac
	set -- "$newest"
	for file in "$datadir/mariadb_upgrade_info" "$datadir/mysql_upgrade_info"; do
		# shellcheck disable=SC3013
		if [ -f "$file" ] && ! [ "$newest" -nt "$file" ]; then
			set -- "$@" "$file"
			stale=1
		fi
	done
	for file; do
		[ -f "$file" ] && series_in "$(dd if="$file" bs=64 count=1 iflag=nofollow,nonblock 2>/dev/null)" || series=''
		[ -z "$series" ] || ! is_newer "$series" "$version" ||
			fail $OCF_ERR_INSTALLED "a server of series $series has run on this data, and the one here is $version: update this node ($file tells)"
		[ "$series" = "$version" ] || stale=1
	done
}

# Note in the data that a server of this series is about to be started, and have that on the disk before the server writes: one that dies
# at once has changed the data all the same. Processes only where that is new. On a full disk the server is started without a note.
note_series() {
	[ -n "$stale" ] || return 0
	# shellcheck disable=SC2016 # it is the other shell that expands it
	as_account sh -c 'umask 022; rm -f "$1.new" && echo "$2" >"$1.new" && sync "$1.new" && mv -fT "$1.new" "$1"' sh "$newest" "$version" 2>/dev/null
}

# Have this node's account own the data. Packages number it as they come, so it may have another number on the node that had the data last.
# The folder comes last: a node that dies meanwhile leaves the rest to the next start.
own_data() {
	owner=$(stat --format=%u:%g "$datadir") || return 0
	case $owner in
	"$uid:$gid" | 0:* | *[!0-9:]*) return 0 ;;
	esac
	echo "$datadir is the account $owner's: its files become $user's ($uid:$gid)" >&2
	find "$datadir" -xdev -depth \( -uid "${owner%:*}" -o -gid "${owner#*:}" \) -exec chown --no-dereference "$uid:$gid" {} + ||
		fail $OCF_ERR_INSTALLED "the files in $datadir are the account $owner's, and cannot be given to $user ($uid:$gid): give the account the same number on both nodes"
}

# Whether the server answers within so many seconds: answers SECONDS [exec]. One that refuses the login has answered.
answers() {
	$2 timeout --kill-after=1 "$1" "$admin_binary" --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1 </dev/null
}

# Whether the server answers, after whatever patience it is due: $frozen_timeout while it does nothing at all, $ping_timeout while it waits
# for a disk, and nearly all of the operation's own timeout while it is busy. A time in which its storage stood still says nothing of it, and
# it is given another one; $excuse is a word about that.
responds() {
	excuse='' frozen='' busy='' reader=''
	clock
	last=$((now + timeout - SAY_RESERVE))
	watch_from_now
	answers $((ping_timeout < AT_ONCE ? ping_timeout : AT_ONCE)) && return
	looked=$now
	clock
	[ $((now - looked)) -le $((AT_ONCE + LATE)) ] || watch_from_now
	end=$((now + storage_timeout))
	patience=$ping_timeout
	[ "$storage_timeout" -gt 0 ] || patience=$((ping_timeout > AT_ONCE ? ping_timeout - AT_ONCE : 1))
	while :; do
		answers_meanwhile "$patience" && return
		clock
		if [ -n "$frozen" ]; then
			excuse=', and did nothing at all meanwhile'
			return 1
		fi
		! lately_busy || excuse=', and was busy meanwhile'
		[ -n "$stood_still" ] || return 1
		excuse=', and its storage stood still meanwhile'
		[ "$now" -lt "$end" ] || return 1
		patience=$ping_timeout
	done
}

# Whether the server answers within so many seconds, or later while it is busy: answers_meanwhile SECONDS. $frozen says whether it has done
# nothing for too long instead, $stood_still whether its storage took longer than STILL for one block. A reader may be beyond any
# signal, so nobody waits for it. An error is no answer, and the question is put again: a server that is short of time drops who comes.
answers_meanwhile() {
	stood_still='' looked=$now due=$((now + $1))
	ask
	while :; do
		clock
		if ended "$asked"; then
			wait "$asked" && return
			alive || return 1
			asked=''
		fi
		if [ "$storage_timeout" -gt 0 ]; then
			if [ -z "$reader" ] || ended "$reader"; then
				read_block &
				reader=$! since=$now
			elif [ "$now" -ge $((since + STILL)) ]; then
				stood_still=1
				watch_from_now
			fi
		fi
		works && watch_from_now
		looked=$now
		if [ "$frozen_timeout" -gt 0 ] && [ $((now - idle_since)) -ge "$frozen_timeout" ] && storage_works; then
			frozen=1
			break
		fi
		[ "$now" -lt "$due" ] || { lately_busy && [ "$now" -lt "$last" ]; } || break
		[ -n "$asked" ] || ask
		sleep $LOOK
	done
	[ -z "$asked" ] || { kill "$asked" && wait "$asked"; } 2>/dev/null
	return 1
}

# Have the server asked in the background, for as long as it may take at most.
ask() {
	answers $((last > due ? last - now : due - now)) exec &
	asked=$!
}

# What the server does counts from now on.
watch_from_now() {
	idle_since=$now
	look && ticks_then=$ticks
}

# Whether there is any sign that the server does something: it took processor time; one of its threads runs, waits for a processor or
# for a disk; a debugger holds it. A look that comes late says that the node is short of time, and so is the server. $busy is when
# that was last about processors: a server whose every processor has a hundred threads to run takes long to greet one more client.
works() {
	before=$busy busy=$now
	[ $((now - looked)) -le $LATE ] || return 0
	look || return 0
	[ $((ticks - ticks_then)) -le $((1 + IDLE * (now - idle_since))) ] || return 0
	waits=''
	for task in "/proc/$pid/task"/*/stat; do
		{ read -r stat <"$task"; } 2>/dev/null || continue
		stat=${stat##*) }
		case $stat in
		R*) return 0 ;;
		[Dt]*) waits=1 ;;
		esac
	done
	busy=$before
	[ -n "$waits" ]
}

lately_busy() {
	[ -n "$busy" ] && [ $((now - busy)) -le $LATE ]
}

# Whether the last block that was asked for has come, where anybody asks.
storage_works() {
	[ "$storage_timeout" -eq 0 ] || ended "$reader"
}

# A block of the data, past all caches, in a process that may outlive this one and must not keep its output open. The folder is the
# account's: no link is followed, and no pipe waited for.
read_block() {
	exec >/dev/null 2>&1 </dev/null
	for file in ibdata1 aria_log_control; do
		dd if="$datadir/$file" of=/dev/null bs=4096 count=1 iflag=nofollow,nonblock iflag=direct && break
	done
}

validate() {
	[ -x "$binary" ] || fail $OCF_ERR_INSTALLED "$binary: no such program"
	[ -x "$admin_binary" ] || fail $OCF_ERR_INSTALLED "$admin_binary: no such program"
	[ -r "$config" ] || fail $OCF_ERR_INSTALLED "$config: no such file"
	command -v setpriv >/dev/null || fail $OCF_ERR_INSTALLED "setpriv: no such program (it comes with util-linux)"
	for given in "ping_timeout=$ping_timeout" "frozen_timeout=$frozen_timeout" "storage_timeout=$storage_timeout"; do
		value=${given#*=}
		case $value in '' | *[!0-9]*) fail $OCF_ERR_CONFIGURED "${given%%=*} is '$value', not a number of seconds" ;; esac
	done
}

monitor() {
	ask_version
	running || return $OCF_NOT_RUNNING
	clock
	began=$now
	responds && return $OCF_SUCCESS
	running || return $OCF_NOT_RUNNING
	keep_notes
	echo "$pid $frozen" >"$hung_file"
	clock
	fail $OCF_ERR_GENERIC "the server (process $pid) has not answered on $socket for $((now - began)) s$excuse"
}

start() {
	validate
	if ! running; then
		[ -d "$datadir/mysql" ] || fail $OCF_ERR_INSTALLED "$datadir: no data of a database server is there"
		account || fail $OCF_ERR_INSTALLED "$user: no such account"
		keep_notes
		refuse_newer_data
		own_data
		forget
		for folder in "${pid_file%/*}" "${socket%/*}"; do
			[ -d "$folder" ] || make_folder "$folder" || fail $OCF_ERR_GENERIC "$folder: could not be made"
		done
		sweep
		wait_for_locks
		# As a server makes it, its group could write to it. One that is root's the server could not open.
		if [ ! -f "$log" ] || { [ -O "$log" ] && [ "$uid" -ne 0 ]; }; then
			make_log || fail $OCF_ERR_GENERIC "$log: the account $user cannot write to it"
		fi
		note_series
		launch
	fi
	# The server makes its socket when the recovery is over and its ports are open.
	until [ -S "$socket" ] && answers 5; do
		if ! alive; then
			[ ! -s "$said" ] || as_account dd of="$log" oflag=append,nofollow,nonblock conv=notrunc 2>/dev/null <"$said"
			fail $OCF_ERR_GENERIC "the server ended while it started, see $log"
		fi
		sleep $START_POLL
	done
	# Younger than the server's own pid file, which is not looked at then.
	! trusted || echo "$pid $born" >"$own"
	return $OCF_SUCCESS
}

# Start the server, and note its process at once: a stop in the middle of a crash recovery, when the start has timed out, has to find it.
launch() {
	(
		# What a server that is started as root raises by itself, as far as it is configured to.
		# shellcheck disable=SC3045 # dash and bash know these options
		{ read -r most </proc/sys/fs/nr_open && ulimit -H -n "$most"; } 2>/dev/null
		# shellcheck disable=SC3045
		ulimit -l unlimited 2>/dev/null
		# In a session of its own, so that it outlives whoever called.
		exec setsid setpriv --reuid="$uid" --regid="$gid" --init-groups "$binary" --defaults-file="$config" --datadir="$datadir" \
			--socket="$socket" --pid-file="$pid_file" --log-error="$log" --user="$user" </dev/null >"$said" 2>&1
	) &
	pid=$!
	look || fail $OCF_ERR_GENERIC "the server could not be started"
	born=$since_boot
	echo "$pid $born" >"$own"
}

# Make a folder for the account: by root where only root can have put anything else in its place, else by the account itself.
make_folder() {
	above=$1
	until [ -d "$above" ]; do
		above=${above%/*}
		above=${above:-/}
	done
	if roots_alone "$above"; then
		(umask 022 && mkdir -p "$1" && chown "$user:$group" "$1")
	else
		as_account mkdir -p "$1"
	fi
}

make_log() {
	# shellcheck disable=SC2016 # it is the other shell that expands it
	as_account sh -c 'umask 027
		if [ -e "$1" ] && ! { [ -f "$1" ] && [ -w "$1" ]; }; then mv -f "$1" "$1.before"; fi
		: >>"$1"' sh "$log" 2>/dev/null && return 0
	roots_alone "${log%/*}" && (umask 027 && : >>"$log" && chown "$uid:$gid" "$log")
}

# Whether nobody but root can replace anything on the way to a folder, as it is named and as it is, or in it. In a sticky folder nobody
# can replace what is root's.
roots_alone() {
	place=$(readlink -e "$1") && roots_way "$1" && roots_way "$place"
}

roots_way() {
	way=$1 inside=''
	while :; do
		# shellcheck disable=SC2046 # two numbers and a word
		set -- $(stat --format='%u %a %F' "$way")
		[ "$1" = 0 ] || return 1
		case $inside$3:$2 in
		*symbolic:* | insidedirectory:1???) ;;
		*[2367]? | *[2367]) return 1 ;;
		esac
		inside=inside
		[ "$way" != / ] || return 0
		way=${way%/*}
		way=${way:-/}
	done
}

# What a server that was killed has left, or root: the account removes it from its own folders.
sweep() {
	for file in "$pid_file" "$socket" "$socket.lock"; do
		if [ -e "$file" ] || [ -L "$file" ]; then
			# MySQL does not start where the process in its socket's lock file lives, whatever that is by now.
			as_account rm -f "$pid_file" "$socket" "$socket.lock"
			return
		fi
	done
}

# Empty the notes, without a process.
forget() {
	trusted || return 0
	for file in "$own" "$hung_file" "$said"; do [ ! -s "$file" ] || : >"$file"; done
}

# An NFS server keeps the locks of a node that has died for its lease time, 90 s by default, and MariaDB gives up after 30 s. There a
# lock of flock is one of the same kind (flock(2), "NFS details"), and is had as soon as those have gone.
wait_for_locks() {
	case $(stat --file-system --format=%T "$datadir") in nfs*) ;; *) return 0 ;; esac
	# shellcheck disable=SC2016 # it is the other shell that expands it
	locked=$(as_account sh -c 'limit=$1; shift
		for file; do
			[ ! -f "$file" ] || flock --exclusive --wait "$limit" 9 9<>"$file" || { echo "$file"; exit 1; }
		done' sh $((timeout / 2)) "$datadir/aria_log_control" "$datadir/ibdata1") ||
		fail $OCF_ERR_GENERIC "$locked has been locked for $((timeout / 2)) s: a server on another node uses it, or one that died did"
}

# Whether a process has ended, buried or not.
ended() {
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
	state=${stat##*) }
	[ "${state%% *}" = Z ]
}

stop() {
	if running; then
		limit=$((timeout > 2 * KILL_RESERVE ? timeout - KILL_RESERVE : timeout / 2))
		hung='' frozen=''
		! trusted || [ ! -r "$hung_file" ] || read -r hung frozen <"$hung_file"
		patience=${frozen:+$KILL_AFTER_FROZEN}
		patience=${patience:-$KILL_AFTER_HUNG}
		[ "$hung" = "$pid" ] && [ "$limit" -gt "$patience" ] && limit=$patience
		kill -TERM "$pid"
		clock
		end=$((now + limit))
		while alive; do
			clock
			if [ "$now" -ge "$end" ]; then
				echo "the server (process $pid) did not shut down within $limit s and is killed" >&2
				kill -KILL "$pid"
				# It may be waiting for its disk. Without an end: pacemaker has one, and what cannot be stopped is fenced.
				while alive; do sleep $POLL; done
			else
				sleep $POLL
			fi
		done
	fi
	account && sweep
	forget
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
