"""take_bytes(): Python 3.15's method, on every version."""

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


def test_all(make: Make) -> None:
    buffer = make(START)
    taken = buffer.take_bytes()
    assert taken == START
    assert type(taken) is bytes
    check(buffer, b"")


def test_none_is_all(make: Make) -> None:
    buffer = make(START)
    assert buffer.take_bytes(None) == START
    check(buffer, b"")


@pytest.mark.parametrize("count", [0, 1, 5, 299, 300])
def test_from_the_front(make: Make, count: int) -> None:
    buffer = make(START)
    assert buffer.take_bytes(count) == START[:count]
    check(buffer, START[count:])


@pytest.mark.parametrize("count", [-1, -5, -299, -300])
def test_a_negative_count_is_from_the_end(make: Make, count: int) -> None:
    buffer = make(START)
    assert buffer.take_bytes(count) == START[:count]
    check(buffer, START[count:])


@pytest.mark.parametrize("count", [301, -301, 1 << 40, -(1 << 40), 1 << 70])
def test_more_than_there_is(make: Make, count: int) -> None:
    buffer = make(START)
    before = state_of(buffer)
    with pytest.raises(IndexError):
        buffer.take_bytes(count)
    assert state_of(buffer) == before
    check(buffer, START)


@pytest.mark.parametrize("count", ["1", 1.0, b"1", [1], object()])
def test_the_count_is_an_integer_or_none(make: Make, count: Any) -> None:
    buffer = make(START)
    with pytest.raises(TypeError, match="n must be an integer or None"):
        buffer.take_bytes(count)
    check(buffer, START)


def test_anything_with_an_index() -> None:
    class Five:
        def __index__(self) -> int:
            return 5

    buffer = Buffer(START)
    assert buffer.take_bytes(Five()) == START[:5]
    assert buffer.take_bytes(True) == START[5:6]


def test_arguments() -> None:
    with pytest.raises(TypeError):
        Buffer(b"x").take_bytes(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Buffer(b"x").take_bytes(n=1)  # type: ignore[call-arg]


def test_of_nothing(make: Make) -> None:
    buffer = make(b"")
    assert buffer.take_bytes() == b""
    assert buffer.take_bytes(0) == b""
    with pytest.raises(IndexError):
        buffer.take_bytes(1)
    with pytest.raises(IndexError):
        buffer.take_bytes(-1)


@pytest.mark.parametrize("count", [None, 0, 5, -5])
def test_refused_while_exported(make: Make, count: int | None) -> None:
    buffer = make(START)
    with memoryview(buffer):
        with pytest.raises(BufferError) as caught:
            buffer.take_bytes(count)
    assert str(caught.value) == EXPORTED_MESSAGE
    check(buffer, START)


def test_the_wrong_count_is_seen_before_the_export() -> None:
    buffer = Buffer(START)
    with memoryview(buffer), pytest.raises(IndexError):
        buffer.take_bytes(301)


def test_the_result_is_its_own(make: Make) -> None:
    buffer = make(START)
    taken = buffer.take_bytes(100)
    buffer[:] = b"\xff" * 200
    buffer += bytes(1000)
    assert taken == START[:100]


def test_in_pieces() -> None:
    buffer = Buffer(pattern(1_000_000))
    pieces = []
    while buffer:
        pieces.append(buffer.take_bytes(min(len(buffer), 77_777)))
    assert b"".join(pieces) == pattern(1_000_000)


def test_lines() -> None:
    buffer = Buffer()
    lines = []
    for chunk in (b"one\ntw", b"o\n\nthr", b"ee"):
        buffer += chunk
        while (at := buffer.find(b"\n")) >= 0:
            lines.append(buffer.take_bytes(at + 1))
    assert lines == [b"one\n", b"two\n", b"\n"]
    assert buffer.take_bytes() == b"three"


def test_the_capacity_stays() -> None:
    buffer = Buffer(START, capacity=300)
    buffer.take_bytes(200)
    assert buffer.capacity == 300
    buffer += pattern(200)
    check(buffer, START[200:] + pattern(200))


def test_a_pinned_one_moves_on() -> None:
    buffer = Buffer(START)
    where = buffer.address
    buffer.take_bytes(100)
    assert start_of(buffer) == where + 100


def test_a_subclass_gives_bytes(kind: type[Buffer]) -> None:
    assert type(kind(START).take_bytes(5)) is bytes


def test_not_after_the_end() -> None:
    buffer = Buffer(START)
    buffer.freeze()
    with pytest.raises(growable.StateError):
        buffer.take_bytes(1)
    buffer.release()
    with pytest.raises(growable.StateError):
        buffer.take_bytes(1)


@pytest.mark.skipif(sys.version_info < (3, 15), reason="bytearray has take_bytes since 3.15")
@pytest.mark.parametrize("count", [None, 0, 1, -1, 300, 301, -301, "1", 1 << 70])
def test_as_bytearrays(count: Any) -> None:
    outcomes = []
    for target in (Buffer(START), bytearray(START)):
        try:
            outcome: Any = target.take_bytes(count)  # type: ignore[union-attr,attr-defined]
        except Exception as error:
            outcome = (type(error), str(error))
        outcomes.append((outcome, bytes(target)))
    assert outcomes[0] == outcomes[1]
