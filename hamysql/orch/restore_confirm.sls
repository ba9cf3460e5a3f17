{#- Takes the data away that a restore or its undo has kept:
      salt-run state.orchestrate hamysql.orch.restore_confirm pillar='{"hamysql_confirm": "CLUSTER"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/restore.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("restore_confirm", ["checked", "confirmed"], {"confirm": pillar.get("hamysql_confirm")}) }}
