"""The one place that starts programs, with real ones."""

from __future__ import annotations

import logging
import os
import pwd
import sys
import time
from pathlib import Path

import pytest

from hamysql.errors import CommandFailed, HamysqlError
from hamysql.system import command
from hamysql.system.command import Kept, clipped, run

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


def ended(pid):
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")
def test_a_program_of_another_account_has_no_rights_of_roots_and_keeps_the_locks():
    told = "id -u; id -G; grep CapEff: /proc/self/status; pwd; echo $HOME; ls /proc/self/fd | wc -l"
    token = command.kept.set((os.open("/dev/null", os.O_RDONLY),))
    try:
        with command.acting_as("nobody"):
            seen = run(["sh", "-c", told]).stdout.split()
    finally:
        os.close(command.kept.get()[0])
        command.kept.reset(token)
    found = pwd.getpwnam("nobody")
    groups = [str(number) for number in os.getgrouplist("nobody", found.pw_gid)]
    assert seen == [
        str(found.pw_uid),
        *groups,
        "CapEff:",
        "0" * 16,
        "/",
        found.pw_dir,
        "5",
    ]  # the three standard ones, the lock, and the listing's own
    assert run(["id", "-u"]).stdout == f"{os.geteuid()}\n"


def test_an_account_that_is_not_there_is_named():
    with command.acting_as("no-such-account"), pytest.raises(HamysqlError, match="there is no account no-such-account"):
        run(["true"])


def test_what_a_program_has_started_is_killed_with_it(tmp_path):
    with pytest.raises(CommandFailed, match="killed after 1 s"):
        run(["sh", "-c", f"sleep 300 & echo $! >{tmp_path}/pid; wait"], timeout=1)
    pid = (tmp_path / "pid").read_text().strip()
    deadline = time.monotonic() + 30
    while not ended(pid):
        assert time.monotonic() < deadline


def test_nobody_waits_for_a_grandchild_that_has_the_pipes(tmp_path):
    """With a time-out of an hour, this would not return before the test's own is over."""
    script = f"setsid sleep 300 & echo $! >{tmp_path}/pid; echo said"
    try:
        assert run(["sh", "-c", script], timeout=3600).stdout == "said\n"
        assert not ended((tmp_path / "pid").read_text().strip()), "what a program has left running is not for us to end"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_nobody_waits_for_a_program_beyond_signals(monkeypatch):
    """One that waits for its disk (state D) does not end when it is killed: here nobody kills it."""
    seen = []
    monkeypatch.setattr(command.os, "killpg", lambda pid, _: seen.append(pid))
    monkeypatch.setattr(command, "GRACE", 0.3)
    with pytest.raises(CommandFailed, match=r"did not end in time.*beyond signals.*left behind") as failed:
        run(["sleep", "300"], timeout=0.2)
    assert failed.value.returncode is None
    assert not ended(seen[0])
    os.kill(seen[0], 9)


def test_what_a_program_had_said_before_it_was_killed_is_told():
    with pytest.raises(CommandFailed, match="waiting for the disk"):
        run(["sh", "-c", "echo waiting for the disk >&2; sleep 300"], timeout=2)


def test_a_long_text_goes_in_while_another_one_comes_out():
    text = "0123456789abcdef\n" * 200_000
    assert run(["cat"], stdin=text).stdout == text


def test_a_program_that_does_not_read_is_no_error():
    assert run(["true"], stdin="x" * 10**6).returncode == 0


def test_of_a_flood_the_beginning_and_the_end_are_kept():
    script = "echo first; head --bytes=50M /dev/zero | tr '\\0' x | fold --width=99; echo; echo last"
    said = run(["sh", "-c", script]).stdout
    assert len(said) < 9 * 2**20
    assert said.startswith("first\nxxx")
    assert said.endswith("xxx\nlast\n")
    assert said.count("are left out ...]") == 1
    with pytest.raises(CommandFailed) as failed:
        run(["sh", "-c", f"{script}; exit 1"])
    assert len(str(failed.value)) < 100_000
    assert all(word in failed.value.output for word in ("first\n", "last", "are left out"))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 19, 20, 21, 29, 30, 31, 200])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_all_is_kept_up_to_the_limit_and_the_ends_beyond(size, chunk):
    kept, text = Kept(10), "".join(chr(97 + number % 26) for number in range(size))
    for start in range(0, size, chunk):
        kept.add(text[start : start + chunk].encode())
    if size <= 20:
        assert kept.text() == text
    else:
        head, note, tail = kept.text().split("\n")
        assert (head, tail) == (text[:10], text[-10:])
        assert f"about {size - 20} bytes" in note


def test_a_secret_is_not_cut_in_two():
    lines = "".join(f"{number:08d} secret-{number}\n" for number in range(10_000))
    for limit in range(100, 120):
        assert set(clipped(lines, limit).splitlines()) - set(lines.splitlines()) == {
            next(line for line in clipped(lines, limit).splitlines() if "left out" in line)
        }


def test_nothing_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run(["true"])
        with pytest.raises(CommandFailed):
            run(["sleep", "300"], timeout=0.05)
        with pytest.raises(CommandFailed):
            run(["no-such-program"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_bytes_that_are_no_text_are_no_crash():
    assert run(["printf", r"\377"]).stdout == "\N{REPLACEMENT CHARACTER}"


def test_standard_input_is_in_no_log_and_no_error(caplog):
    caplog.set_level(logging.DEBUG)
    run(["cat"], stdin=SECRET)
    with pytest.raises(CommandFailed) as failed:
        run(python("raise SystemExit(1)"), stdin=SECRET)
    assert "cat" in caplog.text  # commands are logged ...
    assert SECRET not in caplog.text + str(failed.value)  # ... what they read is not
