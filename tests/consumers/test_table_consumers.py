"""What pandas, polars, pyarrow and duckdb make of a Table, and a Table of theirs: without a copy.

That no copy was made is proved by addresses: where the consumer's memory is, against where the
column's first row is.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from growable import Table

Need = Callable[[str], ModuleType]

SHARED = {
    "i1": "i1",
    "u2": "u2",
    "i4": "i4",
    "u8": "u8",
    "f4": "f4",
    "f8": "f8",
    "s": "datetime64[s]",
    "ms": "datetime64[ms]",
    "us": "datetime64[us]",
    "ns": "datetime64[ns]",
    "span": "timedelta64[us]",
}
# What Arrow lays out otherwise, and so is copied.
COPIED = {
    "bool": "?",
    "days": "datetime64[D]",
    "hours": "datetime64[h]",
    "text": "U5",
    "swapped": ">i4",
}
ROWS = 1000


def make(schema: dict[str, Any], rows: int = ROWS) -> Table:
    table = Table(schema)
    n = np.arange(rows)
    table.extend({name: (n % 100).astype(np.dtype(dtype).base) for name, dtype in schema.items()})
    return table


def address(rows: Any) -> int:
    return int(rows.__array_interface__["data"][0])


# pyarrow


@pytest.mark.parametrize("how", ["to_arrow", "table", "record_batch", "reader"])
def test_arrow_shares_memory(need: Need, how: str) -> None:
    arrow = need("pyarrow")
    table = make(SHARED)
    if how == "to_arrow":
        made = table.to_arrow()
        assert type(made) is arrow.Table
    elif how == "table":
        made = arrow.table(table)
    elif how == "record_batch":
        made = arrow.record_batch(table)
    else:
        made = arrow.RecordBatchReader.from_stream(table).read_all()
    made.validate(full=True)
    assert made.schema.names == list(SHARED)
    for name in SHARED:
        values = made.column(name)
        values = values.chunk(0) if isinstance(values, arrow.ChunkedArray) else values
        assert values.buffers()[1].address == table[name].address, name
        assert (values.to_numpy(zero_copy_only=True) == table[name].view()).all()


def test_arrow_schema_alone(need: Need) -> None:
    arrow = need("pyarrow")
    table = make(SHARED | COPIED)
    assert arrow.schema(table) == table.to_arrow().schema
    assert table.exports == 0


def test_the_exported_rows_stay_as_they_are_while_the_table_grows(need: Need) -> None:
    need("pyarrow")
    table = make(SHARED)
    before = table.to_arrow()
    values = before.to_pydict()
    table.extend(table)
    for _ in range(10):
        table.append(table[0])
    assert before.num_rows == ROWS
    assert before.to_pydict() == values
    with pytest.raises(BufferError):
        table.clear()
    del before
    table.clear()


def test_arrow_outlives_the_table(need: Need) -> None:
    need("pyarrow")
    made = make(SHARED).to_arrow()
    assert made["f8"].to_pylist() == [float(n % 100) for n in range(ROWS)]


def test_arrow_released_by_another_thread(need: Need) -> None:
    need("pyarrow")
    table = make(SHARED)
    held = [table.to_arrow()]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert table.exports == 0


def test_what_arrow_lays_out_otherwise_is_copied(need: Need) -> None:
    arrow = need("pyarrow")
    table = make(COPIED)
    made = table.to_arrow()
    made.validate(full=True)
    assert [str(kind) for kind in made.schema.types] == [
        *("bool", "date32[day]", "timestamp[s]", "large_string", "int32")
    ]
    assert table.exports == 0
    back = Table(table)
    back.extend(made)
    assert back.equals(table)
    assert arrow is not None


def test_missing_times_are_null_and_not_copied(need: Need) -> None:
    need("pyarrow")
    table = Table({"t": "datetime64[ns]"})
    table.extend({"t": ["2026-01-01", "NaT", "2026-01-03"]})
    made = table.to_arrow()["t"].chunk(0)
    assert made.null_count == 1
    assert made.is_null().to_pylist() == [False, True, False]
    assert made.buffers()[1].address == table["t"].address
    back = Table(table)
    back.extend(table.to_arrow())
    assert back.equals(table)


def test_rows_of_several_items(need: Need) -> None:
    need("pyarrow")
    table = Table({"v": ("f4", (3,)), "m": ("i2", (2, 2)), "s": [("x", "f8"), ("y", "i1", (2,))]})
    table.extend(_rows_of(table, 8))
    made = table.to_arrow()
    made.validate(full=True)
    assert str(made.schema.field("v").type) == "fixed_size_list<item: float>[3]"
    assert made["v"].chunk(0).values.buffers()[1].address == table["v"].address
    assert made["m"].to_pylist() == table["m"].tolist()
    back = Table(table)
    back.extend(made)
    assert back.equals(table)


def _rows_of(table: Table, count: int) -> Any:
    rows = np.zeros(count, table.dtype)
    rows.view("u1")[:] = np.arange(rows.nbytes) % 5
    return rows


def test_the_other_way(need: Need) -> None:
    arrow = need("pyarrow")
    table = make(SHARED | COPIED)
    made = table.to_arrow()
    chunked = arrow.concat_tables([made.slice(0, 10), made.slice(10, 90), made.slice(100)])
    for source in (
        made,
        chunked,
        made.to_batches()[0],
        made.to_reader(max_chunksize=64),
        made.combine_chunks().to_struct_array().chunk(0)
        if hasattr(made, "to_struct_array")
        else made,
        _Stream(made),
        _Batch(made.to_batches()[0]),
    ):
        back = Table(table)
        back.extend(source)
        assert back.equals(table), type(source)
        assert Table.from_data(source).columns == table.columns
    empty = Table(table)
    empty.extend(made.slice(0, 0))
    empty.extend(made.schema.empty_table())
    assert len(empty) == 0
    assert Table.from_data(made.schema.empty_table()).columns == table.columns


class _Stream:
    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


class _Batch:
    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.batch.__arrow_c_array__(requested_schema)


def test_arrow_nulls_need_a_value(need: Need) -> None:
    arrow = need("pyarrow")
    floats, times = arrow.array([1.0, None]), arrow.array([0, None], arrow.timestamp("us"))
    integers, text = arrow.array([1, None]), arrow.array(["a", None])
    table = Table({"x": "f8", "t": "datetime64[us]"})
    for values in (floats, integers):
        table.extend(arrow.table({"x": values, "t": times}))
    assert np.isnan(table["x"].view()).tolist() == [False, True] * 2
    assert np.isnat(table["t"].view()).tolist() == [False, True] * 2
    for dtype, values in (("i8", integers), ("U3", text), ("?", arrow.array([True, None]))):
        other = Table({"a": "f8", "x": dtype})
        with pytest.raises(ValueError, match="1 missing values") as caught:
            other.extend(arrow.table({"a": floats, "x": values}))
        assert "growable: in column 'x'" in caught.value.__notes__
        assert len(other) == 0


def test_arrow_kinds_that_come_along(need: Need) -> None:
    arrow = need("pyarrow")
    import decimal

    source = arrow.table(
        {
            "dictionary": arrow.array(["a", "b", "a"]).dictionary_encode(),
            "zoned": arrow.array([0, 1, 2], arrow.timestamp("ms", tz="Europe/Paris")),
            "decimal": arrow.array([decimal.Decimal("1.5")] * 3),
            "binary": arrow.array([b"x", b"", b"abc"]),
            "bool": arrow.array([True, False, True]),
            "date": arrow.array([0, 1, 2], arrow.date32()),
        }
    )
    table = Table(
        {
            "dictionary": "U3",
            "zoned": "datetime64[ms]",
            "decimal": "f8",
            "binary": "S3",
            "bool": "?",
            "date": "datetime64[D]",
        }
    )
    table.extend(source)
    assert table[2] == ("a", np.datetime64(2, "ms"), 1.5, b"abc", True, np.datetime64(2, "D"))


def test_arrow_names_must_fit(need: Need) -> None:
    arrow = need("pyarrow")
    table = make({"a": "i8", "b": "i8"}, 2)
    for names in (["a"], ["a", "c"], ["a", "b", "c"], ["a", "a"]):
        with pytest.raises(ValueError, match="column"):
            table.extend(arrow.table([arrow.array([1])] * len(names), names=names))
    assert len(table) == 2


# polars


def test_polars_shares_memory(need: Need) -> None:
    polars = need("polars")
    schema = {name: kind for name, kind in SHARED.items() if name != "s"}
    table = make(schema)
    for made in (table.to_polars(), polars.DataFrame(table)):
        assert made.columns == list(schema)
        assert made.height == ROWS
        for name in schema:
            values = made[name].to_numpy(allow_copy=False)
            assert address(values) == table[name].address, name
    before = table.to_polars()
    table.extend(before)
    assert before.height == ROWS
    assert len(table) == 2 * ROWS
    assert before.select(polars.col("f8").sum()).item() == table["f8"][:ROWS].sum()


def test_polars_the_other_way(need: Need) -> None:
    polars = need("polars")
    table = make(SHARED | COPIED)
    made = table.to_polars()
    back = Table(table)
    back.extend(made)
    assert back.equals(table)
    back.extend(polars.concat([made, made], rechunk=False))
    assert len(back) == 3 * ROWS
    assert Table.from_data(made)["text"].tolist() == table["text"].tolist()
    nulls = polars.DataFrame({"x": [1.0, None], "n": [1, 2]})
    floats = Table({"x": "f4", "n": "f8"})
    floats.extend(nulls)
    assert np.isnan(floats["x"].view()).tolist() == [False, True]
    with pytest.raises(ValueError, match="missing"):
        Table({"x": "i8", "n": "i8"}).extend(nulls)
    with pytest.raises(TypeError):
        Table({"x": "f8", "n": "i8"}).extend(nulls.lazy())


def test_polars_structs_and_arrays(need: Need) -> None:
    need("polars")
    table = Table({"s": [("x", "f8"), ("y", "i4")], "v": ("f4", (3,))})
    table.extend(_rows_of(table, 6))
    back = Table(table)
    back.extend(table.to_polars())
    assert back.equals(table)


# pandas


def test_pandas_shares_memory(need: Need) -> None:
    pandas = need("pandas")
    schema = SHARED | {"bool": "?", "f2": "f2"}
    table = make(schema)
    made = table.to_pandas()
    assert isinstance(made, pandas.DataFrame)
    assert list(made.columns) == list(schema)
    for name in schema:
        assert made[name].dtype == table.dtypes[name]
        values = made[name].array
        assert address(np.asarray(values)) == table[name].address, name
    table.append(table[0])
    assert len(made) == ROWS
    with pytest.raises(BufferError):
        table.pop()


def test_pandas_cannot_write_to_the_table(need: Need) -> None:
    need("pandas")
    table = make({"a": "f8", "b": "i8"})
    made = table.to_pandas()
    with pytest.raises(ValueError, match="read-only"):
        made.loc[0, "a"] = 99.0
    made["a"] = made["a"] + 1
    assert table["a"][0] == 0.0
    own = table.to_pandas(copy=True)
    assert table.exports == 1
    own.loc[0, "b"] = 99
    assert table["b"][0] == 0
    del made, own
    table.clear()


def test_pandas_computes_on_it(need: Need) -> None:
    need("pandas")
    table = make({"t": "datetime64[ns]", "price": "f8", "size": "i4"})
    made = table.to_pandas()
    assert made["price"].mean() == np.mean(table["price"])
    assert made.groupby("size")["price"].sum().sum() == table["price"].view().sum()
    assert made.sort_values("price").shape == (ROWS, 3)
    assert made.set_index("t").index.dtype == "datetime64[ns]"


def test_pandas_objects_for_what_it_has_no_column_for(need: Need) -> None:
    need("pandas")
    table = Table({"v": ("f8", (2,)), "b": "S3", "u": "U3", "n": ">i4", "d": "datetime64[D]"})
    table.append(([1.0, 2.0], b"ab", "cd", 5, "2026-01-02"))
    made = table.to_pandas()
    assert made["v"][0].tolist() == [1.0, 2.0]
    assert made["b"][0] == b"ab"
    assert made["u"][0] == "cd"
    assert made["n"].dtype == np.dtype("i4")
    assert str(made["d"][0]) == "2026-01-02 00:00:00"


def test_pandas_the_other_way(need: Need) -> None:
    pandas = need("pandas")
    table = make(SHARED | COPIED)
    back = Table(table)
    back.extend(table.to_pandas())
    assert back.equals(table)
    source = pandas.DataFrame(
        {
            "Int": pandas.array([1, None, 3], "Int64"),
            "int": pandas.array([1, 2, 3], "Int32"),
            "flag": pandas.array([True, False, True], "boolean"),
            "text": ["a", "bb", "c"],
            "kind": pandas.Categorical(["x", "y", "x"]),
            "zoned": pandas.date_range("2026-01-01", periods=3, tz="Europe/Paris"),
            "mixed": pandas.array([1, 2.5, 3], dtype=object),
        },
        index=[7, 8, 9],
    )
    table = Table(
        {
            "Int": "f8",
            "int": "i8",
            "flag": "?",
            "text": "U5",
            "kind": "U1",
            "zoned": "datetime64[ns]",
            "mixed": "f8",
        }
    )
    table.extend(source)
    assert np.isnan(table[1].Int)
    assert table[0][1:] == (1, True, "a", "x", np.datetime64("2025-12-31T23:00", "ns"), 1.0)
    with pytest.raises(ValueError, match="missing"):
        Table({"Int": "i8"}).extend(source[["Int"]])
    with pytest.raises(ValueError, match="same name"):
        Table({"int": "i8"}).extend(source[["int", "int"]])


@pytest.mark.parametrize("kind", ["object", "str", "string", "category"])
@pytest.mark.parametrize("nothing", ["None", "nan", "NA", "NaT"])
def test_pandas_text_that_is_missing_is_no_text(need: Need, kind: str, nothing: str) -> None:
    pandas = need("pandas")
    value = {"None": None, "nan": np.nan, "NA": pandas.NA, "NaT": pandas.NaT}[nothing]
    frame = pandas.DataFrame({"x": pandas.Series(["a", value], dtype=object).astype(kind)})
    for dtype in ("U3", "S3", "i8"):
        table = Table({"x": dtype})
        with pytest.raises(ValueError, match="1 missing values") as caught:
            table.extend(frame)
        assert "growable: in column 'x'" in caught.value.__notes__
        assert len(table) == 0
    with pytest.raises(ValueError, match="1 missing values"):
        Table.from_data(frame)
    for mapping in ({"x": frame["x"]}, {"x": frame["x"].to_numpy()}, {"x": frame["x"].tolist()}):
        with pytest.raises(TypeError, match=r"no text that .* can hold; give ''") as caught:
            Table({"x": "U3"}).extend(mapping)
        assert "growable: in row 1" in caught.value.__notes__
    assert Table.from_data(frame[:1])["x"].tolist() == ["a"]


@pytest.mark.parametrize("nothing", ["None", "nan", "NA", "NaT"])
def test_pandas_objects_that_are_missing(need: Need, nothing: str) -> None:
    pandas = need("pandas")
    import datetime
    import decimal

    value = {"None": None, "nan": np.nan, "NA": pandas.NA, "NaT": pandas.NaT}[nothing]
    day = datetime.date(2026, 1, 5)
    zoned = datetime.datetime(2026, 1, 5, 9, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    stamp = pandas.Timestamp("2026-01-05T09:00:00.123456789")
    found = [1.5, 2, decimal.Decimal("2.5"), day, zoned, stamp]
    frame = pandas.DataFrame(
        {str(n): pandas.Series([item, value], dtype=object) for n, item in enumerate(found)}
    )
    table = Table(dict(zip("012345", ["f8", "f8", "f4", "M8[D]", "M8[us]", "M8[ns]"], strict=True)))
    table.extend(frame)
    assert table[0] == (
        1.5,
        2.0,
        2.5,
        day,
        np.datetime64("2026-01-05T07:00"),
        stamp.to_datetime64(),
    )
    assert [bool(np.isnan(item)) for item in table[1]] == [True] * 6
    with pytest.raises(TypeError, match="no date"):
        Table({"1": "M8[s]"}).extend(frame[["1"]])
    del frame["2"]
    made = Table.from_data(frame)
    assert [str(dtype) for dtype in made.dtypes.values()] == [
        *("float64", "float64", "datetime64[D]", "datetime64[us]", "datetime64[ns]")
    ]
    assert made[0] == (1.5, 2.0, day, np.datetime64("2026-01-05T07:00"), stamp.to_datetime64())


def test_pandas_columns_of_nothing(need: Need) -> None:
    """As reading a file gives them where a column of text is empty."""
    pandas = need("pandas")
    for values in ([np.nan] * 2, [None] * 2, [pandas.NaT] * 2, pandas.array([None] * 2, "Int64")):
        frame = pandas.DataFrame({"x": values})
        with pytest.raises(ValueError, match="2 missing values"):
            Table({"x": "U3"}).extend(frame)
        for dtype in ("f8", "M8[s]"):
            table = Table({"x": dtype})
            if frame["x"].dtype.kind == ("M" if dtype == "f8" else "f"):
                continue
            table.extend(frame)
            assert np.isnan(table["x"].view()).all()
    floats = Table.from_data(pandas.DataFrame({"x": pandas.array([1, None], "Int64")}))
    assert floats["x"].dtype == "f8"
    assert floats["x"][0] == 1
    flags = pandas.DataFrame({"x": pandas.array([True, None], "boolean")})
    with pytest.raises(ValueError, match="1 missing values, which bool"):
        Table.from_data(flags)
    with pytest.raises(TypeError, match="only missing values"):
        Table.from_data(pandas.DataFrame({"x": pandas.Series([None], dtype=object)}))


def test_pandas_stamps_in_rows(need: Need) -> None:
    pandas = need("pandas")
    stamp = pandas.Timestamp("2026-01-05T09:00:00.123456789", tz="Europe/Paris")
    span = pandas.Timedelta(123, "ns")
    table = Table({"t": "M8[ns]", "d": "m8[ns]"})
    table.append((stamp, span))
    table.append((pandas.NaT, pandas.NaT))
    table.extend({"t": [stamp, pandas.NaT, None], "d": [span, pandas.NaT, None]})
    table.extend(pandas.DataFrame({"t": [stamp], "d": [span]}).itertuples(index=False))
    expected = np.datetime64("2026-01-05T08:00:00.123456789")
    assert table["t"].view()[[0, 2, 5]].tolist() == [expected.astype("i8")] * 3
    assert table["d"].view()[[0, 2, 5]].astype("i8").tolist() == [123] * 3
    assert np.isnat(table["t"].view()[[1, 3, 4]]).all()
    assert np.isnat(table["d"].view()[[1, 3, 4]]).all()


def test_frames_in_place_of_a_schema(need: Need) -> None:
    frame = need("pandas").DataFrame({"a": [1.0]})
    arrow = need("pyarrow").table({"a": [1.0]})
    for data in (frame, arrow, need("polars").DataFrame({"a": [1.0]}), {"a": frame["a"]}):
        with pytest.raises(TypeError, match=r"Table\.from_data\(\)"):
            Table(data)


def test_nulls_among_objects(need: Need) -> None:
    import decimal

    values = [decimal.Decimal("1.5"), None]
    for source in (
        need("pyarrow").table({"x": values}),
        need("polars").DataFrame({"x": values}),
    ):
        table = Table({"x": "f8"})
        table.extend(source)
        assert np.isnan(table["x"].view()).tolist() == [False, True]
    for source in (
        need("pyarrow").table({"x": ["a", None]}),
        need("polars").DataFrame({"x": ["a", None]}),
    ):
        with pytest.raises(TypeError, match="None is no text"):
            Table.from_data(source)


def test_pandas_rows_and_masks(need: Need) -> None:
    pandas = need("pandas")
    table = make({"a": "i8", "b": "f8"}, 5)
    table.append(pandas.Series({"b": 2, "a": 1}))
    assert table[-1] == (1, 2.0)
    assert len(table[pandas.Series([True] * 3 + [False] * 3)]) == 3


def test_the_page_on_tables(need: Need) -> None:
    """Its code runs with what needs these packages, too."""
    need("pandas")
    need("pyarrow")
    page = (Path(__file__).parents[2] / "docs" / "table.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python(.*)\n(?s:(.*?))^```$", page, re.MULTILINE)
    assert {needs.strip() for needs, _ in blocks} == {"", "pandas", "pyarrow"}
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for _, code in blocks:
            exec(code, names)


# duckdb


def test_duckdb_queries_it(need: Need) -> None:
    duckdb = need("duckdb")
    need("pyarrow")
    table = make({"t": "datetime64[us]", "price": "f8", "size": "i4"})
    connection = duckdb.connect()
    connection.register("ticks", table)
    found = connection.sql("select sum(price), count(*), max(t) from ticks").fetchall()[0]
    assert found[:2] == (table["price"].view().sum(), ROWS)
    result = connection.sql("select t, price, size from ticks where size < 10")
    back = Table(table)
    back.extend(result)
    assert back.equals(table[table["size"] < 10])


# NumPy's users


def test_numba_takes_the_columns(need: Need) -> None:
    numba = need("numba")
    table = make({"price": "f8", "size": "i4"})

    @numba.njit
    def value(price: Any, size: Any) -> Any:
        total = 0.0
        for i in range(len(price)):
            total += price[i] * size[i]
        return total

    views = table.to_numpy()
    assert value(views["price"], views["size"]) == float(np.dot(views["price"], views["size"]))
