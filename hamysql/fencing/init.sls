# A warning on each run where the pillar has opted out of fencing (hamysql:fencing:i_accept_data_loss_without_fencing).
# The secrets of the fence devices that this node runs (pillar hamysql:fencing:devices), in the files from which pacemaker
# reads a parameter that its configuration only mentions (cibsecret(8)). The devices themselves are in that configuration.
# And sbd's options and its start, which is corosync's (pillar hamysql:fencing:sbd); the orchestration prepares its disk.
# What left the pillar is removed, but not before the cluster's configuration is without it.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package

hamysql-fencing-enabled:
  hamysql_fencing.enabled: []
{%- for file in hamysql.fencing.secret_files %}
{%- for part, suffix in (("value", ""), ("sign", ".sign")) %}

hamysql-fencing-{{ file.id }}-{{ part }}-file-managed:
  file.managed:
    - name: {{ (file.path ~ suffix) | json }}
    - source: salt://hamysql/fencing/files/secret.jinja
    - template: jinja
    - context: {{ {"id": file.id, "part": part} | json }}
    - user: root
    - group: root
    - mode: '0600'
    - makedirs: True
    - dir_mode: '0700'
    - show_changes: False
    - require:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
{%- endfor %}
{%- if hamysql.fencing.ipmitool %}

# What starts ipmitool for the fence agents, and the list of vendors that it reads (Debian's has another name than everybody's).
hamysql-fencing-ipmitool-managed:
  file.managed:
    - name: /usr/lib/hamysql/ipmitool
    - source: salt://hamysql/fencing/files/ipmitool.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- for name in ("enterprise-numbers", "enterprise-numbers.txt") %}

hamysql-fencing-ipmitool-{{ name }}-managed:
  file.managed:
    - name: /usr/lib/hamysql/ipmi/.local/usr/share/misc/{{ name }}
    - source: salt://hamysql/fencing/files/enterprise-numbers
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
{%- endif %}
{%- if hamysql.fencing.power_on %}

# What pacemaker runs after a fencing, to switch the node on again.
hamysql-fencing-power-on-managed:
  file.managed:
    - name: /usr/lib/hamysql/power-on
    - source: salt://hamysql/fencing/files/power-on.sh
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
{%- if hamysql.fencing.sbd %}

hamysql-fencing-sbd-config-file-managed:
  file.managed:
    - name: {{ hamysql.fencing.sbd.config_file | json }}
    - source: salt://hamysql/fencing/files/sbd.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - hamysql_package: hamysql-package-installed

hamysql-fencing-sbd-boot-enabled:
  service.enabled:
    - name: sbd
    - require:
      - file: hamysql-fencing-sbd-config-file-managed
{%- endif %}
{%- set unused = salt["hamysql_fencing.unused"]() %}
{%- for path in unused.files %}

hamysql-fencing-unused-{{ loop.index }}-absent:
  file.absent:
    - name: {{ path | json }}
    - require:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
{%- for unit in unused.units %}

hamysql-fencing-{{ unit }}-boot-disabled:
  service.disabled:
    - name: {{ unit }}
    - require:
      - hamysql_package: hamysql-package-installed
{%- endfor %}
