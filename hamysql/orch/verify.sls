{#- Compares both replicas of the data while the database serves, and makes the standby's equal again if that is wanted:
      salt-run state.orchestrate hamysql.orch.verify [test=True]
      salt-run state.orchestrate hamysql.orch.verify pillar='{"hamysql_resynchronise": true}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/verify.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set equal = pillar.get("hamysql_resynchronise") is true %}
{%- set phases = ["checked", "verified", "resynchronised"] if equal else ["checked", "verified"] %}
{{- states("verify", phases, {"resynchronise": equal}) }}
