{#- Moves the service to a node, and measures how long nobody could write:
      salt-run state.orchestrate hamysql.orch.switchover pillar='{"hamysql_to": "NODE"[, "hamysql_cluster": "NAME"]}' [test=True]
    One state for each phase (_states/hamysql_operation.py). See docs/operations/switchover.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set to = pillar.get("hamysql_to") %}

hamysql-switchover-checked:
  hamysql_operation.switchover_checked:
    - to: {{ to | json }}
    - cluster: {{ cluster | json }}

hamysql-switchover-moved:
  hamysql_operation.switchover_moved:
    - to: {{ to | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-switchover-checked
