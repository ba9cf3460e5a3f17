# What is different from pillar.sls with MySQL from Oracle; each section here takes the place of the one there, and the
# repository is added.
hamysql:
  repo:
    repositories:
      mysql:
        name: "deb [trusted=yes] file:/srv/repo/mysql bookworm main"
        file: /etc/apt/sources.list.d/hamysql-mysql.list
        packages: [mysql-server, mysql-client]
        disable_after_install: true
  mysql:
    flavor: mysql
    config:
      mysqld:
        innodb_buffer_pool_size: 64M
        innodb_redo_log_capacity: 64M
        innodb_flush_log_at_trx_commit: 1
        innodb_log_buffer_size: 2M
        max_connections: 50
        key_buffer_size: 1M
    databases:
      - name: probe
    users:
      - name: probe
        host: "%"
        password: lab-only-probe-password
        grants:
          - {privileges: [ALL], "on": "probe.*"}
