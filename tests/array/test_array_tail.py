"""spare and advance, and read_from: whole rows from files, sockets and descriptors."""

from __future__ import annotations

import io
import os
import socket
from typing import Any

import growable
import numpy as np
import pytest
from array_support import data_of, same
from growable import Array


def test_spare_rows_are_zero_and_taken_in(case: Any) -> None:
    made, rows = case.make(case.rows(3)), case.rows(8)
    tail = made.spare(5)
    assert tail.shape == (5, *case.row_shape)
    assert tail.dtype == made.dtype
    assert not any(tail.tobytes())
    tail[:] = rows[3:8]
    assert len(made) == 3
    made.advance(4)
    assert same(made, rows[:7])
    made.advance(1)
    assert same(made, rows)


def test_spare_is_where_the_rows_will_be() -> None:
    made = Array([1.0, 2.0])
    tail = made.spare(3)
    assert made.exports == 1
    tail[:] = [3.0, 4.0, 5.0]
    made.advance(3)
    assert data_of(tail) == data_of(made.view()) + 16
    assert np.shares_memory(tail, made.view())


def test_advance_needs_what_was_lent() -> None:
    made = Array([1.0])
    with pytest.raises(ValueError, match="lent"):
        made.advance(1)
    tail = made.spare(2)
    with pytest.raises(ValueError, match="lent"):
        made.advance(3)
    made.append(2.0)
    with pytest.raises(ValueError, match="lent"):
        made.advance(1)
    with pytest.raises(ValueError, match=">= 0"):
        made.advance(-1)
    with pytest.raises(ValueError, match=">= 0"):
        made.spare(-1)
    assert made.tolist() == [1.0, 2.0]
    assert len(tail) == 2


def test_spare_of_no_rows(case: Any) -> None:
    made = case.make()
    assert made.spare(0).shape == (0, *case.row_shape)
    made.advance(0)


# read_from.


class Drops:
    """A source that gives so many bytes at a time, whatever it is asked for."""

    def __init__(self, content: bytes, sizes: list[int | None]) -> None:
        self.content, self.sizes = content, sizes

    def readinto(self, room: memoryview) -> int | None:
        size = self.sizes.pop(0) if self.sizes else len(room)
        if size is None:
            return None
        part, self.content = self.content[: min(size, len(room))], self.content[size:]
        room[: len(part)] = part
        return len(part)


def test_read_to_the_end(case: Any) -> None:
    rows = case.rows(30_000)
    made = case.make(rows[:3])
    assert made.read_from(io.BytesIO(rows.tobytes())) == 30_000
    assert same(made.view()[3:], rows)
    assert made.read_from(io.BytesIO(b"")) == 0


