#!/bin/sh
# The cluster of the 2013 procedure, by hand, on today's Debian: hamysql.adopt describes it, and tests build it.
#
#   procedure_2013.sh files    corosync.conf and drbd.conf of this node
#   procedure_2013.sh packages what is installed, and nothing of it is started
#   procedure_2013.sh replica  the replica's metadata, and the resource up
#   procedure_2013.sh data     on one node: the first data, a file system and a database on it
#   procedure_2013.sh start    corosync and pacemaker
#   procedure_2013.sh resources on one node: what pacemaker runs, by crm
#
# What cannot be as it was: there are no init scripts, so that lsb:mysqld is an OCF agent or a unit (SERVER); corosync 3 reads no
# sections aisexec, amf and service; Debian names the nodes in a list; crm wants all properties in one statement.
set -eu

: "${NODE1:=db1}" "${NODE2:=db2}"
: "${ADDRESS1:=10.1.0.11}" "${ADDRESS2:=10.1.0.12}"
: "${VIP:=10.1.0.10}" "${PREFIX:=24}"
: "${DISK1:=/dev/sdb}"
: "${DISK2:=$DISK1}"
: "${BIND:=10.1.0.0}" "${MCAST:=239.192.10.1}"
: "${SECRET:=mySecret}"
: "${SERVER:=ocf:heartbeat:mysql}"
: "${ROOT:=}" # of the files, in a test
: "${CLUSTER:=openstack}"

case $SERVER in
ocf:*) params="params binary=/usr/sbin/mariadbd client_binary=/usr/bin/mariadb config=/etc/mysql/my.cnf datadir=/var/lib/mysql \
socket=/run/mysqld/mysqld.sock pid=/run/mysqld/mysqld.pid log=/var/log/mysql/error.log user=mysql group=mysql" ;;
*) params= ;;
esac

packages() {
	export DEBIAN_FRONTEND=noninteractive
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	apt-get -q -y install corosync pacemaker crmsh drbd-utils xfsprogs mariadb-server resource-agents psmisc
	rm /usr/sbin/policy-rc.d
	systemctl disable --now mariadb.service || true
}

files() {
	mkdir -p "$ROOT/etc/corosync" "$ROOT/var/log/cluster"
	cat >"$ROOT/etc/corosync/corosync.conf" <<-END
		totem {
			version: 2
			cluster_name: $CLUSTER
			transport: udp
			secauth: off
			threads: 0
			interface {
				ringnumber: 0
				bindnetaddr: $BIND
				mcastaddr: $MCAST
				mcastport: 5405
				ttl: 1
			}
		}
		nodelist {
			node {
				name: $NODE1
				nodeid: 1
				ring0_addr: $ADDRESS1
			}
			node {
				name: $NODE2
				nodeid: 2
				ring0_addr: $ADDRESS2
			}
		}
		quorum {
			provider: corosync_votequorum
			two_node: 1
		}
		logging {
			fileline: off
			to_stderr: no
			to_logfile: yes
			to_syslog: yes
			logfile: /var/log/cluster/corosync.log
			debug: off
			timestamp: on
		}
	END
	cat >"$ROOT/etc/drbd.conf" <<-END
		global { usage-count no; }
		resource mysql {
			startup { wfc-timeout 0; degr-wfc-timeout 120; }
			disk { on-io-error detach; resync-rate 10M; }
			net { protocol C; cram-hmac-alg "sha1"; shared-secret "$SECRET"; }
			on $NODE1 {
				device /dev/drbd0;
				disk $DISK1;
				meta-disk internal;
				address $ADDRESS1:7788;
			}
			on $NODE2 {
				device /dev/drbd0;
				disk $DISK2;
				meta-disk internal;
				address $ADDRESS2:7788;
			}
		}
	END
}

replica() {
	drbdadm create-md --force mysql
	modprobe drbd
	drbdadm up mysql
}

data() {
	drbdadm primary --force mysql
	mkfs.xfs -q -f /dev/drbd0
	mount /dev/drbd0 /mnt
	mariadb-install-db --user=mysql --datadir=/mnt --skip-test-db --auth-root-authentication-method=socket >/dev/null
	chown mysql:mysql /mnt
	umount /mnt
	drbdadm secondary mysql
}

start() {
	systemctl enable corosync pacemaker
	systemctl restart corosync pacemaker
}

resources() {
	crm -F configure property no-quorum-policy=ignore pe-warn-series-max=1000 pe-input-series-max=1000 \
		pe-error-series-max=1000 cluster-recheck-interval=5min stonith-enabled=false
	crm -F configure load update - <<-END
		primitive p_ip_mysql ocf:heartbeat:IPaddr2 params ip="$VIP" cidr_netmask="$PREFIX" op monitor interval="30s"
		primitive p_drbd_mysql ocf:linbit:drbd params drbd_resource="mysql" op start timeout="90s" op stop timeout="180s" \
		  op promote timeout="180s" op demote timeout="180s" op monitor interval="30s" role="Slave" \
		  op monitor interval="29s" role="Master"
		primitive p_mysql $SERVER $params op monitor interval="20s" timeout="10s" op start timeout="120s" op stop timeout="120s"
		primitive p_fs_mysql ocf:heartbeat:Filesystem params device="/dev/drbd0" directory="/var/lib/mysql" fstype="xfs" \
		  options="noatime" op start timeout="60s" op stop timeout="180s" op monitor interval="60s" timeout="60s"
		group g_mysql p_ip_mysql p_fs_mysql p_mysql
		ms ms_drbd_mysql p_drbd_mysql meta notify="true" clone-max="2"
		colocation c_mysql_on_drbd inf: g_mysql ms_drbd_mysql:Master
		order o_drbd_before_mysql inf: ms_drbd_mysql:promote g_mysql:start
	END
}

for step in "$@"; do
	case $step in
	packages | files | replica | data | start | resources) $step ;;
	*)
		echo "$0: $step is no step; the steps are packages, files, replica, data, start, resources" >&2
		exit 2
		;;
	esac
done
