# The machine of a replica, which is no member. The orchestration applies this there, with what it has to know as the pillar
# `hamysql_replica_server`: {packages, repositories: {name: options}, task: text, ca: text, lines: [...], and of the database: options,
# service, datadir, user, group, log_folder, log_group}. It starts nothing, and has no secret.
{%- set given = pillar["hamysql_replica_server"] %}
{%- for name, options in given.repositories.items() %}

hamysql-replica-repo-{{ name }}-managed:
  hamysql_repository.enabled:
    {%- for option, value in options.items() %}
    - {{ option }}: {{ value | json }}
    {%- endfor %}
    - require_in:
      - hamysql_package: hamysql-replica-server-installed
{%- endfor %}

hamysql-replica-server-installed:
  hamysql_package.installed:
    - pkgs: {{ given.packages | json }}
    - services: {{ [given.service] | json }}

hamysql-replica-task-file-managed:
  file.managed:
    - name: /etc/hamysql/replica.json
    - contents: {{ given.task | json }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-replica-server-installed

hamysql-replica-authorities-file:
  {%- if given.ca %}
  file.managed:
    - name: /etc/hamysql/replica-ca.pem
    - contents: {{ given.ca | json }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
  {%- else %}
  file.absent:
    - name: /etc/hamysql/replica-ca.pem
  {%- endif %}

hamysql-replica-options-file-managed:
  file.managed:
    - name: {{ given.options | json }}
    - contents: {{ (["# Managed by Salt: the options of a replica, from the pillar hamysql:replicas of its cluster"] + given.lines) | json }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-replica-server-installed

hamysql-replica-log-folder-managed:
  file.directory:
    - name: {{ given.log_folder | json }}
    - user: {{ given.user | json }}
    - group: {{ given.log_group | json }}
    - mode: '2750'
    - require:
      - hamysql_package: hamysql-replica-server-installed

hamysql-replica-data-folder-managed:
  file.directory:
    - name: {{ given.datadir | json }}
    - user: {{ given.user | json }}
    - group: {{ given.group | json }}
    - makedirs: True
    - require:
      - hamysql_package: hamysql-replica-server-installed

# Its server listens at one address, which has to be there when it starts.
hamysql-replica-unit-file-managed:
  file.managed:
    - name: /etc/systemd/system/{{ given.service }}.d/hamysql-replica.conf
    - contents: |
        # Managed by Salt
        [Unit]
        Wants=network-online.target
        After=network-online.target
        [Service]
        Restart=on-failure
        RestartSec=5s
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-replica-server-installed

hamysql-replica-server-boot-enabled:
  service.enabled:
    - name: {{ given.service | json }}
    - require:
      - file: hamysql-replica-unit-file-managed
      - file: hamysql-replica-options-file-managed
