"""Values that a column cannot hold: what is missing, text for numbers, zones; and what is said."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from growable import Array, Table
from table_support import columns, holds, tick, ticks

HUGE = type("Huge", (), {"__index__": lambda self: 1 << 16609})()  # no int: its repr is refused
EAST = timezone(timedelta(hours=2))
NINE = datetime(2026, 1, 5, 9, tzinfo=EAST)
SEVEN = np.datetime64("2026-01-05T07:00", "us")


def notes(
    act: Callable[[], object], error: type[Exception] = TypeError, match: str | None = None
) -> list[str]:
    with pytest.raises(error, match=match) as caught:
        act()
    return caught.value.__notes__


def ways_in(value: Any, before: list[Any]) -> dict[str, Callable[[Table], object]]:
    """Return how a value may come into the second column, after others."""
    rows = [(n, item) for n, item in enumerate([*before, value])]
    by_column = {"n": [n for n, _ in rows], "x": [item for _, item in rows]}
    return {
        "append": lambda table: table.append(n=1, x=value),
        "append a row": lambda table: table.append((1, value)),
        "extend": lambda table: table.extend(by_column),
        "extend an object array": lambda table: table.extend(
            {**by_column, "x": np.array(by_column["x"], object)}
        ),
        "extend by rows": lambda table: table.extend(rows),
        "extend by dicts": lambda table: table.extend({"n": n, "x": item} for n, item in rows),
        "set": lambda table: table.__setitem__("x", value),
    }


HELD: dict[str, list[Any]] = {
    "U8": ["a", "bc"],
    "S8": [b"a", "bc"],
    "f8": [1.5, 2],
    "c16": [1j, 2],
    "i4": [1, 2],
    "?": [True, False],
    "M8[s]": ["2026-01-01", date(2026, 1, 2)],
}
REFUSED = [
    *[(dtype, None) for dtype in ("U8", "S8", "f8", "c16", "i4", "?")],
    *[
        ("U8", value)
        for value in (float("nan"), 1, 1.5, True, date(2026, 1, 1), Decimal(1), object())
    ],
    *[("S8", value) for value in (float("nan"), 1, np.float64(1.5))],
    *[(dtype, "1") for dtype in ("f8", "c16", "i4", "?")],
    *[("i4", value) for value in (1.5, float("nan"), b"1", Decimal(1))],
    *[("f8", value) for value in (np.str_("1"), np.bytes_(b"1"), np.datetime64(1, "s"))],
    *[("?", value) for value in (1, 0.0)],
    *[("M8[s]", value) for value in (5, 1.5, True, float("nan"), object(), timedelta(1))],
]


@pytest.mark.parametrize(("dtype", "value"), REFUSED)
@pytest.mark.parametrize("way", ways_in(0, []))
def test_what_is_refused_however_it_comes(way: str, dtype: str, value: Any) -> None:
    table = Table({"n": "i8", "x": dtype})
    table.append((0, HELD[dtype][0]))
    found = notes(lambda: ways_in(value, HELD[dtype])[way](table))
    assert "growable: in column 'x'" in found
    assert ("growable: in row 2" in found) == way.startswith("extend")
    assert len(table) == 1
    assert table[0].x == np.array([HELD[dtype][0]], dtype)[0]


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        ("f8", None, r"None is no number that float64 can hold; give float\('nan'\)"),
        ("U8", None, "None is no text that <U8 can hold; give ''"),
        ("S8", None, "None is no text that .S8 can hold; give b''"),
        ("i4", None, "None is no number that int32 can hold; give a value of yours"),
        ("U8", float("nan"), "nan is no text that <U8 can hold; give ''"),
        ("U8", 5, r"5 is no text that <U8 can hold; convert it first, such as with str\(\)"),
        ("f8", "1.5", r"'1.5' is no number that float64 can hold; .* float\(\)"),
        ("i4", "15", r"'15' is no number that int32 can hold; .* int\(\)"),
        ("i4", 1.5, r"cannot cast 1.5 from dtype float64 to int32 .* int\(\)"),
        ("i1", 300, "300 is out of bounds for int8"),
        ("i1", HUGE, "an integer of 16610 bits is out of bounds for int8"),
        ("?", "True", r"'True' is no truth value that bool can hold; .* bool\(\)"),
        ("M8[s]", 5, "5 is no date that datetime64.s. can hold; give a datetime"),
        ("M8[s]", np.False_, "False is no date"),
        ("f8", np.str_("1.5"), "'1.5' is no number"),
        ("U8", np.float32("nan"), "nan is no text .* give ''"),
        ("m8[s]", object(), "'object' object is no span of time"),
        ("f8", object(), "'object' object is no number"),
    ],
)
def test_what_is_said(dtype: str, value: Any, words: str) -> None:
    kind: Any = OverflowError if "bounds" in words else TypeError
    table = Table({"x": dtype})
    assert notes(lambda: table.append(x=value), kind, words) == ["growable: in column 'x'"]
    assert "growable: in row 0" in notes(lambda: table.extend({"x": [value]}), kind, words)
    made = Array(dtype=dtype)
    with pytest.raises(kind, match=words):
        made.append(value)


def test_an_integer_too_long_to_be_shown() -> None:
    notes(lambda: Table({"x": "U8"}).append(x=1 << 16609), match="integer of 16610 bits is no text")


def test_a_missing_number_or_date_that_the_dtype_has() -> None:
    table = Table({"x": "f8", "t": "M8[ns]", "d": "m8[s]"})
    table.append(x=float("nan"), t=None, d=None)
    table.extend({"x": [1, np.nan], "t": ["NaT", None], "d": [timedelta(1), None]})
    assert np.isnan(table["x"].view()).tolist() == [True, False, True]
    assert np.isnat(table["t"].view()).all()
    assert np.isnat(table["d"].view()).tolist() == [True, False, True]


@pytest.mark.parametrize("bad", [0, 1, 2, 63, 64, 99])
def test_the_first_bad_row_is_named(bad: int) -> None:
    values: list[Any] = [float(n) for n in range(100)]
    for number in range(bad, 100, 7):
        values[number] = None
    assert notes(lambda: Table({"x": "f8"}).extend({"x": values}))[0] == f"growable: in row {bad}"
    assert notes(lambda: Array().extend(values)) == [f"growable: in row {bad}"]


def test_the_row_is_named_whatever_is_wrong_with_it() -> None:
    table = ticks(3)
    good = [tick(0), tick(1)]
    for row in (tick(2)[:2], {"t": 1}, 5, "abc", None, ("never", 1.0, 1), (tick(2)[0], 1.0, 2**40)):
        with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
            table.extend([*good, row])
        assert "growable: in row 2" in caught.value.__notes__
    assert "growable: in row 1" in notes(
        lambda: table.extend({**columns(2), "t": ["2026-01-01", "never"]}), ValueError
    )
    vectors = Table({"v": ("f8", (2,))})
    assert "growable: in row 1" in notes(lambda: vectors.extend({"v": [[1, 2], [3, None]]}))
    structs = Table({"s": [("a", "i4")]})
    assert "growable: in row 1" in notes(lambda: structs.extend({"s": [(1,), ("x",)]}), ValueError)
    assert holds(table, columns(3))


def test_an_exception_of_the_iterator_is_about_no_row() -> None:
    def rows() -> Any:
        yield tick(0)
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine") as caught:
        ticks(0).extend(rows())
    assert not hasattr(caught.value, "__notes__")


def test_values_that_change_while_they_are_looked_at() -> None:
    class Late:
        calls = 0

        def __float__(self) -> float:
            self.calls += 1
            if self.calls < 3:
                raise TypeError("not yet")
            return 1.0

    for values in ([Late()], [Late(), 1.0], [1.0, Late(), 2.0]):
        table = Table({"x": "f8"})
        with pytest.raises(TypeError):
            table.extend({"x": values})
        assert len(table) == 0


def test_rows_of_csv_are_text() -> None:
    lines = "price,size\n10.5,100\n10.25,x\n"
    table = Table({"price": "f8", "size": "i4"})
    found = notes(lambda: table.extend(csv.DictReader(io.StringIO(lines))), match="'10.5'")
    assert found == ["growable: in column 'price'", "growable: in row 0"]


# Times with a zone.


@pytest.mark.parametrize(
    "value",
    [
        NINE,
        NINE.astimezone(UTC),
        "2026-01-05T09:00+02:00",
        "2026-01-05 09:00:00.000+0200",
        "2026-01-05T09+02",
        "2026-01-05T05-02",
        "2026-01-05T04:30-02:30",
        "2026-01-05T07:00Z",
        "2026-01-05T07:00:00.000000000Z",
        b"2026-01-05T07:00Z",
        np.str_("2026-01-05T07Z"),
    ],
    ids=str,
)
def test_times_with_a_zone_come_in_utc(value: Any) -> None:
    """Without a warning of NumPy's, which the settings of these tests make an error of."""
    for dtype in ("M8[s]", "M8[us]", ">M8[ns]"):
        table = Table({"n": "i8", "x": dtype})
        for way, act in ways_in(value, [value, SEVEN.item(), "2026-01-05T07:00"]).items():
            act(table)
            assert (table["x"].view() == SEVEN).all(), way
        made = Array(dtype=dtype)
        made.append(value)
        made.extend([value, None])
        assert (made[:2] == SEVEN).all()
    assert (Table.from_data({"x": [NINE, NINE]})["x"].view() == SEVEN).all()


