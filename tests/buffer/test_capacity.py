"""`capacity=` is exact and final; without it capacity is what can be had without moving."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import PAGE, address_of, check, pattern, start_of, state_of

SIZES = [0, 1, 23, 24, 100, PAGE - 1, PAGE, PAGE + 1, 65536, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_capacity_is_exact(kind: type[Buffer], size: int) -> None:
    assert kind(capacity=size).capacity == size


@pytest.mark.parametrize("size", SIZES)
def test_it_can_be_filled_to_the_last_byte(size: int) -> None:
    buffer = Buffer(capacity=size)
    buffer += pattern(size)
    check(buffer, pattern(size))
    assert buffer.capacity == size


@pytest.mark.parametrize("size", SIZES)
def test_a_byte_more_is_refused(size: int) -> None:
    buffer = Buffer(pattern(size), capacity=size)
    before = state_of(buffer)
    with pytest.raises(growable.CapacityError):
        buffer.append(1)
    assert state_of(buffer) == before
    check(buffer, pattern(size))


GROWTH: dict[str, Callable[[Buffer], Any]] = {
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(b"ab"),
    "extend iterator": lambda b: b.extend(iter(b"ab")),
    "+=": lambda b: b.__iadd__(b"ab"),
    "*=": lambda b: b.__imul__(2),
    "insert first": lambda b: b.insert(0, 1),
    "insert last": lambda b: b.insert(len(b), 1),
    "assign": lambda b: b.__setitem__(slice(5, 6), b"abc"),
    "resize": lambda b: b.resize(101),
    "spare": lambda b: b.spare(1),
    "ensure": lambda b: b.ensure(1),
    "read_from": lambda b: b.read_from(io.BytesIO(b"x")),
    "init": lambda b: b.__init__(bytes(101)),  # type: ignore[misc]
}


@pytest.mark.parametrize("name", GROWTH)
def test_all_growth_is_bounded(kind: type[Buffer], name: str) -> None:
    buffer = kind(pattern(100), capacity=100)
    with pytest.raises(growable.CapacityError) as caught:
        GROWTH[name](buffer)
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, growable.GrowableError)
    check(buffer, pattern(100))


def test_a_source_larger_than_the_capacity_is_refused() -> None:
    with pytest.raises(growable.CapacityError):
        Buffer(b"abc", capacity=2)


@pytest.mark.parametrize("value", [-1, -(1 << 62)])
def test_negative_capacity(value: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        Buffer(capacity=value)


@pytest.mark.parametrize("value", ["10", 1.5, b"1", []])
def test_capacity_must_be_an_integer(value: Any) -> None:
    with pytest.raises(TypeError):
        Buffer(capacity=value)


@pytest.mark.parametrize("value", [1 << 62, (1 << 63) - 1, 1 << 50])
def test_impossible_capacity(value: int) -> None:
    with pytest.raises((growable.ReservationError, OverflowError)):
        Buffer(capacity=value)


def test_more_than_an_address_has_bits() -> None:
    with pytest.raises(OverflowError):
        Buffer(capacity=1 << 70)


def test_never_moves() -> None:
    buffer = Buffer(b"x", capacity=10_000_000)
    where = start_of(buffer)
    for _ in range(100):
        buffer += bytes(99_999)
        assert start_of(buffer) == where


def test_never_moves_after_shrinking() -> None:
    buffer = Buffer(pattern(5_000_000), capacity=10_000_000)
    where = start_of(buffer)
    del buffer[10:]
    buffer.shrink_to_fit()
    buffer += pattern(5_000_000)
    assert start_of(buffer) == where
    assert bytes(buffer[:10]) == pattern(10)


def test_room_at_the_front_is_used_again() -> None:
    """The promise is about the length, not about where in the storage it stands."""
    buffer = Buffer(pattern(1000), capacity=1000)
    del buffer[:500]
    buffer += pattern(500, 3)
    check(buffer, pattern(1000)[500:] + pattern(500, 3))


def test_a_stream_through_a_small_capacity() -> None:
    buffer = Buffer(capacity=10_000)
    expected = bytearray()
    for step in range(500):
        chunk = pattern(997, step)
        while len(buffer) + len(chunk) > 10_000:
            del buffer[:1000]
            del expected[:1000]
        buffer += chunk
        expected += chunk
        check(buffer, expected)


def test_capacity_without_a_promise_holds_while_exported() -> None:
    buffer = Buffer(b"x")
    with memoryview(buffer) as view:
        where = address_of(view)
        capacity = buffer.capacity
        assert capacity >= 1 << 20
        buffer += bytes(1 << 20)
        assert address_of(buffer) == where


def test_ensure_commits_ahead(kind: type[Buffer]) -> None:
    buffer = kind(b"abc")
    buffer.ensure(1_000_000)
    assert buffer.committed >= 1_000_003
    committed = buffer.committed
    buffer += bytes(1_000_000)
    assert buffer.committed == committed


def test_ensure_nothing() -> None:
    buffer = Buffer(b"abc")
    buffer.ensure(0)
    check(buffer, b"abc")


@pytest.mark.parametrize("value", [-1, -(1 << 62)])
def test_ensure_negative(value: int) -> None:
    with pytest.raises(ValueError, match="ensure"):
        Buffer().ensure(value)


def test_ensure_too_much() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises((MemoryError, OverflowError)):
        buffer.ensure((1 << 63) - 1)
    check(buffer, b"abc")


def test_ensure_works_under_an_export(kind: type[Buffer]) -> None:
    buffer = kind(b"abc")
    with memoryview(buffer) as view:
        where = address_of(view)
        buffer.ensure(3_000_000)
        assert address_of(view) == where
        assert buffer.committed >= 3_000_003


def test_shrink_to_fit_gives_pages_back() -> None:
    buffer = Buffer(pattern(20 << 20))
    del buffer[1000:]
    buffer.shrink_to_fit()
    assert buffer.committed < 1 << 20
    check(buffer, pattern(1000))


def test_shrink_to_fit_under_an_export_keeps_the_address() -> None:
    buffer = Buffer(pattern(1000))
    with memoryview(buffer) as view:
        buffer.ensure(10 << 20)
        where = address_of(view)
        buffer.shrink_to_fit()
        assert address_of(view) == where
        assert view.tobytes() == pattern(1000)
    check(buffer, pattern(1000))


def test_clear_of_a_large_buffer_gives_memory_back() -> None:
    buffer = Buffer(bytes(64 << 20))
    buffer.clear()
    buffer.shrink_to_fit()
    assert buffer.committed < 1 << 20


def test_attributes_are_read_only() -> None:
    buffer = Buffer()
    for name in ["capacity", "committed", "address", "exports"]:
        with pytest.raises(AttributeError):
            setattr(buffer, name, 1)


def test_committed_is_more_than_the_length() -> None:
    """Unless the capacity says otherwise there is room for the byte past the end."""
    for size in SIZES:
        buffer = Buffer(size)
        assert size <= buffer.committed <= buffer.capacity
