# pacemaker at boot. What it manages is loaded once for the whole cluster, by the orchestration.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package

hamysql-pacemaker-boot-enabled:
  service.enabled:
    - name: pacemaker
    - require:
      - hamysql_package: hamysql-package-installed

# What has the virtual IP for pacemaker, unless the pillar names another agent (vip:agent).
hamysql-pacemaker-address-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/address
    - source: salt://hamysql/pacemaker/files/address-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
