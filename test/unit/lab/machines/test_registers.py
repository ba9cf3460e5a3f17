"""What stands between the nodes' kernel and a processor that has more registers than it knows of, on this processor."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.basics import host
from lab.machines import registers

KNOWN = 2696  # bytes: what a User-Mode Linux 6.1 kernel has of a process' registers
GETREGSET, SETREGSET, XSTATE, TRACEME = 0x4204, 0x4205, 0x202, 0


class Bytes(ctypes.Structure):
    """iovec(3)"""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def gives_registers_back() -> None:
    """Do to a process what such a kernel does: take its registers, change one, give them back, look again."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long

    def ask(request: int, length: int = KNOWN) -> None:
        given = Bytes(ctypes.addressof(state), length)
        assert libc.ptrace(request, child, XSTATE, ctypes.addressof(given)) == 0, os.strerror(ctypes.get_errno())

    child = os.fork()
    if not child:
        libc.ptrace(TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        state = ctypes.create_string_buffer(1 << 16)
        ask(GETREGSET)
        state[512] = bytes([state.raw[512] | 0b110])  # SSE's and AVX's registers are in use
        state[160:176], state[576:592] = b"low half of ymm0", b"its upper half.."
        ask(SETREGSET)
        ctypes.memset(state, 0, len(state))
        ask(GETREGSET, len(state))
        assert state[160:176] + state[576:592] == b"low half of ymm0its upper half.."
        assert not state.raw[514] & 0b110, "AMX in use"
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc, which the lab installs where the processor needs it")
def test_a_process_gets_the_registers_back_that_its_kernel_knows_of(tmp_path):
    if not host.more_registers() and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the processor has fewer registers than the kernel has room for")
    program = "import test_registers; test_registers.gives_registers_back()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_PRELOAD": str(registers.library(tmp_path)), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("flags", "more"), [("fpu avx512f pku amx_tile amx_int8", True), ("fpu avx512f pku", False)])
def test_the_processor_says_whether_it_has_more(tmp_path, flags, more):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: amx_tile\nflags\t\t: {flags}\n")
    assert host.more_registers(cpuinfo) is more
