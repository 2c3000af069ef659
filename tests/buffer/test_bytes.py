"""bytes(buffer): the contents, without an export."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from growable import Buffer, StateError
from support import pattern

Make = Callable[..., Buffer]


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 100_000])
def test_the_contents(make: Make, size: int) -> None:
    content = pattern(size)
    made = bytes(make(content))
    assert type(made) is bytes
    assert made == content


def test_a_small_buffer_stays_where_it_is() -> None:
    """An export would give it pages of its own."""
    buffer = Buffer(b"x" * 100)
    before = buffer.capacity
    assert bytes(buffer) == b"x" * 100
    assert buffer.capacity == before
    with memoryview(buffer):
        assert buffer.capacity > before


def test_while_exported(make: Make) -> None:
    buffer = make(b"abc")
    with memoryview(buffer) as view:
        view[1] = 0
        assert bytes(buffer) == b"a\0c"


def test_after_release() -> None:
    buffer = Buffer(b"abc")
    buffer.release()
    with pytest.raises(StateError):
        bytes(buffer)


def test_a_subclass_of_bytes(make: Make) -> None:
    class Kind(bytes):
        pass

    made = Kind(make(b"abc"))
    assert type(made) is Kind
    assert made == b"abc"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
def test_a_subclass_that_exports_something_else() -> None:
    class Other(Buffer):
        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(b"other")

    assert bytes(Other(b"abc")) == b"other"
