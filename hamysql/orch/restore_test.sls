{#- Restores a backup into a server of its own on the standby, and checks it:
      salt-run state.orchestrate hamysql.orch.restore_test [test=True]
      salt-run state.orchestrate hamysql.orch.restore_test pillar='{"hamysql_backup": "20260131T030000Z", "hamysql_node": "NODE"}'
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/backup.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set arguments = {"node": pillar.get("hamysql_node"), "backup": pillar.get("hamysql_backup")} %}
{{- states("restore_test", ["checked", "restored"], arguments) }}
