# What is different from pillar.sls with a file server; each section here takes the place of the one there.
hamysql:
  storage:
    backend: nfs
    nfs:
      server: 10.77.2.15
      export: /srv/mysql
