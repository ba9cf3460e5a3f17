{#- Updates packages and kernel, and boots, one node at a time; the service moves in between:
      salt-run state.orchestrate hamysql.orch.update [pillar='{"hamysql_confirm": "CLUSTER", "hamysql_cluster": "CLUSTER"}'] [test=True]
    "hamysql_confirm" is needed where the database is to be updated without a backup of hamysql's. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/update.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set phases = ["checked", "saved", "standby", "other", "finished"] %}
{%- for phase in phases %}

hamysql-update-{{ phase }}:
  hamysql_operation.update_{{ phase }}:
  {%- if phase == "checked" %}
    - confirm: {{ pillar.get("hamysql_confirm") | json }}
  {%- endif %}
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - hamysql_operation: hamysql-update-{{ phases[loop.index0 - 1] }}
  {%- endif %}
{%- endfor %}
