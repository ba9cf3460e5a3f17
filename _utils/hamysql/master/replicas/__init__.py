"""Replicas of the virtual IP, as the master sees them: how each is, and how one is seeded."""
