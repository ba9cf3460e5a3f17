{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check
  - hamysql.package
  - hamysql.firewall.boot

hamysql-firewall-rules-file-managed:
  file.managed:
    - name: /etc/hamysql/firewall.nft
    - source: salt://hamysql/firewall/files/firewall.nft.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - dir_mode: '0755'
    - check_cmd: /usr/lib/hamysql/check-config nftables
    - require:
      - hamysql_change: hamysql-change-possible
      - file: hamysql-change-check-program-managed

hamysql-firewall-chain-managed:
  hamysql_firewall.managed:
    - require:
      - hamysql_package: hamysql-package-installed

hamysql-firewall-reload-file-managed:
  file.managed:
    - name: /etc/systemd/system/nftables.service.d/hamysql.conf
    - source: salt://hamysql/firewall/files/nftables.service.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_firewall: hamysql-firewall-chain-managed
    - require_in:  # with its own unit, so that systemd reads both
      - service: hamysql-firewall-boot-enabled
