{#- Shows both sides of a split brain, and gives up the changes of the one that is named, after a copy of its disk:
      salt-run state.orchestrate hamysql.orch.split_brain
      salt-run state.orchestrate hamysql.orch.split_brain pillar='{"hamysql_victim": "NODE"[, "hamysql_keep": "FOLDER"]}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. One state for each phase
    (_states/hamysql_operation.py). See docs/operations/split_brain.md. #}
{%- set cluster, victim = pillar.get("hamysql_cluster"), pillar.get("hamysql_victim") %}

hamysql-split-brain-looked:
  hamysql_operation.split_looked:
    - victim: {{ victim | json }}
    - cluster: {{ cluster | json }}
{%- if victim is not none %}

hamysql-split-brain-checked:
  hamysql_operation.split_checked:
    - victim: {{ victim | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-split-brain-looked

hamysql-split-brain-kept:
  hamysql_operation.split_kept:
    - victim: {{ victim | json }}
    - folder: {{ pillar.get("hamysql_keep") | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-split-brain-checked

hamysql-split-brain-resolved:
  hamysql_operation.split_resolved:
    - victim: {{ victim | json }}
    - cluster: {{ cluster | json }}
    - require:
      - hamysql_operation: hamysql-split-brain-kept
{%- endif %}
