"""`address` is a promise: from then on the storage stays where it is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import growable
import pytest
from growable import Buffer
from support import address_of, check, pattern, run_child, start_of, state_of, under_sanitizer

Make = Callable[..., Buffer]


def test_the_first_byte_is_there(make: Make) -> None:
    buffer = make(pattern(1000))
    assert ctypes.string_at(buffer.address, 1000) == pattern(1000)


def test_it_is_where_views_are(make: Make) -> None:
    buffer = make(pattern(1000))
    where = buffer.address
    with memoryview(buffer) as view:
        assert address_of(view) == where == buffer.address


def test_an_empty_buffer_has_one(make: Make) -> None:
    buffer = make(b"")
    where = buffer.address
    buffer += pattern(1_000_000)
    assert buffer.address == where
    check(buffer, pattern(1_000_000))


def test_growth_keeps_it(make: Make) -> None:
    buffer = make(b"x")
    where = buffer.address
    for step in range(100):
        buffer += pattern(step * 1000, step)
        assert start_of(buffer) == where


def test_c_code_may_write_there(make: Make) -> None:
    buffer = make(pattern(1000))
    where = buffer.address
    buffer += bytes(100_000)
    ctypes.memmove(where + 10, b"written", 7)
    assert buffer[10:17] == b"written"


@pytest.mark.parametrize(
    "act",
    [
        lambda b: b.clear(),
        lambda b: b.resize(1),
        lambda b: b.shrink_to_fit(),
        lambda b: b.__delitem__(slice(10, None)),
        lambda b: b.pop(),
        lambda b: b.insert(0, 1),
        lambda b: b.__setitem__(slice(None), b"other"),
        lambda b: b.__init__(b"other contents"),
        lambda b: memoryview(b).release(),
        lambda b: b.reverse(),
        lambda b: b.ensure(1_000_000),
        lambda b: b.spare(100).release(),
        lambda b: b.freeze(),
    ],
)
@pytest.mark.parametrize("size", [20, 1000, 1_000_000])
def test_nothing_but_the_front_changes_it(
    make_exact: Make, act: Callable[[Buffer], object], size: int
) -> None:
    buffer = make_exact(pattern(size))
    where = buffer.address
    act(buffer)
    assert buffer.address == where


def test_shrinking_and_growing_again_keeps_it(make: Make) -> None:
    buffer = make(pattern(5_000_000))
    where = buffer.address
    for _ in range(3):
        buffer.resize(3)
        buffer.shrink_to_fit()
        buffer += pattern(5_000_000, 1)
        assert start_of(buffer) == where


def test_replacing_all_uses_nothing_up() -> None:
    """What replaces all of the contents need not leave a gap before them."""
    buffer = Buffer(capacity=1000)
    where = buffer.address
    for step in range(500):
        buffer[:] = pattern(100, step)
        buffer[:] = pattern(50, step)
        assert buffer.address == where
    assert buffer.capacity == 1000


def test_the_front_moves_it_on(make: Make) -> None:
    buffer = make(pattern(1000))
    where = buffer.address
    del buffer[:100]
    assert buffer.address == where + 100
    buffer += bytes(10_000)
    assert buffer.address == where + 100


def test_growth_past_the_storage_is_refused() -> None:
    run_child(
        """
        import growable
        growable.set_defaults(reservation="1MiB")
        buffer = growable.Buffer(b"contents")
        where = buffer.address
        room = buffer.capacity - len(buffer)
        try:
            buffer.resize(len(buffer) + room + 1)
        except growable.CapacityError as error:
            assert "address" in str(error)
        else:
            raise SystemExit("it moved")
        assert buffer == b"contents" and buffer.address == where
        buffer.resize(len(buffer) + room)
        assert buffer.address == where
        """
    )


def test_without_it_growth_past_the_storage_moves() -> None:
    run_child(
        """
        import growable
        growable.set_defaults(reservation="1MiB")
        buffer = growable.Buffer(b"contents")
        memoryview(buffer).release()
        buffer.resize(10 << 20)
        assert buffer[:8] == b"contents" and not any(buffer[8:])
        """
    )


def test_release_ends_it() -> None:
    buffer = Buffer(pattern(1000))
    assert buffer.address
    buffer.release()
    with pytest.raises(growable.StateError):
        buffer.address


@pytest.mark.skipif(under_sanitizer(), reason="a sanitizer takes more addresses than the limit")
def test_on_the_heap() -> None:
    """Where no reservation can be had the heap block is what is pinned, even when one can be had
    later."""
    run_child(
        """
        import growable
        from growable import Buffer
        keep = []
        try:
            while True:
                keep.append(Buffer(capacity=1 << 28))
        except growable.ReservationError:
            pass
        buffer = Buffer(b"x" * 1000)
        where = buffer.address
        before = bytes(buffer)
        try:
            while len(buffer) < 10_000_000:
                buffer += bytes(1000)
                assert buffer.address == where
        except growable.CapacityError:
            pass
        assert buffer[:1000] == before
        assert buffer.address == where
        del buffer[5:]
        buffer.shrink_to_fit()
        assert buffer.address == where
        keep.clear()
        assert buffer.address == where
        with memoryview(buffer):
            assert buffer.address == where
        """,
        ulimit="-v 4000000",
    )


def test_a_base_method_that_reads_it() -> None:
    """Inside a method that is reading the contents stay where they are."""
    buffer = Buffer(b"abcabc")
    seen: list[int] = []

    class Asks:
        def __index__(self) -> int:
            seen.append(buffer.address)
            return 1

    assert buffer.find(b"abc", Asks()) == 3
    assert buffer.address == seen[0]
    before = state_of(buffer)
    try:
        buffer += bytes(100_000)
    except growable.CapacityError:
        assert state_of(buffer) == before
    assert buffer.address == seen[0]
    assert buffer[:6] == b"abcabc"
