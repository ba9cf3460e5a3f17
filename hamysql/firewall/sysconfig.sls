# The rules in /etc/sysconfig/iptables, which the init script of CentOS 6 loads: before its first REJECT, as in the 2013 procedure
# that hamysql replaces. Rendered for migration's sake only (release/RedHat-6.yaml).
include:
  - hamysql.package

hamysql-firewall-sysconfig-block-managed:
  file.blockreplace:
    - name: /etc/sysconfig/iptables
    - marker_start: '# hamysql: begin'
    - marker_end: '# hamysql: end'
    - source: salt://hamysql/firewall/files/sysconfig-iptables.jinja
    - template: jinja
    - insert_before_match: '-j REJECT'
    - require:
      - hamysql_package: hamysql-package-installed
