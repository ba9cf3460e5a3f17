"""A client that writes through the virtual IP while an operation is at work, so that the operation can tell the gap."""
