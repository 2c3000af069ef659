"""Real connections over loopback: asyncio's loop and uvloop, plain and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager

import pytest
from aio_support import Layer, Run
from growable import aio
from support import address_of, pattern

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(handler: Handler, layer: Layer) -> AsyncIterator[int]:
    """Serve with asyncio's own streams, and give the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **layer.server)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def serving(
    handler: Callable[[aio.Stream], Awaitable[None] | None], layer: Layer, **options: int
) -> AsyncIterator[int]:
    """Serve with ours, and give the port."""
    server = await aio.start_server(handler, "127.0.0.1", 0, **layer.server, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_receiving_much(run: Run, layer: Layer) -> None:
    content = pattern(3_000_000)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    async def main() -> None:
        async with peer(send, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                assert await stream.fill(1000) >= 1000
                view = stream.view(1000)
                where = address_of(view)
                assert await stream.fill(3_000_000) == 3_000_000
                with stream.view() as whole:
                    assert whole == content
                    assert address_of(whole) == where == address_of(view)
                assert await stream.read() == content
                assert stream.at_eof()
                assert view == content[:1000]

    run(main())


def test_echo_of_frames(run: Run, layer: Layer) -> None:
    """Ours at both ends, with bytes out and views out."""

    async def echo(stream: aio.Stream) -> None:
        async with stream:
            while await stream.fill(4) >= 4:
                with stream.view(4) as head:
                    size = 4 + struct.unpack("!I", head)[0]
                assert await stream.fill(size) >= size
                with stream.view(size) as frame:
                    stream.write(bytes(frame))
                stream.consume(size)
                await stream.drain()

    async def main() -> None:
        async with serving(echo, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                for size in (0, 1, 100, 5000, 100_000, 1_000_000, 3):
                    body = pattern(size, size % 251)
                    stream.writelines([struct.pack("!I", size), body])
                    await stream.drain()
                    (got,) = struct.unpack("!I", await stream.read_exactly(4))
                    assert got == size
                    assert await stream.read_exactly(size) == body
                if stream.can_write_eof():
                    stream.write_eof()
                    assert await stream.read() == b""

    run(main())


def test_lines(run: Run, layer: Layer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for i in range(200):
            writer.write(b"line %d\r\n" % i)
            if i % 10 == 0:
                await asyncio.sleep(0)
        writer.write(b"last")

    async def main() -> None:
        async with peer(talk, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                for i in range(200):
                    assert await stream.read_until(b"\r\n") == b"line %d\r\n" % i
                with pytest.raises(asyncio.IncompleteReadError) as caught:
                    await stream.read_until(b"\r\n")
                assert caught.value.partial == b"last"
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                lines = [line async for line in stream]
                assert lines == [b"line %d\r\n" % i for i in range(200)] + [b"last"]

    run(main())


def test_back_pressure_stops_the_sender(run: Run, layer: Layer) -> None:
    total, sent = 40_000_000, 0
    chunk = pattern(100_000)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < total:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    async def main() -> None:
        async with peer(send, layer) as port:
            stream = await aio.open_connection(
                "127.0.0.1", port, high=200_000, low=50_000, **layer.client
            )
            async with stream:
                before = -1
                while before != sent:
                    before = sent
                    await asyncio.sleep(0.2)
                assert sent < total
                assert stream.available < 2_000_000
                digest, expected = hashlib.sha256(), hashlib.sha256()
                received = 0
                while n := await stream.fill():
                    with stream.view() as view:
                        digest.update(view)
                    stream.consume(n)
                    received += n
                for _ in range(total // len(chunk)):
                    expected.update(chunk)
                assert received == total
                assert digest.digest() == expected.digest()

    run(main())


def test_drain_waits_for_the_receiver(run: Run, layer: Layer) -> None:
    go_on = asyncio.Event()
    chunk, count = bytes(1_000_000), 40

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        for _ in range(count):
            await reader.readexactly(len(chunk))
        writer.write(b"thanks")

    async def write(stream: aio.Stream) -> None:
        for _ in range(count):
            stream.write(chunk)
            await stream.drain()

    async def main() -> None:
        async with peer(slow, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                writing = asyncio.ensure_future(write(stream))
                await asyncio.sleep(0.2)
                waited = not writing.done()
                go_on.set()
                await writing
                assert waited
                assert await stream.read_exactly(6) == b"thanks"

    run(main())


def test_a_reset_connection(run: Run) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        stream = await aio.open_connection(*listener.getsockname())
        other, _ = listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reading = asyncio.ensure_future(stream.read_exactly(10))
        await asyncio.sleep(0)
        other.close()
        listener.close()
        with pytest.raises(ConnectionResetError):
            await reading
        with pytest.raises(ConnectionResetError):
            await stream.drain()
        with pytest.raises(ConnectionResetError):
            await stream.wait_closed()
        with pytest.raises(ConnectionResetError):
            async with stream:
                pass
        with pytest.raises(KeyError):
            async with stream:
                raise KeyError

    run(main())


def test_the_other_end_closes(run: Run, layer: Layer) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")

    async def main() -> None:
        async with peer(leave, layer) as port:
            stream = await aio.open_connection("127.0.0.1", port, **layer.client)
            assert stream.get_extra_info("peername")[1] == port
            assert await stream.read() == b"bye"
            stream.close()
            assert stream.is_closing()
            await stream.wait_closed()
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await stream.drain()
            assert await stream.read() == b""

    run(main())


@asynccontextmanager
async def peer_that_never_reads(layer: Layer) -> AsyncIterator[int]:
    """Serve with a handler that stops the transport's reading until the end."""
    at_the_end = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await at_the_end.wait()
        writer.transport.abort()

    async with peer(stall, layer) as port:
        yield port
        at_the_end.set()
        await asyncio.sleep(0.05)


MUCH = bytes(50_000_000)


@pytest.mark.parametrize("where", ["in the block", "at its end"])
def test_a_timeout_does_not_wait_for_a_peer_that_never_reads(
    run: Run, layer: Layer, where: str
) -> None:
    async def send(stream: aio.Stream) -> None:
        async with asyncio.timeout(0.5), stream:
            stream.write(MUCH)
            if where == "in the block":
                await stream.drain()
                await asyncio.sleep(60)

    async def main() -> None:
        async with peer_that_never_reads(layer) as port:
            stream = await aio.open_connection("127.0.0.1", port, **layer.client)
            with pytest.raises(TimeoutError, match=r"^$"):
                await asyncio.wait_for(asyncio.ensure_future(send(stream)), 20)
            assert stream.is_closing()
            await asyncio.wait_for(stream.wait_closed(), 20)

    run(main())


def test_an_exception_does_not_wait_for_a_peer_that_never_reads(run: Run, layer: Layer) -> None:
    async def send(stream: aio.Stream) -> None:
        async with stream:
            stream.write(MUCH)
            raise KeyError("of the block")

    async def main() -> None:
        async with peer_that_never_reads(layer) as port:
            stream = await aio.open_connection("127.0.0.1", port, **layer.client)
            with pytest.raises(KeyError, match="of the block"):
                await asyncio.wait_for(send(stream), 20)
            await asyncio.wait_for(stream.wait_closed(), 20)

    run(main())


def test_a_handler_that_is_cancelled_does_not_wait(run: Run, layer: Layer) -> None:
    """One without a block of its own; its client never reads."""
    handlers: list[tuple[aio.Stream, asyncio.Task[None] | None]] = []

    async def handle(stream: aio.Stream) -> None:
        stream.write(MUCH)
        handlers.append((stream, asyncio.current_task()))
        await asyncio.sleep(60)

    async def main() -> None:
        async with serving(handle, layer) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port, **layer.client)
            while not handlers:
                await asyncio.sleep(0.01)
            ((stream, task),) = handlers
            assert task is not None
            task.cancel()
            await asyncio.wait_for(stream.wait_closed(), 20)
            writer.transport.abort()
            await asyncio.sleep(0.05)

    run(main())


def test_half_close(run: Run) -> None:
    async def answer(stream: aio.Stream) -> None:
        async with stream:
            content = await stream.read()
            stream.write(content[::-1])

    async def main() -> None:
        async with serving(answer, Layer("plain", {}, {})) as port:
            async with await aio.open_connection("127.0.0.1", port) as stream:
                stream.write(b"abc")
                stream.write_eof()
                assert await stream.read() == b"cba"

    run(main())


def test_a_callback_that_is_no_coroutine(run: Run) -> None:
    streams: list[aio.Stream] = []

    async def main() -> None:
        async with serving(streams.append, Layer("plain", {}, {}), limit=7) as port:
            async with await aio.open_connection("127.0.0.1", port) as stream:
                stream.write(b"x")
                while not streams:
                    await asyncio.sleep(0.01)
                assert streams[0].limit == 7
                assert await streams[0].read_exactly(1) == b"x"
                streams[0].close()
                assert await stream.read() == b""

    run(main())


@pytest.mark.parametrize("run", ["asyncio"], indirect=True)
def test_a_handler_that_fails(run: Run) -> None:
    async def fail(stream: aio.Stream) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[object] = []
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        async with serving(fail, Layer("plain", {}, {})) as port:
            async with await aio.open_connection("127.0.0.1", port) as stream:
                assert await stream.read() == b""  # it was closed
        assert [type(error) for error in seen] == [ZeroDivisionError]

    run(main())


def test_a_plain_callback_that_fails(run: Run, layer: Layer) -> None:
    def fail(stream: aio.Stream) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[object] = []
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        async with serving(fail, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                assert await stream.read() == b""  # it was closed
        assert [type(error) for error in seen] == [ZeroDivisionError]

    run(main())


class Greeting:
    """An awaitable that is no coroutine."""

    def __init__(self, stream: aio.Stream) -> None:
        self.stream = stream

    def __await__(self) -> Generator[None, None, None]:
        yield
        self.stream.write(b"hello")
        self.stream.close()


def test_a_callback_that_returns_another_awaitable(run: Run, layer: Layer) -> None:
    async def main() -> None:
        async with serving(Greeting, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                assert await stream.read() == b"hello"

    run(main())


def test_any_transport_of_a_loop(run: Run) -> None:
    """A Receiver is a protocol like another: here for one end of a pair of sockets."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        _, stream = await asyncio.get_running_loop().create_connection(aio.Stream, sock=ours)
        theirs.sendall(b"hello")
        assert await stream.read_exactly(5) == b"hello"
        stream.write(b"hi")
        assert theirs.recv(10) == b"hi"
        theirs.close()
        assert await stream.read() == b""
        stream.close()
        await stream.wait_closed()

    run(main())


@pytest.mark.parametrize("run", ["asyncio"], indirect=True)
@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": -1}, {"high": 0}, {"high": 9, "low": 10}]
)
def test_wrong_options_are_refused_at_once(run: Run, wrong: dict[str, int]) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(ValueError, match="must be"):  # and not that nobody listens there
            await aio.open_connection("127.0.0.1", port, **wrong)
        with pytest.raises(ValueError, match="must be"):
            await aio.start_server(lambda stream: None, "127.0.0.1", 0, **wrong)

    run(main())


@pytest.mark.parametrize("run", ["asyncio"], indirect=True)
def test_a_callback_that_cannot_be_called(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="callable, not NoneType"):
            await aio.start_server(None, "127.0.0.1", 0)  # type: ignore[arg-type]

    run(main())


def test_a_handler_that_returns_leaves_the_connection_open(run: Run, layer: Layer) -> None:
    streams: list[aio.Stream] = []

    async def greet(stream: aio.Stream) -> None:
        stream.write(b"hello")
        streams.append(stream)

    async def main() -> None:
        async with serving(greet, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                assert await stream.read_exactly(5) == b"hello"
                await asyncio.sleep(0.05)
                assert not streams[0].is_closing()
                stream.write(b"still there?")
                assert await streams[0].read_exactly(12) == b"still there?"
                streams[0].close()
                assert await stream.read() == b""

    run(main())


def test_not_connected() -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        aio.Stream().write(b"x")
    stream = aio.Stream()
    for wait in (stream.read, stream.fill, stream.read_line, stream.wait_closed):
        with pytest.raises(RuntimeError, match="not connected"):
            asyncio.run(asyncio.wait_for(wait(), 20))  # type: ignore[operator]


def test_repr_tells_the_peer_and_the_state(run: Run, layer: Layer) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()

    async def main() -> None:
        stream = aio.Stream()
        assert repr(stream) == "<growable.aio.Stream not connected>"
        async with peer(greet, layer) as port:
            async with await aio.open_connection("127.0.0.1", port, **layer.client) as stream:
                await stream.fill(5)
                where = f"<growable.aio.Stream peer=('127.0.0.1', {port})"
                assert repr(stream) == f"{where} open, 5 bytes available>"
                stream.close()
                assert repr(stream) == f"{where} closing, 5 bytes available>"
            assert repr(stream).endswith(" closed, 5 bytes available>")

    run(main())


def test_repr_of_a_lost_connection(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await aio.open_connection(*listener.getsockname())
            other, _ = listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(ConnectionResetError):
            await stream.wait_closed()
        assert " lost to ConnectionResetError(" in repr(stream)

    run(main())
