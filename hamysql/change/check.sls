# Before any file is written: does the pillar ask for something that cannot be changed while the cluster is in service? It also
# notes what the running database was started with, which nobody can tell once its option file is another one.
hamysql-change-possible:
  hamysql_change.possible: []

# What there is before it is changed (docs/operations/undo.md). The last 20 checkpoints stay.
hamysql-checkpoint-kept:
  hamysql_checkpoint.kept:
    - require:
      - hamysql_change: hamysql-change-possible

# What asks corosync, DRBD, the database server, iptables, nft, firewalld or multipath whether it can read a file that is about to replace the good one.
hamysql-change-check-program-managed:
  file.managed:
    - name: /usr/lib/hamysql/check-config
    - source: salt://hamysql/change/files/check-config.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_change: hamysql-change-possible
      - hamysql_checkpoint: hamysql-checkpoint-kept
