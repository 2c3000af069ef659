"""New bytes are zero, whatever stood in the memory before; nothing leaks between buffers."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
from growable import Buffer
from support import pattern, run_child

Make = Callable[..., Buffer]
MIB = 1 << 20
SIZES = [10, 100, 5000, 70_000, 3 * MIB]

# Ways to make room that the caller did not fill.
EXPOSE: dict[str, Callable[[Buffer, int], object]] = {
    "resize": lambda b, n: b.resize(len(b) + n),
    "spare": lambda b, n: b.spare(n).release(),
    "spare and advance": lambda b, n: (b.spare(n).release(), b.advance(n)),
}

# Ways to get rid of contents.
SHRINK: dict[str, Callable[[Buffer], object]] = {
    "resize": lambda b: b.resize(0),
    "clear": lambda b: b.clear(),
    "del": lambda b: operator.delitem(b, slice(None)),
    "del the end": lambda b: operator.delitem(b, slice(1, None)),
    "del the front": lambda b: operator.delitem(b, slice(None, -1)),
    "pop": lambda b: [b.pop() for _ in range(min(len(b), 2000))],
    "assign": lambda b: operator.setitem(b, slice(None), b"x"),
    "*= 0": lambda b: operator.imul(b, 0),
    "take_bytes": lambda b: b.take_bytes(),
    "del steps": lambda b: operator.delitem(b, slice(None, None, 2)),
    "init": lambda b: b.__init__(),  # type: ignore[misc]
    "clear and fit": lambda b: (b.clear(), b.shrink_to_fit()),
}


def assert_zero(view: memoryview | bytearray) -> None:
    assert bytes(view) == bytes(len(view))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shrink", SHRINK)
def test_resize_after_shrinking(make_exact: Make, size: int, shrink: str) -> None:
    buffer = make_exact(b"\xaa" * size)
    SHRINK[shrink](buffer)
    kept = len(buffer)
    buffer.resize(kept + size)
    assert_zero(buffer[kept:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shrink", SHRINK)
def test_spare_after_shrinking(make_exact: Make, size: int, shrink: str) -> None:
    buffer = make_exact(b"\xaa" * size)
    SHRINK[shrink](buffer)
    with buffer.spare(size) as tail:
        assert_zero(tail)
        buffer.advance(size)
    assert_zero(buffer[-size:])


@pytest.mark.parametrize("size", SIZES)
def test_what_a_receiver_left_behind(make_exact: Make, size: int) -> None:
    """Bytes of the tail that were written but not taken in."""
    for expose in EXPOSE.values():
        buffer = make_exact(b"abc")
        with buffer.spare(size) as tail:
            tail[:] = b"\xbb" * size
            buffer.advance(size // 2)
        kept = len(buffer)
        with buffer.spare(size) as tail:
            assert_zero(tail)
        expose(buffer, size)
        assert_zero(buffer[kept:])


def test_what_a_receiver_wrote_after_a_step_back(make_exact: Make) -> None:
    """A view of the tail that is still open may write at any time."""
    buffer = make_exact(b"abc")
    with buffer.spare(100) as tail:
        buffer.advance(10)
        buffer += b"takes the rest back"
        tail[50:] = b"\xcc" * 50
        with buffer.spare(100) as second:
            assert_zero(second)
    assert bytes(buffer) == b"abc" + bytes(10) + b"takes the rest back"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["del", "release", "shrink", "frozen", "front", "tail"])
@pytest.mark.parametrize("expose", EXPOSE)
def test_storage_of_another_buffer(size: int, way: str, expose: str) -> None:
    """Reservations from the pool and blocks of the heap hold what others left."""
    for _ in range(3):
        old = Buffer(b"\xdd" * size)
        if size != 70_000:
            memoryview(old).release()
        if way == "release":
            old.release()
        elif way == "shrink":
            old.clear()
            old.shrink_to_fit()
        elif way == "frozen":
            old.freeze()
        elif way == "front":
            del old[: size // 2]
        elif way == "tail":
            with old.spare(size) as tail:
                tail[:] = b"\xdd" * size
        del old
        new = Buffer()
        memoryview(new).release()
        EXPOSE[expose](new, 2 * size)
        assert_zero(new)
        with new.spare(3 * size) as tail:
            assert_zero(tail)


def test_reservations_with_a_capacity_from_the_pool() -> None:
    for _ in range(5):
        old = Buffer(b"\xdd" * MIB, capacity=2 * MIB)
        del old
        new = Buffer(capacity=2 * MIB)
        new.resize(2 * MIB)
        assert_zero(new)


def test_a_moved_buffer() -> None:
    """A larger reservation takes the pages along; what is past them is zero."""
    run_child(
        """
        import growable
        growable.set_defaults(reservation="1MiB")
        from growable import Buffer
        for front in (0, 300_000):
            buffer = Buffer(b"\\xee" * 900_000)
            memoryview(buffer).release()
            del buffer[:front]
            del buffer[400_000:]
            buffer.resize(5_000_000)
            assert bytes(buffer) == b"\\xee" * 400_000 + bytes(4_600_000)
            buffer.resize(100)
            buffer.shrink_to_fit()
            buffer.resize(9_000_000)
            assert bytes(buffer) == b"\\xee" * 100 + bytes(8_999_900)
        """
    )


def test_a_queue_that_slides_back() -> None:
    """The front of the storage is used a second time."""
    run_child(
        """
        import growable
        growable.set_defaults(reservation="2MiB")
        from growable import Buffer
        buffer = Buffer()
        for step in range(400):
            buffer += b"\\x99" * 50_000
            del buffer[:50_000 - step % 7]
            length = len(buffer)
            buffer.resize(length + 30_000)
            assert not any(buffer[length:]), step
            with buffer.spare(30_000) as tail:
                assert not any(tail), step
            del buffer[length:]
        """
    )


def test_the_heap_tier() -> None:
    """Blocks come back from the allocator as others left them."""
    for size in (30, 500, 3000):
        junk = [bytearray(b"\x77" * size) for _ in range(50)]
        del junk
        buffer = Buffer(b"x")
        buffer.resize(size)
        assert_zero(buffer[1:])


def test_growth_within_what_is_committed() -> None:
    buffer = Buffer(pattern(100))
    buffer.ensure(100_000)
    buffer += b"\xff" * 50_000
    del buffer[100:]
    buffer.resize(100_000)
    assert_zero(buffer[100:])


def test_a_large_one_is_zero_without_being_touched() -> None:
    buffer = Buffer(1 << 32)
    for at in range(0, 1 << 32, 1 << 27):
        assert buffer[at] == 0
