# Takes away what hamysql.firewall made, now and for the next boot: for a node that leaves the cluster, or before the
# pillar says `firewall: {backend: none}`.
hamysql-firewall-chain-absent:
  hamysql_firewall.absent: []

hamysql-firewall-boot-disabled:
  service.disabled:
    - name: hamysql-firewall

hamysql-firewall-files-absent:
  file.absent:
    - names:
      - /etc/systemd/system/hamysql-firewall.service
      - /etc/hamysql/firewall.rules
      - /etc/hamysql/firewall.rules6
    - require:
      - service: hamysql-firewall-boot-disabled
