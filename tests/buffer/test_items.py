"""Single items and slices with a step, beside bytearray."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE

Kind = Callable[..., Any]

both = pytest.mark.parametrize("kind", [bytearray, Buffer])


@both
def test_an_item_counted_from_the_end_is_set(kind: Kind) -> None:
    made = kind(b"abc")
    made[-1] = 0x78
    assert made == b"abx"


@both
@pytest.mark.parametrize("index", [3, -4, 1 << 100])
def test_an_item_that_is_not_there_cannot_be_set(kind: Kind, index: int) -> None:
    made = kind(b"abc")
    with pytest.raises(IndexError):
        made[index] = 0
    assert made == b"abc"


@both
def test_an_item_is_set_through_the_sequence_protocol(kind: Kind) -> None:
    made = kind(b"abc")
    assert ctypes.pythonapi.PySequence_SetItem(ctypes.py_object(made), 1, ctypes.py_object(7)) == 0
    assert made == b"a\x07c"


@both
def test_a_truth_value_is_a_byte(kind: Kind) -> None:
    made = kind(b"")
    made.append(True)
    assert made == b"\x01"


@both
@pytest.mark.parametrize(("index", "expected"), [(-100, b"xabc"), (100, b"abcx"), (-1, b"abxc")])
def test_insert_past_an_end_is_at_that_end(kind: Kind, index: int, expected: bytes) -> None:
    made = kind(b"abc")
    made.insert(index, 0x78)
    assert made == expected


@both
@pytest.mark.parametrize("step", [2, -2])
def test_every_other_of_nothing_is_deleted(kind: Kind, step: int) -> None:
    made = kind()
    del made[::step]
    assert made == b""


@both
def test_every_other_backwards_is_deleted(kind: Kind) -> None:
    made = kind(b"abcdef")
    del made[::-2]
    assert made == b"ace"


@both
def test_every_other_is_not_deleted_while_exported(kind: Kind) -> None:
    made = kind(b"abcdef")
    with memoryview(made), pytest.raises(BufferError, match=EXPORTED_MESSAGE):
        del made[::2]
    assert made == b"abcdef"


class NoNumber:
    """Has __index__, but is no number after all."""

    def __index__(self) -> int:
        raise TypeError

    def __iter__(self) -> Iterator[int]:
        return iter(b"abc")


@both
def test_what_turns_out_to_be_no_number_is_iterated(kind: Kind) -> None:
    assert kind(NoNumber()) == b"abc"


class NoHint:
    """Raises when it is asked for its length."""

    def __iter__(self) -> Iterator[int]:
        return iter(b"abc")

    def __length_hint__(self) -> int:
        raise KeyError


def test_a_length_hint_that_raises_changes_nothing() -> None:
    buffer = Buffer(b"xyz")
    with pytest.raises(KeyError):
        buffer.extend(NoHint())
    assert buffer == b"xyz"
