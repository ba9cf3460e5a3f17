# What is different from pillar.sls on Debian 13; each section here takes the place of the one there.
hamysql:
  package:
    fencing:
      agents: [fence-agents-ipmilan]  # Debian 13 has a package for each; all of them bring 200 MB for clouds
