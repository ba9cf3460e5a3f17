"""From what the pillar says to finished values, and to the resources that the cluster shall have."""
