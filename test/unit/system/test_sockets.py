"""The machine's own sockets, against the kernel's real tables."""

from __future__ import annotations

import socket

import pytest

from hamysql.system import sockets


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listening_socket_is_seen_and_a_bound_one_is_not(family, address):
    with socket.socket(family) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        assert not sockets.listens(address, port)
        server.listen()
        assert sockets.listens(address, port)
    assert not sockets.listens(address, port)


def test_a_socket_on_all_addresses_counts_and_one_on_another_address_does_not():
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert sockets.listens("127.0.0.1", server.getsockname()[1])
    with socket.socket() as server:
        server.bind(("127.0.0.2", 0))
        server.listen()
        assert not sockets.listens("127.0.0.1", server.getsockname()[1])


@pytest.mark.parametrize(("address", "local"), [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False)])
def test_which_addresses_are_this_machine_s(address, local):
    assert sockets.is_local(address) is local
