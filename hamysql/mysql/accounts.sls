# The pillar's databases, users and grants. Not part of a highstate: the orchestration applies it on the node where the
# database is active. The state reads the pillar itself, so that no password is in an SLS file or a job's arguments.
hamysql-mysql-accounts-managed:
  hamysql_mysql.managed: []
