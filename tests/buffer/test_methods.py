"""The methods that bytearray gives: they are Buffer's own, as if they had been written for it."""

from __future__ import annotations

import pickle

import pytest
from growable import Buffer


def test_a_method_says_where_it_belongs() -> None:
    method = Buffer.find
    assert (method.__name__, method.__qualname__) == ("find", "Buffer.find")
    assert method.__objclass__ is Buffer  # type: ignore[attr-defined]
    assert method.__doc__ == bytearray.find.__doc__


def test_a_method_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(Buffer.find)) is Buffer.find


def test_a_method_takes_any_bytearray() -> None:
    assert Buffer.find(bytearray(b"abc"), b"c") == 2  # type: ignore[arg-type]


def test_a_method_takes_nothing_else() -> None:
    with pytest.raises(TypeError, match="bytearray"):
        Buffer.find(b"abc", b"c")  # type: ignore[arg-type]


def test_a_number_has_no_remainder_by_a_buffer() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        5 % Buffer(b"abc")  # type: ignore[operator]
