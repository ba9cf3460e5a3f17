"""Fence options that pacemaker could not print again, in the pillar."""

from __future__ import annotations

import pytest

from hamysql import values_fencing


@pytest.mark.parametrize("value", ["\u00a1<", "b\u00fcro & co", 'CORP\\\u00e9"x'])
def test_pacemaker_escapes_nothing_behind_a_letter_beyond_ascii(value):
    with pytest.raises(ValueError):
        values_fencing.option(value)


@pytest.mark.parametrize("value", ["<\u00a1", "b\u00fcro", "a & <b>", "CORP\\sv\u00e9"])
def test_everything_else_is_taken_as_it_is(value):
    assert values_fencing.option(value) == value
