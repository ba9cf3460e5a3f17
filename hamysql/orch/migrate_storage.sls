{#- Moves the data of a running cluster to another kind of storage, the one that the pillar names now (hamysql:storage:backend):
      salt-run state.orchestrate hamysql.orch.migrate_storage [pillar='{"hamysql_cluster": "NAME"}'] [test=True]
    The service stops once, for the last pass of the copy. One state for each phase, as in init.sls; the first four are in
    _states/hamysql_migration.py, the others are the deployment's own (_states/hamysql_orch.py). See docs/storage/move.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set phases = [
  ("hamysql-migration-checked", "hamysql_migration", "checked"),
  ("hamysql-migration-prepared", "hamysql_migration", "prepared"),
  ("hamysql-migration-copied", "hamysql_migration", "copied"),
  ("hamysql-migration-switched", "hamysql_migration", "switched"),
  ("hamysql-nodes-configured", "hamysql_orch", "nodes_configured"),
  ("hamysql-cluster-online", "hamysql_orch", "cluster_online"),
  ("hamysql-resources-managed", "hamysql_orch", "resources_managed"),
  ("hamysql-changes-rolled", "hamysql_orch", "changes_rolled"),
  ("hamysql-service-answering", "hamysql_orch", "service_answering"),
  ("hamysql-accounts-managed", "hamysql_orch", "accounts_managed"),
  ("hamysql-summarised", "hamysql_orch", "summarised"),
] %}
{%- for id, module, function in phases %}

{{ id }}:
  {{ module }}.{{ function }}:
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - {{ phases[loop.index0 - 1][1] }}: {{ phases[loop.index0 - 1][0] }}
  {%- endif %}
{%- endfor %}
