"""The firewall: its keys in the pillar, what each kind of firewall does (``face``), and which there are (``backends``)."""
