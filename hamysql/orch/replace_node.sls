{#- A blank machine takes the place of a node that died for good, while the other node serves. The pillar has the new machine:
      salt-run state.orchestrate hamysql.orch.replace_node pillar='{"hamysql_replace": "DEAD"[, "hamysql_cluster": "NAME"]}' [test=True]
    DEAD is the name that the cluster knows it by. With "hamysql_newer": true beside it the new machine may have a newer release.
    One state for each phase (_states/hamysql_operation.py). See docs/operations/replace_node.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set phases = ["checked", "released", "joined", "synchronised"] %}
{{- states("replace_node", phases, {"node": pillar.get("hamysql_replace"), "newer": pillar.get("hamysql_newer", False)}) }}
