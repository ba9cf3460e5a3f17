"""The lab: real nodes on one machine, with kernels, disks, links and power buttons.

``python -m lab --help`` is its command line, :mod:`lab.api` what tests and benches use.
"""
