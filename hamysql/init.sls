# What a highstate applies: all that is local to one node. It is safe on any node at any moment: it never starts, stops
# or restarts corosync, pacemaker, DRBD or the database. That is the work of the orchestration, hamysql.orch. Where they
# run, they are told what they can take over as they run.
# The map is imported here as well so that an error of the pillar is told once, not once for each folder.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.repo
  - hamysql.package
  - hamysql.firewall
  - hamysql.corosync
  - hamysql.fencing
  - hamysql.quorum
  - hamysql.storage
  - hamysql.mysql
  - hamysql.pacemaker
  - hamysql.selinux
{%- if hamysql.backup.enabled or salt["hamysql_backup.present"]() %}
  - hamysql.backup
{%- endif %}
{%- if hamysql.backup.binary_logs or salt["hamysql_backup.logs_present"]() %}
  - hamysql.logs
{%- endif %}
{%- if salt["hamysql_verify.wanted"]() or salt["hamysql_verify.present"]() %}
  - hamysql.verify
{%- endif %}
  - hamysql.change
