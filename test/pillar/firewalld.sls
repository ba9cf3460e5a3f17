# firewalld instead of iptables: two links, one of each family, and clients of two networks.
hamysql:
  cluster:
    name: zones
    nodes:
      db1: {addresses: [192.0.2.11, '2001:db8::11']}
      db2: {addresses: [192.0.2.12, '2001:db8::12']}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing: {i_accept_data_loss_without_fencing: true}
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  firewall: {backend: firewalld, client_networks: [10.1.0.0/24, 192.0.2.200/32]}
  storage:
    drbd: {disk: /dev/sdb, shared_secret: canary-drbd-secret}
