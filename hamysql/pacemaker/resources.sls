# What pacemaker manages: the pillar's resources, constraints and settings, and its own `crm configure` text, each one
# change to the configuration that all nodes share. The orchestration applies this on exactly one node, when the storage
# is ready; it is no part of a highstate. The states read pillar hamysql: vip, storage, mysql, pacemaker.

hamysql-cib-resources-managed:
  hamysql_cib.managed: []

hamysql-cib-configure-text-loaded:
  hamysql_cib.configured:
    - require:
      - hamysql_cib: hamysql-cib-resources-managed
