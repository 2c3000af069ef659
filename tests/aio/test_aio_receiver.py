"""The Receiver without a network: a transport of our own calls what a real one would."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import growable
import pytest
from growable import Buffer
from growable.aio import HIGH, Receiver
from support import address_of, pattern, run_child


class Transport(asyncio.Transport):
    """Remembers whether it was paused."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def is_closing(self) -> bool:
        return False


class Unpausable(Transport):
    def pause_reading(self) -> None:
        raise NotImplementedError


def connected(transport: Transport | None = None, **options: int) -> Receiver:
    receiver = Receiver(**options)
    receiver.connection_made(transport or Transport())
    return receiver


def feed(receiver: Receiver, content: bytes) -> None:
    """Deliver as a transport does."""
    while content:
        tail = receiver.get_buffer(-1)
        n = min(len(tail), len(content))
        tail[:n] = content[:n]
        del tail
        receiver.buffer_updated(n)
        content = content[n:]


def go(coroutine: Coroutine[Any, Any, object]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def later(call: Callable[..., None], *args: Any) -> None:
    asyncio.get_running_loop().call_soon(call, *args)


def test_read() -> None:
    async def main() -> None:
        r = connected()
        feed(r, b"abcdef")
        assert await r.read(0) == b""
        assert await r.read(4) == b"abcd"
        assert await r.read(100) == b"ef"
        later(feed, r, b"more")
        assert await r.read(3) == b"mor"
        later(feed, r, b" and")
        later(r.eof_received)
        assert not r.at_eof()
        assert await r.read() == b"e and"
        assert r.at_eof()
        assert await r.read() == await r.read(5) == b""

    go(main())


def test_read_exactly() -> None:
    async def main() -> None:
        r = connected()
        assert await r.read_exactly(0) == b""
        for part in (b"ab", b"cd", b"efg"):
            later(feed, r, part)
        assert await r.read_exactly(5) == b"abcde"
        assert r.available == 2
        later(r.eof_received)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await r.read_exactly(5)
        assert (caught.value.partial, caught.value.expected) == (b"fg", 5)
        assert r.at_eof()
        with pytest.raises(ValueError, match="must be >= 0"):
            await r.read_exactly(-1)

    go(main())


def test_read_until() -> None:
    async def main() -> None:
        r = connected()
        feed(r, b"one\r\ntwo\r")
        assert await r.read_until(b"\r\n") == b"one\r\n"
        later(feed, r, b"\nrest\n")
        assert await r.read_until(b"\r\n") == b"two\r\n"
        assert await r.read_until() == b"rest\n"
        with pytest.raises(ValueError, match="empty"):
            await r.read_until(b"")
        feed(r, b"no end")
        later(r.eof_received)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await r.read_until()
        assert (caught.value.partial, caught.value.expected) == (b"no end", None)
        assert await r.fill_until() == 0

    go(main())


def test_read_until_beyond_the_limit() -> None:
    async def main() -> None:
        r = connected(limit=10)
        feed(r, b"x" * 11 + b"\n")
        with pytest.raises(asyncio.LimitOverrunError, match="is found") as caught:
            await r.read_until()
        assert caught.value.consumed == 11
        assert r.available == 12  # nothing is lost
        r.consume(1)
        assert await r.read_until() == b"x" * 10 + b"\n"
        later(feed, r, b"y" * 20)
        with pytest.raises(asyncio.LimitOverrunError, match="is not found") as caught:
            await r.read_until()
        assert caught.value.consumed == 20
        assert await r.read_exactly(caught.value.consumed) == b"y" * 20

    go(main())


@pytest.mark.parametrize("cut", range(12))
def test_like_stream_reader(cut: int) -> None:
    """The same calls on the same pieces, beside asyncio.StreamReader."""

    async def main() -> None:
        content = b"ab--cd-" + b"e" * 9 + b"--fg--h"
        ours, theirs = connected(limit=8), asyncio.StreamReader(limit=8)
        theirs.set_transport(Transport())
        for piece in (content[:cut], content[cut : cut + 5], content[cut + 5 :]):
            later(feed, ours, piece)
            later(theirs.feed_data, piece)
        later(ours.eof_received)
        later(theirs.feed_eof)
        names = {"read_until": "readuntil", "read_exactly": "readexactly", "read": "read"}
        for name, argument in [
            ("read_until", b"--"),
            ("read_exactly", 2),
            ("read_until", b"--"),
            ("read", 3),
            ("read_exactly", 8),
            ("read_until", b"--"),
            ("read", -1),
            ("read_until", b"-"),
            ("read_exactly", 1),
        ]:
            outcomes = []
            for reader, method in ((ours, name), (theirs, names[name])):
                try:
                    outcome = await getattr(reader, method)(argument)
                    if name == "read" and argument > 0:  # may be short
                        outcome += await getattr(reader, names[name])(argument - len(outcome))
                    outcomes.append(outcome)
                except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                    outcomes.append((type(error), error.args))
            assert outcomes[0] == outcomes[1], name

    go(main())


def test_lines() -> None:
    async def main() -> None:
        r = connected()
        feed(r, b"one\r\n\ntwo")
        later(feed, r, b" and\nlast")
        later(r.eof_received)
        assert await r.read_line() == b"one\r\n"
        assert [line async for line in r] == [b"\n", b"two and\n", b"last"]
        assert [line async for line in r] == []
        assert await r.read_line() == b""

    go(main())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 10, 11, 64])
