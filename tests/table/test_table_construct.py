"""What a Table is made of: schemas, capacity, and what is refused."""

from __future__ import annotations

import csv
from collections import namedtuple
from typing import Any

import growable
import numpy as np
import pytest
from growable import Array, Buffer, CapacityError, Table
from growable.table import Column
from table_support import KINDS, TICKS, columns, holds, rows_of, ticks


def test_mapping() -> None:
    table = Table(TICKS)
    assert len(table) == 0
    assert table.shape == (0, 3)
    assert table.columns == ("t", "price", "size")
    assert table.dtypes == {name: np.dtype(dtype) for name, dtype in TICKS.items()}
    assert table.dtype == np.dtype(list(TICKS.items()))
    assert table.nbytes == 0
    assert all(isinstance(table[name], Array) for name in table.columns)


@pytest.mark.parametrize(
    "schema",
    [np.dtype([("a", "f8"), ("b", "i4", (2,))]), [("a", "f8"), ("b", "i4", (2,))]],
    ids=["dtype", "list"],
)
def test_structured_dtype(schema: Any) -> None:
    table = Table(schema)
    assert table.dtypes == {"a": np.dtype("f8"), "b": np.dtype(("i4", (2,)))}
    assert table["b"].row_shape == (2,)


def test_schema_of_another_table() -> None:
    first = Table(KINDS)
    first.extend({name: rows_of(dtype, 3) for name, dtype in KINDS.items()})
    second = Table(first)
    assert len(second) == 0
    assert second.dtypes == first.dtypes == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column(kind: str) -> None:
    rows = rows_of(KINDS[kind], 300)
    table = Table({"n": "i8", kind: KINDS[kind]})
    table.extend({"n": np.arange(300), kind: rows})
    for number in range(300):
        table.append((number, rows[number]))
    assert holds(table, {"n": np.tile(np.arange(300), 2), kind: np.concatenate([rows, rows])})


