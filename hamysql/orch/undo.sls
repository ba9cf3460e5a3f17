{#- Puts back the cluster's configuration of a checkpoint, as far as hamysql owns it:
      salt-run state.orchestrate hamysql.orch.undo pillar='{"hamysql_checkpoint": "20260131T100000Z"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/undo.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("undo", ["checked", "restored"], {"checkpoint": pillar.get("hamysql_checkpoint")}) }}