def test_lines_as_of_stream_reader(size: int) -> None:
    """Lines up to, at and beyond the limit, in pieces of this size, beside asyncio.StreamReader."""

    async def main() -> None:
        content = b"\n".join(b"x" * n for n in (0, 3, 7, 8, 9, 2, 25, 0, 8, 11, 1))
        ours, theirs = connected(limit=8), asyncio.StreamReader(limit=8)
        for at in range(0, len(content), size):
            later(feed, ours, content[at : at + size])
            later(theirs.feed_data, content[at : at + size])
        later(ours.eof_received)
        later(theirs.feed_eof)
        outcomes: list[list[object]] = [[], []]
        while outcomes[0][-1:] != ["end"]:
            for outcome, reader in zip(outcomes, (ours, theirs), strict=True):
                try:
                    outcome.append(await anext(reader, "end"))
                except ValueError as error:
                    outcome.append((type(error), error.args))
            assert outcomes[0] == outcomes[1]
        assert len(outcomes[0]) > 6

    go(main())


def test_lines_under_a_view() -> None:
    async def main() -> None:
        r = connected(limit=8)
        feed(r, b"one\n" + b"x" * 9 + b"\ntwo\n")
        with r.view() as view:
            assert await r.read_line() == b"one\n"
            with pytest.raises(ValueError, match="longer than limit"):
                await r.read_line()
            assert await r.read_line() == b"two\n"
            assert view == b"one\n" + b"x" * 9 + b"\ntwo\n"

    go(main())


def test_errors_of_the_connection() -> None:
    async def main() -> None:
        r = connected()
        feed(r, b"abc")
        later(r.connection_lost, ConnectionResetError("gone"))
        with pytest.raises(ConnectionResetError, match="gone"):
            await r.read_exactly(10)
        for call in (
            *(r.read, r.read_until, r.read_line, r.fill, r.fill_until),
            *(r.__anext__, lambda: r.read_exactly(1)),
        ):
            with pytest.raises(ConnectionResetError, match="gone"):
                await call()
        assert bytes(r.view()) == b"abc"
        other = connected()
        feed(other, b"abc")
        other.connection_lost(None)
        assert await other.read() == b"abc"

    go(main())


def test_one_waits_at_a_time() -> None:
    async def main() -> None:
        r = connected()
        first = asyncio.ensure_future(r.read(5))
        await asyncio.sleep(0)
        for call in (r.fill, r.fill_until):
            with pytest.raises(RuntimeError, match="another coroutine is already waiting"):
                await call()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        later(feed, r, b"abc")
        assert await r.read(5) == b"abc"

    go(main())


def test_views_survive_what_arrives_and_what_is_consumed() -> None:
    async def main() -> None:
        r = connected(high=1 << 30)
        content = pattern(40_000)
        feed(r, content)
        held = []
        for i in range(400):
            assert await r.fill(8) >= 8
            held.append((i * 100, r.view(100), address_of(r.view(100))))
            r.consume(100)
            feed(r, pattern(30_000, i))
        for at, view, address in held:
            assert view == content[at : at + 100]
            assert address_of(view) == address
        sofar = 400 * 100
        total = 40_000 + 400 * 30_000
        assert r.available == total - sofar

    go(main())


def test_views_do_not_pin_all_that_was_received() -> None:
    """The loop that everybody writes: the last view is alive when the next one is taken."""

    async def main() -> None:
        r = connected()
        largest = 0
        chunk = pattern(10_000)
        for _ in range(2000):
            feed(r, chunk)
            view = r.view(10_000)
            r.consume(10_000)
            largest = max(largest, len(r._buffer))
        assert view == chunk
        assert largest < 2 << 20

    go(main())


