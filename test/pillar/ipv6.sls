# Two encrypted links, one of each family; replication and clients on IPv6; ext4; options of every free kind.
hamysql:
  cluster:
    name: six
    nodes:
      db1: {addresses: [192.0.2.11, '2001:db8::11'], disk: /dev/vg0/mysql}
      db2: {addresses: [192.0.2.12, '2001:db8::12'], disk: /dev/nvme0n1p3}
  vip: {address: '2001:db8::100', prefix: 64, interface: eth1}
  fencing: {i_accept_data_loss_without_fencing: true}
  corosync:
    port: 5505
    crypto_cipher: aes128
    crypto_hash: sha512
    authkey: canary-authkey-0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a697887
    options:
      totem: {consensus: 3000, join: 60}
      quorum: {last_man_standing: 0}
      logging: {debug: 'on'}
      interface: {knet_ping_interval: 500, knet_ping_timeout: 1500}
  repo:
    repositories:
      site: {name: 'deb [signed-by=/etc/apt/keyrings/site.asc] https://repo.example.org/debian bookworm main', key_url: 'salt://keys/site.asc'}
      crm: {name: 'deb [trusted=yes] file:/srv/crm ./', packages: [crmsh], disable_after_install: true}
  package: {further: [percona-toolkit], versions: {corosync: 3.1.7-1}, hold: true}
  firewall: {client_networks: ['2001:db8::/64', '::/0']}
  storage:
    drbd:
      device: /dev/drbd7
      disk: /dev/sdb
      link: 1
      port: 7799
      protocol: B
      shared_secret: 'canary drbd;secret#{}'
      rate: auto
      usage_count: true
      options:
        global: {minor-count: 32}
        startup: {outdated-wfc-timeout: 10}
        disk: {al-extents: 1237, c-max-rate: 200M}
        net: {max-buffers: 8000, after-sb-0pri: discard-zero-changes, verify-alg: sha1}
        handlers: {pri-lost-after-sb: 'echo b > /proc/sysrq-trigger'}
    filesystem: {type: ext4, options: 'noatime,nodiratime', mkfs_options: [-m, 0]}
  mysql:
    config:
      mysqld: {skip-name-resolve: true, sql_mode: 'STRICT_TRANS_TABLES,NO_ZERO_DATE', init_connect: "SET NAMES 'utf8mb4' # all", skip_external_locking: null}
      client: {default-character-set: utf8mb4}
    databases: [{name: app, character_set: latin1, collate: latin1_swedish_ci}]
    users:
      - {name: app, host: '2001:db8::%', password: 'canary-pass word''"\', grants: [{privileges: [select, 'CREATE TEMPORARY TABLES'], 'on': app.*}, {privileges: ['update (a, b)'], 'on': app.t}, {privileges: [usage], 'on': '*.*'}]}
      - {name: local, host: localhost, auth: unix_socket}
  pacemaker:
    rsc_defaults: {migration-threshold: 3}
    operations: {p_mysql: {monitor: {interval: 10s}}}
    configure: |
      primitive p_dummy ocf:heartbeat:Dummy \
        op monitor interval=30s
