"""An NFS export: its keys in the pillar, its mark, and the plan for it."""
