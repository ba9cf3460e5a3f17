# After all files are written: the running services take over what they can without an interruption. The rest is reported
# as pending; the orchestration restarts, standby first.
include:
  - hamysql.change.check
  - hamysql.corosync
  - hamysql.storage
  - hamysql.mysql

hamysql-change-applied:
  hamysql_change.applied:
    - require:
      - hamysql_change: hamysql-change-possible
      - sls: hamysql.corosync
      - sls: hamysql.corosync.config
      - sls: hamysql.storage
      - sls: hamysql.mysql
