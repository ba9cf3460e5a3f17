#!/bin/sh
# ipmitool for the fence agents, without the list of all vendors. Managed by Salt.
#
# ipmitool 1.8.19 reads the names of 60 thousand vendors at each start (oem_info_list_load), and none of them for what a fence agent asks:
# four fifths of the work, at each of its starts (up to five for a reboot), while a failover waits. A list in the user's own folder goes before that, and
# this user's has one line. It must not be empty: without a vendor ipmitool ends with an error.
HOME=/usr/lib/hamysql/ipmi exec /usr/bin/ipmitool "$@"
