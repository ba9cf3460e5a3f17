# The timer of the backups on both nodes (pillar hamysql:backup). Its job takes one where the node serves and one is due.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.backup.enabled %}

hamysql-backup-task-file-managed:
  file.managed:
    - name: /etc/hamysql/backup.json
    - contents: {{ salt["hamysql_backup.unit"]().task | json }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
  {%- for kind in ("service", "timer") %}

hamysql-backup-{{ kind }}-file-managed:
  file.managed:
    - name: /etc/systemd/system/hamysql-backup.{{ kind }}
    - source: salt://hamysql/backup/files/hamysql-backup.{{ kind }}.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - file: hamysql-backup-task-file-managed
  {%- endfor %}

hamysql-backup-timer-running:
  service.running:
    - name: hamysql-backup.timer
    - enable: True
    - watch:
      - file: hamysql-backup-service-file-managed
      - file: hamysql-backup-timer-file-managed
{%- elif salt["hamysql_backup.present"]() %}

hamysql-backup-timer-dead:
  service.dead:
    - name: hamysql-backup.timer
    - enable: False
  {%- for path in ("/etc/systemd/system/hamysql-backup.timer", "/etc/systemd/system/hamysql-backup.service", "/etc/hamysql/backup.json") %}

hamysql-backup-file-{{ loop.index }}-absent:
  file.absent:
    - name: {{ path }}
    - require:
      - service: hamysql-backup-timer-dead
  {%- endfor %}
{%- endif %}
