# Takes away what hamysql.firewall made, now and for the next boot: for a node that leaves the cluster, or before the
# pillar says `firewall: {backend: none}`.
{%- from "hamysql/map.jinja" import hamysql with context %}

hamysql-firewall-chain-absent:
  hamysql_firewall.absent:
    - backend: {{ hamysql.firewall.backend }}

hamysql-firewall-boot-disabled:
  service.disabled:
    - name: hamysql-firewall

hamysql-firewall-unit-file-absent:
  file.absent:
    - name: /etc/systemd/system/hamysql-firewall.service
    - require:
      - service: hamysql-firewall-boot-disabled
{%- for name, files in salt["hamysql_firewall.left"]().items() %}

hamysql-firewall-{{ name }}-absent:
  hamysql_firewall.absent:
    - backend: {{ name }}

hamysql-firewall-{{ name }}-files-absent:
  file.absent:
    - names: {{ files | json }}
    - require:
      - hamysql_firewall: hamysql-firewall-{{ name }}-absent
      - service: hamysql-firewall-boot-disabled
{%- endfor %}
