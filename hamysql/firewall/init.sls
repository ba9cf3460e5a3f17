# The node's own rules in its firewall, now and after a reboot (pillar hamysql:firewall). Nobody else's rules are saved.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.firewall.backend != "none" %}
  - hamysql.firewall.{{ hamysql.firewall.backend }}
{%- endif %}
