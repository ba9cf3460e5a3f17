#!/bin/sh
# ocf:hamysql:mysql runs one MariaDB or MySQL server for pacemaker. Managed by Salt.
#
# What it does otherwise than ocf:heartbeat:mysql: it polls two to five times a second instead of every one or two seconds, it
# notices a server that hangs, tells it from one that waits for its storage, and never makes a datadir. It starts next to no
# processes: /proc and the shell's own tests say most of what it has to know.

OCF_SUCCESS=0 OCF_ERR_GENERIC=1 OCF_ERR_ARGS=2 OCF_ERR_UNIMPLEMENTED=3 OCF_ERR_INSTALLED=5 OCF_ERR_CONFIGURED=6
OCF_NOT_RUNNING=7

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
storage_timeout=${OCF_RESKEY_storage_timeout:-0}
timeout=$((${OCF_RESKEY_CRM_meta_timeout:-120000} / 1000)) # of the operation, seconds
# The process that a monitor found hanging; gone after a boot, as the process is.
hung_file=${HA_RSCTMP:-/run/resource-agents}/hamysql-${OCF_RESOURCE_INSTANCE:-mysql}.hung
KILL_AFTER_HUNG=5 # seconds: what has not answered for $ping_timeout will not shut down either
KILL_RESERVE=15   # seconds of stop's timeout that are left for a kill
AT_ONCE=2         # seconds: a server that answers within them has its storage not looked at
STILL=3           # seconds: storage that has not read a block within them stands still
LOOK=0.5          # seconds between two looks at the storage
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
	parameter binary string /usr/sbin/mariadbd "The server itself, not mysqld_safe, which would restart it behind pacemaker's back."
	parameter admin_binary string /usr/bin/mariadb-admin "mariadb-admin or mysqladmin, which asks for an answer."
	parameter config string /etc/mysql/my.cnf "The option file."
	parameter datadir string /var/lib/mysql "The folder of the data."
	parameter socket string /run/mysqld/mysqld.sock "The server's unix socket."
	parameter pid string /run/mysqld/mysqld.pid "The file with the server's process id."
	parameter log string /var/log/mysql/error.log "The server's error log."
	parameter user string mysql "The account that the server runs as."
	parameter group string mysql "The group of the folder of socket and process id."
	parameter ping_timeout integer 20 "Seconds in which a server has to answer on its socket; longer is a hang."
	parameter storage_timeout integer 0 "Seconds after which it is a hang though the storage stood still as well; 0: nobody looks at that."
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

parameter() {
	echo "<parameter name=\"$1\" unique=\"0\" required=\"0\">"
	echo "<longdesc lang=\"en\">$4</longdesc><shortdesc lang=\"en\">$4</shortdesc>"
	echo "<content type=\"$2\" default=\"$3\"/></parameter>"
}

# Leave with a reason that pacemaker shows beside the failure: fail CODE TEXT
fail() {
	echo "ocf-exit-reason:$2" >&2
	exit "$1"
}

# Seconds since boot, as $now.
clock() {
	read -r now _ </proc/uptime
	now=${now%%.*}
}

# Whether the server of the pid file runs, with its process id as $pid. A number that another program has got since, and a process
# that nobody has buried yet, are not the server.
running() {
	pid=''
	[ -r "$pid_file" ] && read -r pid <"$pid_file"
	[ -n "$pid" ] && alive
}

