# hamysql's policy in firewalld. Nobody starts firewalld here: its zones would close what else the node has open (docs/firewall.md).
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check
  - hamysql.package
  - hamysql.firewall.boot

hamysql-firewall-policy-file-managed:
  file.managed:
    - name: /etc/firewalld/policies/hamysql.xml
    - source: salt://hamysql/firewall/files/policy.xml.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - dir_mode: '0750'
    - check_cmd: /usr/lib/hamysql/check-config firewalld
    - require:
      - hamysql_change: hamysql-change-possible
      - file: hamysql-change-check-program-managed
      - hamysql_package: hamysql-package-installed

hamysql-firewall-chain-managed:
  hamysql_firewall.managed:
    - require:
      - file: hamysql-firewall-policy-file-managed
      - hamysql_package: hamysql-package-installed

hamysql-firewall-firewalld-enabled:
  service.enabled:
    - name: firewalld
    - require:
      - hamysql_firewall: hamysql-firewall-chain-managed
