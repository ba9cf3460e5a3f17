{#- The disk, DRBD's device or the LUN's volume, and the file system are made larger, while the database serves:
      salt-run state.orchestrate hamysql.orch.grow [test=True]
      salt-run state.orchestrate hamysql.orch.grow pillar='{"hamysql_size": "200G"}' [test=True]
    The size is that of DRBD's disk on each node, where it is a volume of LVM. With "hamysql_cluster" beside it where the master has
    more than one. See docs/operations/grow.md. #}
{%- from "hamysql/orch/operation.jinja" import states with context %}
{{- states("grow", ["checked", "disks", "grown"], {"size": pillar.get("hamysql_size")}) }}
