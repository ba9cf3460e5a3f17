# shellcheck shell=sh
# What several agents of hamysql have in common, and DRBD's handler. They source it, which starts no process. Managed by Salt.
#
# It is never replaced: an agent may run at any moment, and must not meet the file of another version. So a change gets the next number
# in its name, here and in all who source it. The old file stays on the nodes.

# shellcheck disable=SC2034 # for who sources it
OCF_SUCCESS=0 OCF_ERR_GENERIC=1 OCF_ERR_ARGS=2 OCF_ERR_UNIMPLEMENTED=3 OCF_ERR_INSTALLED=5 OCF_ERR_CONFIGURED=6
# shellcheck disable=SC2034
OCF_NOT_RUNNING=7 OCF_RUNNING_PROMOTED=8

# One parameter of the metadata: parameter NAME REQUIRED TEXT [TYPE DEFAULT]
parameter() {
	echo "<parameter name=\"$1\" unique=\"0\" required=\"$2\">"
	echo "<longdesc lang=\"en\">$3</longdesc><shortdesc lang=\"en\">$3</shortdesc>"
	echo "<content type=\"${4:-string}\"${5:+ default=\"$5\"}/></parameter>"
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
