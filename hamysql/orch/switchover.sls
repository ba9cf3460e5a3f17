{#- Moves the service to a node, and measures how long nobody could write:
      salt-run state.orchestrate hamysql.orch.switchover pillar='{"hamysql_to": "NODE"[, "hamysql_cluster": "NAME"]}' [test=True]
    One state for each phase (_states/hamysql_operation.py). See docs/operations/switchover.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("switchover", ["checked", "moved"], {"to": pillar.get("hamysql_to")}) }}
