{#- Replaces the cluster's data by a backup; the data of before is kept until restore_confirm:
      salt-run state.orchestrate hamysql.orch.restore pillar='{"hamysql_backup": "20260131T030000Z", "hamysql_confirm": "CLUSTER"}'
      salt-run state.orchestrate hamysql.orch.restore pillar='{"hamysql_restore_to": "2026-05-01 12:00:03", "hamysql_confirm": "CLUSTER"}'
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/restore.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set arguments = {"backup": pillar.get("hamysql_backup"), "confirm": pillar.get("hamysql_confirm"), "to": pillar.get("hamysql_restore_to")} %}
{{- states("restore", ["checked", "prepared", "replaced"], arguments) }}
