{#- An asynchronous replica of the virtual IP is set up, and seeded from a backup; one that is broken gets the data anew:
      salt-run state.orchestrate hamysql.orch.replica [pillar='{"hamysql_replica": "NAME"}'] [test=True]
      salt-run state.orchestrate hamysql.orch.replica pillar='{"hamysql_replica": "NAME", "hamysql_confirm": "CLUSTER"}'
    "hamysql_backup": "20260131T030000Z" has it begin with that backup; a new one is taken by default. See docs/operations/replica.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set arguments = {"replica": pillar.get("hamysql_replica"), "backup": pillar.get("hamysql_backup"), "confirm": pillar.get("hamysql_confirm")} %}
{{- states("replica", ["checked", "configured", "prepared", "replaced", "follows"], arguments) }}
