# pacemaker at boot. What it manages is loaded once for the whole cluster, by the orchestration.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package

hamysql-pacemaker-boot-enabled:
  service.enabled:
    - name: pacemaker
    - require:
      - hamysql_package: hamysql-package-installed
