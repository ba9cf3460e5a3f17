"""What a machine is, and whether the members are fit for a cluster."""
