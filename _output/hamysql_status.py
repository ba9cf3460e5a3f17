"""
What ``hamysql.status`` returns, as one screen of words: an outputter of ``salt-run``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.master.status import screen

if TYPE_CHECKING:
    from typing import Any

    from hamysql.master.status.shape import Status


def output(data: Status, **kwargs: Any) -> str:
    """
    Return the words of a status.

    data
        What ``hamysql.status`` returned.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.status
    """
    return screen.text(data, time.time())
