"""A whole cluster on one screen: what its members say, the verdict, and the words."""
