{#- The deployment: salt-run state.orchestrate hamysql.orch [pillar='{"hamysql_cluster": "NAME"}'] [test=True]
    One state for each phase; each runs on the master and needs the one before it. What they do is described in
    _states/hamysql_orch.py. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set phases = [
  ("hamysql-members-checked", "members_checked"),
  ("hamysql-nodes-configured", "nodes_configured"),
  ("hamysql-storage-initialised", "storage_initialised"),
  ("hamysql-cluster-online", "cluster_online"),
  ("hamysql-resources-managed", "resources_managed"),
  ("hamysql-changes-rolled", "changes_rolled"),
  ("hamysql-service-answering", "service_answering"),
  ("hamysql-accounts-managed", "accounts_managed"),
  ("hamysql-summarised", "summarised"),
] %}
{%- for id, function in phases %}

{{ id }}:
  hamysql_orch.{{ function }}:
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - hamysql_orch: {{ phases[loop.index0 - 1][0] }}
  {%- endif %}
{%- endfor %}
