# The database's options, the files of its clients' TLS and the folder of its error log (pillar hamysql:mysql). The datadir is not
# here: it is a mount of the cluster, filled once by the orchestration.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check
  - hamysql.package
  - hamysql.pacemaker.agents
{%- if hamysql.mysql.tls.enabled %}

# Before the options that name them. A running server is told by hamysql.change.
hamysql-mysql-tls-installed:
  hamysql_tls.installed:
    - require:
      - hamysql_package: hamysql-package-installed
      - hamysql_change: hamysql-change-possible
{%- endif %}

hamysql-mysql-config-file-managed:
  file.managed:
    - name: {{ hamysql.mysql.config_fragment | json }}
    - source: salt://hamysql/mysql/files/hamysql.cnf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - check_cmd: /usr/lib/hamysql/check-config mysql {{ hamysql.mysql.binary }} {{ hamysql.mysql.config }}
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-change-check-program-managed
{%- if hamysql.mysql.tls.enabled %}
      - hamysql_tls: hamysql-mysql-tls-installed
{%- elif salt["hamysql_tls.present"]() %}

hamysql-mysql-tls-absent:
  file.absent:
    - name: /etc/hamysql/tls
    - require:
      - file: hamysql-mysql-config-file-managed
{%- endif %}

# Debian makes it only when the distribution's own unit starts; the server does not start without it. It is directly below a folder of
# the system (_utils/hamysql/config/places.py), which is never made here: it would be given to the account, too.
hamysql-mysql-log-folder-managed:
  file.directory:
    - name: {{ hamysql.mysql.log_folder | json }}
    - user: {{ hamysql.mysql.user | json }}
    - group: {{ hamysql.mysql.log_group | json }}
    - mode: '2750'
    - require:
      - hamysql_package: hamysql-package-installed

# What runs the server for pacemaker, unless the pillar names another agent (mysql:agent).
hamysql-mysql-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/mysql
    - source: salt://hamysql/mysql/files/mysql-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed
