"""Fencing: its keys in the pillar, the devices in the cluster's configuration, reservations on a LUN, sbd."""
