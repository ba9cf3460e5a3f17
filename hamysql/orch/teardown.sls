{#- Gives the machines of a cluster back, and keeps its data:
      salt-run state.orchestrate hamysql.orch.teardown test=True
      salt-run state.orchestrate hamysql.orch.teardown pillar='{"hamysql_confirm": "NAME"}'
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/teardown.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("teardown", ["checked", "stopped", "removed"], {"confirm": pillar.get("hamysql_confirm")}) }}
