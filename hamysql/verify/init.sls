# The timer of the verifications on both nodes (pillar hamysql:storage:drbd:verify). Its job compares the replicas where one is due.
{%- from "hamysql/timer.jinja" import timer %}

include:
  - hamysql.package
{{- timer("verify", salt["hamysql_verify.wanted"](), salt["hamysql_verify.present"](), salt["hamysql_verify.unit"]().task) }}
