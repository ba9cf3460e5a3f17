"""DRBD: its keys in the pillar, its configuration, its status, and the plan for two replicas."""
