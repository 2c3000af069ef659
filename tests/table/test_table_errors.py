"""What errors of a Table say: the operation, rows and not bytes, the column, and the way out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import growable
import numpy as np
import pytest
from growable import Table

SCHEMA = {"x": "f8", "n": "i4"}


def two_rows(**options: Any) -> Table:
    table = Table(SCHEMA, **options)
    table.extend({"x": [1.0, 2.0], "n": [1, 2]})
    return table


@pytest.mark.parametrize(
    ("operation", "act", "needed"),
    [
        ("append", lambda t: t.append((1.0, 1)), 3),
        ("append", lambda t: t.append(x=1.0, n=1), 3),
        ("extend", lambda t: t.extend({"x": np.ones(5), "n": np.ones(5, "i4")}), 7),
        ("extend", lambda t: t.extend([(1.0, 1)] * 5), 7),
        ("ensure", lambda t: t.ensure(4), 6),
    ],
)
def test_full_table_speaks_of_rows(
    operation: str, act: Callable[[Table], Any], needed: int
) -> None:
    table = two_rows(capacity=2)
    with pytest.raises(growable.CapacityError) as caught:
        act(table)
    assert str(caught.value) == (
        f"Table.{operation}: {needed} rows are needed and the capacity is 2; "
        "make the Table with a larger capacity=, or without one"
    )
    assert (caught.value.operation, caught.value.requested) == (operation, needed)
    assert caught.value.__notes__ == ["growable: in column 'x'"]
    assert len(table) == 2


def test_column_that_is_pinned_is_named() -> None:
    table = two_rows()
    assert table["x"].address
    capacity = table["x"].capacity
    with pytest.raises(growable.CapacityError, match=r"Table.ensure: .* rows are needed") as caught:
        table.ensure(capacity)
    assert caught.value.__notes__ == ["growable: in column 'x'"]


def test_negative_number_of_rows() -> None:
    table = two_rows()
    for operation in ("ensure", "advance"):
        with pytest.raises(ValueError, match=rf"^Table\.{operation}: .* must be >= 0, got -1$"):
            getattr(table, operation)(-1)
    with pytest.raises(ValueError, match=r"must be >= 0, got -1$"):
        table.spare(-1)


def test_more_rows_than_there_can_be() -> None:
    table = two_rows()
    with pytest.raises(OverflowError):
        table.ensure(sys.maxsize + 1)
    with pytest.raises(MemoryError, match=rf"^Table\.ensure: {sys.maxsize} rows do not fit"):
        table.ensure(sys.maxsize)
    with pytest.raises(OverflowError):
        Table(SCHEMA, capacity=sys.maxsize + 1)
    with pytest.raises(MemoryError) as caught:
        Table(SCHEMA, capacity=sys.maxsize)
    assert caught.value.__notes__ == ["growable: in column 'x'"]


def test_rows_that_were_not_lent() -> None:
    table = two_rows()
    with pytest.raises(ValueError, match=r"^Table\.advance: 3 rows asked for"):
        table.advance(3)


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("append", lambda t: t.append((1.0, 1))),
        ("extend", lambda t: t.extend({"x": [], "n": []})),
        ("ensure", lambda t: t.ensure(1)),
        ("pop", lambda t: t.pop()),
        ("del", lambda t: t.__delitem__(0)),
        ("del", lambda t: t.clear()),
    ],
)
def test_frozen_table_is_called_a_table(operation: str, act: Callable[[Table], Any]) -> None:
    table = two_rows()
    table.freeze()
    with pytest.raises(growable.StateError, match=f"^Table.{operation}: the Table is frozen"):
        act(table)


def test_released_table_is_called_a_table() -> None:
    table = two_rows()
    table.release()
    for operation, act in (
        ("len", lambda: len(table)),
        ("append", lambda: table.append((1.0, 1))),
        ("ensure", lambda: table.ensure(1)),
        ("advance", lambda: table.advance(0)),
    ):
        with pytest.raises(growable.StateError, match=f"^Table.{operation}: the Table is released"):
            act()
    assert "the Table is released" in repr(table)


def test_copy_of_a_column_is_called_an_array() -> None:
    column = two_rows(capacity=2)["x"].copy()
    with pytest.raises(growable.CapacityError, match=r"^Array\.append: 3 rows"):
        column.append(1.0)
