# The data's storage; one folder for each backend (pillar hamysql:storage:backend).
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.storage.{{ hamysql.storage.backend }}
