# MySQL from Oracle, borrowed from Debian sid for a Debian 13 node.
hamysql:
  cluster:
    name: oracle
    nodes:
      db1: {addresses: [192.0.2.11]}
      db2: {addresses: [192.0.2.12]}
  vip: {address: 192.0.2.100, prefix: 24, interface: eth0}
  fencing: {i_accept_data_loss_without_fencing: true}
  corosync: {authkey: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0}
  storage:
    drbd: {disk: /dev/sdb, shared_secret: canary-drbd-secret}
  repo:
    repositories:
      # Added, used for the packages below and what they need, and disabled again.
      sid:
        name: deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example.org/debian sid main
        packages: [mysql-server, mysql-client]
        disable_after_install: true
  mysql:
    flavor: mysql
    config:
      mysqld: {max_connections: 200}
    roles:
      - name: reader
        grants:
          - {privileges: [SELECT], 'on': 'app.*'}
    databases:
      - {name: app}
    users:
      - name: app
        host: '%'
        password: canary-app-password
        roles: [reader]
        default_role: reader
        grants:
          - {privileges: [ALL], 'on': 'app.*'}
      - name: backup
        host: localhost
        auth: unix_socket
        grants:
          - {privileges: [BACKUP_ADMIN, PROCESS], 'on': '*.*'}
