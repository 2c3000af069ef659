"""Making an Array: sources, dtypes, row shapes, options, and what is refused."""

from __future__ import annotations

import array
import datetime
from typing import Any

import growable
import numpy as np
import pytest
from array_support import same
from growable import Array


def test_of_nothing_is_float64() -> None:
    empty = Array()
    assert empty.dtype == np.float64
    assert empty.shape == (0,)
    assert empty.row_shape == ()


def test_of_an_array_copies_it(case: Any) -> None:
    rows = case.rows(5)
    made = Array(rows)
    assert made.dtype == rows.dtype
    assert same(made, rows)
    assert not np.shares_memory(made.view(), rows)


@pytest.mark.parametrize(
    "source",
    [
        [1, 2, 3],
        (1.5, 2),
        [[1, 2], [3, 4]],
        range(5),
        [True, False],
        ["a", "bcd"],
        [b"ab", b"c"],
        [1j],
        array.array("h", [1, 2]),
        bytearray(b"abc"),
        np.arange(12).reshape(3, 4)[:, ::2],
        np.arange(6, dtype=">i2"),
        np.array(["2020-01-01"], "M8[D]"),
        [],
    ],
    ids=repr,
)
def test_of_a_source_has_what_numpy_makes_of_it(source: Any) -> None:
    expected = np.array(source)
    made = Array(source)
    assert made.dtype == expected.dtype
    assert same(made, expected)


def test_source_is_converted_to_the_dtype_as_numpy_does() -> None:
    assert same(Array([1.5, 2.5], "i4"), np.array([1.5, 2.5], "i4"))
    assert same(Array(["2020-01-01"], "M8[s]"), np.array(["2020-01-01"], "M8[s]"))
    assert same(Array([(1, 2.0)], [("a", "i4"), ("b", "f8")]).view()["b"], np.array([2.0]))


def test_of_a_generator() -> None:
    assert Array(x * 0.5 for x in range(4)).tolist() == [0.0, 0.5, 1.0, 1.5]
    assert Array((x for x in range(4)), "u1").dtype == np.uint8


def test_of_a_set_and_a_dict_view() -> None:
    assert sorted(Array({3, 1, 2}).tolist()) == [1, 2, 3]
    assert Array({"a": 5}.values(), "i8").tolist() == [5]


def test_of_an_array_of_ours() -> None:
    first = Array([1, 2, 3])
    second = Array(first)
    second.append(4)
    assert (first.tolist(), second.tolist()) == ([1, 2, 3], [1, 2, 3, 4])


def test_of_datetimes() -> None:
    moment = datetime.datetime(2024, 5, 6, 7)
    assert Array([moment], "M8[s]")[0] == np.datetime64("2024-05-06T07")


def test_flexible_dtype_takes_its_size_from_the_source() -> None:
    assert Array(["a", "bcd"], "U").dtype == np.dtype("U3")


def test_row_shape_may_be_an_int() -> None:
    assert Array(row_shape=3).shape == (0, 3)
    assert Array([[1, 2]], row_shape=2).shape == (1, 2)
    assert Array([], row_shape=(2, 2)).shape == (0, 2, 2)


def test_subarray_dtype_is_a_row_shape() -> None:
    made = Array(dtype=("f4", (2, 3)), row_shape=5)
    assert made.dtype == np.float32
    assert made.row_shape == (5, 2, 3)
    assert np.zeros((0, 5), ("f4", (2, 3))).shape == made.shape


@pytest.mark.parametrize("dtype", [object, "O", [("a", "i4"), ("b", "O")]])
def test_object_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match="cannot hold dtype"):
        Array(dtype=dtype)


def test_source_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold dtype object"):
        Array([object()])
    with pytest.raises(TypeError, match="cannot hold dtype object"):
        Array([10**30])


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="new in NumPy 2")
def test_string_dtype_is_refused() -> None:
    with pytest.raises(TypeError, match="memory outside the array"):
        Array(dtype=np.dtypes.StringDType())


@pytest.mark.parametrize("dtype", ["S", "U", "V", []])
def test_dtype_without_bytes_is_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="no bytes"):
        Array(dtype=dtype)


@pytest.mark.parametrize("row_shape", [0, (2, 0), -1, (1 << 40, 1 << 40)])
def test_impossible_row_shape_is_refused(row_shape: Any) -> None:
    with pytest.raises(ValueError, match="row"):
        Array(row_shape=row_shape)


def test_row_shape_that_the_source_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of shape"):
        Array([[1, 2]], row_shape=3)


@pytest.mark.parametrize("source", [5, 2.5, "abc", b"abc", np.array(3), np.float32(1)])
def test_one_value_is_no_source(source: Any) -> None:
    with pytest.raises(TypeError, match="not rows"):
        Array(source)


def test_ragged_source_is_refused() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        Array([[1, 2], [3]])


def test_capacity_is_exact_in_rows(case: Any) -> None:
    made = case.make(capacity=100)
    assert made.capacity == 100
    made.extend(case.rows(100))
    with pytest.raises(growable.CapacityError):
        made.append(case.rows(1)[0])
    assert same(made, case.rows(100))


def test_negative_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Array(capacity=-1)


def test_source_larger_than_the_capacity_is_refused() -> None:
    with pytest.raises(growable.CapacityError):
        Array([1, 2, 3], capacity=2)


def test_name_and_huge_pages_go_to_the_buffer() -> None:
    made = Array(name="prices", huge_pages=False)
    assert made.name == "prices"
    with pytest.raises(ValueError, match="huge_pages"):
        Array(huge_pages="often")  # type: ignore[arg-type]


def test_attributes_are_those_of_an_ndarray(case: Any) -> None:
    rows = case.rows(4)
    made = Array(rows)
    for name in ("dtype", "shape", "ndim", "size", "nbytes", "itemsize"):
        assert getattr(made, name) == getattr(rows, name), name
    assert len(made) == len(rows)
    assert made.T.shape == rows.T.shape
    assert made.row_shape == case.row_shape


def test_subclass_is_kept() -> None:
    class Mine(Array):
        pass

    mine = Mine([1.0])
    mine.note = "x"
    assert type(mine) is Mine
    assert type(mine.copy()) is Mine
    assert repr(mine).startswith("Mine([1.]")
