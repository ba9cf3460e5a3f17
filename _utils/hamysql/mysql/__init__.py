"""The database: its keys in the pillar, accounts, options and data directory, and what the server has not taken over."""
