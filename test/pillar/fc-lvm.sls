# A Fibre Channel LUN below multipath with LVM on it; its reservations are the only fence device.
hamysql:
  cluster:
    name: fibre
    nodes:
      db1: {addresses: [192.0.2.11]}
      db2: {addresses: [192.0.2.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  storage:
    backend: shared
    shared:
      device: /dev/mapper/galaxy
      reservations: mpath
      lvm: {volume_group: galaxy-db, size: 100G}
