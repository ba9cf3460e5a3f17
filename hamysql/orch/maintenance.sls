{#- Takes a node out of the service, or back into it:
      salt-run state.orchestrate hamysql.orch.maintenance pillar='{"hamysql_drain": "NODE"}' [test=True]
      salt-run state.orchestrate hamysql.orch.maintenance pillar='{"hamysql_return": "NODE"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/maintenance.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set drain, back = pillar.get("hamysql_drain"), pillar.get("hamysql_return") %}
{%- set operation = "drain" if drain and not back else "return" if back and not drain else "maintenance" %}
{%- set phases = {"drain": ["checked", "drained"], "return": ["checked", "returned"], "maintenance": ["checked"]}[operation] %}
{{- states(operation, phases, {"node": drain or back} if operation != "maintenance" else {}, subject="maintenance") }}
