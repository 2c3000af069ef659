"""Connections that begin in clear and go on over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aio_support import Need, Run
from growable import aio
from support import pattern
from tls_support import Contexts, make_contexts


@pytest.fixture
def contexts(need: Need) -> Contexts:
    return make_contexts(need("trustme"))


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Relay to `port`; give the port to connect to, and all that passes in both directions."""
    passed = bytearray()

    relays: list[asyncio.Task[object]] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(65536):
                passed.extend(content)
                writer.write(content)
                await writer.drain()
                await asyncio.sleep(0.01)  # so that much passes at once
            writer.close()
            await writer.wait_closed()

    def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def run_both() -> None:
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(relay(reader, there[1]), relay(there[0], writer))

        relays.append(asyncio.ensure_future(run_both()))

    server = await asyncio.start_server(both, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], passed
        await asyncio.gather(*relays)


@pytest.mark.parametrize("high", [1000, aio.HIGH])
def test_both_sides_go_on_over_tls(run: Run, contexts: Contexts, high: int) -> None:
    """With a small `high` what comes along with the handshake's end is more than enough."""
    greeting, secret = pattern(200_000), b"nobody else may read this " * 10

    async def serve(stream: aio.Stream) -> None:
        async with stream:
            assert await stream.read_line() == b"STARTTLS\n"
            stream.write(b"go\n")
            await stream.start_tls(contexts.server)
            stream.write(greeting)
            await stream.drain()
            await asyncio.sleep(0.1)
            assert await stream.read_exactly(len(greeting)) == greeting
            stream.write(await stream.read_exactly(len(secret)))

    async def main() -> None:
        server = await aio.start_server(serve, "127.0.0.1", 0, high=high)
        async with server, wire_to(server.sockets[0].getsockname()[1]) as (port, passed):
            async with await aio.open_connection("127.0.0.1", port, high=high) as stream:
                in_clear = stream.transport
                stream.write(b"STARTTLS\n")
                assert await stream.read_line() == b"go\n"
                assert stream.get_extra_info("sslcontext") is None
                await stream.start_tls(contexts.client, server_hostname="localhost")
                assert stream.transport is not in_clear
                assert stream.get_extra_info("sslcontext") is contexts.client
                stream.write(greeting)
                stream.write(secret)
                await asyncio.sleep(0.1)
                assert await stream.read_exactly(len(greeting)) == greeting
                assert await stream.read() == secret
            assert bytes(passed).startswith(b"STARTTLS\ngo\n")
            assert len(passed) > len(greeting)
            assert greeting[:100] not in passed
            assert secret[:26] not in passed

    run(main())


def test_bytes_that_came_in_clear_are_refused(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await aio.open_connection(*listener.getsockname())
            other, _ = listener.accept()
        with other:
            other.sendall(b"go\ninjected")
            assert await stream.read_line() == b"go\n"
            await stream.fill(8)
            with pytest.raises(ConnectionAbortedError, match="8 bytes"):
                await stream.start_tls(contexts.client, server_hostname="localhost")
            assert stream.is_closing()
            with pytest.raises(ConnectionAbortedError):
                await stream.read()
            with pytest.raises(ConnectionAbortedError):
                await stream.wait_closed()

    run(main())


def test_a_handshake_that_fails_closes(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await aio.open_connection(*listener.getsockname())
            other, _ = listener.accept()
        with other:
            other.sendall(b"this is no handshake")  # and is not read before TLS is started
            assert stream.available == 0
            with pytest.raises(ssl.SSLError):
                async with stream:
                    await stream.start_tls(contexts.client, server_hostname="localhost")
            assert stream.is_closing()
            with pytest.raises(ssl.SSLError):
                await stream.wait_closed()

    run(main())


def test_a_handshake_that_is_cancelled_closes(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await aio.open_connection(*listener.getsockname())
            other, _ = listener.accept()
        with other:
            starting = asyncio.ensure_future(
                stream.start_tls(contexts.client, server_hostname="localhost")
            )
            await asyncio.sleep(0.1)
            with pytest.raises(RuntimeError, match="being started"):
                stream.write(b"in clear")
            with pytest.raises(RuntimeError, match="being started"):
                await stream.start_tls(contexts.client)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            await stream.wait_closed()
            assert stream.is_closing()
            assert await stream.read() == b""

    run(main())


def test_what_cannot_be_started(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await aio.open_connection(*listener.getsockname())
            other, _ = listener.accept()
        with other:
            with pytest.raises(TypeError):
                await stream.start_tls("context")  # type: ignore[arg-type]
            other.sendall(b"still in clear")
            assert await stream.read_exactly(14) == b"still in clear"
            stream.write(b"both ways")
            assert other.recv(100) == b"both ways"
        assert await stream.read() == b""
        with pytest.raises(ConnectionResetError):
            await stream.start_tls(contexts.client, server_hostname="localhost")
        stream.close()
        await stream.wait_closed()

    run(main())


def test_not_connected(contexts: Contexts) -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        asyncio.run(aio.Stream().start_tls(contexts.client))
