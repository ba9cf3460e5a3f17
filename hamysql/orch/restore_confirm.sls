{#- Takes the data away that a restore or its undo has kept:
      salt-run state.orchestrate hamysql.orch.restore_confirm pillar='{"hamysql_confirm": "CLUSTER"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/restore.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}

hamysql-restore-confirm-checked:
  hamysql_operation.confirmation_checked:
    - confirm: {{ pillar.get("hamysql_confirm") | json }}
    - cluster: {{ cluster | json }}

hamysql-restore-confirm-confirmed:
  hamysql_operation.confirmed:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-restore-confirm-checked
