# pacemaker at boot. What it manages is loaded once for the whole cluster, by the orchestration.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
  - hamysql.pacemaker.agents

hamysql-pacemaker-boot-enabled:
  service.enabled:
    - name: pacemaker
    # Salt runs `systemctl status` before it enables anything, and logs the answer at debug level. For a running pacemaker the answer has
    # the arguments of all its children. DRBD's secret may be among them, and a fence device's password.
    - unless:
      - fun: service.enabled
        args: [pacemaker]
    - require:
      - hamysql_package: hamysql-package-installed

# What the cluster calls this node. Programs that pacemaker or DRBD runs go by it, and not by the host name, which somebody may change.
hamysql-pacemaker-node-noted:
  file.managed:
    - name: /var/lib/hamysql/node
    - contents: '{{ hamysql.self }}'
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True

{%- if hamysql.pacemaker.hand_over %}

# What hands the service over before pacemaker stops here, in order (pillar hamysql:pacemaker:hand_over).
hamysql-pacemaker-hand-over-managed:
  file.managed:
    - name: /usr/lib/hamysql/hand-over
    - source: salt://hamysql/pacemaker/files/hand-over.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed

hamysql-pacemaker-hand-over-unit-managed:
  file.managed:
    - name: /etc/systemd/system/pacemaker.service.d/hamysql.conf
    - contents: |
        # Managed by Salt, from the pillar hamysql:pacemaker:hand_over
        [Service]
        ExecStop=-/usr/lib/hamysql/hand-over
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - file: hamysql-pacemaker-hand-over-managed
{%- else %}

hamysql-pacemaker-hand-over-unit-absent:
  file.absent:
    - name: /etc/systemd/system/pacemaker.service.d/hamysql.conf
{%- endif %}

# systemd knows of the unit's change at once, and restarts nothing.
hamysql-pacemaker-unit-read:
  hamysql_change.units_read:
    - onchanges:
      - file: hamysql-pacemaker-hand-over-unit-{{ "managed" if hamysql.pacemaker.hand_over else "absent" }}

# What has the virtual IP for pacemaker, unless the pillar names another agent (vip:agent).
hamysql-pacemaker-address-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/address
    - source: salt://hamysql/pacemaker/files/address-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed

{%- if hamysql.vip.watch %}

# What watches the network that clients come through (pillar hamysql:vip:watch and reachable), as a clone in the cluster.
hamysql-pacemaker-network-agent-managed:
  file.managed:
    - name: /usr/lib/ocf/resource.d/hamysql/network
    - source: salt://hamysql/pacemaker/files/network-agent.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
      - file: hamysql-pacemaker-agents-common-managed
      - file: hamysql-pacemaker-network-watcher-managed
      - file: hamysql-pacemaker-network-questions-managed

hamysql-pacemaker-network-watcher-managed:
  file.managed:
    - name: /usr/lib/hamysql/watch-network
    - source: salt://hamysql/pacemaker/files/watch-network.py
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed

# The same questions as preflight's.
hamysql-pacemaker-network-questions-managed:
  file.managed:
    - name: /usr/lib/hamysql/reach.py
    - source: salt://_utils/hamysql/system/reach.py
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
