{#- Puts back the cluster's configuration of a checkpoint, as far as hamysql owns it:
      salt-run state.orchestrate hamysql.orch.undo pillar='{"hamysql_checkpoint": "20260131T100000Z"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/undo.md. #}
{%- set cluster, checkpoint = pillar.get("hamysql_cluster"), pillar.get("hamysql_checkpoint") %}

hamysql-undo-checked:
  hamysql_operation.undo_checked:
    - checkpoint: {{ checkpoint | json }}
    - cluster: {{ cluster | json }}

hamysql-undo-restored:
  hamysql_operation.undo_restored:
    - checkpoint: {{ checkpoint | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-undo-checked
