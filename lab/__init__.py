"""The lab: real nodes on one machine, with kernels, disks, links and power buttons.

``python -m lab --help`` is its command line, :mod:`lab.api` what tests and benches use. The rest is in rooms, from the ground up:

1. :mod:`lab.basics`: what all rooms need, such as the lab's paths and topology, the host, errors
2. :mod:`lab.wires`: the network, and its cables
3. :mod:`lab.machines`: the nodes, with their image, kernels, disks, clocks and power buttons
4. :mod:`lab.devices`: what stands beside the nodes (BMCs, a SAN, a file server), and :mod:`lab.software`: what runs on them
5. the modules here: the command line, ``api``, up and down

A module imports from its own room and from lower floors. ``test/unit/test_imports.py`` holds that.
"""
