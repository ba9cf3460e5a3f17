{#- A blank machine takes the place of a node that died for good, while the other node serves. The pillar has the new machine:
      salt-run state.orchestrate hamysql.orch.replace_node pillar='{"hamysql_replace": "DEAD"[, "hamysql_cluster": "NAME"]}' [test=True]
    DEAD is the name that the cluster knows it by. One state for each phase (_states/hamysql_operation.py). See
    docs/operations/replace_node.md. #}
{%- set cluster, dead = pillar.get("hamysql_cluster"), pillar.get("hamysql_replace") %}
{%- set phases = ["checked", "released", "joined", "synchronised"] %}
{%- for phase in phases %}

hamysql-replace-node-{{ phase }}:
  hamysql_operation.replace_{{ phase }}:
    - node: {{ dead | json }}
    - cluster: {{ cluster | json }}
  {%- if not loop.first %}
    - require:
      - hamysql_operation: hamysql-replace-node-{{ phases[loop.index0 - 1] }}
  {%- endif %}
{%- endfor %}
