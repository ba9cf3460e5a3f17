{#- Puts the data of before a restore back; what was served since is kept until restore_confirm:
      salt-run state.orchestrate hamysql.orch.restore_undo pillar='{"hamysql_confirm": "CLUSTER"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/restore.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}

hamysql-restore-undo-checked:
  hamysql_operation.replacement_undo_checked:
    - confirm: {{ pillar.get("hamysql_confirm") | json }}
    - cluster: {{ cluster | json }}

hamysql-restore-undo-undone:
  hamysql_operation.replacement_undone:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-restore-undo-checked