@pytest.mark.parametrize(
    ("schema", "error"),
    [
        ({}, ValueError),
        ({"a": object}, TypeError),
        ({"a": "S0"}, ValueError),
        ({1: "f8"}, TypeError),
        ({"a": "no such dtype"}, TypeError),
        ("f8", TypeError),
        (None, TypeError),
        (3, TypeError),
    ],
)
def test_schemas_that_are_none(schema: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Table(schema)


def test_the_column_is_named_in_errors() -> None:
    with pytest.raises(TypeError) as caught:
        Table({"good": "f8", "bad": object})
    assert caught.value.__notes__ == ["growable: in column 'bad'"]


def test_any_name_does() -> None:
    names = ["", "class", "self", "row", "1", "a b", "\N{GREEK SMALL LETTER PI}", "_x"]
    table = Table(dict.fromkeys(names, "f8"))
    table.append(range(8))
    table.append(**{name: 10 + number for number, name in enumerate(names)})
    assert [table[name][1] for name in names] == list(range(10, 18))
    assert table[1] == tuple(range(10, 18))


def test_capacity_is_exact_and_never_moves() -> None:
    table = Table(TICKS, capacity=1000)
    assert table.capacity == 1000
    where = [table[name].address for name in table.columns]
    table.extend(columns(1000))
    assert [table[name].address for name in table.columns] == where
    with pytest.raises(CapacityError):
        table.append(table[0])
    with pytest.raises(CapacityError):
        table.extend(table)
    assert holds(table, columns(1000))


@pytest.mark.parametrize("capacity", [-1, 2**50, 2**62])
def test_capacities_that_cannot_be(capacity: int) -> None:
    with pytest.raises((ValueError, OverflowError, MemoryError)):
        Table(TICKS, capacity=capacity)


def test_name_is_the_buffers_too() -> None:
    table = Table(TICKS, name="ticks")
    assert table.name == "ticks"
    assert [table[name].name for name in table.columns] == ["ticks.t", "ticks.price", "ticks.size"]
    assert Table(TICKS).name is None
    assert Table(TICKS)["t"].name is None


def test_options_are_keywords() -> None:
    with pytest.raises(TypeError):
        Table(TICKS, 1000)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Table()  # type: ignore[call-arg]


def test_from_data() -> None:
    table = Table.from_data(columns(10), capacity=20, name="x")
    assert holds(table, columns(10))
    assert table.capacity == 20
    assert table.name == "x"
    assert Table.from_data(ticks(5)).equals(ticks(5))
    assert Table.from_data({"a": ["x", "long"], "b": [1, 2]}).dtypes == {
        "a": np.dtype("U4"),
        "b": np.dtype("i8"),
    }
    with pytest.raises(ValueError, match="no columns"):
        Table.from_data({})


def test_known_to_the_package() -> None:
    assert growable.Table is Table
    assert "Table" in dir(growable)


def test_subclass() -> None:
    class Ticks(Table):
        note = "mine"

        def __init__(self, *args: Any, **options: Any) -> None:
            self.made_with = args

    table = Ticks(TICKS)
    table.extend(columns(3))
    assert isinstance(table[:2], Ticks)
    assert table.made_with == (TICKS,)
    assert len(table) == 3


def test_columns_that_share_a_buffer_are_refused() -> None:
    parts = (Buffer(), np.dtype("f8"), ())
    with pytest.raises(ValueError, match="same Buffer"):
        Table._over({"a": Column._over(*parts), "b": Column._over(*parts)})


def test_a_column_that_ends_with_a_part_of_a_row_is_refused() -> None:
    table = ticks(3)
    table["t"]._buffer.append(1)
    with pytest.raises(growable.StateError, match="part of a row"):
        table.clear()
    with pytest.raises(growable.StateError, match="part of a row"):
        len(table)


# Data in place of a schema, and rows as data.


class _Series:
    """Has a dtype, which NumPy would take."""

    dtype = np.dtype("f8")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.zeros(3)


@pytest.mark.parametrize(
    "data",
    [
        {"a": [1, 2, 3]},
        {"a": ["x", "y"]},
        {"a": []},
        {"a": (1, 2, 3)},
        {"a": range(3)},
        {"a": np.arange(3.0)},
        {"a": Array([1.0, 2.0])},
        {"a": _Series()},
        {"b": "f8", "a": 1},
        np.zeros(3, [("a", "f8")]),
        np.zeros((3, 2)),
        [(1, 2.0), (3, 4.0)],
        [{"a": 1}],
        ["a", "b"],
        _Series(),
        5,
    ],
)
def test_data_in_place_of_a_schema(data: Any) -> None:
    with pytest.raises(
        TypeError, match=r"names with dtypes wanted.*Table\.from_data\(\)"
    ) as caught:
        Table(data)
    notes = getattr(caught.value, "__notes__", [])
    assert notes == (["growable: in column 'a'"] if isinstance(data, dict) else [])


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "rows",
    [
        [{"x": 1, "y": "ab"}, {"y": "c", "x": 2}],
        [Point(1, "ab"), Point(2, "c")],
        list(np.array([(1, "ab"), (2, "c")], [("x", "i8"), ("y", "U2")])),
        csv.DictReader(["x,y", "1,ab", "2,c"]),
        (row for row in [Point(1, "ab"), {"x": 2, "y": "c"}]),
        Table.from_data({"x": [1, 2], "y": ["ab", "c"]}),
        iter(Table.from_data({"x": [1, 2], "y": ["ab", "c"]})),
    ],
    ids=["dicts", "named tuples", "records", "csv", "generator", "table", "its rows"],
)
def test_from_data_of_rows_with_names(rows: Any) -> None:
    table = Table.from_data(rows)
    assert table.columns == ("x", "y")
    assert table.dtypes["y"] == np.dtype("U2")
    assert [(int(x), y) for x, y in table] == [(1, "ab"), (2, "c")]


@pytest.mark.parametrize("rows", [[(1, 2)], [[1, 2]], [1, 2], ["ab"], ((n, n) for n in range(3))])
def test_from_data_of_rows_without_names(rows: Any) -> None:
    with pytest.raises(
        TypeError, match=r"no names.*Table\(\{name: dtype.*extend\(rows\)"
    ) as caught:
        Table.from_data(rows)
    assert caught.value.__notes__ == ["growable: in row 0"]


def test_from_data_of_rows_that_differ() -> None:
    for bad in ({"x": 1}, {"x": 1, "y": 2, "z": 3}, {}, (1, 2), 5):
        with pytest.raises((TypeError, ValueError)) as caught:
            Table.from_data([{"x": 1, "y": 2}, bad])
        assert caught.value.__notes__ == ["growable: in row 1"]
    for rows in ([], [{}], [{}, {}]):
        with pytest.raises(ValueError, match="no rows"):
            Table.from_data(rows)
