"""Runs the nodes' kernel on processors that have more registers than it knows of (AMX: Xeons from 2023 on).

A process' registers are given back to it as a whole, or Linux refuses them. A User-Mode Linux 6.1 kernel has room for what AVX-512
brought. On such a processor its first process ends at once: "ptrace set fp regs failed, errno = 14". ``registers.c`` stands between
that kernel and its C library, and adds what is missing. It is compiled where it is needed, and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lab.basics import host

SOURCE = Path(__file__).with_suffix(".c")


def library(cache: Path) -> Path:
    """The compiled ``registers.c``, made on the first call."""
    made = cache / f"registers-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not made.exists():
        cache.mkdir(parents=True, exist_ok=True)
        work = made.with_suffix(f".{os.getpid()}")
        host.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", work, SOURCE])
        work.rename(made)
    return made


def before_the_kernel(cache: Path) -> list[str]:
    """What comes before a kernel's command line on this machine; nothing on most."""
    return ["env", f"LD_PRELOAD={library(cache)}"] if host.more_registers() else []
