# What agents and DRBD's handler source: there before any of them is. A file of this name is never another one, so an agent that runs
# meanwhile has always its own.
include:
  - hamysql.package

hamysql-pacemaker-agents-common-managed:
  file.managed:
    - name: /usr/lib/ocf/lib/hamysql/agents-1.sh
    - source: salt://hamysql/pacemaker/files/agents-1.sh
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
