"""extend(): every source without another package, and all or nothing over the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from growable import Array, Table
from table_support import KINDS, START, TICKS, columns, holds, rows_of, tick, ticks


def structured(count: int) -> Any:
    return ticks(count).to_numpy(structured=True)


SOURCES = {
    "dict": columns,
    "dict, other order": lambda n: dict(reversed(columns(n).items())),
    "dict of lists": lambda n: {name: list(values) for name, values in columns(n).items()},
    "dict of Arrays": lambda n: {name: Array(values) for name, values in columns(n).items()},
    "dict of generators": lambda n: {
        name: (value for value in values) for name, values in columns(n).items()
    },
    "strided": lambda n: {name: np.repeat(v, 2)[::2] for name, v in columns(n).items()},
    "cast": lambda n: {
        "t": columns(n)["t"].astype("M8[s]"),
        "price": columns(n)["price"].astype("f4"),
        "size": columns(n)["size"].astype(">i8"),
    },
    "table": ticks,
    "column dict": lambda n: dict(ticks(n)),
    "structured": structured,
    "structured, strided": lambda n: np.repeat(structured(n), 3)[::3],
    "rows": lambda n: [tick(i) for i in range(n)],
    "generator": lambda n: (tick(i) for i in range(n)),
    "dict rows": lambda n: [dict(zip(TICKS, tick(i), strict=True)) for i in range(n)],
    "iterator of a table": lambda n: iter(ticks(n)),
}


@pytest.mark.parametrize("count", [0, 1, 1000])
@pytest.mark.parametrize("source", SOURCES)
def test_sources(source: str, count: int) -> None:
    table = ticks(2)
    table.extend(SOURCES[source](count))
    expected = columns(2)
    added = columns(count)
    assert holds(table, {name: np.concatenate([expected[name], added[name]]) for name in TICKS})


def test_itself_and_while_exported() -> None:
    table = ticks(1000)
    view = table["price"].view()
    table.extend(table)
    table.extend(row for row in table)
    assert len(table) == 4000
    assert (table["price"].view() == np.tile(columns(1000)["price"], 4)).all()
    assert (view == columns(1000)["price"]).all()


def test_rows_of_several_items() -> None:
    table = Table(KINDS)
    rows = {name: rows_of(dtype, 20) for name, dtype in KINDS.items()}
    table.extend(rows)
    table.extend(table.to_numpy(structured=True))
    table.extend(list(table)[:5])
    for name, expected in rows.items():
        assert (table[name].view() == np.concatenate([expected, expected, expected[:5]])).all()


GOOD = columns(50)
FAILING: dict[str, Any] = {
    "missing column": {"t": GOOD["t"], "price": GOOD["price"]},
    "unknown column": {**GOOD, "x": GOOD["price"]},
    "misspelt": {"t": GOOD["t"], "price": GOOD["price"], "Size": GOOD["size"]},
    "short": {**GOOD, "size": GOOD["size"][:-1]},
    "of another kind": {**GOOD, "size": GOOD["size"] + 0.5},
    "text": {**GOOD, "size": ["1"] * 50},
    "too large": {**GOOD, "size": [2**40] * 50},
    "of another shape": {**GOOD, "size": np.zeros((50, 2), "i4")},
    "no rows": {**GOOD, "size": 5},
    "rows of another width": [tick(1), tick(2)[:2]],
    "row that is none": [tick(1), None],
    "structured with other names": np.zeros(5, [("t", "M8[ns]"), ("price", "f8")]),
    "plain array": np.zeros((5, 3)),
    "0-d structured": np.zeros((), list(TICKS.items())),
    "a number": 5,
    "None": None,
    "text itself": "abc",
    "bytes": b"abc",
}


@pytest.mark.parametrize("what", FAILING)
def test_all_or_nothing(what: str) -> None:
    table = ticks(10)
    with pytest.raises((TypeError, ValueError, OverflowError)):
        table.extend(FAILING[what])
    assert [len(table[name]) for name in TICKS] == [10, 10, 10]
    assert holds(table, columns(10))


@pytest.mark.parametrize("name", TICKS)
def test_each_column_may_be_the_one(name: str) -> None:
    table = ticks(10)
    with pytest.raises((TypeError, ValueError)) as caught:
        table.extend({**GOOD, name: [object()] * 50})
    assert f"growable: in column {name!r}" in caught.value.__notes__
    assert holds(table, columns(10))


def test_an_iterator_that_raises() -> None:
    def rows() -> Iterator[Any]:
        yield tick(0)
        yield tick(1)
        raise RuntimeError("no more")

    table = ticks(10)
    with pytest.raises(RuntimeError, match="no more"):
        table.extend(rows())
    assert holds(table, columns(10))


def test_an_iterator_that_changes_the_table() -> None:
    table = ticks(3)

    def rows() -> Iterator[Any]:
        yield tick(3)
        table.clear()
        yield tick(4)

    table.extend(rows())
    assert holds(table, columns(2, first=3))


def test_lengths_are_told() -> None:
    with pytest.raises(ValueError, match="'t' 50, 'price' 50, 'size' 49"):
        ticks(1).extend(FAILING["short"])


def test_warnings_as_errors_change_nothing() -> None:
    table = Table({"a": "f8", "b": "f4"})
    with pytest.raises(RuntimeWarning, match="overflow"):
        table.extend({"a": np.ones(4), "b": np.full(4, 1e300)})
    assert len(table) == 0


def test_spare_and_advance() -> None:
    table = ticks(10)
    tail = table.spare(100)
    assert {name: (len(rows), rows.dtype) for name, rows in tail.items()} == {
        name: (100, np.dtype(dtype)) for name, dtype in TICKS.items()
    }
    assert all(not rows.view("u1").any() for rows in tail.values())
    for name, rows in tail.items():
        rows[:60] = columns(60, first=10)[name]
    table.advance(40)
    table.advance(20)
    assert holds(table, columns(70))
    with pytest.raises(ValueError, match="41 rows"):
        table.advance(41)
    with pytest.raises(ValueError, match="got -1"):
        table.advance(-1)
    table.advance(0)
    assert holds(table, columns(70))
    table.append(tick(70))
    with pytest.raises(ValueError, match="takes them back"):
        table.advance(1)
    assert holds(table, columns(71))


def test_advance_of_small_tables() -> None:
    table = Table({"a": "u1", "b": "u2"})
    tail = table.spare(3)
    tail["a"][:] = [1, 2, 3]
    tail["b"][:] = [4, 5, 6]
    del tail
    table.advance(3)
    assert list(table) == [(1, 4), (2, 5), (3, 6)]
    table.append((9, 9))
    assert table["b"].tolist() == [4, 5, 6, 9]


def test_rows_that_stand_in_the_lent_tails() -> None:
    table = Table({"a": "i8", "b": "i8"})
    table.append((1, 2))
    tail = table.spare(10)
    tail["a"][:] = np.arange(10) + 0x0101010101010101
    tail["b"][:] = -tail["a"]
    wanted = {"a": tail["b"][2:6].tolist(), "b": tail["a"][3:7].tolist()}
    table.extend({"a": tail["b"][2:6], "b": tail["a"][3:7]})
    assert table["a"].tolist() == [1, *wanted["a"]]
    assert table["b"].tolist() == [2, *wanted["b"]]


def test_dates_from_datetimes() -> None:
    table = Table({"t": "M8[ns]"})
    table.extend({"t": [START.astype("M8[us]").item()] * 3})
    assert (table["t"].view() == START).all()
