{#- Replaces the cluster's data by a backup; the data of before is kept until restore_confirm:
      salt-run state.orchestrate hamysql.orch.restore pillar='{"hamysql_backup": "20260131T030000Z", "hamysql_confirm": "CLUSTER"}'
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/restore.md. #}
{%- set cluster, backup = pillar.get("hamysql_cluster"), pillar.get("hamysql_backup") %}

hamysql-restore-checked:
  hamysql_operation.replacement_checked:
    - backup: {{ backup | json }}
    - confirm: {{ pillar.get("hamysql_confirm") | json }}
    - cluster: {{ cluster | json }}

hamysql-restore-prepared:
  hamysql_operation.replacement_prepared:
    - backup: {{ backup | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-restore-checked

hamysql-restore-replaced:
  hamysql_operation.replaced:
    - backup: {{ backup | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-restore-prepared
