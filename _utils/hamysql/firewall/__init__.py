"""The firewall: its keys in the pillar, and the rules as iptables has them."""
