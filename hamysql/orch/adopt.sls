{#- A cluster that somebody else has built, and that the pillar describes, becomes hamysql's while it serves:
      salt-run state.orchestrate hamysql.orch.adopt [test=True]
    `salt-run hamysql.adopt` writes such a pillar. With "hamysql_cluster" beside it where the master has more than one. See
    docs/operations/adopt.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("adopt", ["checked", "taken"]) }}
