# The data's storage; one folder for each kind (pillar hamysql:storage:backend).
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
  - hamysql.pacemaker.agents
  - hamysql.storage.{{ hamysql.storage.states }}

# What mounts the file system for pacemaker, unless the pillar names another agent (storage:filesystem:agent) or it is NFS.
hamysql-storage-filesystem-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/filesystem
    - source: salt://hamysql/storage/files/filesystem-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed
