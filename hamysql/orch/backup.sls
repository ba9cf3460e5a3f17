{#- Takes a backup now, on the node that serves:
      salt-run state.orchestrate hamysql.orch.backup [pillar='{"hamysql_cluster": "NAME"}'] [test=True]
    One state for each phase (_states/hamysql_operation.py). See docs/operations/backup.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("backup", ["checked", "taken"]) }}
