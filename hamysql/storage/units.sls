# What the file system lies on runs before pacemaker starts, and until it has ended (pillar hamysql:storage).
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.storage.units %}

hamysql-storage-units-order-file-managed:
  file.managed:
    - name: /etc/systemd/system/resource-agents-deps.target.d/hamysql-storage.conf
    - source: salt://hamysql/storage/files/resource-agents-deps.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
