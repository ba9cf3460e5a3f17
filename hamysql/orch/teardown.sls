{#- Gives the machines of a cluster back, and keeps its data:
      salt-run state.orchestrate hamysql.orch.teardown test=True
      salt-run state.orchestrate hamysql.orch.teardown pillar='{"hamysql_confirm": "NAME"}'
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/teardown.md. #}
{%- set cluster, confirm = pillar.get("hamysql_cluster"), pillar.get("hamysql_confirm") %}

hamysql-teardown-checked:
  hamysql_operation.teardown_checked:
    - confirm: {{ confirm | json }}
    - cluster: {{ cluster | json }}

hamysql-teardown-stopped:
  hamysql_operation.teardown_stopped:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-teardown-checked

hamysql-teardown-removed:
  hamysql_operation.teardown_removed:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-teardown-stopped
