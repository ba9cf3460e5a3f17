# Fence devices: a management board first, then two outlets that have to be off together.
hamysql:
  cluster:
    name: fenced
    nodes:
      db1: {addresses: [192.0.2.11, 198.51.100.11]}
      db2: {addresses: [192.0.2.12, 198.51.100.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing:
    favoured: db2
    delay: 7
    devices:
      db1:
        - agent: fence_ipmilan
          options: {ip: 192.0.2.21, username: fence, lanplus: true}
          secrets: {password: canary-fence-password-1}
        - {agent: fence_apc, options: {ip: 192.0.2.31, plug: 3}, secrets: {password: canary-outlet-password}, timeout: 30}
        - {agent: fence_apc, options: {ip: 192.0.2.32, plug: 3}, secrets: {password: canary-outlet-password}, level: 2, timeout: 30}
      db2:
        - agent: fence_ipmilan
          options: {ip: 192.0.2.22, username: fence, lanplus: true}
          secrets: {password: canary-fence-password-2}
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  storage:
    drbd: {disk: /dev/sdb, shared_secret: canary-drbd-secret}
