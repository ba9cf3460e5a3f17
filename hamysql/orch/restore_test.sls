{#- Restores a backup into a server of its own on the standby, and checks it:
      salt-run state.orchestrate hamysql.orch.restore_test [test=True]
      salt-run state.orchestrate hamysql.orch.restore_test pillar='{"hamysql_backup": "20260131T030000Z", "hamysql_node": "NODE"}'
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/backup.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set node, backup = pillar.get("hamysql_node"), pillar.get("hamysql_backup") %}
{%- for id, function in (("checked", "restore_checked"), ("restored", "restored")) %}

hamysql-restore-test-{{ id }}:
  hamysql_operation.{{ function }}:
    - node: {{ node | json }}
    - backup: {{ backup | json }}
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - hamysql_operation: hamysql-restore-test-checked
  {%- endif %}
{%- endfor %}
