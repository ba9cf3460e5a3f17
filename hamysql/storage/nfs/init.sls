# What a node needs to mount the export (pillar hamysql:storage:nfs): its packages (hamysql.package) and the order at boot. The cluster
# alone mounts it.
include:
  - hamysql.package
  - hamysql.storage.units
