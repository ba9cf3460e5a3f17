# The packages (pillar hamysql:package, and hamysql:repo for those that are borrowed from another repository).
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.repo
  - hamysql.corosync.config

# The cluster alone starts these. The links must be there before the packages are, which would start them.
{%- for unit in hamysql.package.masked_units %}

hamysql-package-{{ unit }}-masked:
  file.symlink:
    - name: /etc/systemd/system/{{ unit }}
    - target: /dev/null
    - makedirs: True
    - require_in:
      - hamysql_package: hamysql-package-installed
{%- endfor %}

# Debian's mariadb-server and mysql-server also make an empty local database in the datadir. It is never started, and the cluster mounts
# the replicated file system over it.
hamysql-package-installed:
  hamysql_package.installed:
    - pkgs: {{ hamysql.package.pkgs | json }}
    - hold: {{ hamysql.package.hold | json }}
    - require:
      - sls: hamysql.corosync.config
{%- for name, repository in hamysql.repo.repositories.items() if repository.disable_after_install %}

hamysql-package-from-{{ name }}-installed:
  hamysql_package.borrowed:
    - pkgs: {{ repository.packages | json }}
    - repository: {{ repository.options | json }}
    - hold: {{ hamysql.package.hold | json }}
    - require:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
