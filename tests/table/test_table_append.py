"""append(): how a row may be given, and that it is appended to all columns or to none."""

from __future__ import annotations

from collections import OrderedDict, UserDict, namedtuple
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from growable import Array, CapacityError, StateError, Table
from table_support import START, TICKS, address, columns, holds, tick, ticks

ROW = (START, 1.5, 7)
Tick = namedtuple("Tick", "t price size")


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        list(ROW),
        Tick(*ROW),
        dict(zip(TICKS, ROW, strict=True)),
        OrderedDict(size=7, price=1.5, t=START),
        UserDict(size=7, price=1.5, t=START),
        np.array([ROW], list(TICKS.items()))[0],
        iter(ROW),
        ("2026-01-01", np.float64(1.5), np.int8(7)),
        (datetime(2026, 1, 1), np.float32(1.5), True),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row(row: Any) -> None:
    table = Table(TICKS)
    table.append(row)
    assert table[0] == ROW or (table[0][:2] == ROW[:2] and table[0][2] == 1)


def test_by_name() -> None:
    table = Table(TICKS)
    table.append(t=START, price=1.5, size=7)
    table.append(size=7, t=START, price=1.5)
    table.append(**{"".join(["pri", "ce"]): 1.5, "".join(["si", "ze"]): 7, "t": START})
    assert list(table) == [ROW] * 3


def test_a_row_of_another_table() -> None:
    first, second = ticks(5), Table(TICKS)
    for row in first:
        second.append(row)
    assert second.equals(first)


@pytest.mark.parametrize(
    ("arguments", "values", "error", "words"),
    [
        ((), {}, TypeError, "one row"),
        ((ROW, ROW), {}, TypeError, "one row"),
        ((ROW,), {"t": START}, TypeError, "one row"),
        (((START, 1.5),), {}, ValueError, "3 values wanted, not 2"),
        (((*ROW, 1),), {}, ValueError, "3 values wanted, not 4"),
        ((), {"t": START, "price": 1.5}, TypeError, "'size'"),
        ((), {"t": START, "price": 1.5, "sizes": 7}, TypeError, "'sizes'"),
        ((), {"t": START, "price": 1.5, "size": 7, "x": 1}, TypeError, "'x'"),
        (({"t": START, "price": 1.5},), {}, ValueError, "'size'"),
        (({"t": START, "price": 1.5, "sizes": 7},), {}, ValueError, "'sizes'"),
        (("abc",), {}, TypeError, "str"),
        ((None,), {}, TypeError, "NoneType"),
        ((5,), {}, TypeError, "int"),
        ((("never", 1.5, 7),), {}, ValueError, "never"),
        (((START, "1.5", 7),), {}, TypeError, "'1.5' is no number that float64 can hold"),
        (((START, 1.5, 7.5),), {}, TypeError, "cast"),
        (((START, 1.5, 2**31),), {}, OverflowError, "2147483648 is out of bounds for int32"),
        (((START, 1.5, None),), {}, TypeError, "None is no number that int32 can hold"),
        (((START, [1.5], 7),), {}, ValueError, "shape"),
    ],
)
def test_what_is_no_row(
    arguments: tuple[Any, ...], values: dict[str, Any], error: type[Exception], words: str
) -> None:
    table = ticks(3)
    with pytest.raises(error, match=words):
        table.append(*arguments, **values)
    assert holds(table, columns(3))


@pytest.mark.parametrize("name", TICKS)
def test_the_column_is_named_in_errors(name: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Table(TICKS).append({**dict(zip(TICKS, ROW, strict=True)), name: [object()]})
    assert f"growable: in column {name!r}" in caught.value.__notes__


def test_views_stay_valid() -> None:
    table = ticks(10)
    views = table.to_numpy()
    where = {name: address(view) for name, view in views.items()}
    for number in range(10, 2000):
        table.append(tick(number))
    table.extend(columns(1_000_000 - 2000, first=2000))
    assert {name: address(table[name].view()) for name in TICKS} == where
    for name, view in views.items():
        assert np.shares_memory(view, table[name].view())
        assert (view == columns(10)[name]).all()
        assert address(view) == where[name]
    assert holds(table, columns(1_000_000))


def test_no_column_grows_when_the_last_cannot() -> None:
    table = ticks(3)
    Array.freeze(table["size"])
    with pytest.raises(StateError):
        table.append(ROW)
    with pytest.raises(StateError):
        table.extend(columns(5))
    assert [len(table[name]) for name in TICKS] == [3, 3, 3]
    assert holds(table, columns(3))


def test_at_capacity() -> None:
    table = ticks(3, capacity=3)
    with pytest.raises(CapacityError):
        table.append(ROW)
    assert holds(table, columns(3))


def test_conversion_may_change_the_table() -> None:
    class Meddling:
        def __init__(self, operation: Any) -> None:
            self.operation = operation

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            self.operation()
            return np.array(2.5)

    table = ticks(100)
    table.append((START, Meddling(lambda: table.extend(columns(10_000, first=100))), 1))
    assert len(table) == 10_101
    assert table[-1] == (START, 2.5, 1)
    table.append((START, Meddling(table.clear), 1))
    assert len(table) == 1
    with pytest.raises(StateError):
        table.append((START, Meddling(table.release), 1))


def test_many_columns_and_wide_rows() -> None:
    wide = Table({f"c{n}": "i8" for n in range(300)})
    for start in range(5):
        wide.append(range(start, start + 300))
    wide.append({f"c{n}": n for n in reversed(range(300))})
    assert [wide[f"c{n}"].tolist() for n in (0, 299)] == [
        [0, 1, 2, 3, 4, 0],
        [*range(299, 304), 299],
    ]
    rows = Table({"a": ("u1", (5000,)), "b": "S3000"})
    rows.append((np.arange(5000, dtype="u2") % 251, b"x" * 3000))
    assert rows["a"][0].sum() == (np.arange(5000) % 251).sum()
    assert rows["b"][0] == b"x" * 3000


def test_extend_and_ensure_reserve_together() -> None:
    table = ticks(1)
    table.ensure(50_000)
    assert table.capacity >= 50_001
    where = {name: table[name].address for name in TICKS}
    table.extend(columns(50_000, first=1))
    assert {name: table[name].address for name in TICKS} == where
    with pytest.raises(ValueError, match="-1"):
        table.ensure(-1)
    with pytest.raises(OverflowError):
        table.ensure(2**64)
    with pytest.raises(MemoryError):
        table.ensure(2**62)
    with pytest.raises(TypeError):
        table.ensure("1")
    assert holds(table, columns(50_001))