@pytest.mark.parametrize(
    "value", ["2026-01-05T09:00+25:00", "2026-01-05T09:00 +02:00", "2026-01-05Z"]
)
def test_zones_that_are_none(value: str) -> None:
    table = Table({"x": "M8[s]"})
    for act in (lambda: table.append(x=value), lambda: table.extend({"x": [value]})):
        with pytest.raises((ValueError, Warning)):
            act()
    assert len(table) == 0


def test_what_brings_a_datetime64_of_its_own() -> None:
    """A Timestamp of pandas is a datetime too, but has nanoseconds."""

    class Stamp(datetime):
        def to_datetime64(self) -> np.datetime64:
            return np.datetime64("2026-01-05T07:00:00.123456789")

    class Span(timedelta):
        def to_timedelta64(self) -> np.timedelta64:
            return np.timedelta64(123, "ns")

    table = Table({"t": "M8[ns]", "d": "m8[ns]"})
    table.append((Stamp(2026, 1, 5), Span(0)))
    table.extend({"t": [Stamp(2026, 1, 5), None], "d": [Span(0), None]})
    assert table["t"].view()[:2].astype("i8").tolist() == [1767596400123456789] * 2
    assert table["d"].view()[:2].astype("i8").tolist() == [123] * 2
    assert Table.from_data({"t": [Stamp(2026, 1, 5)]}).dtypes == {"t": np.dtype("M8[ns]")}


