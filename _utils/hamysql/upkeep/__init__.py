"""A node's own part of an update: what there is to update, the mark of an update that has begun, and the steps."""
