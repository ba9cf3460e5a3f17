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

{%- for stream in hamysql.package.streams %}

hamysql-package-stream-{{ stream.partition(":")[0] | lower }}-enabled:
  hamysql_package.stream:
    - name: {{ stream | json }}
    - require:
      - sls: hamysql.repo
    - require_in:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
{%- if "pcs" in hamysql.package.crm + hamysql.package.further %}

# Debian would start pcs's daemon and open its port (2224) to everybody. A unit that is enabled already is not touched by a preset.
hamysql-package-pcsd-preset-managed:
  file.managed:
    - name: /etc/systemd/system-preset/95-hamysql.preset
    - contents: |
        # Managed by Salt: hamysql needs no pcsd. `systemctl enable --now pcsd` starts it for good.
        disable pcsd.service
        disable pcsd-ruby.service
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require_in:
      - hamysql_package: hamysql-package-installed
{%- endif %}

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
{%- if grains.os_family == "Debian" %}

# unattended-upgrades would update both nodes at once, and a running cluster below itself. It reads the names as regular expressions.
hamysql-package-unattended-upgrades-file-managed:
  file.managed:
    - name: /etc/apt/apt.conf.d/52hamysql-unattended-upgrades
    - contents: |
        // Managed by Salt: `salt-run state.orchestrate hamysql.orch.update` updates these, one node at a time.
        Unattended-Upgrade::Package-Blacklist {
        {%- for name in hamysql.package.attended %}
          "{{ name | replace("+", "[+]") | replace(".", "[.]") }}";
        {%- endfor %}
        };
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
