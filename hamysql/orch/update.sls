{#- Updates packages and kernel, and boots, one node at a time; the service moves in between:
      salt-run state.orchestrate hamysql.orch.update [pillar='{"hamysql_confirm": "CLUSTER", "hamysql_cluster": "CLUSTER"}'] [test=True]
    "hamysql_confirm" is needed where the database is to be updated without a backup of hamysql's. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/update.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set phases = ["checked", "saved", "standby", "other", "finished"] %}
{{- states("update", phases, {"confirm": pillar.get("hamysql_confirm")}) }}
