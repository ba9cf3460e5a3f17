# corosync's configuration, log folder and start at boot. Nothing is started here: the orchestration does that when both
# nodes have the same files.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.corosync.config
  - hamysql.package
{%- if hamysql.corosync.log_folder != "/var/log" %}

hamysql-corosync-log-folder-managed:
  file.directory:
    - name: {{ hamysql.corosync.log_folder | json }}
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}

hamysql-corosync-boot-enabled:
  service.enabled:
    - name: corosync
    - require:
      - hamysql_package: hamysql-package-installed
