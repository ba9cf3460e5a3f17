"""Physical backups of the database: taken from the node that serves, kept for a while, and proven by restoring them."""
