"""The one place that starts programs, with real ones."""

from __future__ import annotations

import logging
import sys

import pytest

from hamysql.command import run
from hamysql.errors import CommandFailed

SECRET = "canary-of-the-standard-input"


def python(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


def test_output_and_errors_come_back_apart():
    result = run(python("import sys", "print('out')", "print('err', file=sys.stderr)"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "out\n", "err\n")


def test_there_is_no_shell():
    assert run(["printf", "%s", "$HOME; ls `pwd`"]).stdout == "$HOME; ls `pwd`"


def test_programs_speak_the_c_locale_whatever_the_caller_speaks(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/nonexistent")
    shown = run(["env"], env={"CIB_file": "/run/x.xml"}).stdout.splitlines()
    assert "LC_ALL=C" in shown
    assert "CIB_file=/run/x.xml" in shown


def test_standard_input_is_empty_unless_it_is_given():
    assert run(["cat"]).stdout == ""
    assert run(["cat"], stdin="text\n").stdout == "text\n"


def test_an_exit_code_that_is_not_accepted_is_an_error_with_the_output():
    with pytest.raises(CommandFailed, match=r"exit code 3.*\n?.*what went wrong") as failed:
        run(python("import sys", "print('what went wrong', file=sys.stderr)", "sys.exit(3)"))
    assert failed.value.returncode == 3
    assert "what went wrong" in failed.value.output
    assert failed.value.argv[0] == sys.executable


def test_an_accepted_exit_code_is_a_result():
    assert run(python("raise SystemExit(3)"), accept=(0, 3)).returncode == 3
    with pytest.raises(CommandFailed):
        run(python("raise SystemExit(0)"), accept=(3,))


def test_a_program_that_is_missing_is_named():
    with pytest.raises(CommandFailed, match="no-such-program") as failed:
        run(["no-such-program", "--version"])
    assert failed.value.returncode == 127


def test_a_program_that_does_not_end_is_killed(tmp_path):
    with pytest.raises(CommandFailed, match=r"did not end in time.*killed after 0.2 s") as failed:
        run(["sleep", "60"], timeout=0.2)
    assert failed.value.returncode is None


def test_bytes_that_are_no_text_are_no_crash():
    assert run(["printf", r"\377"]).stdout == "\N{REPLACEMENT CHARACTER}"


def test_standard_input_is_in_no_log_and_no_error(caplog):
    caplog.set_level(logging.DEBUG)
    run(["cat"], stdin=SECRET)
    with pytest.raises(CommandFailed) as failed:
        run(python("raise SystemExit(1)"), stdin=SECRET)
    assert "cat" in caplog.text  # commands are logged ...
    assert SECRET not in caplog.text + str(failed.value)  # ... what they read is not
