# A LUN that both nodes see (pillar hamysql:storage:shared): the iSCSI session, LVM's system id, multipath's key. Nothing is mounted,
# activated or formatted here: the first data is the orchestration's work, everything else the cluster's.
{%- from "hamysql/map.jinja" import hamysql with context %}

include:
{%- if hamysql.fencing.reservations and hamysql.storage.shared.reservations == "mpath" %}
  - hamysql.change.check
{%- endif %}
  - hamysql.package
  - hamysql.storage.units
{%- if hamysql.storage.shared.iscsi %}
  - hamysql.storage.lun.iscsi
{%- endif %}
{%- if hamysql.storage.shared.lvm %}

# With it a volume group belongs to the node that serves, and LVM on the other one leaves it alone (lvmsystemid(7)).
hamysql-storage-lvm-system-id-managed:
  file.managed:
    - name: /etc/lvm/lvmlocal.conf
    - source: salt://hamysql/storage/lun/files/lvmlocal.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - require:
      - hamysql_package: hamysql-package-installed
{%- endif %}
{%- if hamysql.fencing.reservations and hamysql.storage.shared.reservations == "mpath" %}

# The key with which multipathd registers this node's paths again when they come back; fence_mpath uses the same. A multipathd that
# runs has to read it: I/O over a path that is not registered is refused.
hamysql-storage-multipath-key-managed:
  file.managed:
    - name: /etc/multipath/conf.d/hamysql.conf
    - source: salt://hamysql/storage/lun/files/multipath.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - check_cmd: /usr/lib/hamysql/check-config multipath
    - require:
      - file: hamysql-change-check-program-managed
      - hamysql_package: hamysql-package-installed

hamysql-storage-multipath-key-read:
  hamysql_fencing.key_read:
    - onchanges:
      - file: hamysql-storage-multipath-key-managed
{%- endif %}
