"""This machine: its programs, files, disks and sockets, what answers on its networks, Debian's package tools."""
