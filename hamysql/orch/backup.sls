{#- Takes a backup now, on the node that serves:
      salt-run state.orchestrate hamysql.orch.backup [pillar='{"hamysql_cluster": "NAME"}'] [test=True]
    One state for each phase (_states/hamysql_operation.py). See docs/operations/backup.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}

hamysql-backup-checked:
  hamysql_operation.backup_checked:
    - cluster: {{ cluster | json }}

hamysql-backup-taken:
  hamysql_operation.backup_taken:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-backup-checked