def test_consume_gives_pages_back() -> None:
    async def main() -> None:
        growable.trim()  # a reservation that waits may have more committed than is used here
        r = connected(high=1 << 40)
        chunk = pattern(1 << 20)
        largest = 0
        for _ in range(100):
            feed(r, chunk)
            largest = max(largest, sys.getsizeof(r._buffer))
            assert await r.fill(1 << 20) == 1 << 20
            with r.view(1000) as view:
                assert view == chunk[:1000]
            r.consume(1 << 20)
        assert largest < 16 << 20

    go(main())


def test_view_consume_and_fill_check_their_argument() -> None:
    r = connected()
    feed(r, b"abc")
    for call in (r.view, r.consume):
        with pytest.raises(ValueError, match="are available"):
            call(4)
    with pytest.raises(ValueError, match="are available"):
        r.consume(-1)
    with pytest.raises(ValueError, match="must be >= 0, got -5"):
        go(r.fill(-5))
    assert r.view() == b"abc"
    assert r.view(0) == b""


@pytest.mark.parametrize("size", [3.0, "3", None])
def test_sizes_are_integers(size: Any) -> None:
    r = connected()
    feed(r, b"abcdef")
    for call in (r.view, r.consume):
        with pytest.raises(TypeError, match="as an integer"):
            call(size)
    for wait in (r.fill, r.read, r.read_exactly):
        with pytest.raises(TypeError, match="as an integer"):
            go(wait(size))
    assert r.available == 6
    r.consume(True)
    assert r.view() == b"bcdef"
    go(r.read_exactly(5))


def test_back_pressure() -> None:
    async def main() -> None:
        transport = Transport()
        r = connected(transport, high=10_000, low=2000)
        feed(r, b"x" * 9999)
        assert transport.calls == []
        feed(r, b"x")
        assert transport.calls == ["pause"]
        feed(r, b"x" * 10_000)  # a transport may deliver what it had
        r.consume(17_999)
        assert transport.calls == ["pause"]
        await r.read_exactly(1)
        assert transport.calls == ["pause", "resume"]

    go(main())


def test_no_pause_while_more_is_waited_for() -> None:
    async def main() -> None:
        transport = Transport()
        r = connected(transport, high=10_000)
        feed(r, b"x" * 10_000)
        assert transport.calls == ["pause"]
        for _ in range(10):
            later(feed, r, b"x" * 10_000)
        assert await r.fill(105_000) == 110_000
        assert transport.calls == ["pause", "resume", "pause"]
        r.consume(110_000)
        assert transport.calls == ["pause", "resume", "pause", "resume"]

    go(main())


def test_a_transport_that_cannot_be_paused() -> None:
    async def main() -> None:
        r = connected(Unpausable(), high=10)
        feed(r, b"x" * 1000)
        assert await r.read_exactly(1000) == b"x" * 1000

    go(main())


def test_options() -> None:
    for options in ({"limit": 0}, {"high": 0}, {"high": 10, "low": 11}, {"low": -1}):
        with pytest.raises(ValueError, match=r"must be"):
            Receiver(**options)
    r = Receiver(limit=5)
    assert r.limit == 5
    assert len(r.get_buffer(-1)) <= HIGH
    assert len(r.get_buffer(100_000)) == 100_000


def test_what_is_offered_follows_what_comes() -> None:
    r = connected(high=1 << 40)
    feed(r, bytes(4 << 20))
    assert len(r.get_buffer(-1)) >= 128 * 1024
    for _ in range(20):
        feed(r, b"x")
    assert len(r.get_buffer(-1)) == 4096


def test_growable_stays_light() -> None:
    run_child(
        """
        import sys
        import growable
        assert not any(name.split(".")[0] in ("asyncio", "ssl", "socket") for name in sys.modules)
        growable.aio.Receiver()
        assert "asyncio" in sys.modules and "aio" in dir(growable)
        """
    )


def test_the_buffer_is_received_into_directly() -> None:
    """The transport's view and the reader's are the same memory."""
    r = connected()
    tail = r.get_buffer(-1)
    where = address_of(tail)
    tail[:3] = b"abc"
    del tail
    r.buffer_updated(3)
    view = r.view()
    assert address_of(view) == where
    assert isinstance(view.obj, Buffer)
