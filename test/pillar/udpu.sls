# Unicast UDP, no packet filter.
hamysql:
  cluster:
    name: unicast
    nodes:
      db1: {addresses: [192.0.2.11]}
      db2: {addresses: [192.0.2.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing: {i_accept_data_loss_without_fencing: true}
  corosync: {transport: udpu}
  firewall: {backend: none}
  storage:
    drbd: {disk: /dev/sdb, shared_secret: canary-drbd-secret}
