"""What is done to two replicas in service: they are compared, and one that differs is made equal again."""
