#!/bin/sh
# Managed by Salt: /usr/lib/hamysql/check-config asks a file's own program whether it can read a new one, before that replaces the good one.
#
#   check-config corosync|drbd|firewalld|iptables|ip6tables|multipath|nftables FILE
#   check-config mysql SERVER CONFIG FILE          CONFIG: the file that the server itself begins with
#
# Exits with 0 where the program accepts the file, and where it is not installed yet; else with 1, and the program's own words.
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
said=$folder/said

installed() {
	command -v "$1" >/dev/null 2>&1
}

# ask PROGRAM ARGUMENT... : what it prints of the configuration may hold secrets, so only its errors are kept.
ask() {
	timeout 60 "$@" >/dev/null 2>"$said"
}

refuse() {
	echo "$1 does not accept the new file, and the old one is kept:" >&2
	grep -v 'modinfo: not found' "$said" >&2
	exit 1
}

corosync_reads() {
	# The key is another file's matter, and so is the log, whose folder may not be there yet.
	head -c 256 /dev/zero >"$folder/key"
	{
		cat "$1"
		printf 'totem {\n  keyfile: %s\n}\n' "$folder/key"
		printf 'logging {\n  logfile: %s\n  to_stderr: yes\n}\n' "$folder/log"
	} >"$folder/corosync.conf"
	ask corosync -t -c "$folder/corosync.conf" && return 0
	# Whether the node is a member is not for its configuration to say.
	grep -q 'No valid name found for local host' "$said"
}

drbd_reads() {
	ask drbdadm --config-file "$1" dump && return 0
	# The syntax of 8.4, for a kernel module that is not loaded: drbdadm asks the loaded one.
	[ -x /lib/drbd/drbdadm-84 ] || return 1
	cp "$said" "$folder/first"
	ask /lib/drbd/drbdadm-84 --config-file "$1" dump && return 0
	cp "$folder/first" "$said"
	return 1
}

# takes SERVER FILE : the server ends with 0 although it does not take a value of InnoDB's, or takes a switch for off.
takes() {
	case $("$1" --version 2>/dev/null) in
	*MariaDB*) ask "$1" --defaults-file="$2" --verbose --help || return 1 ;;
	# MySQL's help ends with 0 for a name that it does not know. Nothing of this is for the log of the server that runs.
	*) ask "$1" --defaults-file="$2" --validate-config --skip-log-error --log-error-verbosity=2 || return 1 ;;
	esac
	grep -E "Error while setting value|Unknown suffix|(wasn't|was not) recognized" "$said" >"$folder/values" || return 0
	mv "$folder/values" "$said"
	return 1
}

server_reads() {
	takes "$1" "$3" && return 0
	# An option may be one of a plugin that another file loads.
	[ -r "$2" ] || return 1
	cp "$said" "$folder/first"
	printf '!include %s\n!include %s\n' "$2" "$3" >"$folder/all.cnf"
	takes "$1" "$folder/all.cnf" && return 0
	cp "$folder/first" "$said"
	return 1
}

firewalld_reads() {
	# It checks a whole folder of configuration, and ends with 0 whatever it says of a rule.
	mkdir -p "$folder/firewalld/policies" && cp "$1" "$folder/firewalld/policies/hamysql.xml" || return 1
	echo DefaultZone=public >"$folder/firewalld/firewalld.conf"
	ask firewall-offline-cmd --system-config "$folder/firewalld" --check-config || return 1
	! grep -qE 'INVALID|MISSING|Failed to load' "$said"
}

multipath_reads() {
	# It ends with 0 whatever a file says, complains about what it skips, and reads no other folder than its own: a namespace has
	# the new file there. Without one (a container) nobody can be asked.
	mkdir -p /etc/multipath/conf.d "$folder/conf.d" && cp "$1" "$folder/conf.d/hamysql.conf" || return 1
	unshare --mount true 2>/dev/null || return 0
	# shellcheck disable=SC2016 # the inner shell's
	ask unshare --mount sh -c 'mount --bind "$1" /etc/multipath/conf.d && exec multipath -t' sh "$folder/conf.d"
	# What it says of the site's own files is none of ours.
	grep -F /etc/multipath/conf.d/hamysql.conf "$said" >"$folder/ours" || return 0
	mv "$folder/ours" "$said"
	return 1
}

kind=$1
shift
case $kind in
corosync)
	! installed corosync || corosync_reads "$1" || refuse corosync
	;;
drbd)
	! installed drbdadm || drbd_reads "$1" || refuse drbdadm
	;;
mysql)
	! installed "$1" || server_reads "$@" || refuse "$1"
	;;
iptables | ip6tables)
	! installed "$kind-restore" || ask "$kind-restore" --test --noflush "$1" || refuse "$kind-restore"
	;;
firewalld)
	! installed firewall-offline-cmd || firewalld_reads "$1" || refuse firewall-offline-cmd
	;;
nftables)
	! installed nft || ask nft --check --file "$1" || refuse nft
	;;
multipath)
	! installed multipath || multipath_reads "$1" || refuse multipath
	;;
*)
	echo "check-config: no such kind of file: $kind" >&2
	exit 2
	;;
esac
