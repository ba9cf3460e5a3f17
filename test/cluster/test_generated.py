"""20,000 pillars in two halves, made from the schema, read by the real programs. No lab; ``HAMYSQL_PILLARS`` is another number."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import generated
import pytest

pytestmark = [pytest.mark.long]
MANY = int(os.environ.get("HAMYSQL_PILLARS", "20000"))


@pytest.mark.parametrize("half", ["first", "second"])
def test_what_the_schema_accepts_the_real_programs_read_as_the_same_values(tmp_path, half):
    assert generated.MISSING == []
    processes = os.cpu_count() or 1
    each = -(-MANY // (2 * processes))
    folders = [tmp_path / str(number) for number in range(processes)]
    for folder in folders:
        folder.mkdir()
    with ProcessPoolExecutor(processes) as pool:
        made = [
            pool.submit(generated.read_some, each, int.from_bytes(os.urandom(4)), str(folder)) for folder in folders
        ]
        assert sum(some.result() for some in made) >= MANY // 2
