"""spare() and advance(): receiving straight into the memory past the end."""

from __future__ import annotations

import io
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import address_of, byte_after, check, pattern, run_child, start_of, state_of

Make = Callable[..., Buffer]


@pytest.mark.parametrize("size", [0, 1, 23, 24, 25, 100, 4095, 4096, 4097, 70_000, 3_000_000])
def test_spare_lends_exactly_as_many(make: Make, size: int) -> None:
    with make(b"abc").spare(size) as tail:
        assert len(tail) == tail.nbytes == size
        assert tail.format == "B"
        assert not tail.readonly
        assert tail.contiguous


def test_spare_is_zero(make: Make) -> None:
    with make(pattern(100)).spare(100_000) as tail:
        assert not any(tail)


def test_spare_stands_right_behind_the_contents(make: Make) -> None:
    buffer = make(pattern(100))
    with buffer.spare(10) as tail:
        assert address_of(tail) == start_of(buffer) + 100


def test_advance_takes_bytes_in(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(10) as tail:
        tail[:5] = b"12345"
        buffer.advance(5)
    check(buffer, b"abc12345")


def test_advance_in_several_steps(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(10) as tail:
        tail[:] = b"0123456789"
        buffer.advance(3)
        check_contents = bytes(buffer)
        buffer.advance(7)
    assert check_contents == b"abc012"
    check(buffer, b"abc0123456789")


def test_the_byte_under_the_terminator_comes_back(make: Make) -> None:
    """The NUL past the end stands on a lent byte; what was written there must not be lost."""
    buffer = make(b"")
    with buffer.spare(6) as tail:
        tail[:] = b"\xff" * 6
        for length in range(1, 7):
            buffer.advance(1)
            assert bytes(buffer) == b"\xff" * length
    check(buffer, b"\xff" * 6)


def test_the_terminator_is_back_when_the_view_is_gone(make: Make) -> None:
    """While a view of the tail lives, its owner may write where the terminator stands."""
    buffer = make(b"1")
    with buffer.spare(4) as tail:
        tail[:] = b"2345"
        buffer.advance(2)
    assert byte_after(buffer) == 0
    assert int(buffer) == 123
    buffer.advance(2)
    assert int(buffer) == 12345
    check(buffer, b"12345")


def test_what_was_not_taken_in_is_gone(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(100) as tail:
        tail[:] = b"\xee" * 100
    buffer.advance(0)
    buffer.resize(103)
    check(buffer, b"abc" + bytes(100))


def test_spare_again_is_zero_again(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(100) as tail:
        tail[:] = b"\xee" * 100
    with buffer.spare(200) as tail:
        assert not any(tail)


def test_growth_after_a_dirty_tail_is_right(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(100) as tail:
        tail[:] = b"\xee" * 100
    buffer += b"def"
    check(buffer, b"abcdef")
    buffer.resize(50)
    check(buffer, b"abcdef" + bytes(44))


def test_the_tail_is_an_export(make: Make) -> None:
    buffer = make(b"abc")
    tail = buffer.spare(10)
    assert buffer.exports == 1
    with pytest.raises(BufferError):
        buffer.pop()
    tail.release()
    assert buffer.exports == 0
    assert buffer.pop() == ord("c")


def test_the_tail_outlives_the_name(make: Make) -> None:
    tail = make(b"abc").spare(10)
    tail[:] = b"0123456789"
    assert tail.tobytes() == b"0123456789"


def test_growth_while_the_tail_is_out(make: Make) -> None:
    buffer = make(b"abc")
    with buffer.spare(10) as tail:
        tail[:] = b"x" * 10
        buffer += b"def"
        check(buffer, b"abcdef")
        with pytest.raises(ValueError, match="advance"):
            buffer.advance(10)
        check(buffer, b"abcdef")


def test_removal_takes_the_tail_back() -> None:
    buffer = Buffer(b"abcdef")
    buffer.spare(10).release()
    assert buffer.pop() == ord("f")
    with pytest.raises(ValueError, match="advance"):
        buffer.advance(10)
    check(buffer, b"abcde")


@pytest.mark.parametrize("count", [-1, 11, 1 << 40, -(1 << 40)])
def test_advance_past_what_is_lent(make: Make, count: int) -> None:
    buffer = make(b"abc")
    with buffer.spare(10):
        before = state_of(buffer)
        with pytest.raises(ValueError, match="advance"):
            buffer.advance(count)
        assert state_of(buffer) == before
        buffer.advance(10)
    check(buffer, b"abc" + bytes(10))


def test_advance_without_a_tail(make: Make) -> None:
    with pytest.raises(ValueError, match="advance"):
        make(b"abc").advance(1)


def test_advance_nothing_without_a_tail(make: Make) -> None:
    buffer = make(b"abc")
    buffer.advance(0)
    check(buffer, b"abc")


@pytest.mark.parametrize("argument", ["1", 1.5, None, b"1"])
def test_sizes_must_be_integers(argument: Any) -> None:
    buffer = Buffer(b"abc")
    with pytest.raises(TypeError):
        buffer.spare(argument)
    with pytest.raises(TypeError):
        buffer.advance(argument)
    check(buffer, b"abc")


@pytest.mark.parametrize("argument", [-1, -(1 << 62)])
def test_spare_negative(argument: int) -> None:
    with pytest.raises(ValueError, match="spare"):
        Buffer().spare(argument)


@pytest.mark.parametrize("argument", [(1 << 63) - 1, 1 << 62])
def test_spare_too_much(argument: int) -> None:
    buffer = Buffer(b"abc")
    with pytest.raises((MemoryError, OverflowError)):
        buffer.spare(argument)
    check(buffer, b"abc")


def test_spare_to_the_capacity() -> None:
    buffer = Buffer(b"abc", capacity=10)
    with buffer.spare(7) as tail:
        tail[:] = b"1234567"
        buffer.advance(7)
    check(buffer, b"abc1234567")


def test_spare_past_the_capacity_lends_nothing() -> None:
    buffer = Buffer(b"abc", capacity=10)
    with pytest.raises(growable.CapacityError):
        buffer.spare(8)
    assert buffer.exports == 0


def test_recv_into() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(pattern(1000))
        buffer = Buffer()
        while len(buffer) < 1000:
            with buffer.spare(400) as tail:
                buffer.advance(right.recv_into(tail))
    check(buffer, pattern(1000))


def test_readinto() -> None:
    buffer = Buffer()
    with buffer.spare(1000) as tail:
        buffer.advance(io.BytesIO(pattern(500)).readinto(tail))
    check(buffer, pattern(500))


def test_readv() -> None:
    reader, writer = os.pipe()
    os.write(writer, pattern(300))
    os.close(writer)
    buffer = Buffer()
    with buffer.spare(500) as tail:
        buffer.advance(os.readv(reader, [tail[:100], tail[100:]]))
    os.close(reader)
    check(buffer, pattern(300))


def test_pack_into() -> None:
    buffer = Buffer(b"head")
    with buffer.spare(8) as tail:
        struct.pack_into("<II", tail, 0, 1, 2)
        buffer.advance(8)
    assert struct.unpack_from("<II", buffer, 4) == (1, 2)


def test_never_shows_another_buffers_bytes() -> None:
    """Storage that another buffer of the process filled before is zero."""
    run_child(
        """
        from growable import Buffer
        for size in (100, 5000, 40_000, 100_000, 3_000_000):
            for _ in range(4):
                secret = Buffer()
                with memoryview(secret):
                    secret += b"\\xaa" * size
                del secret
            fresh = Buffer()
            with memoryview(fresh):
                with fresh.spare(size) as tail:
                    assert not any(tail), size
                fresh.resize(size)
                assert not any(fresh), size
        """
    )


def test_a_view_of_the_tail_keeps_the_address() -> None:
    buffer = Buffer(b"abc")
    with buffer.spare(10) as tail:
        where = address_of(tail)
        buffer.advance(5)
        buffer += bytes(1_000_000)
        assert address_of(tail) == where
        tail[0] = 0x41
        assert buffer[3] == 0x41


def test_no_memory_for_the_view_lends_nothing() -> None:
    testcapi = pytest.importorskip("_testcapi")
    buffer = Buffer(b"abc")
    memoryview(buffer).release()
    for nth in range(10):
        testcapi.set_nomemory(nth, nth + 1)
        try:
            tail = buffer.spare(10)
        except MemoryError:
            tail = None
        finally:
            testcapi.remove_mem_hooks()
        if tail is not None:
            tail.release()
            return
        with pytest.raises(ValueError, match="lent"):
            buffer.advance(3)
    pytest.fail("spare() never succeeded")


def test_a_finalizer_cannot_pull_the_tail_away_while_it_is_lent() -> None:
    """The interpreter may collect garbage while it makes the view (Python 3.11 does)."""
    done = run_child("""
        import gc
        from growable import Buffer

        class Meddler:
            def __init__(self, target):
                self.target = target
                self.itself = self

            def __del__(self):
                try:
                    self.target.clear()
                    self.target.shrink_to_fit()
                except BufferError:
                    pass

        buffer = Buffer(b"x" * 3000)
        memoryview(buffer).release()
        gc.disable()
        gc.collect()
        Meddler(buffer)
        gc.set_threshold(1)
        gc.enable()
        tail = buffer.spare(5000)
        tail[:] = b"y" * 5000
        buffer.advance(5000)
        print(buffer == b"x" * 3000 + b"y" * 5000)
    """)
    assert done.stdout == "True\n"
