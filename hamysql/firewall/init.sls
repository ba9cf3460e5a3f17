# The node's own iptables chain, now and after a reboot (pillar hamysql:firewall). Nobody else's rules are saved.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.firewall.backend == "iptables" %}
  - hamysql.firewall.iptables
{%- endif %}
