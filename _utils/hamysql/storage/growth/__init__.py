"""The layers below the data, from a disk up to the file system: how large each is and can be, and how a node makes it larger."""
