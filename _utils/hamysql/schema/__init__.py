"""What a pillar may look like: the language of its keys, the leaves that all subjects share, names of secrets."""
