{#- Compares both replicas of the data while the database serves, and makes the standby's equal again if that is wanted:
      salt-run state.orchestrate hamysql.orch.verify [test=True]
      salt-run state.orchestrate hamysql.orch.verify pillar='{"hamysql_resynchronise": true}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/verify.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set equal = pillar.get("hamysql_resynchronise") is true %}

hamysql-verify-checked:
  hamysql_operation.verify_checked:
    - cluster: {{ cluster | json }}

hamysql-verify-verified:
  hamysql_operation.verified:
    - resynchronise: {{ equal | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-verify-checked
{%- if equal %}

hamysql-verify-resynchronised:
  hamysql_operation.resynchronised:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-verify-verified
{%- endif %}
