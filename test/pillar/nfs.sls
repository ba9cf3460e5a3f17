# An NFS server's export.
hamysql:
  cluster:
    name: nas
    nodes:
      db1: {addresses: [192.0.2.11]}
      db2: {addresses: [192.0.2.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing:
    devices:
      db1: [{agent: fence_ipmilan, options: {ip: 192.0.2.21, username: fence}, secrets: {password: canary-fence-password-1}}]
      db2: [{agent: fence_ipmilan, options: {ip: 192.0.2.22, username: fence}, secrets: {password: canary-fence-password-2}}]
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  storage:
    backend: nfs
    nfs: {server: nas.example.org, export: /srv/galaxy-db, version: 4.2}
