"""What looks at more than one node: the orchestration, its phases, and the operations."""
