{#- Has the cluster use other secrets, while the database serves: those that the pillar has now, or new ones in a file that
    `salt-run hamysql.secrets` has made:
      salt-run state.orchestrate hamysql.orch.rotate_secrets [test=True]
      salt-run state.orchestrate hamysql.orch.rotate_secrets pillar='{"hamysql_file": "/srv/pillar/galaxy-db-secrets.sls"}' [test=True]
    With "hamysql_gpg_key" beside it where the file is encrypted, and "hamysql_cluster" where the master has more than one. One
    state for each phase (_states/hamysql_operation.py). See docs/operations/rotate_secrets.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set phases = ["checked", "made", "rotated", "verified"] %}
{%- set arguments = {"file": pillar.get("hamysql_file"), "gpg_key": pillar.get("hamysql_gpg_key")} %}
{{- states("rotate_secrets", phases, arguments, subject="secrets") }}
