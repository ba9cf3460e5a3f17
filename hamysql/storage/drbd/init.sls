# DRBD's configuration (pillar hamysql:storage:drbd, hamysql:cluster:nodes). Metadata, connection and roles are the
# orchestration's work.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.change.check
  - hamysql.package
  - hamysql.pacemaker.agents

hamysql-drbd-global-config-file-managed:
  file.managed:
    - name: /etc/drbd.d/global_common.conf
    - source: salt://hamysql/storage/drbd/files/drbd.conf.jinja
    - template: jinja
    - context: {part: global}
    - user: root
    - group: root
    - mode: '0644'
    - check_cmd: /usr/lib/hamysql/check-config drbd
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-change-check-program-managed

# What DRBD 8.4 runs when a replica has lost its peer; it leaves all but the usual case to DRBD's own script.
hamysql-drbd-fence-peer-managed:
  file.managed:
    - name: /usr/lib/hamysql/fence-peer
    - source: salt://hamysql/storage/drbd/files/fence-peer.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed

# What manages DRBD for pacemaker, unless the pillar names another agent (storage:drbd:agent).
hamysql-drbd-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/drbd
    - source: salt://hamysql/storage/drbd/files/drbd-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed

hamysql-drbd-resource-config-file-managed:
  file.managed:
    - name: /etc/drbd.d/{{ hamysql.storage.drbd.resource }}.res
    - source: salt://hamysql/storage/drbd/files/drbd.conf.jinja
    - template: jinja
    - context: {part: resource, kernel: ''}  # the one that the node has
    - user: root
    - group: root
    - mode: '0600'
    - show_changes: False  # the file holds the shared secret
    - check_cmd: /usr/lib/hamysql/check-config drbd
    - require:
      - file: hamysql-change-check-program-managed
      - hamysql_package: hamysql-package-installed
      - file: hamysql-drbd-fence-peer-managed

# What DRBD calls for its handlers, whatever the host name is: the agent sees to that.
hamysql-drbd-drbdadm-by-name-managed:
  file.managed:
    - name: /usr/lib/hamysql/by-name/drbdadm
    - source: salt://hamysql/storage/drbd/files/drbdadm-by-name.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True

# Without storage:drbd:link in the pillar, what the node goes by from then on (_utils/hamysql/storage/drbd/link.py): a later
# default changes nothing.
hamysql-drbd-link-noted:
  file.managed:
    - name: /var/lib/hamysql/drbd-link
    - contents: '{{ hamysql.storage.drbd.link }}'
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - file: hamysql-drbd-resource-config-file-managed

# The cluster's resource agent needs it; loaded at boot so that a missing module is seen before a failover needs it.
hamysql-drbd-module-at-boot-managed:
  file.managed:
    - name: /etc/modules-load.d/hamysql-drbd.conf
    - contents: |
        # Managed by Salt
        drbd
    - user: root
    - group: root
    - mode: '0644'
