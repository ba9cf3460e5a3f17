# The node's own rules in its firewall, now and after a reboot (pillar hamysql:firewall). Nobody else's rules are saved.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.corosync.series == 1 %}
  - hamysql.firewall.sysconfig
{%- elif hamysql.firewall.backend != "none" %}
  - hamysql.firewall.{{ hamysql.firewall.backend }}
{%- for name, files in salt["hamysql_firewall.left"]().items() if name != hamysql.firewall.backend %}

# The pillar named another firewall before: its rules and files go, once the new rules are loaded.
hamysql-firewall-{{ name }}-absent:
  hamysql_firewall.absent:
    - backend: {{ name }}
    - require:
      - hamysql_firewall: hamysql-firewall-chain-managed

hamysql-firewall-{{ name }}-files-absent:
  file.absent:
    - names: {{ files | json }}
    - require:
      - hamysql_firewall: hamysql-firewall-{{ name }}-absent
      - service: hamysql-firewall-boot-enabled
{%- endfor %}
{%- endif %}
