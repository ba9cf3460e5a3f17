{#- Shows both sides of a split brain, and gives up the changes of the one that is named, after a copy of its disk:
      salt-run state.orchestrate hamysql.orch.split_brain
      salt-run state.orchestrate hamysql.orch.split_brain pillar='{"hamysql_victim": "NODE"[, "hamysql_keep": "FOLDER"]}' [test=True]
    With "hamysql_cluster" beside it where the master has more than one. See docs/operations/split_brain.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{%- set victim = pillar.get("hamysql_victim") %}
{%- set phases = ["looked"] if victim is none else ["looked", "checked", "kept", "resolved"] %}
{{- states("split_brain", phases, {"victim": victim, "folder": pillar.get("hamysql_keep")}) }}
