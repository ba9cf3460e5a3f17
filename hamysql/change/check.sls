# Before any file is written: does the pillar ask for something that cannot be changed while the cluster is in service? It also
# notes what the running database was started with, which nobody can tell once its option file is another one.
hamysql-change-possible:
  hamysql_change.possible: []