alive() {
	stat=''
	name=''
	{ read -r stat <"/proc/$pid/stat" && read -r name <"/proc/$pid/comm"; } 2>/dev/null || return 1
	state=${stat##*) }
	case ${state%% *} in [ZX]) return 1 ;; esac
	program=${binary##*/}
	[ "$name" = "$program" ] && return 0
	# The kernel keeps 15 characters of a name.
	[ ${#name} -eq 15 ] && [ "${program#"$name"}" != "$program" ]
}

# Whether the server answers within so many seconds: answers SECONDS. One that refuses the login has answered.
answers() {
	timeout --kill-after=1 "$1" "$admin_binary" --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1 </dev/null
}

# Whether the server answers, after whatever patience it is due. A time in which its storage stood still says nothing of it, and it is
# given another one; $excuse is a word about that.
responds() {
	excuse=''
	if [ "$storage_timeout" -eq 0 ]; then
		answers "$ping_timeout"
		return
	fi
	answers $AT_ONCE && return
	clock
	end=$((now + storage_timeout))
	reader=''
	while :; do
		answers_meanwhile && return
		clock
		[ -n "$stood_still" ] || return 1
		excuse=', and its storage stood still meanwhile'
		[ "$now" -lt "$end" ] || return 1
	done
}

# Whether the server answers in its time; $stood_still says whether its storage took longer than STILL for one block meanwhile. A reader
# may be beyond any signal, so nobody waits for it.
answers_meanwhile() {
	stood_still=''
	answers "$ping_timeout" &
	asked=$!
	until ended "$asked"; do
		clock
		if [ -z "$reader" ] || ended "$reader"; then
			read_block &
			reader=$! since=$now
		elif [ "$now" -ge $((since + STILL)) ]; then
			stood_still=1
		fi
		sleep $LOOK
	done
	wait "$asked"
}

# A block of the data, past all caches, in a process that may outlive this one and must not keep its output open.
read_block() {
	exec >/dev/null 2>&1 </dev/null
	for file in ibdata1 aria_log_control; do
		dd if="$datadir/$file" of=/dev/null bs=4096 count=1 iflag=direct && break
	done
}

validate() {
	[ -x "$binary" ] || fail $OCF_ERR_INSTALLED "$binary: no such program"
	[ -x "$admin_binary" ] || fail $OCF_ERR_INSTALLED "$admin_binary: no such program"
	[ -r "$config" ] || fail $OCF_ERR_INSTALLED "$config: no such file"
	for given in "ping_timeout=$ping_timeout" "storage_timeout=$storage_timeout"; do
		value=${given#*=}
		case $value in '' | *[!0-9]*) fail $OCF_ERR_CONFIGURED "${given%%=*} is '$value', not a number of seconds" ;; esac
	done
}

monitor() {
	running || return $OCF_NOT_RUNNING
	clock
	began=$now
	responds && return $OCF_SUCCESS
	running || return $OCF_NOT_RUNNING
	[ -d "${hung_file%/*}" ] || mkdir -p "${hung_file%/*}"
	echo "$pid" >"$hung_file"
	clock
	fail $OCF_ERR_GENERIC "the server (process $pid) has not answered on $socket for $((now - began)) s$excuse"
}

start() {
	validate
	if ! running; then
		[ -d "$datadir/mysql" ] || fail $OCF_ERR_INSTALLED "$datadir: no data of a database server is there"
		for folder in "${pid_file%/*}" "${socket%/*}"; do
			[ -d "$folder" ] || { mkdir -p "$folder" && chown "$user:$group" "$folder"; } ||
				fail $OCF_ERR_GENERIC "$folder: could not be made"
		done
		for file in "$socket" "$hung_file"; do [ ! -e "$file" ] || rm -f "$file"; done
		wait_for_locks
		# The server writes this file only after its crash recovery. A stop in the middle of that, when the start has timed out, has
		# to find the process; the account, because the server cannot write over root's file.
		{ : >"$pid_file" && chown "$user:$group" "$pid_file"; } || fail $OCF_ERR_GENERIC "$pid_file: could not be written"
		# Made here or by an earlier start, it would be root's, and the server could not open it again when it is rotated.
		[ -e "$log" ] || (umask 027 && : >"$log")
		[ ! -O "$log" ] || chown "$user" "$log"
		# In a session of its own, so that it outlives whoever called.
		setsid "$binary" --defaults-file="$config" --datadir="$datadir" --socket="$socket" --pid-file="$pid_file" \
			--log-error="$log" --user="$user" </dev/null >>"$log" 2>&1 &
		pid=$!
		echo "$pid" >"$pid_file"
		# Between fork and exec it has another name; nothing can be said of it before.
		until alive || ended "$pid"; do sleep $POLL; done
	fi
	# The server makes its socket when the recovery is over and its ports are open.
	until [ -S "$socket" ] && answers 5; do
		alive || fail $OCF_ERR_GENERIC "the server ended while it started, see $log"
		sleep $START_POLL
	done
	return $OCF_SUCCESS
}

# An NFS server keeps the locks of a node that has died for its lease time, 90 s by default, and MariaDB gives up after 30 s. There a
# lock of flock is one of the same kind (flock(2), "NFS details"), and is had as soon as those have gone.
wait_for_locks() {
	case $(stat --file-system --format=%T "$datadir") in nfs*) ;; *) return 0 ;; esac
	for file in "$datadir/aria_log_control" "$datadir/ibdata1"; do
		[ ! -f "$file" ] || flock --exclusive --wait $((timeout / 2)) "$file" true ||
			fail $OCF_ERR_GENERIC "$file has been locked for $((timeout / 2)) s: a server on another node uses it, or one that died did"
	done
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
		hung=''
		[ -r "$hung_file" ] && read -r hung <"$hung_file"
		[ "$hung" = "$pid" ] && [ "$limit" -gt $KILL_AFTER_HUNG ] && limit=$KILL_AFTER_HUNG
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
	rm -f "$pid_file" "$socket" "$hung_file"
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
