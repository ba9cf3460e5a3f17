# corosync's configuration and key, and both of them at boot (pillar hamysql:corosync, hamysql:cluster). Nothing is
# started or reloaded here: the orchestration does that when both nodes have the same files.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package

hamysql-corosync-config-file-managed:
  file.managed:
    - name: /etc/corosync/corosync.conf
    - source: salt://hamysql/corosync/files/corosync.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - hamysql_package: hamysql-package-installed
{%- if hamysql.corosync.encrypted %}

hamysql-corosync-authkey-file-managed:
  file.managed:
    - name: /etc/corosync/authkey
    - source: salt://hamysql/corosync/files/authkey.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0400'
    - show_changes: False
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}

hamysql-corosync-log-folder-managed:
  file.directory:
    - name: {{ hamysql.corosync.log_folder | json }}
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed

hamysql-corosync-boot-enabled:
  service.enabled:
    - name: corosync
    - require:
      - hamysql_package: hamysql-package-installed
