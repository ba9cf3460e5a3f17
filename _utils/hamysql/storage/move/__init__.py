"""The data's way from one kind of storage to another: copied, and then switched."""
