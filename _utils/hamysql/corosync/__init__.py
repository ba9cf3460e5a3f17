"""corosync: its keys in the pillar, its configuration file, its members, and what it has not taken over."""
