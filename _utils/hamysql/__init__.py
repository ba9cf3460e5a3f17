"""The logic of the hamysql formula: pure Python, without Salt's dunders.

Execution modules, states and runners import from here (``from hamysql.storage import latch``).
"""

from hamysql import fingerprint as fingerprint  # first of all: it notes what is on the disk when this package is loaded