# Data without dtypes.


def test_from_data_of_dates_and_what_is_missing() -> None:
    moment = datetime(2026, 1, 5, 9)
    table = Table.from_data(
        {
            "moment": [moment, None],
            "day": [date(2026, 1, 5), None],
            "span": [timedelta(1), None],
            "both": [np.datetime64("2026-01-05T09:00"), moment],
            "pair": [[moment, None], [None, moment]],
        }
    )
    assert table.dtypes == {
        "moment": np.dtype("M8[us]"),
        "day": np.dtype("M8[D]"),
        "span": np.dtype("m8[us]"),
        "both": np.dtype("M8[us]"),
        "pair": np.dtype(("M8[us]", (2,))),
    }
    assert table["moment"][0] == moment
    assert np.isnat(table["moment"][1])


@pytest.mark.parametrize(
    ("values", "row", "words"),
    [
        (["a", None], 1, "None is no text"),
        ([None, "a"], 0, "None is no text"),
        (["a", float("nan")], 1, "nan is no text"),
        (["a", 1.5], 1, "1.5 is no text"),
        ([1.0, None], 1, r"None is no number .* float\('nan'\)"),
        ([1, None], 1, "None is no number"),
        ([None, None], None, "only missing values"),
        ([Decimal(1), None], None, "'Decimal' object has no dtype of NumPy's; make the Table"),
    ],
)
def test_from_data_of_what_no_dtype_holds(values: list[Any], row: int | None, words: str) -> None:
    for given in (values, np.array(values, object)):
        found = notes(lambda given=given: Table.from_data({"n": [1, 2], "x": given}), match=words)
        assert found[-1] == "growable: in column 'x'"
        assert found[:-1] == ([] if row is None else [f"growable: in row {row}"])
    found = notes(
        lambda: Table.from_data([{"n": n, "x": value} for n, value in enumerate(values)]),
        match=words,
    )
    assert found[-1] == "growable: in column 'x'"


