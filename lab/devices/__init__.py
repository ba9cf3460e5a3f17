"""What stands beside the nodes: their BMCs, a SAN, a file server."""
