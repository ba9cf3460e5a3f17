"""What renews a cluster one node at a time: updates, and a machine in the place of one that is gone."""
