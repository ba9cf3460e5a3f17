# What is different from pillar.sls with a LUN of a SAN; each section here takes the place of the one there.
hamysql:
  storage:
    backend: shared
    shared:
      device: /dev/disk/by-id/scsi-1hamysql-lab-lun1
      iscsi:
        portal: 10.77.2.3:3260
        target: iqn.2004-01.org.example:hamysql-lab
        username: hamysql
        password: lab-only-chap
    filesystem: {type: xfs}
