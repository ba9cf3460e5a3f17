"""MySQL: its programs, accounts and variables (``flavour``), its privileges, its options, and its hashes of passwords (``sha``)."""
