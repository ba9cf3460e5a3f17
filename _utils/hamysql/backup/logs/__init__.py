"""The server's binary logs, shipped beside the backups: with them a backup is brought to any second that they reach."""
