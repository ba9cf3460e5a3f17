{#- Takes a node out of the service, or back into it:
      salt-run state.orchestrate hamysql.orch.maintenance pillar='{"hamysql_drain": "NODE"}' [test=True]
      salt-run state.orchestrate hamysql.orch.maintenance pillar='{"hamysql_return": "NODE"}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/maintenance.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set drain, back = pillar.get("hamysql_drain"), pillar.get("hamysql_return") %}
{%- set word = "drain" if drain and not back else "return" if back and not drain else "none" %}
{%- set phases = {
  "drain": [("hamysql-maintenance-checked", "drain_checked"), ("hamysql-maintenance-drained", "drained")],
  "return": [("hamysql-maintenance-checked", "return_checked"), ("hamysql-maintenance-returned", "returned")],
  "none": [("hamysql-maintenance-checked", "maintenance_refused")],
}[word] %}
{%- for id, function in phases %}

{{ id }}:
  hamysql_operation.{{ function }}:
  {%- if word != "none" %}
    - node: {{ (drain or back) | json }}
  {%- endif %}
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - hamysql_operation: {{ phases[loop.index0 - 1][0] }}
  {%- endif %}
{%- endfor %}
