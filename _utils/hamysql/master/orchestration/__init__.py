"""What the phases of the orchestrations do, without Salt: each takes a deployment, and returns its changes and a comment."""
