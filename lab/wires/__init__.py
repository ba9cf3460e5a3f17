"""The lab's network, and its cables."""
