{#- Takes over a cluster that somebody else has built and `salt-run hamysql.adopt` has described, while it serves:
      salt-run state.orchestrate hamysql.orch.adopt [pillar='{"hamysql_confirm": "CLUSTER", "hamysql_cluster": "CLUSTER"}'] [test=True]
    "hamysql_confirm" is needed where the pillar has no fence devices. One state for each phase (_states/hamysql_operation.py).
    See docs/operations/adopt.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("adopt", ["checked", "held", "laid", "exchanged"], {"confirm": pillar.get("hamysql_confirm")}) }}
