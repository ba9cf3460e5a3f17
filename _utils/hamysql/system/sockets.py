"""What this machine's own sockets say, read without starting a program or connecting to anybody."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN in Linux' include/net/tcp_states.h
PROC = Path("/proc/net")


def is_local(address: str) -> bool:
    """Whether an IP address is one of this machine's."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True


def listens(address: str, port: int, proc: Path = PROC) -> bool:
    """Whether a TCP socket of this machine listens on an address and port, or on that port of all addresses.

    proc
        The folder that has the kernel's tables ``tcp`` and ``tcp6`` (proc(5)).
    """
    any_address = {_hexadecimal("0.0.0.0"), _hexadecimal("::")}
    wanted = {f"{found}:{port:04X}" for found in {_hexadecimal(address), *any_address}}
    for table in ("tcp", "tcp6"):
        path = proc / table
        lines = path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []
        for line in lines:
            local, _, state = line.split()[1:4]
            if state == _LISTEN and local in wanted:
                return True
    return False


def _hexadecimal(address: str) -> str:
    """An address as the kernel prints it: its 32-bit words in the machine's byte order."""
    packed = ipaddress.ip_address(address).packed
    words = [packed[i : i + 4] for i in range(0, len(packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
