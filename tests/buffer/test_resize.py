"""resize(): Python 3.14's method, on every version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, check, pattern, start_of, state_of

Make = Callable[..., Buffer]
START = pattern(300)


@pytest.mark.parametrize("size", [0, 1, 100, 299, 300])
def test_down(make: Make, size: int) -> None:
    buffer = make(START)
    buffer.resize(size)
    check(buffer, START[:size])


@pytest.mark.parametrize("size", [301, 4095, 4096, 4097, 100_000, 3_000_000])
def test_up_with_zeroes(make: Make, size: int) -> None:
    buffer = make(START)
    buffer.resize(size)
    check(buffer, START + bytes(size - 300))


def test_returns_none() -> None:
    result: Any = Buffer(b"x").resize(5)  # type: ignore[func-returns-value]
    assert result is None


def test_up_and_down_in_turn(make: Make) -> None:
    buffer = make(START)
    model = START
    for size in (5000, 10, 70_000, 20, 3_000_000, 30, 0, 1):
        buffer.resize(size)
        model = (model + bytes(size))[:size]
        check(buffer, model)
        model = b"\xff" * size
        buffer[:] = model


@pytest.mark.parametrize("size", [-1, -(1 << 62)])
def test_negative(make: Make, size: int) -> None:
    buffer = make(START)
    with pytest.raises(ValueError, match=str(size)):
        buffer.resize(size)
    check(buffer, START)


@pytest.mark.parametrize("size", ["1", 1.0, None, b"1", [1]])
def test_the_size_is_an_integer(make: Make, size: Any) -> None:
    buffer = make(START)
    with pytest.raises(TypeError):
        buffer.resize(size)
    check(buffer, START)


def test_anything_with_an_index() -> None:
    class Five:
        def __index__(self) -> int:
            return 5

    buffer = Buffer(START)
    buffer.resize(Five())
    check(buffer, START[:5])


@pytest.mark.parametrize("size", [1 << 70, (1 << 63) - 1, 1 << 62])
def test_too_large(make: Make, size: int) -> None:
    buffer = make(START)
    before = state_of(buffer)
    with pytest.raises((OverflowError, MemoryError)):
        buffer.resize(size)
    assert state_of(buffer) == before


def test_up_while_exported(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        where = start_of(buffer)
        buffer.resize(1_000_000)
        assert start_of(buffer) == where
        assert view.tobytes() == START
    check(buffer, START + bytes(1_000_000 - 300))


def test_down_while_exported(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer):
        with pytest.raises(BufferError) as caught:
            buffer.resize(299)
    assert str(caught.value) == EXPORTED_MESSAGE
    check(buffer, START)


def test_the_same_while_exported(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer):
        buffer.resize(300)
    check(buffer, START)


def test_to_the_capacity() -> None:
    buffer = Buffer(START, capacity=1000)
    buffer.resize(1000)
    check(buffer, START + bytes(700))
    with pytest.raises(growable.CapacityError):
        buffer.resize(1001)
    check(buffer, START + bytes(700))


def test_a_huge_one_is_cheap() -> None:
    buffer = Buffer(b"x")
    buffer.resize(1 << 32)
    assert len(buffer) == 1 << 32
    assert buffer[-1] == 0
    buffer.resize(1)
    check(buffer, b"x")


def test_keyword_is_refused() -> None:
    with pytest.raises(TypeError):
        Buffer(b"x").resize(size=1)  # type: ignore[call-arg]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="bytearray has resize since 3.14")
@pytest.mark.parametrize("size", [0, 1, 300, 301, 5000, -1, "1", 1 << 70])
def test_as_bytearrays(size: Any) -> None:
    outcomes = []
    for target in (Buffer(START), bytearray(START)):
        try:
            outcome: Any = target.resize(size)  # type: ignore[func-returns-value,attr-defined]
        except Exception as error:
            outcome = type(error)
        outcomes.append((outcome, bytes(target)))
    assert outcomes[0] == outcomes[1]
