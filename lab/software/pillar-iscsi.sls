# What is different from pillar.sls with a LUN of a SAN; each section here takes the place of the one there.
hamysql:
  storage:
    backend: shared
    shared:
      device: /dev/disk/by-id/scsi-3600140568616d7973716c31000000000
      iscsi:
        portal: 10.77.2.14:3260
        target: iqn.2004-01.org.example:hamysql-lab
        username: hamysql
        password: lab-only-chap
    filesystem: {type: xfs}
