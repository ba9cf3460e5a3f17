"""A LUN that both nodes see: its keys in the pillar, its claim, iSCSI, and the plan for it."""
