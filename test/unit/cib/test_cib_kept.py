"""The cluster's configuration as a node has it, whether pacemaker runs, is down, has never run, or does not answer."""

from __future__ import annotations

import machines
import pytest

from hamysql.cib import kept
from hamysql.errors import CommandFailed
from hamysql.system import root
from hamysql.system.command import Result


@pytest.fixture
def pacemaker(tmp_path):
    """Makes ``run`` for a pacemaker that ends with a code, after it kept something; ``kept`` is in its file."""

    def make(code, text="", file=None):
        def run(argv, accept=(0,), **_):
            assert argv == ["cibadmin", "--query", "--local"]
            if code not in accept:
                raise CommandFailed(argv, code, "no")
            return Result(code, text)

        if file is not None:
            machines.put(root.at(kept.FILE), file)
        return run

    with root.below(tmp_path):
        yield make


@pytest.mark.parametrize("file", [None, "<cib epoch='1'/>"])
def test_what_pacemaker_says_is_newer_than_what_it_has_kept(pacemaker, file):
    assert kept.known(pacemaker(0, "<cib epoch='2'/>", file)) == "<cib epoch='2'/>"
    assert kept.kept() == file


@pytest.mark.parametrize("code", [102, 105, 127], ids=["refused", "no socket", "not installed"])
@pytest.mark.parametrize("file", [None, "<cib epoch='1'/>"])
def test_what_it_has_kept_counts_where_it_is_down(pacemaker, code, file):
    assert kept.known(pacemaker(code, file=file)) == file


@pytest.mark.parametrize("code", [1, 124, None], ids=["an error", "its time is over", "killed"])
def test_what_it_has_kept_does_not_count_where_it_runs_and_does_not_answer(pacemaker, code):
    with pytest.raises(CommandFailed):
        kept.known(pacemaker(code, file="<cib epoch='1'/>"))
