{#- Puts the data of before a restore back; what was served since is kept until restore_confirm:
      salt-run state.orchestrate hamysql.orch.restore_undo pillar='{"hamysql_confirm": "CLUSTER"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/restore.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("restore_undo", ["checked", "undone"], {"confirm": pillar.get("hamysql_confirm")}) }}
