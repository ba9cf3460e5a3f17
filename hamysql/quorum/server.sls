# The third machine of a quorum device. The orchestration applies this there, with what it has to know as the pillar
# `hamysql_quorum`: {packages: [...], repositories: {name: options}}; the machine needs no pillar of its own.
{%- set given = pillar["hamysql_quorum"] %}
{%- for name, options in given.repositories.items() %}

hamysql-quorum-repo-{{ name }}-managed:
  hamysql_repository.enabled:
    {%- for option, value in options.items() %}
    - {{ option }}: {{ value | json }}
    {%- endfor %}
    - require_in:
      - pkg: hamysql-quorum-server-installed
{%- endfor %}

hamysql-quorum-server-installed:
  pkg.installed:
    - pkgs: {{ given.packages | json }}

hamysql-quorum-server-running:
  service.running:
    - name: corosync-qnetd
    - enable: True
    - require:
      - pkg: hamysql-quorum-server-installed
