"""TLS through memory BIOs, with a certificate made for the test."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from types import ModuleType

import pytest
from growable import Buffer
from support import pattern
from tls_support import Contexts, make_contexts


@pytest.fixture
def contexts(need: Callable[[str], ModuleType]) -> Contexts:
    """Give the contexts of a client and of a server that trust each other."""
    return make_contexts(need("trustme"))


class Peer:
    """One end of a connection that exists in memory only."""

    def __init__(self, context: ssl.SSLContext, made: type[bytearray], *, server: bool) -> None:
        self.made = made
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "localhost"
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server, server_hostname=name
        )

    def send_to(self, other: Peer) -> None:
        """Carry what is pending to the other end, in a buffer of the type under test."""
        other.incoming.write(self.made(self.outgoing.read()))

    def shake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


def connect(contexts: Contexts, made: type[bytearray]) -> tuple[Peer, Peer]:
    client = Peer(contexts.client, made, server=False)
    server = Peer(contexts.server, made, server=True)
    done = [False, False]
    while not all(done):
        done[0] = done[0] or client.shake()
        client.send_to(server)
        done[1] = done[1] or server.shake()
        server.send_to(client)
    return client, server


def test_write_and_read(contexts: Contexts, made: type[bytearray]) -> None:
    client, server = connect(contexts, made)
    assert client.tls.write(made(pattern(1000))) == 1000
    client.send_to(server)
    target = made(1000)
    assert server.tls.read(1000, target) == 1000  # type: ignore[comparison-overlap]
    assert target == pattern(1000)


def test_read_into_the_tail(contexts: Contexts) -> None:
    client, server = connect(contexts, Buffer)
    client.tls.write(pattern(5000))
    client.send_to(server)
    buffer = Buffer(b"head")
    with memoryview(buffer), buffer.spare(10_000) as tail:
        buffer.advance(server.tls.read(10_000, tail))  # type: ignore[arg-type]
    assert bytes(buffer) == b"head" + pattern(5000)


def test_alpn_and_cadata(contexts: Contexts, made: type[bytearray]) -> None:
    der = contexts.client.get_ca_certs(binary_form=True)[0]
    fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    fresh.load_verify_locations(cadata=made(der))
    assert len(fresh.get_ca_certs()) == 1


def test_over_loopback(contexts: Contexts, made: type[bytearray]) -> None:
    content, target = made(pattern(100_000)), made(100_000)
    filled = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with contexts.server.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(content)
                tls.unwrap()

        server = threading.Thread(target=serve)
        server.start()
        with socket.create_connection(listener.getsockname()) as plain:
            with contexts.client.wrap_socket(plain, server_hostname="localhost") as tls:
                while filled < len(target):
                    filled += tls.recv_into(memoryview(target)[filled:])
                tls.unwrap()
        server.join()
    assert target == content == pattern(100_000)
