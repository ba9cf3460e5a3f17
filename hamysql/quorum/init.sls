# The nodes' side of a quorum device (pillar hamysql:quorum:device): its daemon at boot. Certificates are the orchestration's work.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
  - hamysql.package
{%- if hamysql.quorum.device %}

hamysql-quorum-device-boot-enabled:
  service.enabled:
    - name: corosync-qdevice
    - require:
      - hamysql_package: hamysql-package-installed
{%- else %}

# It would not start without a device in corosync's configuration. Its end is refused while corosync runs.
hamysql-quorum-device-boot-disabled:
  service.disabled:
    - name: corosync-qdevice
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
