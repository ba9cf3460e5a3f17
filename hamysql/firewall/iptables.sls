{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check
  - hamysql.package
  - hamysql.firewall.boot

hamysql-firewall-rules-file-managed:
  file.managed:
    - name: /etc/hamysql/firewall.rules
    - source: salt://hamysql/firewall/files/firewall.rules.jinja
    - template: jinja
    - context: {family: ipv4}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - dir_mode: '0755'
    - check_cmd: /usr/lib/hamysql/check-config iptables
    - require:
      - hamysql_change: hamysql-change-possible
      - file: hamysql-change-check-program-managed

hamysql-firewall-rules6-file-managed:
  file.managed:
    - name: /etc/hamysql/firewall.rules6
    - source: salt://hamysql/firewall/files/firewall.rules.jinja
    - template: jinja
    - context: {family: ipv6}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - dir_mode: '0755'
    - check_cmd: /usr/lib/hamysql/check-config ip6tables
    - require:
      - hamysql_change: hamysql-change-possible
      - file: hamysql-change-check-program-managed

hamysql-firewall-chain-managed:
  hamysql_firewall.managed:
    - require:
      - hamysql_package: hamysql-package-installed
