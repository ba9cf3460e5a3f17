"""The lines of apt's package sources."""

from __future__ import annotations

import pytest

from hamysql.system import debian

LINE = "deb [trusted=yes] file:/srv/crm bookworm main"
OTHER = "# written by hand\ndeb https://repo.example.org/debian bookworm main\ndeb-src [trusted=yes] file:/srv/crm bookworm main\n"


@pytest.mark.parametrize("text", ["", OTHER, OTHER.rstrip()])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_line_is_added_once_and_switched_beside_other_lines(text, enabled):
    added = debian.with_source(text, LINE, enabled)
    assert added.splitlines() == [*text.splitlines(), LINE if enabled else f"# {LINE}"]
    assert debian.with_source(added, LINE, enabled) == added
    switched = debian.with_source(added, LINE, not enabled)
    assert switched.splitlines() == [*text.splitlines(), f"# {LINE}" if enabled else LINE]


@pytest.mark.parametrize("same", [f"#{LINE}\n", f"#  {LINE.replace(' main', '   main')}  # a comment\n"])
def test_what_means_the_same_stays_as_it_is_written(same):
    assert debian.with_source(same, LINE, enabled=False) == same


@pytest.mark.parametrize("old", [f"{LINE} contrib\n", "deb file:/srv/crm bookworm main\n", f"{LINE}\n# {LINE}\n"])
def test_another_line_of_the_same_place_gives_way(old):
    assert debian.with_source(old, LINE, enabled=True) == f"{LINE}\n"
