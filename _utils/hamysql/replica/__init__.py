"""Asynchronous replicas of the virtual IP, on machines that are no members: their servers, how they are seeded, how they are."""
