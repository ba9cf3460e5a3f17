"""What the data lies on. ``backends`` is the face of all kinds; a folder for each kind, and ``move`` from one to another."""
