"""Sizes around the edges of pages, commit steps and huge pages: every byte, and the NUL after them."""

from __future__ import annotations

import ctypes
import io

import pytest
from growable import Buffer
from support import PAGE, check, pattern

KIB, MIB = 1 << 10, 1 << 20


def around(edge: int, by: int = 2) -> list[int]:
    return [size for size in range(edge - by, edge + by + 1) if size >= 0]


SMALL = [*around(0), *around(24), *around(1024)]
EDGES = sorted(
    {
        *SMALL,
        *(size for n in (1, 2, 3) for size in around(n * PAGE)),
        *around(32 * KIB),
        *around(64 * KIB),
        *around(128 * KIB),
        *around(2 * MIB),
        *around(4 * MIB),
    }
)


def terminator(buffer: Buffer) -> bytes:
    """Return the byte after the end, read where C code would read it."""
    return ctypes.string_at(buffer.address + len(buffer), 1)


@pytest.mark.parametrize("size", EDGES)
def test_made_of_bytes(size: int) -> None:
    buffer = Buffer(pattern(size))
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_made_of_zeroes(size: int) -> None:
    buffer = Buffer(size)
    assert len(buffer) == size
    assert not any(buffer[:PAGE])
    assert not any(buffer[-PAGE:])
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_with_that_capacity(size: int) -> None:
    buffer = Buffer(capacity=size)
    buffer += pattern(size)
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_appended_across(size: int) -> None:
    """One byte at a time over the edge, while exported and not."""
    for exported in (False, True):
        start = max(0, size - 3)
        buffer = Buffer(pattern(start))
        view = memoryview(buffer) if exported else None
        for i in range(start, size + 3):
            buffer.append(pattern(size + 3)[i])
            assert ctypes.string_at(start_of_any(buffer) + len(buffer), 1) == b"\0"
        check(buffer, pattern(size + 3))
        del view


def start_of_any(buffer: Buffer) -> int:
    """Return where the first byte stands; the buffer is not empty and stays free to move."""
    return ctypes.addressof((ctypes.c_char * 1).from_buffer(buffer))


@pytest.mark.parametrize("size", EDGES)
def test_filled_through_the_tail(size: int) -> None:
    buffer = Buffer()
    with buffer.spare(size) as tail:
        tail[:] = pattern(size)
        buffer.advance(size)
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_read_from(size: int) -> None:
    buffer = Buffer()
    assert buffer.read_from(io.BytesIO(pattern(size))) == size
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_grown_to_and_cut_to(size: int) -> None:
    buffer = Buffer(pattern(10))
    buffer.resize(size + 10)
    assert terminator(buffer) == b"\0"
    buffer[:] = pattern(size + 10)
    buffer.resize(size)
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_front_deleted_up_to(size: int) -> None:
    buffer = Buffer(pattern(size + 100))
    del buffer[:size]
    check(buffer, pattern(size + 100)[size:])
    assert terminator(buffer) == b"\0"
    buffer += b"\xff" * 5000
    check(buffer, pattern(size + 100)[size:] + b"\xff" * 5000)


@pytest.mark.parametrize("size", EDGES)
def test_shrunk_to_fit(size: int) -> None:
    buffer = Buffer(pattern(size))
    buffer.ensure(10 * MIB)
    buffer.shrink_to_fit()
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"
    buffer += b"x"
    check(buffer, pattern(size) + b"x")


@pytest.mark.parametrize("size", EDGES)
def test_shrunk_to_fit_while_exported(size: int) -> None:
    buffer = Buffer(pattern(size))
    with memoryview(buffer) as view:
        buffer.ensure(10 * MIB)
        buffer.shrink_to_fit()
        assert view == pattern(size)
        assert terminator(buffer) == b"\0"
        buffer += b"x"
    check(buffer, pattern(size) + b"x")


@pytest.mark.parametrize("size", EDGES)
def test_frozen(size: int) -> None:
    buffer = Buffer(pattern(size))
    buffer.freeze()
    assert buffer == pattern(size)
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_opened_in_the_middle(size: int) -> None:
    """What follows moves over the edge."""
    buffer = Buffer(pattern(size))
    middle = size // 2
    buffer[middle:middle] = b"\xee" * 5
    check(buffer, pattern(size)[:middle] + b"\xee" * 5 + pattern(size)[middle:])
    del buffer[middle : middle + 5]
    check(buffer, pattern(size))
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", [size for size in EDGES if size > 0])
def test_repeated_to(size: int) -> None:
    buffer = Buffer(b"z")
    buffer *= size
    check(buffer, b"z" * size)
    assert terminator(buffer) == b"\0"


@pytest.mark.parametrize("size", EDGES)
def test_promoted_by_an_export(size: int) -> None:
    buffer = Buffer(pattern(size))
    with memoryview(buffer) as view:
        assert view == pattern(size)
        buffer += pattern(5000, 1)
        assert view == pattern(size)
    check(buffer, pattern(size) + pattern(5000, 1))


@pytest.mark.parametrize("size", EDGES)
def test_ensured_exactly(size: int) -> None:
    buffer = Buffer(b"abc")
    buffer.ensure(size)
    committed, capacity = buffer.committed, buffer.capacity
    assert min(committed, capacity) >= size + 3
    buffer += pattern(size)
    assert (buffer.committed, buffer.capacity) == (committed, capacity)
    check(buffer, b"abc" + pattern(size))


@pytest.mark.parametrize("size", [size for size in EDGES if 0 < size < 4000])
def test_c_code_stops_at_the_terminator(size: int) -> None:
    """int() reads until a byte that is no digit."""
    digits = b"1" * size
    assert int(Buffer(digits)) == int(digits)


@pytest.mark.parametrize("edge", [PAGE, 64 * KIB, 2 * MIB])
def test_float_at_the_very_end_of_a_page(edge: int) -> None:
    buffer = Buffer(b" " * (edge - 4) + b"1.25")
    assert float(buffer) == 1.25
    buffer = Buffer(b" " * (edge - 5) + b"1.25")
    assert float(buffer) == 1.25
