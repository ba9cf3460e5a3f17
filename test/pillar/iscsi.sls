# The 2013 procedure's other variant: an iSCSI LUN that both nodes log in to, cut off by SCSI reservations beside a management board.
hamysql:
  cluster:
    name: san
    nodes:
      db1: {addresses: [192.0.2.11, 198.51.100.11]}
      db2: {addresses: [192.0.2.12, 198.51.100.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing:
    devices:
      db1: [{agent: fence_ipmilan, options: {ip: 192.0.2.21, username: fence}, secrets: {password: canary-fence-password-1}}]
      db2: [{agent: fence_ipmilan, options: {ip: 192.0.2.22, username: fence}, secrets: {password: canary-fence-password-2}}]
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  storage:
    backend: shared
    shared:
      device: /dev/disk/by-id/wwn-0x60014051234567890abcdef012345678
      reservations: scsi
      iscsi:
        portal: '[2001:db8::40]:3261'
        target: iqn.2026-01.org.example.san:galaxy-db
        username: galaxy
        password: canary-chap-password
        initiators: {db1: 'iqn.2026-01.org.example:db1', db2: 'iqn.2026-01.org.example:db2'}
    filesystem: {type: ext4}
