# The lab's pillar: one cluster of the two nodes. Every secret in it is a constant of the lab, published with the
# project: never use one elsewhere.
hamysql:
  cluster:
    name: galaxy-db
    nodes:
      db1: {minion_id: db1, addresses: [10.77.1.11, 10.77.2.11]}
      db2: {minion_id: db2, addresses: [10.77.1.12, 10.77.2.12]}
  vip: {address: 10.77.1.100, prefix: 24, interface: eth0}
  fencing:
    devices:
      db1:
        - agent: fence_ipmilan
          options: {ip: 10.77.1.111, username: fence, lanplus: true, power_wait: 0}
          secrets: {password: lab-only-bmc}
      db2:
        - agent: fence_ipmilan
          options: {ip: 10.77.1.112, username: fence, lanplus: true, power_wait: 0}
          secrets: {password: lab-only-bmc}
  corosync:
    transport: knet
    authkey: "f2ed20c5a23708e9ce8c07d817480f4881e3b2415ce444bd1cd3a9cba128656c9690f3e130097a5431e29c4086488902a8317f61b5b26a0d6d1ee06026663198a690499c04776c0e5e24992affd9b0b52c0086a5bbebc48d8255b3c108806c0fd8aaf8c468b540ed882f571fa4eda7c210ad55ac959a467bd55932c345493a13"
  repo:
    repositories:
      main:
        name: "deb [trusted=yes] file:/srv/repo/main bookworm main"
        file: /etc/apt/sources.list.d/hamysql-main.list
      crmsh:
        name: "deb [trusted=yes] file:/srv/repo/crmsh bookworm main"
        file: /etc/apt/sources.list.d/hamysql-crmsh.list
        packages: [crmsh]
        disable_after_install: true
  firewall:
    client_networks: [10.77.1.0/24]
  storage:
    backend: drbd
    drbd:
      disk: /dev/ubdb
      shared_secret: lab-only-drbd-secret
    filesystem: {type: xfs}
  mysql:
    flavor: mariadb
    config:
      mysqld:
        # The nodes have 1 GiB of memory and an address space too small for MariaDB's own default of 8 TiB.
        innodb_buffer_pool_size_max: 256M
        innodb_buffer_pool_size: 64M
        innodb_log_file_size: 32M
        innodb_flush_log_at_trx_commit: 1
        max_connections: 50
        # Caches of other engines than InnoDB, 128 MiB each by default, and InnoDB's of its log, 16 MiB
        key_buffer_size: 1M
        aria_pagecache_buffer_size: 8M
        innodb_log_buffer_size: 2M
    databases:
      - name: probe
    users:
      - name: probe
        host: "%"
        password: lab-only-probe-password
        grants:
          - {privileges: [ALL], "on": "probe.*"}
  pacemaker:
    rsc_defaults: {failure-timeout: 60s}  # tests wait for it; the default is 5min
