"""A cluster that somebody else has built: what its nodes say of it, and a pillar that describes it. Nothing is changed here."""