OUT_OF_BOUNDS: list[tuple[str, Any]] = [
    *[("M8[ns]", t) for t in ("0001-01-01", "2262-04-12", "1677-09-21", datetime(1, 1, 1))],
    *[("M8[ns]", t) for t in (date(2300, 1, 1), "0001-01-01T00:00+02:00", datetime.max)],
    *[("M8[ns]", np.datetime64(t)) for t in ("0001-01-01", "2300", "2262-04-12T00:00:00.000")],
    ("M8[ns]", datetime(1, 1, 2, tzinfo=EAST)),
    ("M8[ps]", datetime(2026, 1, 1)),
    ("M8[ps]", "2026-01-01"),
    ("M8[ps]", "1970-08-01"),
    ("M8[as]", "1970-01-01T00:00:10"),
    ("M8[s]", "300000000000-01-01"),
    ("m8[ns]", timedelta(days=146000)),
    ("m8[us]", timedelta.max),
    ("m8[s]", np.timedelta64(2**62, "h")),
    ("m8[s]", 2**63),
]


@pytest.mark.parametrize(("dtype", "value"), OUT_OF_BOUNDS)
def test_times_out_of_bounds_are_refused(dtype: str, value: Any) -> None:
    """NumPy lets them wrap around."""
    array, table = Array(dtype=dtype), Table({"t": dtype})
    kind = "int64" if isinstance(value, int) else str(np.dtype(dtype))
    attempts: list[Any] = [
        lambda: array.append(value),
        lambda: array.extend([value]),
        lambda: array.extend(iter([value])),
        lambda: array.extend([None, value]),
        lambda: table.append((value,)),
        lambda: table.extend({"t": [value, value]}),
        lambda: table.extend([(value,)]),
    ]
    for attempt in attempts:
        with pytest.raises(OverflowError, match=f"out of bounds for {re.escape(kind)}"):
            attempt()
    assert len(array) == len(table) == 0


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        *[("M8[ns]", t) for t in ("1678-01-01", "2262-04-11", "NaT", "", date(1678, 1, 1))],
        *[("M8[ns]", t) for t in (datetime(1677, 9, 22), datetime(2262, 4, 11), None)],
        *[("M8[us]", t) for t in (datetime.min, datetime.max, "0001-01-01", date.max)],
        *[(f"M8[{u}]", "2026-12-31") for u in ("W", "M", "Y", "10Y", "7D", "D", "m", "2000Y")],
        *[(f"M8[{u}]", datetime(2026, 12, 31, 3)) for u in ("W", "M", "10Y", "7D", "h", "3us")],
        *[("M8[D]", np.datetime64(t)) for t in ("2026-12-31T01:02:03.000000001", "2026")],
        ("M8[D]", np.datetime64("NaT", "s")),
        *[(f"M8[{u}]", "1970-01-01T00:00:02") for u in ("ps", "fs", "as", "3as")],
        *[(f">M8[{u}]", "NaT") for u in ("ps", "fs", "as")],
        ("m8[ns]", timedelta(days=100000)),
        ("m8[ns]", timedelta(days=-100000)),
        ("m8[D]", np.timedelta64(5, "h")),
        ("m8[s]", timedelta.max),
        ("m8[s]", 2**63 - 1),
        ("m8[s]", "12"),
    ],
)
def test_times_within_bounds_come_as_numpy_has_them(dtype: str, value: Any) -> None:
    array, table = Array(dtype=dtype), Table({"t": dtype})
    array.append(value)
    array.extend([value])
    table.append((value,))
    table.extend({"t": [value, None]})
    expected = np.array([value], dtype)
    assert array.tobytes() == expected.tobytes() * 2
    assert table["t"].view()[:2].tobytes() == expected.tobytes() * 2


def test_arrays_of_times_are_cast_as_arrays_are() -> None:
    old = np.array(["0001-01-01"], "M8[s]")
    array = Array(dtype="M8[ns]")
    try:
        cast = old.astype("M8[ns]")
    except OverflowError:  # NumPy 2.5 and later
        with pytest.raises(OverflowError):
            array.extend(old)
        assert len(array) == 0
        return
    array.extend(old)
    assert array[0] == cast[0]
