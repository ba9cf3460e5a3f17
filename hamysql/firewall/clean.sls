# Takes away what hamysql.firewall made, now and for the next boot: for a node that leaves the cluster, or before the
# pillar says `firewall: {backend: none}`.
{%- from "hamysql/map.jinja" import hamysql with context %}

hamysql-firewall-boot-disabled:
  service.disabled:
    - name: hamysql-firewall

hamysql-firewall-unit-file-absent:
  file.absent:
    - name: /etc/systemd/system/hamysql-firewall.service
    - require:
      - service: hamysql-firewall-boot-disabled
{%- for name, files in hamysql.firewall.files_of.items() %}

hamysql-firewall-{{ name }}-absent:
  hamysql_firewall.absent:
    - backend: {{ name }}
{%- if name != hamysql.firewall.backend %}
    - onlyif: test -e {{ files | join(" -o -e ") }}
{%- endif %}

hamysql-firewall-{{ name }}-files-absent:
  file.absent:
    - names: {{ files | json }}
    - require:
      - hamysql_firewall: hamysql-firewall-{{ name }}-absent
      - service: hamysql-firewall-boot-disabled
{%- endfor %}
