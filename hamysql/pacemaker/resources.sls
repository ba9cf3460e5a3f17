{#- What pacemaker manages: the pillar's resources, constraints, properties and own `crm configure` text, as one change
    each in the configuration that all nodes share. The orchestration applies this on exactly one node, when the storage
    is ready; it is no part of a highstate. Reads pillar hamysql: vip, storage, mysql, pacemaker. #}
hamysql-cib-resources-managed:
  hamysql_cib.managed: []

hamysql-cib-configure-text-loaded:
  hamysql_cib.configured:
    - require:
      - hamysql_cib: hamysql-cib-resources-managed
