"""MariaDB: its programs, accounts and variables (``flavour``), its privileges, and its options."""
