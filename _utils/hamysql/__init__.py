"""The logic of the hamysql formula: pure Python, without Salt's dunders.

Execution modules, states and runners import from here (``from hamysql import drbd``).
"""
