# Where SELinux is enabled: what DRBD and pacemaker start may be executed, and the server may use its data, on whatever file system.
# The policy knows /usr/lib/ocf and /var/lib/mysql already. The datadir is the cluster's mount where the data is, and a new file
# system has no labels.
{%- from "hamysql/map.jinja" import hamysql with context %}
{%- if salt["grains.get"]("selinux:enabled") %}
{%- set folders = [("programs", "/usr/lib/hamysql", "bin_t"), ("datadir", hamysql.mysql.datadir, "mysqld_db_t")] %}

include:
  - hamysql.package

hamysql-selinux-commands-installed:
  hamysql_package.installed:
    - pkgs: {{ hamysql.package.selinux | json }}
    - reload_modules: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- for name, folder, type in folders %}

hamysql-selinux-{{ name }}-context-present:
  selinux.fcontext_policy_present:
    - name: {{ (folder | replace(".", "\\.") ~ "(/.*)?") | json }}
    - sel_type: {{ type }}
    - require:
      - hamysql_package: hamysql-selinux-commands-installed

hamysql-selinux-{{ name }}-context-applied:
  selinux.fcontext_policy_applied:
    - name: {{ folder | json }}
    - recursive: True
    - require:
      - selinux: hamysql-selinux-{{ name }}-context-present
{%- endfor %}
{%- endif %}
