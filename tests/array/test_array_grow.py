"""append, extend, insert, resize and ensure: what they take, and what they refuse."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import growable
import numpy as np
import pytest
from array_support import same
from growable import Array, Buffer
from support import shown

NUMBERS = ["?", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "e", "f", "d", "F", "D"]


def test_append_takes_rows_as_an_ndarray_gives_them(case: Any) -> None:
    made, rows = case.make(), case.rows(50)
    for row in rows:
        made.append(row)
    assert same(made, rows)


def test_append_takes_rows_as_python_objects(case: Any) -> None:
    made, rows = case.make(), case.rows(5)
    if np.dtype(case.dtype).kind == "V" and case.row_shape:
        pytest.skip("a list of tuples is rows of it, not one row")
    for row in rows:
        made.append(row.tolist())
    assert same(made, rows)


@pytest.mark.parametrize("code", NUMBERS)
@pytest.mark.parametrize("value", [0, 1, -1, 127, 255, 65535, 2**31, 2**63, 2**64, 10**400, True])
def test_append_of_an_int_is_that_number_or_an_error(code: str, value: int) -> None:
    made = Array(dtype=code)
    fits = code in "efdFD" or (
        isinstance(value, bool)
        if code == "?"
        else np.iinfo(code).min <= value <= np.iinfo(code).max
    )
    if code in "efdFD":
        limit = 65504 if code == "e" else 10**38
        fits = value <= limit
    if fits:
        made.append(value)
        assert made[0] == value
        assert made.dtype == np.dtype(code)
        return
    with pytest.raises((OverflowError, TypeError, RuntimeWarning)):
        made.append(value)
    assert len(made) == 0


@pytest.mark.parametrize("code", NUMBERS)
def test_append_of_a_float_is_refused_where_there_are_none(code: str) -> None:
    made = Array(dtype=code)
    if code in "efdFD":
        made.append(0.25)
        assert made.tolist() == [0.25]
        return
    with pytest.raises(TypeError, match="same_kind"):
        made.append(0.25)
    assert len(made) == 0


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), -0.0, 5e-324])
def test_append_of_an_odd_float(value: float) -> None:
    for code in "dfe":
        made = Array(dtype=code)
        made.append(value)
        assert repr(float(made[0])) == repr(float(np.dtype(code).type(value)))


def test_append_of_too_large_a_float_warns_as_numpy_does() -> None:
    made = Array(dtype="f4")
    with pytest.warns(RuntimeWarning, match="overflow"):
        made.append(1e300)
    assert made.tolist() == [float("inf")]


def test_append_of_numpy_scalars() -> None:
    made = Array(dtype="u1")
    made.append(np.int64(200))
    with pytest.raises(OverflowError):
        made.append(np.int64(300))
    with pytest.raises(OverflowError):
        made.append(np.int64(-1))
    with pytest.raises(TypeError):
        made.append(np.float64(1.0))
    assert made.tolist() == [200]


def test_uint64_and_int64_keep_apart() -> None:
    signed, unsigned = Array(dtype="i8"), Array(dtype="u8")
    with pytest.raises(OverflowError):
        signed.append(np.uint64(2**63))
    with pytest.raises(OverflowError):
        unsigned.append(np.int64(-1))
    with pytest.raises(OverflowError):
        signed.extend([2**63])
    unsigned.extend([2**63, 2**64 - 1])
    assert unsigned.tolist() == [2**63, 2**64 - 1]


def test_append_of_a_complex() -> None:
    for code in "FD":
        made = Array(dtype=code)
        made.append(1 + 2j)
        assert made.tolist() == [1 + 2j]
    with pytest.raises(TypeError):
        Array().append(1j)


def test_append_of_a_float_subclass_is_its_value() -> None:
    class Odd(float):
        def __float__(self) -> float:
            return 99.0

    made = Array()
    made.append(Odd(1.5))
    assert made.tolist() == [1.5]


def test_append_of_dates() -> None:
    made = Array(dtype="M8[s]")
    made.append(datetime.datetime(2024, 1, 2))
    made.append("2024-01-03")
    made.append(np.datetime64("2024-01-04"))
    made.append(None)
    assert made.view()[:3].astype("M8[D]").tolist() == [
        datetime.date(2024, 1, d) for d in (2, 3, 4)
    ]
    assert np.isnat(made[3])
    with pytest.raises(TypeError):
        made.append(5)


def test_append_of_decimals() -> None:
    made = Array()
    made.append(decimal.Decimal("1.5"))
    assert made.tolist() == [1.5]
    with pytest.raises(TypeError):
        Array(dtype="i8").append(decimal.Decimal(1))


@pytest.mark.parametrize("value", [None, "1.5", object(), [None], {}])
def test_what_is_no_number_is_refused_where_numpy_takes_it(value: Any) -> None:
    """NumPy reads text as a number, and takes None for NaN."""
    for code in "dfD":
        made = Array(dtype=code)
        for act in (
            lambda made=made: made.append(value),
            lambda made=made: made.extend([1, value]),
        ):
            with pytest.raises((TypeError, ValueError)):
                act()
        assert len(made) == 0


def test_append_of_text() -> None:
    made = Array(dtype="U5")
    made.append("abc")
    assert made.tolist() == ["abc"]
    raw = Array(dtype="S5")
    raw.append(b"ab")
    raw.append("cd")
    assert raw.tolist() == [b"ab", b"cd"]
    with pytest.raises(TypeError):
        Array().append("1.5")


@pytest.mark.parametrize("row", [[1.0], 1.0, [[1, 2, 3]], [1, 2, 3, 4], np.zeros((3, 1))])
def test_append_of_another_shape_is_refused(row: Any) -> None:
    made = Array(row_shape=3)
    with pytest.raises(ValueError, match="row of shape"):
        made.append(row)
    assert len(made) == 0


def test_append_of_a_row_to_a_flat_array_is_refused() -> None:
    with pytest.raises(ValueError, match="row of shape"):
        Array().append([1.0])


def test_append_takes_one_argument() -> None:
    with pytest.raises(TypeError):
        Array().append()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Array().extend()  # type: ignore[call-arg]


# extend.


@pytest.mark.parametrize("n", [0, 1, 5, 20_000])
def test_extend_takes_arrays(case: Any, n: int) -> None:
    made, rows = case.make(case.rows(3)), case.rows(n, 5)
    made.extend(rows)
    assert same(made, np.concatenate([case.rows(3), rows]))


@pytest.mark.parametrize("n", [4, 20_000])
@pytest.mark.parametrize("layout", ["reversed", "strided", "fortran", "swapped", "read-only"])
def test_extend_takes_arrays_of_any_layout(case: Any, layout: str, n: int) -> None:
    rows = case.rows(n)
    if layout == "reversed":
        given = rows[::-1]
    elif layout == "strided":
        given = np.repeat(rows, 2, axis=0)[::2]
    elif layout == "fortran":
        given = np.asfortranarray(rows)
    elif layout == "swapped":
        given = rows.astype(rows.dtype.newbyteorder("S"))
    else:
        given = rows.copy()
        given.flags.writeable = False
    made = case.make()
    made.extend(given)
    assert same(made, np.ascontiguousarray(given, case.dtype))


@pytest.mark.parametrize("n", [3, 50_000])
@pytest.mark.parametrize(
    ("source", "target"),
    [("i1", "f8"), ("f8", "f4"), ("u1", "i2"), ("?", "i8"), ("i8", "i1"), ("M8[D]", "M8[ns]")],
)
def test_extend_casts_what_is_of_the_same_kind(source: str, target: str, n: int) -> None:
    rows = (np.arange(n) % 100).astype(source)
    made = Array(dtype=target)
    made.extend(rows)
    assert same(made, rows.astype(target))


@pytest.mark.parametrize("n", [3, 50_000])
@pytest.mark.parametrize(
    ("source", "target"),
    [("f8", "i8"), ("i8", "u8"), ("c8", "f8"), ("i8", "?"), ("i8", "M8[s]"), ("f8", "u1")],
)
def test_extend_refuses_another_kind(source: str, target: str, n: int) -> None:
    made = Array(dtype=target)
    with pytest.raises(TypeError, match="same_kind"):
        made.extend(np.ones(n, source))
    assert len(made) == 0


@pytest.mark.parametrize(
    "source",
    [
        [1, 2.5],
        (1, 2),
        range(3),
        array.array("d", [1.5]),
        bytearray(b"ab"),
        memoryview(b"ab"),
        collections.deque([1, 2]),
        np.arange(3),
        [np.float32(1.5), 2],
        [],
        (),
    ],
    ids=shown,
)
def test_extend_takes_sequences(source: Any) -> None:
    made = Array([9.0])
    made.extend(source)
    assert same(made, np.concatenate([[9.0], np.asarray(source, np.float64)]))


def test_extend_takes_iterators_and_sets() -> None:
    made = Array(dtype="i4")
    made.extend(iter([1, 2]))
    made.extend(x for x in range(3))
    made.extend({7})
    made.extend(map(int, "45"))
    assert made.tolist() == [1, 2, 0, 1, 2, 7, 4, 5]


def test_extend_takes_rows_from_a_generator(case: Any) -> None:
    rows = case.rows(10)
    made = case.make()
    made.extend(row for row in rows)
    assert same(made, rows)


def test_extend_takes_nested_sequences() -> None:
    made = Array(row_shape=(2, 2), dtype="i2")
    made.extend([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert made.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_extend_takes_tuples_of_a_structured_dtype() -> None:
    made = Array(dtype=[("a", "i4"), ("b", "f8")])
    made.extend([(1, 2.0), (3, 4.0)])
    made.append((5, 6.0))
    assert made["a"].tolist() == [1, 3, 5]
    assert made["b"].tolist() == [2.0, 4.0, 6.0]


def test_extend_takes_an_array_of_ours_and_itself(case: Any) -> None:
    rows = case.rows(6)
    made, other = case.make(rows), case.make(rows)
    made.extend(other)
    made.extend(made)
    assert same(made, np.concatenate([rows] * 4))


def test_extend_takes_views_of_itself(case: Any) -> None:
    rows = case.rows(2000)
    made = case.make(rows)
    made.extend(made.view()[::2])
    made.extend(made.view()[500:700])
    first = np.concatenate([rows, rows[::2]])
    assert same(made, np.concatenate([first, first[500:700]]))


@pytest.mark.parametrize("source", [np.zeros((2, 4)), np.zeros(3), [[1.0]], np.zeros((0, 4))])
def test_extend_refuses_other_shapes(source: Any) -> None:
    made = Array(row_shape=3)
    with pytest.raises(ValueError, match="expected rows"):
        made.extend(source)
    assert len(made) == 0


@pytest.mark.parametrize(
    "source", ["abc", b"abc", None, {"a": 1}, object(), 5, 1.5, np.array(1.5)], ids=shown
)
def test_extend_refuses_what_is_no_rows(source: Any) -> None:
    made = Array()
    with pytest.raises(TypeError):
        made.extend(source)
    assert len(made) == 0


def test_extend_of_a_failing_iterator_changes_nothing() -> None:
    def numbers() -> Iterator[float]:
        yield 1.0
        yield 2.0
        raise KeyError("gone")

    made = Array([5.0])
    with pytest.raises(KeyError):
        made.extend(numbers())
    assert made.tolist() == [5.0]


@pytest.mark.parametrize("bad", ["x", 2.5, 300, None])
def test_extend_with_one_bad_value_changes_nothing(bad: Any) -> None:
    made = Array([5], "u1")
    for source in ([1, 2, bad], (1, bad), iter([1, bad])):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            made.extend(source)
    assert made.tolist() == [5]


def test_extend_past_the_capacity_changes_nothing(case: Any) -> None:
    made = case.make(capacity=10)
    made.extend(case.rows(8))
    for source in (case.rows(3), case.rows(6)[::2], list(case.rows(3)), iter(case.rows(3))):
        with pytest.raises(growable.CapacityError):
            made.extend(source)
    assert same(made, case.rows(8))


def test_a_large_cast_past_the_capacity_changes_nothing() -> None:
    made = Array(dtype="f8", capacity=50_000)
    made.append(1.5)
    with pytest.raises(growable.CapacityError):
        made.extend(np.zeros(50_000, "f4"))
    assert made.tolist() == [1.5]
    made.extend(np.zeros(49_999, "f4"))
    assert len(made) == 50_000


def test_extend_ignores_a_subclass_of_ndarray() -> None:
    class Mine(np.ndarray[Any, Any]):
        pass

    made = Array()
    made.extend(np.arange(3.0).view(Mine))
    made.append(np.arange(3.0).view(Mine)[1])
    assert made.tolist() == [0.0, 1.0, 2.0, 1.0]


# insert, resize, ensure.


@pytest.mark.parametrize("index", [-100, -2, -1, 0, 1, 3, 100])
def test_insert_is_a_lists(case: Any, index: int) -> None:
    rows = case.rows(4)
    made, model = case.make(rows[:3]), [0, 1, 2]
    made.insert(index, rows[3])
    model.insert(index, 3)
    assert same(made, rows[model])


def test_insert_refuses_what_append_refuses() -> None:
    made = Array([1, 2])
    with pytest.raises(TypeError):
        made.insert(0, 1.5)
    assert made.tolist() == [1, 2]


def test_resize_up_is_zero_bytes(case: Any) -> None:
    made = case.make(case.rows(3))
    made.resize(7)
    zeros = np.zeros((4, *case.row_shape), case.dtype)
    assert same(made, np.concatenate([case.rows(3), zeros]))


def test_resize_after_shrinking_is_zero_again(case: Any) -> None:
    made = case.make(case.rows(2000))
    made.resize(5)
    made.resize(2000)
    assert not any(made.tobytes()[5 * made.nbytes // 2000 :])


def test_resize_fills(case: Any) -> None:
    rows = case.rows(4)
    made = case.make(rows[:3])
    made.resize(6, fill=rows[3])
    assert same(made, np.concatenate([rows[:3], [rows[3]] * 3]))
    made.resize(2, fill=rows[3])
    assert same(made, rows[:2])


def test_resize_fills_a_row_with_one_value() -> None:
    made = Array(row_shape=2)
    made.resize(2, 1.5)
    assert made.tolist() == [[1.5, 1.5], [1.5, 1.5]]


def test_resize_refuses() -> None:
    made = Array([1, 2])
    with pytest.raises(ValueError, match="number of rows"):
        made.resize(-1)
    with pytest.raises(TypeError):
        made.resize(5, fill=1.5)
    for fill in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="row"):
            made.resize(5, fill=fill)
    with pytest.raises(ValueError, match="broadcast"):
        Array(row_shape=2).resize(5, [1, 2, 3])
    with pytest.raises((OverflowError, MemoryError)):
        made.resize(2**62)
    with pytest.raises((OverflowError, MemoryError)):
        made.resize(2**62, 1)
    assert made.tolist() == [1, 2]


def test_ensure_makes_room_without_a_change(case: Any) -> None:
    made = case.make(case.rows(2))
    made.ensure(1000)
    assert same(made, case.rows(2))
    assert made.capacity >= 1002
    with pytest.raises(ValueError, match=">= 0"):
        made.ensure(-1)
    with pytest.raises((OverflowError, MemoryError)):
        made.ensure(2**62)


def test_buffer_of_raw_bytes_can_be_cast() -> None:
    made = Array(dtype="<u2")
    made.extend(memoryview(Buffer(b"\x01\x00\x02\x00")).cast("H"))
    assert made.tolist() == [1, 2]


def test_integers_of_which_some_need_64_bits_without_a_sign() -> None:
    pairs = Array(dtype="u8", row_shape=(2,))
    pairs.append([1, 2**64 - 1])
    pairs.extend([[1, 2**63], [3, 4]])
    assert pairs.tolist() == [[1, 2**64 - 1], [1, 2**63], [3, 4]]
    for values in ([-1, 2**63], [1, 2**64]):
        with pytest.raises(OverflowError):
            pairs.append(values)
    with pytest.raises(TypeError, match="float64"):
        pairs.append([1.0, 2**63])
    assert len(pairs) == 3
