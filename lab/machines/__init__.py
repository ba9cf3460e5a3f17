"""The nodes: the image that they are made from, their kernels, disks, clocks and power buttons."""
