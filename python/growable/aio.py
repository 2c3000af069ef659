"""Receiving with asyncio straight into a :class:`growable.Buffer`.

A :class:`Receiver` is the protocol and the reading half of a connection; a :class:`Stream` has the
writing half too. The transport writes into the Buffer's tail, so no byte is copied on the way in;
:meth:`Receiver.view` shows what has arrived without a copy, and stays valid while more arrives.

What a reader would get wrong: bytes that were consumed cannot leave the Buffer while somebody still
holds a view of it. They are then passed over and given back later; and when much has been passed
over, the few bytes that are left move to a new Buffer and the old one is left to its views. So
consuming never fails, and no view ever changes under its holder.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable
from operator import index
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from growable._core import Buffer

if TYPE_CHECKING:
    from ssl import SSLContext

    from _typeshed import ReadableBuffer

__all__ = ["Receiver", "Stream", "open_connection", "start_server"]

LIMIT = 64 * 1024
HIGH = 256 * 1024
LOW = 64 * 1024

# What the transport is offered to write to: more when it fills that, less when it does not.
_SMALLEST_TAIL = 4 * 1024
_FIRST_TAIL = 16 * 1024
_LARGEST_TAIL = 256 * 1024

# Consumed bytes are passed over until there are as many, since removing them costs more than that.
_WORTH_REMOVING = 64 * 1024

# How much may be passed over under live views before the rest moves to a new Buffer, and how many
# times the rest that must be, so that the moves cost a fraction of a copy of each byte.
_PASSED_OVER = 1024 * 1024
_WORTH_MOVING = 4


def _checked(limit: int, high: int, low: int | None) -> tuple[int, int, int]:
    """Return the three where they make sense, with `low` filled in."""
    if low is None:
        low = min(LOW, high // 4)
    if limit <= 0:
        raise ValueError(f"limit must be > 0, got {limit}")
    if not 0 <= low <= high or high == 0:
        raise ValueError(f"high and low must be 0 <= low <= high and high > 0: {high}, {low}")
    return limit, high, low


class Receiver(asyncio.BufferedProtocol):
    """A protocol that receives into a Buffer, and what reads from it.

    Use it as the protocol factory of a loop's ``create_connection`` and the like, or see
    :class:`Stream`. One coroutine at a time may wait for data.

    Parameters
    ----------
    limit : int
        The longest piece that :meth:`read_until` and :meth:`fill_until` look for.
    high, low : int
        Receiving is paused once `high` bytes have arrived that nobody waits for, and goes on when
        no more than `low` of them are left.
    """

    def __init__(self, *, limit: int = LIMIT, high: int = HIGH, low: int | None = None) -> None:
        self._limit, self._high, self._low = _checked(limit, high, low)
        self._buffer = Buffer()
        self._passed_over = 0
        self._tail_size = _FIRST_TAIL
        self._lent = 0
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._eof = False
        self._exception: BaseException | None = None
        self._over_tls = False
        self._made = False

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]
        self._made = True
        self._over_tls = transport.get_extra_info("sslcontext") is not None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the Buffer's tail to the transport."""
        self._lent = max(self._tail_size, min(sizehint, _LARGEST_TAIL))
        return self._buffer.spare(self._lent)

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what the transport wrote."""
        self._buffer.advance(nbytes)
        if nbytes == self._lent:
            self._tail_size = min(2 * self._tail_size, _LARGEST_TAIL)
        elif nbytes < self._tail_size // 4:
            self._tail_size = max(self._tail_size // 2, _SMALLEST_TAIL)
        available = self.available
        if self._waiter is not None:
            if available < self._wanted:
                return
            self._wake()
        if available >= self._high:
            self._pause()

    def eof_received(self) -> bool:
        """Wake who waits; a plain connection stays open for writing."""
        self._end(None)
        return not self._over_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Let reads end, or raise what the connection was lost to."""
        self._end(exc)
        self._transport = None

    def _end(self, exc: BaseException | None) -> None:
        self._eof = True
        if exc is not None:
            self._exception = exc
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _pause(self) -> None:
        transport = self._transport
        if self._paused or transport is None or transport.is_closing():
            return
        try:
            transport.pause_reading()
        except NotImplementedError:
            return  # It cannot be paused, so all that comes is kept.
        self._paused = True

    def _resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    # Without a copy.

    @property
    def available(self) -> int:
        """How many bytes have arrived and were not consumed."""
        return len(self._buffer) - self._passed_over

    @property
    def limit(self) -> int:
        """The longest piece that :meth:`read_until` looks for."""
        return self._limit

    def at_eof(self) -> bool:
        """Return whether the other end has finished and everything was consumed."""
        return self._eof and self.available == 0

    async def fill(self, n: int = 1) -> int:
        """Wait until `n` bytes are available.

        Returns
        -------
        int
            How many are: fewer than `n` only when the other end has finished.

        Raises
        ------
        OSError
            What the connection was lost to.
        RuntimeError
            If another coroutine is waiting for data, or there is no connection yet.
        ValueError
            If `n` is negative.
        """
        n = index(n)
        if n < 0:
            raise ValueError(f"fill: size must be >= 0, got {n}")
        self._check()
        while (available := len(self._buffer) - self._passed_over) < n and not self._eof:
            await self._wait(n, "fill")
        return available

    async def fill_until(self, separator: bytes = b"\n") -> int:
        r"""Wait until `separator` has arrived.

        Returns
        -------
        int
            The number of bytes up to its end; 0 if the other end finished without it.

        Raises
        ------
        asyncio.LimitOverrunError
            If there are more than `limit` bytes before it. They stay available.
        """
        if not separator:
            raise ValueError("separator must not be empty")
        self._check()
        looked_at = 0
        while True:
            found = self._buffer.find(separator, self._passed_over + looked_at) - self._passed_over
            if found >= 0:
                if found > self._limit:
                    raise asyncio.LimitOverrunError(
                        "Separator is found, but chunk is longer than limit", found
                    )
                return found + len(separator)
            available = self.available
            looked_at = max(0, available + 1 - len(separator))
            if looked_at > self._limit:
                raise asyncio.LimitOverrunError(
                    "Separator is not found, and chunk exceed the limit", looked_at
                )
            if self._eof:
                return 0
            await self._wait(available + 1, "fill_until")

    def view(self, n: int = -1) -> memoryview:
        """Return a view of the first `n` available bytes, or of all of them.

        It stays valid, and at the same address, whatever arrives or is consumed afterwards. As long
        as it lives the memory it shows is not given back: release it when done with it.

        Raises
        ------
        ValueError
            If fewer bytes are available.
        """
        n = index(n)
        available = self.available
        if n < 0:
            n = available
        if n > available:
            raise ValueError(f"view: {n} bytes were asked for and {available} are available")
        start = self._passed_over
        return memoryview(self._buffer)[start : start + n]

    def consume(self, n: int) -> None:
        """Remove the first `n` available bytes, and give their pages back.

        While views are alive that comes later; see :meth:`view`.

        Raises
        ------
        ValueError
            If fewer bytes are available.
        """
        n = index(n)
        passed_over = self._passed_over + n
        left = len(self._buffer) - passed_over
        if n < 0 or left < 0:
            raise ValueError(f"consume: {n} bytes were asked for and {left + n} are available")
        self._passed_over = passed_over
        if left == 0 or passed_over >= _WORTH_REMOVING:
            self._remove(left)
        if self._paused and left <= self._low:
            self._resume()

    def _remove(self, left: int) -> None:
        if self._buffer.exports == 0:
            del self._buffer[: self._passed_over]
            self._passed_over = 0
        elif self._passed_over >= max(_PASSED_OVER, _WORTH_MOVING * left):
            self._leave_to_views()

    def _leave_to_views(self) -> None:
        with self.view() as rest:
            self._buffer = Buffer(rest)
        self._passed_over = 0

    # With a copy, as asyncio.StreamReader.

    async def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes, waiting until there is at least one; all to the end for -1.

        Returns
        -------
        bytes
            Empty at the end.
        """
        n = index(n)
        if n == 0:
            self._check()
            return b""
        available = await self.fill(1 if n > 0 else sys.maxsize)
        return self._take(available if n < 0 else min(n, available))

    async def read_exactly(self, n: int) -> bytes:
        """Return `n` bytes.

        Raises
        ------
        asyncio.IncompleteReadError
            If the other end finishes before; `partial` has what had arrived.
        """
        n = index(n)
        if n < 0:
            raise ValueError(f"read_exactly: size must be >= 0, got {n}")
        self._check()
        while (available := len(self._buffer) - self._passed_over) < n:
            if self._eof:
                raise asyncio.IncompleteReadError(self._take(available), n)
            await self._wait(n, "read_exactly")
        return self._take(n)

    async def read_until(self, separator: bytes = b"\n") -> bytes:
        r"""Return the bytes up to `separator`, and the separator.

        Raises
        ------
        asyncio.IncompleteReadError
            If the other end finishes before; `partial` has what had arrived.
        asyncio.LimitOverrunError
            If there are more than `limit` bytes before it. They stay available.
        """
        n = await self.fill_until(separator)
        if n == 0:
            raise asyncio.IncompleteReadError(self._take(self.available), None)
        return self._take(n)

    async def read_line(self) -> bytes:
        r"""Return the bytes up to a newline, and the newline; at the end what is left.

        ``async for line in stream`` gives line after line, to the end.

        Returns
        -------
        bytes
            Empty at the end.

        Raises
        ------
        ValueError
            If the line is longer than `limit`. What has arrived of it is removed.
        """
        try:
            return await self.read_until()
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            with self.view() as view:
                newline = bytes(view[error.consumed : error.consumed + 1]) == b"\n"
            self.consume(error.consumed + newline)
            raise ValueError(str(error)) from error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        line = await self.read_line()
        if not line:
            raise StopAsyncIteration
        return line

    def _take(self, n: int) -> bytes:
        buffer, start = self._buffer, self._passed_over
        if start > 0 or buffer.exports > 0:
            taken = bytes(memoryview(buffer)[start : start + n])
            self.consume(n)
            return taken
        taken = buffer.take_bytes(n)
        if self._paused and len(buffer) <= self._low:
            self._resume()
        return taken

    # Waiting.

    def _check(self) -> None:
        if self._exception is not None:
            raise self._exception

    async def _wait(self, wanted: int, name: str) -> None:
        """Wait until that much is available or nothing more comes."""
        if not self._made:
            raise RuntimeError(f"the {type(self).__name__} is not connected")
        if self._waiter is not None:
            raise RuntimeError(
                f"{name}() called while another coroutine is already waiting for incoming data"
            )
        self._resume()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._wanted = wanted
        try:
            await waiter
        finally:
            if self._waiter is waiter:
                self._waiter = None
        self._check()


class Stream(Receiver):
    """A connection: what :class:`Receiver` does, and writing as with asyncio.StreamWriter.

    A ``with`` block closes it: ``async with await open_connection(...) as stream``. A block left
    by an exception does not wait until everything is sent, which may never be.

    Parameters
    ----------
    connected : callable, optional
        Called with the Stream once it is connected. A coroutine, or another awaitable, runs as a
        task. A Stream that has it is the server's side in :meth:`start_tls`.
    limit, high, low : int
        See :class:`Receiver`.
    """

    def __init__(
        self,
        connected: Callable[[Stream], Awaitable[None] | None] | None = None,
        *,
        limit: int = LIMIT,
        high: int = HIGH,
        low: int | None = None,
    ) -> None:
        super().__init__(limit=limit, high=high, low=low)
        self._connected = connected
        self._server_side = connected is not None
        self._task: asyncio.Future[None] | None = None
        self._full = False
        self._drained: list[asyncio.Future[None]] = []
        self._lost = False
        self._closed: list[asyncio.Future[None]] = []
        self._writer: asyncio.Transport | None = None
        self._starting_tls = False
        self._peer: object = None  # since a transport that was lost may not know it

    def __repr__(self) -> str:
        writer = self._writer
        if writer is None:
            return "<growable.aio.Stream not connected>"
        if self._lost:
            state = "closed" if self._exception is None else f"lost to {self._exception!r}"
        elif writer.is_closing():
            state = "closing"
        elif self._starting_tls:
            state = "starting TLS"
        else:
            state = "open, other end has finished" if self._eof else "open"
        return (
            f"<growable.aio.Stream peer={self._peer!r} {state}, {self.available} bytes available>"
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and call `connected`."""
        super().connection_made(transport)
        self._writer = self._transport
        self._peer = transport.get_extra_info("peername")
        connected, self._connected = self._connected, None
        if connected is None:
            return
        try:
            result = connected(self)
        except Exception as error:
            self._fail(error)
            return
        if inspect.isawaitable(result):
            self._task = asyncio.ensure_future(result)
            self._task.add_done_callback(self._report)

    def _report(self, task: asyncio.Future[None]) -> None:
        if task.cancelled():
            self.transport.abort()
        elif (error := task.exception()) is not None:
            self._fail(error)
        self._task = None

    def _fail(self, error: BaseException) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {
                "message": "Unhandled exception in the callback of a growable.aio.Stream",
                "exception": error,
                "transport": self.transport,
            }
        )
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits."""
        super().connection_lost(exc)
        self._lost = True
        for waiter in (*self._drained, *self._closed):
            if not waiter.done():
                waiter.set_result(None)

    def pause_writing(self) -> None:
        """Let :meth:`drain` wait."""
        self._full = True

    def resume_writing(self) -> None:
        """Wake who drains."""
        self._full = False
        for waiter in self._drained:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, of a connection that was lost too."""
        if self._writer is None:
            raise RuntimeError("the Stream is not connected")
        return self._writer

    def _to_write(self) -> asyncio.Transport:
        if self._starting_tls:
            raise RuntimeError("TLS is being started, so nothing can be written")
        return self.transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows, such as its peername."""
        return self.transport.get_extra_info(name, default)

    def write(self, data: ReadableBuffer) -> None:
        """Send bytes, or keep them until they can be sent; see :meth:`drain`."""
        self._to_write().write(data)  # type: ignore[arg-type]

    def writelines(self, lines: Iterable[ReadableBuffer]) -> None:
        """Send several pieces."""
        self._to_write().writelines(lines)  # type: ignore[arg-type]

    def write_eof(self) -> None:
        """Finish sending; receiving goes on."""
        self._to_write().write_eof()

    def can_write_eof(self) -> bool:
        """Return whether :meth:`write_eof` is supported; over TLS it is not."""
        return self.transport.can_write_eof()

    async def drain(self) -> None:
        """Wait until the transport wants more.

        Raises
        ------
        ConnectionResetError
            If the connection was lost.
        """
        self._check()
        if self.transport.is_closing():
            await asyncio.sleep(0)  # so that connection_lost() gets its turn
        while self._full and not self._lost:
            await self._wait_in(self._drained)
        self._check()
        if self._lost:
            raise ConnectionResetError("Connection lost")

    async def start_tls(
        self,
        sslcontext: SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
    ) -> None:
        """Go on over TLS, as with ``asyncio.StreamWriter.start_tls``.

        Until the handshake is done nothing can be written. When it fails the connection is closed.

        Raises
        ------
        ConnectionAbortedError
            If bytes have arrived that were not consumed. They came in clear, from whoever can write
            to the connection, and must not pass for what comes over TLS. The connection is closed.
        ConnectionResetError
            If the connection was lost or the other end has finished.
        OSError
            ``ssl.SSLError`` among others, if the handshake fails.
        RuntimeError
            If TLS is being started already.
        """
        self._to_write()
        await self.drain()
        transport = self._to_write()
        if self.available > 0:
            error = ConnectionAbortedError(
                f"{self.available} bytes that arrived before TLS was started were not consumed"
            )
            self._exception = error
            transport.abort()
            raise error
        if self._eof or transport.is_closing():
            raise ConnectionResetError("TLS cannot be started: the connection is closing")
        over_tls = self._over_tls
        # What arrives right after the handshake must not pause the transport below TLS.
        self._transport = None
        self._starting_tls = self._over_tls = True
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                sslcontext,
                server_side=self._server_side,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
            )
            if upgraded is None:
                raise ConnectionResetError("Connection lost")
        except BaseException as error:
            if transport.get_protocol() is self:  # It was refused before anything was done.
                self._transport, self._over_tls = transport, over_tls
                raise
            transport.abort()
            if not self._lost:  # Nobody else says so when a handshake fails.
                self.connection_lost(error if isinstance(error, OSError) else None)
            raise
        finally:
            self._starting_tls = False
        self._writer = upgraded
        if not self._lost:
            self._transport = upgraded
            if self._waiter is None and self.available >= self._high:
                self._pause()

    def close(self) -> None:
        """Close once everything is sent."""
        self.transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is closed or about to be."""
        return self.transport.is_closing()

    async def wait_closed(self) -> None:
        """Wait until it is closed, and raise what it was lost to."""
        if not self._made:
            raise RuntimeError("the Stream is not connected")
        while not self._lost:
            await self._wait_in(self._closed)
        self._check()

    async def _wait_in(self, waiters: list[asyncio.Future[None]]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, and wait for that; abort when there is an exception, which comes first."""
        if exc is not None:
            self.transport.abort()
            with contextlib.suppress(Exception):
                await self.wait_closed()
            return
        self.close()
        try:
            await self.wait_closed()
        except BaseException:
            self.transport.abort()
            raise


async def open_connection(
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: int = LIMIT,
    high: int = HIGH,
    low: int | None = None,
    **options: Any,
) -> Stream:
    """Connect, as ``asyncio.open_connection`` does.

    Parameters
    ----------
    host, port, **options
        As for ``loop.create_connection``: ``ssl``, ``server_hostname``, ``sock``, ...
    limit, high, low : int
        See :class:`Receiver`.
    """
    stream = Stream(limit=limit, high=high, low=low)
    await asyncio.get_running_loop().create_connection(
        lambda: stream,
        host,  # type: ignore[arg-type]
        port,  # type: ignore[arg-type]
        **options,
    )
    return stream


async def start_server(
    connected: Callable[[Stream], Awaitable[None] | None],
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: int = LIMIT,
    high: int = HIGH,
    low: int | None = None,
    **options: Any,
) -> asyncio.Server:
    """Listen, as ``asyncio.start_server`` does.

    Parameters
    ----------
    connected : callable
        Called with a :class:`Stream` for each connection. A coroutine runs as a task. When it
        returns the connection stays open, until somebody closes it.
    host, port, **options
        As for ``loop.create_server``: ``ssl``, ``sock``, ``backlog``, ...
    limit, high, low : int
        See :class:`Receiver`.
    """
    if not callable(connected):
        raise TypeError(f"connected must be callable, not {type(connected).__name__}")
    _checked(limit, high, low)
    return await asyncio.get_running_loop().create_server(
        lambda: Stream(connected, limit=limit, high=high, low=low),
        host,
        port,  # type: ignore[arg-type]
        **options,
    )
