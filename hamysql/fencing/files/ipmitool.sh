#!/bin/sh
# ipmitool for the fence agents, without the list of all vendors, and without a password in the process list. Managed by Salt.
#
# ipmitool 1.8.19 reads the names of 60 thousand vendors at each start (oem_info_list_load), and none of them for what a fence agent asks:
# four fifths of the work, at each of its starts (up to five for a reboot), while a failover waits. A list in the user's own folder goes before that, and
# this user's has one line. It must not be empty: without a vendor ipmitool ends with an error.
#
# A fence agent gives the password as an argument, which every local user can see while ipmitool runs. ipmitool also takes it from its
# environment (-E), which root alone can read.

count=$#
while [ "$count" -gt 0 ]; do
	word=$1 count=$((count - 1))
	shift
	if [ "$word" = -P ] && [ "$count" -gt 0 ]; then
		IPMI_PASSWORD=$1 count=$((count - 1)) word=-E
		export IPMI_PASSWORD
		shift
	fi
	set -- "$@" "$word"
done
HOME=/usr/lib/hamysql/ipmi exec /usr/bin/ipmitool "$@"
