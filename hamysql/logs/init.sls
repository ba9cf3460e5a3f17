# The timer that ships the server's binary logs, on both nodes (pillar hamysql:backup:binary_logs). Its job does so where the node serves.
{%- from "hamysql/map.jinja" import hamysql with context %}
{%- from "hamysql/timer.jinja" import timer %}

include:
  - hamysql.backup
{{- timer("logs", hamysql.backup.binary_logs, salt["hamysql_backup.logs_present"](), salt["hamysql_backup.unit"]().task) }}
