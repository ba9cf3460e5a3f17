"""The operation "adopt": a cluster that somebody else has built becomes hamysql's, while it serves."""