@pytest.mark.parametrize("step", [1, 3, 7, 8, 9, 1000])
def test_read_in_odd_parts(case: Any, step: int) -> None:
    rows = case.rows(20)
    made = case.make()
    assert made.read_from(Drops(rows.tobytes(), [step] * (rows.nbytes // step + 2))) == 20
    assert same(made, rows)
    assert made.leftover == b""


def test_part_of_a_row_is_kept_for_the_next_call() -> None:
    rows = np.arange(5.0)
    made = Array()
    assert made.read_from(io.BytesIO(rows.tobytes()[:19])) == 2
    assert made.leftover == rows.tobytes()[16:19]
    made.append(99.0)
    assert made.read_from(io.BytesIO(rows.tobytes()[19:])) == 3
    assert made.tolist() == [0.0, 1.0, 99.0, 2.0, 3.0, 4.0]
    assert made.leftover == b""


def test_part_of_a_row_is_kept_while_exported() -> None:
    made = Array([7.0])
    view = made.view()
    made.read_from(io.BytesIO(np.arange(2.0).tobytes() + b"abc"))
    assert made.leftover == b"abc"
    assert (view.tolist(), made.tolist()) == ([7.0], [7.0, 0.0, 1.0])


def test_clear_forgets_the_part() -> None:
    made = Array()
    made.read_from(io.BytesIO(b"abc"))
    made.clear()
    assert made.leftover == b""


def test_read_some_rows() -> None:
    source = io.BytesIO(np.arange(10.0).tobytes())
    made = Array()
    assert made.read_from(source, 4) == 4
    assert made.read_from(source, rows=0) == 0
    assert made.read_from(source, 100) == 6
    assert made.read_from(source, 100) == 0
    assert made.tolist() == list(range(10))


def test_read_some_rows_reads_until_there_is_one() -> None:
    made = Array()
    source = Drops(np.arange(3.0).tobytes(), [3, 3, 3, 100])
    assert made.read_from(source, 2) == 1
    assert made.leftover == np.arange(3.0).tobytes()[8:9]
    assert made.read_from(source) == 2
    assert made.tolist() == [0.0, 1.0, 2.0]


def test_non_blocking_source_has_nothing() -> None:
    made = Array()
    source = Drops(np.arange(2.0).tobytes(), [None, 12, None])
    assert made.read_from(source) is None
    assert made.read_from(source) == 1
    assert len(made.leftover) == 4
    assert made.read_from(source) == 1
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert made.read_from(ours) is None
        theirs.sendall(np.arange(3.0).tobytes())
        assert made.read_from(ours, 10) == 3


def test_read_from_a_socket_and_a_descriptor() -> None:
    rows = np.arange(50_000, dtype="<i4")
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    made = Array(dtype="<i4")
    with ours, theirs:
        theirs.sendall(rows[:1000].tobytes())
        theirs.shutdown(socket.SHUT_WR)
        assert made.read_from(ours) == 1000
    os.write(writer, rows[1000:2000].tobytes())
    os.close(writer)
    assert made.read_from(reader) == 1000
    os.close(reader)
    assert same(made, rows[:2000])


def test_read_stops_at_the_capacity() -> None:
    source = io.BytesIO(np.arange(10.0).tobytes())
    made = Array(capacity=4)
    assert made.read_from(source) == 4
    with pytest.raises(growable.CapacityError):
        made.read_from(source)
    assert made.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert source.read() == np.arange(4.0, 10.0).tobytes()


def test_error_of_the_source_keeps_what_was_read() -> None:
    class Fails(Drops):
        def readinto(self, room: memoryview) -> int | None:
            if not self.sizes:
                raise OSError("cable")
            return super().readinto(room)

    made = Array([9.0])
    with pytest.raises(OSError, match="cable") as caught:
        made.read_from(Fails(np.arange(3.0).tobytes(), [20]))
    assert made.tolist() == [9.0, 0.0, 1.0]
    assert len(made.leftover) == 4
    assert "2 rows read before stay" in caught.value.__notes__[0]
    assert made.exports == 0
    made.pop()


@pytest.mark.parametrize("count", [-1, 10**6, 10**30])
def test_source_that_lies_is_refused(count: int) -> None:
    class Lies:
        def readinto(self, room: memoryview) -> int:
            return count

    made = Array()
    with pytest.raises((OSError, OverflowError)):
        made.read_from(Lies(), 5)
    assert len(made) == 0
    made.append(1.0)


def test_source_that_changes_the_array_is_refused() -> None:
    made = Array([1.0])

    class Meddles:
        def readinto(self, room: memoryview) -> int:
            for act in (lambda: made.append(5.0), made.clear, made.pop, lambda: made.spare(3)):
                with pytest.raises(BufferError):
                    act()
            room[:8] = np.float64(2.0).tobytes()
            return 8

    assert made.read_from(Meddles(), 1) == 1
    assert made.tolist() == [1.0, 2.0]


def test_source_that_keeps_the_room_is_an_export() -> None:
    kept: list[Any] = []

    class Keeps:
        def readinto(self, room: memoryview) -> int:
            kept.append(memoryview(room))
            return 8

    made = Array()
    assert made.read_from(Keeps(), 1) == 1
    made.append(1.0)
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()
    kept.clear()
    made.pop()


@pytest.mark.parametrize("source", ["name", None, object(), [1]])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match="readinto"):
        Array().read_from(source)
