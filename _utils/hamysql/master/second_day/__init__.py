"""What each phase of an operation on the second day does, without Salt: it takes a deployment, returns changes and a comment."""
