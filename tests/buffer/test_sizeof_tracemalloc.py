"""sys.getsizeof() and tracemalloc see what is committed, and that it is given back."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from growable import Buffer
from support import SubBuffer, pattern, under_sanitizer

Make = Callable[..., Buffer]
MIB = 1 << 20
DOMAIN = 0x67726F77


@pytest.fixture
def traced() -> Iterator[Callable[[], int]]:
    """Give a function that returns how many committed bytes tracemalloc knows of."""
    tracemalloc.start()
    try:
        yield committed_bytes
    finally:
        tracemalloc.stop()


def committed_bytes() -> int:
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, DOMAIN)])
    return sum(trace.size for trace in snapshot.traces)


def test_an_empty_one_is_small() -> None:
    assert sys.getsizeof(Buffer()) == Buffer().__sizeof__() == Buffer.__basicsize__


def test_small_contents_are_in_the_object() -> None:
    assert sys.getsizeof(Buffer(b"x" * 20)) == Buffer.__basicsize__


def allocated(size: int) -> int:
    """Return what the interpreter's allocator takes for a small block."""
    step = 2 * struct.calcsize("P")
    return -(-size // step) * step


def test_a_million_small_ones_cost_little_more_than_bytearrays() -> None:
    """Of 16 bytes each: a bytearray has them, and a zero byte, in a block of their own."""
    peer = allocated(bytearray.__basicsize__) + allocated(16 + 1)
    ours = Buffer(b"0123456789abcdef")
    assert allocated(sys.getsizeof(ours)) <= 1.6 * peer


@pytest.mark.parametrize("size", [100, 1000, 4000])
def test_contents_on_the_heap_need_one_block(size: int) -> None:
    buffer = Buffer()
    while len(buffer) < size:
        buffer += b"x" * 20
    del buffer[:10]
    block = buffer.__alloc__()  # type: ignore[attr-defined]
    assert sys.getsizeof(buffer) == Buffer.__basicsize__ + block


@pytest.mark.parametrize("options", [{"name": "n"}, {"capacity": 10}], ids=["name", "capacity"])
def test_what_few_have_is_counted(options: dict[str, Any]) -> None:
    assert Buffer.__basicsize__ < sys.getsizeof(Buffer(**options)) < Buffer.__basicsize__ + 300


def test_a_subclass_counts_its_own_size() -> None:
    assert SubBuffer().__sizeof__() == SubBuffer.__basicsize__


@pytest.mark.parametrize("size", [100, 1000, 5000, 100_000, 10 * MIB])
def test_contents_are_counted(kind: type[Buffer], size: int) -> None:
    buffer = kind(bytes(size))
    assert sys.getsizeof(buffer) >= kind.__basicsize__ + size


def test_what_is_committed_is_counted() -> None:
    buffer = Buffer(b"x")
    buffer.ensure(10 * MIB)
    assert sys.getsizeof(buffer) >= 10 * MIB
    assert buffer.__alloc__() >= 10 * MIB  # type: ignore[attr-defined]


def test_reserved_addresses_are_not_counted() -> None:
    buffer = Buffer(b"x", capacity=1 << 40)
    assert sys.getsizeof(buffer) < 16 * MIB


def test_what_is_given_back_is_not_counted() -> None:
    buffer = Buffer(bytes(10 * MIB))
    del buffer[10:]
    buffer.shrink_to_fit()
    assert sys.getsizeof(buffer) < MIB


def test_a_released_one_holds_nothing() -> None:
    buffer = Buffer(bytes(10 * MIB))
    buffer.release()
    assert sys.getsizeof(buffer) == Buffer.__basicsize__


def test_never_less_than_what_is_in_use(make: Make) -> None:
    for size in (0, 1, 100, 5000, 200_000):
        buffer = make(pattern(size))
        buffer += b"more"
        assert sys.getsizeof(buffer) >= len(buffer)


def test_tracemalloc_sees_a_commit(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(bytes(10 * MIB))
    assert traced() - before >= 10 * MIB
    assert len(buffer) == 10 * MIB


def test_tracemalloc_sees_growth(traced: Callable[[], int]) -> None:
    buffer = Buffer(bytes(MIB))
    before = traced()
    buffer += bytes(150 * MIB)  # more than any idle reservation has committed
    assert traced() - before >= 64 * MIB


def test_tracemalloc_agrees_with_committed(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(capacity=100 * MIB)
    for _ in range(30):
        buffer += bytes(MIB)
        assert abs(traced() - before - buffer.committed) <= 64 * 1024


def test_tracemalloc_sees_the_release(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(bytes(10 * MIB))
    buffer.release()
    assert traced() == before


def test_tracemalloc_sees_the_end_of_the_object(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(bytes(10 * MIB))
    del buffer
    assert traced() == before


def test_tracemalloc_sees_shrinking(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(bytes(10 * MIB), capacity=20 * MIB)
    del buffer[10:]
    buffer.shrink_to_fit()
    assert traced() - before < MIB


def test_tracemalloc_sees_the_front_go(traced: Callable[[], int]) -> None:
    before = traced()
    buffer = Buffer(bytes(16 * MIB))
    high = traced()
    del buffer[: 12 * MIB]
    assert high - traced() >= 8 * MIB
    assert traced() - before >= 4 * MIB


def test_tracemalloc_sees_no_idle_reservations(traced: Callable[[], int]) -> None:
    """What waits in the pool belongs to no buffer."""
    before = traced()
    for _ in range(20):
        Buffer(bytes(5 * MIB))
    assert traced() == before


def test_tracemalloc_follows_a_move(traced: Callable[[], int]) -> None:
    import growable

    default = growable.info()["defaults"]["reservation"]
    before = traced()
    growable.set_defaults(reservation=4 * MIB)
    try:
        buffer = Buffer(bytes(MIB))
        for _ in range(20):
            buffer += bytes(MIB)
    finally:
        growable.set_defaults(reservation=default)
    assert 20 * MIB <= traced() - before <= 48 * MIB
    del buffer
    assert traced() == before


@pytest.mark.skipif(under_sanitizer(), reason="the interpreter's own allocator is off")
def test_tracemalloc_names_the_line(traced: Callable[[], int]) -> None:
    buffer = Buffer(bytes(10 * MIB))  # this one
    snapshot = tracemalloc.take_snapshot()
    traces = [t for t in snapshot.traces if t.domain == DOMAIN and t.size >= 10 * MIB]
    assert any(frame.filename == __file__ for t in traces for frame in t.traceback)
    del buffer


def test_buffers_from_before_the_tracing(traced: Callable[[], int]) -> None:
    tracemalloc.stop()
    buffer = Buffer(bytes(10 * MIB))
    tracemalloc.start()
    del buffer
    assert traced() == 0
