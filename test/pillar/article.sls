# The 2013 procedure's cluster as closely as it can be had: multicast, its cipher-less corosync, its rate and digest, its
# properties (behind the opt-out), `grant all ... to 'root'@'%'`.
hamysql:
  cluster:
    name: openstack
    nodes:
      db1: {minion_id: db1, addresses: [10.1.0.11]}
      db2: {minion_id: db2.example.org, addresses: [10.1.0.12]}
  vip: {address: 10.1.0.10, prefix: 24, interface: eth0}
  fencing: {i_accept_data_loss_without_fencing: true}
  corosync:
    transport: udp
    token: 1000
    mcastaddr: 239.192.10.1
    logfile: /var/log/cluster/corosync.log
  firewall: {client_networks: [10.1.0.0/24]}
  storage:
    drbd:
      disk: /dev/sdb
      shared_secret: canary-drbd-secret
      cram_hmac_alg: sha1
      rate: 10M
      wfc_timeout: 0
      degr_wfc_timeout: 120
      on_io_error: detach
  mysql:
    users:
      - name: root
        host: '%'
        password: canary-root-password
        grants:
          - {privileges: [ALL], 'on': '*.*', grant_option: true}
  pacemaker:
    properties:
      no-quorum-policy: ignore
      stonith-enabled: false
