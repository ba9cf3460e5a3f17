"""TLS of the database's clients: its keys in the pillar, certificates and keys, and the files that the server reads."""
