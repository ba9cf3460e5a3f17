# The timer of the backups on both nodes (pillar hamysql:backup). Its job takes one where the node serves and one is due.
{%- from "hamysql/map.jinja" import hamysql with context %}
{%- from "hamysql/timer.jinja" import timer %}

include:
  - hamysql.package
{%- if hamysql.backup.repository %}

hamysql-backup-repository-file-managed:
  file.managed:
    - name: /etc/hamysql/backup-repository.json
    - source: salt://hamysql/backup/files/repository.json.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0600'
    - makedirs: True
    - show_changes: False
    - require:
      - hamysql_package: hamysql-package-installed
{%- elif salt["hamysql_backup.present"]() %}

hamysql-backup-repository-file-absent:
  file.absent:
    - name: /etc/hamysql/backup-repository.json
{%- endif %}
{{- timer("backup", hamysql.backup.enabled, salt["hamysql_backup.present"](), salt["hamysql_backup.unit"]().task) }}
