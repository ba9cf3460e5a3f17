# The unit that loads the file of the firewall in use at the boot; it is another one only once the rules of that firewall are loaded.
hamysql-firewall-unit-file-managed:
  file.managed:
    - name: /etc/systemd/system/hamysql-firewall.service
    - source: salt://hamysql/firewall/files/hamysql-firewall.service.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - hamysql_firewall: hamysql-firewall-chain-managed

hamysql-firewall-boot-enabled:
  service.enabled:
    - name: hamysql-firewall
    - require:
      - file: hamysql-firewall-unit-file-managed
