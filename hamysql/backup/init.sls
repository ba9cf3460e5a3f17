# The timer of the backups on both nodes (pillar hamysql:backup). Its job takes one where the node serves and one is due.
{%- from "hamysql/map.jinja" import hamysql with context %}
{%- from "hamysql/timer.jinja" import timer %}

include:
  - hamysql.package
{{- timer("backup", hamysql.backup.enabled, salt["hamysql_backup.present"](), salt["hamysql_backup.unit"]().task) }}
