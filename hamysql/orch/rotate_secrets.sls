{#- Has the cluster use other secrets, while the database serves: those that the pillar has now, or new ones in a file that
    `salt-run hamysql.secrets` has made:
      salt-run state.orchestrate hamysql.orch.rotate_secrets [test=True]
      salt-run state.orchestrate hamysql.orch.rotate_secrets pillar='{"hamysql_file": "/srv/pillar/galaxy-db-secrets.sls"}' [test=True]
    With "hamysql_gpg_key" beside it where the file is encrypted, and "hamysql_cluster" where the master has more than one. One
    state for each phase (_states/hamysql_operation.py). See docs/operations/rotate_secrets.md. #}
{%- set cluster = pillar.get("hamysql_cluster") %}
{%- set file, gpg_key = pillar.get("hamysql_file"), pillar.get("hamysql_gpg_key") %}

hamysql-secrets-checked:
  hamysql_operation.secrets_checked:
    - file: {{ file | json }}
    - cluster: {{ cluster | json }}

hamysql-secrets-made:
  hamysql_operation.secrets_made:
    - file: {{ file | json }}
    - gpg_key: {{ gpg_key | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-secrets-checked

hamysql-secrets-rotated:
  hamysql_operation.secrets_rotated:
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-secrets-made

hamysql-secrets-verified:
  hamysql_operation.secrets_verified:
    - file: {{ file | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-secrets-rotated
