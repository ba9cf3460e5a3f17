# corosync's configuration and key (pillar hamysql:corosync, hamysql:cluster). They are laid down before the package is
# installed: a node that goes down in between would otherwise come back as a cluster of its own, made by the package's
# example configuration. A running corosync is reloaded by hamysql.change.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check

hamysql-corosync-config-file-managed:
  file.managed:
    - name: /etc/corosync/corosync.conf
    - source: salt://hamysql/corosync/files/corosync.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - check_cmd: /usr/lib/hamysql/check-config corosync
    - require:
      - hamysql_change: hamysql-change-possible
      - file: hamysql-change-check-program-managed
{%- if hamysql.corosync.encrypted %}

hamysql-corosync-authkey-file-managed:
  file.managed:
    - name: /etc/corosync/authkey
    - source: salt://hamysql/corosync/files/authkey.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0400'
    - makedirs: True
    - show_changes: False
    - require:
      - hamysql_change: hamysql-change-possible
{%- endif %}
