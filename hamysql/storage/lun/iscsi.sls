# The session with the target (pillar hamysql:storage:shared:iscsi), now and at boot. A session that is there is never ended.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.storage.shared.iscsi.initiator %}

# Before the package, whose daemon reads it when it starts, and makes a name of its own where there is none.
hamysql-storage-iscsi-initiator-name-managed:
  file.managed:
    - name: /etc/iscsi/initiatorname.iscsi
    - source: salt://hamysql/storage/lun/files/initiatorname.iscsi.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0600'
    - makedirs: True
    - require:
      - hamysql_change: hamysql-change-possible
    - require_in:
      - hamysql_package: hamysql-package-installed
{%- endif %}

hamysql-storage-iscsi-boot-enabled:
  service.enabled:
    - name: {{ hamysql.storage.shared.iscsi.unit.partition(".")[0] | json }}
    - require:
      - hamysql_package: hamysql-package-installed

hamysql-storage-iscsi-logged-in:
  hamysql_iscsi.logged_in:
    - require:
      - hamysql_package: hamysql-package-installed
