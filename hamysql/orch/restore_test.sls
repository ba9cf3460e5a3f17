{#- Restores a backup into a server of its own on the standby, and checks it:
      salt-run state.orchestrate hamysql.orch.restore_test [test=True]
      salt-run state.orchestrate hamysql.orch.restore_test pillar='{"hamysql_backup": "20260131T030000Z", "hamysql_node": "NODE"}'
      salt-run state.orchestrate hamysql.orch.restore_test pillar='{"hamysql_restore_to": "2026-05-01 12:00:03"}'
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/backup.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set arguments = {"node": pillar.get("hamysql_node"), "backup": pillar.get("hamysql_backup"), "to": pillar.get("hamysql_restore_to")} %}
{{- states("restore_test", ["checked", "restored"], arguments) }}
