"""The ids of what hamysql has in a cluster's configuration. Operators see them and type them, so they never change."""

# Resources; the group SERVICE has VOLUME, FILE_SYSTEM and SERVER.
ADDRESS = "p_ip_mysql"
SERVER = "p_mysql"
FILE_SYSTEM = "p_fs_mysql"
VOLUME = "p_lvm_mysql"
SERVICE = "g_mysql"

# Clones, and what each node runs of them.
REPLICA, REPLICAS = "p_drbd_mysql", "ms_drbd_mysql"
WATCHER, WATCHERS = "p_network_mysql", "cl_network_mysql"

FENCE = "p_fence_"  # what a fence device's id begins with

# Constraints.
ADDRESS_WITH_SERVICE = "c_ip_with_mysql"
ADDRESS_BEFORE_SERVER = "o_ip_before_mysql"
SERVICE_WITH_REPLICA = "c_mysql_on_drbd"
REPLICA_BEFORE_SERVICE = "o_drbd_before_mysql"
ANYWHERE = "l_mysql_anywhere"
NOT_WHERE_LEAVING = "l_mysql_leaving"
NOT_WITHOUT_CARRIER = "l_mysql_carrier"
NOT_OUT_OF_REACH = "l_mysql_reach"
MOVE = "hamysql-move"

# A setting, while somebody else's cluster becomes hamysql's: pacemaker does nothing then.
ADOPTION = "hamysql-adoption"
