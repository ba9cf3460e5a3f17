"""The cluster's configuration and state: read, compared with what is wanted, and patched."""
