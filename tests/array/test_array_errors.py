"""What errors of an Array say: the operation, rows and not bytes, and the way out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import growable
import numpy as np
import pytest
from growable import Array

GROWING: dict[str, tuple[str, Callable[[Array], Any], int]] = {
    "append": ("append", lambda a: a.append(1.0), 3),
    "append a row of NumPy": ("append", lambda a: a.append(np.array(1.0)), 3),
    "append a float32": ("append", lambda a: a.append(np.float32(1)), 3),
    "extend a list": ("extend", lambda a: a.extend([1.0] * 5), 7),
    "extend an array": ("extend", lambda a: a.extend(np.ones(5)), 7),
    "extend a cast": ("extend", lambda a: a.extend(np.ones(5, "f4")), 7),
    "extend an iterator": ("extend", lambda a: a.extend(iter([1.0] * 5)), 7),
    "insert": ("insert", lambda a: a.insert(0, 1.0), 3),
    "insert at the end": ("insert", lambda a: a.insert(2, 1.0), 3),
    "resize": ("resize", lambda a: a.resize(9), 9),
    "ensure": ("ensure", lambda a: a.ensure(4), 6),
    "spare": ("spare", lambda a: a.spare(4), 6),
    "read_from": ("read_from", lambda a: a.read_from(io.BytesIO(bytes(80)), 3), 5),
    "read_from to the end": ("read_from", lambda a: a.read_from(io.BytesIO(bytes(80))), 3),
    "the constructor": ("Array", lambda a: Array([1.0] * 5, capacity=2), 5),
}


@pytest.mark.parametrize("way", GROWING)
def test_full_array_speaks_of_rows(way: str) -> None:
    operation, act, needed = GROWING[way]
    made = Array([1.0, 2.0], capacity=2)
    with pytest.raises(growable.CapacityError) as caught:
        act(made)
    label = operation if operation == "Array" else f"Array.{operation}"
    assert str(caught.value) == (
        f"{label}: {needed} rows are needed and the capacity is 2; "
        "make the Array with a larger capacity=, or without one"
    )
    assert caught.value.operation == operation
    assert caught.value.requested == needed
    assert caught.value.limit == "capacity"
    assert made.tolist() == [1.0, 2.0]


def test_rows_of_any_size_are_counted(case: Any) -> None:
    made = case.make(capacity=3)
    made.extend(case.rows(2))
    with pytest.raises(growable.CapacityError, match=r"7 rows .* capacity is 3") as caught:
        made.extend(case.rows(5))
    assert caught.value.requested == 7


def test_pinned_array_speaks_of_rows() -> None:
    made = Array(np.zeros(2))
    assert made.address
    capacity = made.capacity
    with pytest.raises(growable.CapacityError, match="make the Array with capacity=") as caught:
        made.ensure(capacity)
    assert caught.value.requested == capacity + 2
    assert f"{capacity} can be had in place" in str(caught.value)


def test_exported_array_that_is_full_speaks_of_rows() -> None:
    made = Array(np.zeros(2))
    view = made.view()
    capacity = made.capacity
    with pytest.raises(BufferError, match="make the Array with capacity=") as caught:
        made.ensure(capacity)
    assert f"(Array.ensure: {capacity + 2} rows are needed and {capacity} can" in str(caught.value)
    del view


def test_rows_that_were_not_lent_are_counted() -> None:
    made = Array(dtype="i4", row_shape=2)
    made.spare(2)
    with pytest.raises(ValueError, match=r"^Array\.advance: 3 rows asked for and 2 lent"):
        made.advance(3)
    with pytest.raises(ValueError, match=r"^Array\.advance: \d+ rows asked for and 2 lent"):
        made.advance(sys.maxsize)
    made.advance(2)
    assert len(made) == 2


@pytest.mark.parametrize("operation", ["ensure", "spare", "advance", "resize"])
def test_negative_number_of_rows(operation: str) -> None:
    made = Array([1.0])
    with pytest.raises(ValueError, match=rf"^Array\.{operation}: .* rows must be >= 0, got -3$"):
        getattr(made, operation)(-3)


@pytest.mark.parametrize("operation", ["ensure", "spare", "resize"])
def test_more_rows_than_there_can_be(operation: str) -> None:
    """No index: OverflowError. An index, but no memory for so much: MemoryError, or one of ours."""
    for made in (Array([1.0]), Array(row_shape=3), Array([1.0], capacity=5)):
        length = len(made)
        with pytest.raises(OverflowError):
            getattr(made, operation)(sys.maxsize + 1)
        with pytest.raises(MemoryError, match=rf"^Array\.{operation}: {sys.maxsize} rows of"):
            getattr(made, operation)(sys.maxsize)
        with pytest.raises(MemoryError):
            getattr(made, operation)(sys.maxsize // 64)
        assert len(made) == length


def test_capacity_larger_than_there_can_be() -> None:
    with pytest.raises(OverflowError):
        Array(capacity=sys.maxsize + 1)
    with pytest.raises(MemoryError, match=f"{sys.maxsize} rows of 8 bytes"):
        Array(capacity=sys.maxsize)
    with pytest.raises(growable.ReservationError, match=r"^Array: cannot reserve") as caught:
        Array(capacity=sys.maxsize // 8)
    assert caught.value.requested == sys.maxsize // 8 * 8


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("append", lambda a: a.append(1.0)),
        ("append", lambda a: a.append(np.float32(1))),
        ("extend", lambda a: a.extend([])),
        ("extend", lambda a: a.extend(np.zeros(0, "f4"))),
        ("insert", lambda a: a.insert(0, 1.0)),
        ("resize", lambda a: a.resize(1)),
        ("ensure", lambda a: a.ensure(1)),
        ("spare", lambda a: a.spare(1)),
        ("pop", lambda a: a.pop()),
        ("del", lambda a: a.__delitem__(0)),
        ("del", lambda a: a.__delitem__(slice(None, None, 2))),
        ("read_from", lambda a: a.read_from(io.BytesIO(bytes(80)))),
    ],
)
def test_frozen_array_is_called_an_array(operation: str, act: Callable[[Array], Any]) -> None:
    made = Array([1.0, 2.0, 3.0])
    made.freeze()
    with pytest.raises(growable.StateError, match=f"^Array.{operation}: the Array is frozen"):
        act(made)
    assert made.tolist() == [1.0, 2.0, 3.0]


def test_released_array_is_called_an_array() -> None:
    made = Array([1.0])
    made.release()
    for act in (
        lambda: len(made),
        lambda: made.append(1.0),
        lambda: made.extend([1.0]),
        lambda: made.ensure(1),
        lambda: made.view(),
        lambda: made.pop(),
        lambda: made.resize(0),
    ):
        with pytest.raises(growable.StateError, match=r"the Array is released$"):
            act()


def test_copy_of_a_full_array_speaks_of_rows() -> None:
    made = Array([1.0], capacity=1).copy()
    with pytest.raises(growable.CapacityError, match=r"^Array\.append: 2 rows"):
        made.append(2.0)


def test_buffer_still_speaks_of_bytes() -> None:
    full = growable.Buffer(b"ab", capacity=2)
    with pytest.raises(growable.CapacityError) as caught:
        full.extend(b"abc")
    assert str(caught.value) == (
        "extend: 5 bytes are needed and the capacity is 2; "
        "make the Buffer with a larger capacity=, or without one"
    )
    assert caught.value.requested == 5


# A dtype in the place of the source.


@pytest.mark.parametrize(
    ("source", "shown"),
    [("f8", "'f8'"), (np.float64, "dtype('float64')"), (np.dtype("i4"), "dtype('int32')")],
)
def test_dtype_as_the_source_is_told_where_it_goes(source: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        Array(source)
    assert f"to make an empty Array of a dtype: Array(dtype={shown})" in str(caught.value)


@pytest.mark.parametrize("source", [[("t", np.float64)], [("t", "f8"), ("x", "i4", (2,))]])
def test_list_that_is_a_dtype_is_told_where_it_goes(source: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Array(source)
    assert "to make an empty Array of a dtype" in "".join(caught.value.__notes__)


def test_what_numpy_takes_for_text_is_text() -> None:
    assert Array([("t", "f8")]).tolist() == [["t", "f8"]]


@pytest.mark.parametrize("source", ["hello", 5, [[1], [2, 3]], [object()]])
def test_what_is_no_dtype_gets_no_such_hint(source: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Array(source)
    assert "of a dtype" not in str(caught.value)
    assert not hasattr(caught.value, "__notes__")
