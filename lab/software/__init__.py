"""What runs on the nodes: Salt, the pillars, the deployment, the state of the cluster, a client that writes."""
