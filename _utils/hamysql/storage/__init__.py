"""What the data lies on. ``backends`` is the face of all kinds; a folder for each kind, and ``move`` from one to another.

All kinds are imported here, so that ``latch``, which lies below them, knows their names in each process.
"""

from hamysql.storage import backends as backends
