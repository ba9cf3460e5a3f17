# What copies the data to another kind of storage (pillar hamysql:package:copy). Only hamysql.orch.migrate_storage applies it.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package

hamysql-storage-copy-package-installed:
  hamysql_package.installed:
    - pkgs: {{ hamysql.package["copy"] | json }}
    - require:
      - hamysql_package: hamysql-package-installed
