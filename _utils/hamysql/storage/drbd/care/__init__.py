"""What is done to two replicas in service: they are compared, one that differs is made equal again, and both grow."""
