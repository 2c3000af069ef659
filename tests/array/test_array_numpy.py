"""NumPy's own protocols: what NumPy does to an ndarray it does to an Array."""

from __future__ import annotations

import io
import operator
from typing import Any

import numpy as np
import pytest
from array_support import data_of, same
from growable import Array

NUMPY2 = int(np.__version__.split(".")[0]) >= 2


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(1, 4),
        slice(None, None, -2),
        Ellipsis,
        None,
        [0, 2],
        np.array([True, False] * 3),
        np.array([[0, 1], [2, 3]]),
        (slice(None), 0),
        (1, 2),
        (Ellipsis, slice(None, None, 2)),
        (None, 1),
        (),
    ],
    ids=repr,
)
def test_index_is_an_ndarrays(index: Any) -> None:
    rows = np.arange(18.0).reshape(6, 3)
    made = Array(rows)
    expected = rows[index]
    result = made[index]
    assert type(result) is type(expected)
    assert np.array_equal(result, expected)
    made[index] = -1.0
    rows[index] = -1.0
    assert same(made, rows)


def test_index_of_an_array_of_ours() -> None:
    made = Array([5.0, 6.0, 7.0])
    assert made[Array([2, 0])].tolist() == [7.0, 5.0]
    assert made[Array([True, False, True])].tolist() == [5.0, 7.0]
    made[Array([1])] = Array([9.0])
    assert made.tolist() == [5.0, 9.0, 7.0]


@pytest.mark.parametrize("index", [6, -7, "a", 1.5, (0, 0, 0), slice(None, None, 0)])
def test_index_refuses_what_an_ndarray_refuses(index: Any) -> None:
    rows = np.arange(12.0).reshape(6, 2)
    with pytest.raises(Exception) as expected:  # noqa: PT011
        rows[index]
    with pytest.raises(expected.type):
        Array(rows)[index]


def test_fields_are_views() -> None:
    made = Array(dtype=[("a", "i4"), ("b", "f8")])
    made.append((1, 2.0))
    field = made["b"]
    made["a"] = 7
    made.append((3, 4.0))
    assert made["a"].tolist() == [7, 3]
    assert field.tolist() == [2.0]


def test_iteration_len_contains_reversed() -> None:
    made = Array([[1, 2], [3, 4]])
    assert [row.tolist() for row in made] == [[1, 2], [3, 4]]
    assert [row.tolist() for row in reversed(made)] == [[3, 4], [1, 2]]
    assert 3 in made
    assert 9 not in made
    assert len(made) == 2


def test_iteration_ends_at_the_length_it_began_with() -> None:
    made = Array([1.0, 2.0])
    for number in made:
        made.append(number)
    assert made.tolist() == [1.0, 2.0, 1.0, 2.0]


def test_truth_is_an_ndarrays() -> None:
    assert bool(Array([1.0]))
    assert not bool(Array([0.0]))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Array([1.0, 2.0]))


def test_arrays_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Array())


# Operators and ufuncs.

BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.pow, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
]


@pytest.mark.parametrize("act", BINARY, ids=lambda act: act.__name__)
@pytest.mark.parametrize("other", ["array", "ndarray", "number", "list"])
def test_operators_return_what_an_ndarrays_return(act: Any, other: str) -> None:
    left, right = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    operands: dict[str, tuple[Any, Any]] = {
        "array": (Array(right), right),
        "ndarray": (right, right),
        "number": (2.0, 2.0),
        "list": ([3.0, 2.0, 1.0], right),
    }
    ours, plain = operands[other]
    for result, expected in (
        (act(Array(left), ours), act(left, plain)),
        (act(ours, Array(left)), act(plain, left)),
    ):
        assert type(result) is np.ndarray
        assert np.array_equal(result, expected)
        assert result.dtype == expected.dtype


def test_operators_of_one_operand_and_matmul() -> None:
    made = Array([[1, -2], [3, 4]])
    assert np.array_equal(-made, -made.view())
    assert np.array_equal(abs(made), abs(made.view()))
    assert np.array_equal(~made, ~made.view())
    assert np.array_equal(made @ made, made.view() @ made.view())


def test_operators_in_place_change_the_rows() -> None:
    made = Array([1.0, 2.0])
    view, same_one = made.view(), made
    made += 1
    made *= Array([2.0, 3.0])
    assert made is same_one
    assert view.tolist() == [4.0, 9.0]
    whole = Array([1, 2])
    with pytest.raises(TypeError):
        operator.iadd(whole, 0.5)


def test_ufuncs() -> None:
    made = Array([1.0, 4.0])
    assert np.sqrt(made).tolist() == [1.0, 2.0]
    assert np.add.reduce(made) == 5.0
    assert np.add.outer(made, made).shape == (2, 2)
    assert np.add(1, made, where=Array([True, False]), out=np.zeros(2)).tolist() == [2.0, 0.0]
    assert [part.tolist() for part in np.modf(made)] == [[0.0, 0.0], [1.0, 4.0]]
    np.add.at(made, [0, 0], 1.0)
    assert made.tolist() == [3.0, 4.0]


def test_ufunc_out_is_the_array_itself() -> None:
    made, parts = Array([1.5, 2.5]), (Array([0.0, 0.0]), np.zeros(2))
    assert np.negative(made, out=made) is made
    result = np.modf(made, out=parts)
    assert result[0] is parts[0]
    assert result[1] is parts[1]
    assert parts[0].tolist() == [-0.5, -0.5]
    assert np.add(np.ones(2), 1, out=made) is made


def test_other_types_are_asked_too() -> None:
    class Other:
        def __array_ufunc__(self, *args: Any, **kwargs: Any) -> str:
            return "other"

    assert Array([1.0]) + Other() == "other"


# Functions.


def test_functions_take_arrays() -> None:
    made = Array([3.0, 1.0, 2.0])
    assert np.mean(made) == 2.0
    assert np.sum(made) == 6.0
    assert np.concatenate([made, [5.0], made]).tolist() == [3.0, 1.0, 2.0, 5.0, 3.0, 1.0, 2.0]
    assert np.sort(made).tolist() == [1.0, 2.0, 3.0]
    assert np.vstack((made, made)).shape == (2, 3)
    assert np.where(made > 1, made, 0).tolist() == [3.0, 0.0, 2.0]
    assert np.shape(made) == (3,)
    assert np.array_equal(made, made.view())
    assert np.shares_memory(made, made.view())
    assert np.full_like(made, 7.0).tolist() == [7.0, 7.0, 7.0]
    assert np.einsum("i,i->", made, made) == 14.0
    np.copyto(made, 1.0)
    assert made.tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_array_equal(made, [1.0, 1.0, 1.0])


def test_function_out_is_the_array_itself() -> None:
    made = Array([1.0, 2.0])
    assert np.cumsum([1.0, 1.0], out=made) is made
    assert made.tolist() == [1.0, 2.0]


def test_functions_leave_no_export_behind() -> None:
    made = Array([1.0, 2.0])
    np.mean(made)
    np.concatenate([made, made])
    _ = made + made
    assert made.exports == 0


# Conversion.


def test_asarray_shares_memory_and_is_an_export(case: Any) -> None:
    made = case.make(case.rows(4))
    shown = np.asarray(made)
    assert shown.dtype == made.dtype
    assert data_of(shown) == data_of(made.view())
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()


def test_array_copies(case: Any) -> None:
    made = case.make(case.rows(4))
    taken = np.array(made)
    assert same(made, taken)
    assert not np.shares_memory(taken, made.view())
    assert made.exports == 0


def test_array_protocol_by_hand() -> None:
    made = Array([1.0, 2.0])
    assert made.__array__() is made.view()
    assert made.__array__(np.float64) is made.view()
    assert made.__array__("i4").dtype == np.int32
    assert made.__array__(copy=False) is made.view()
    assert not np.shares_memory(made.__array__(copy=True), made.view())
    with pytest.raises(ValueError, match="copy"):
        made.__array__("i4", copy=False)


@pytest.mark.skipif(not NUMPY2, reason="copy=False means no copy since NumPy 2")
def test_asarray_without_a_copy() -> None:
    made = Array([1.0])
    assert np.shares_memory(np.asarray(made, copy=False), made.view())
    with pytest.raises(ValueError, match="copy"):
        np.asarray(made, "i4", copy=False)


def test_interface_names_an_object_that_is_an_export() -> None:
    made = Array([1.0, 2.0])
    interface = made.__array_interface__
    assert interface["shape"] == (2,)
    assert interface["typestr"] == made.view().__array_interface__["typestr"]
    assert memoryview(interface["data"]).nbytes == 16
    assert made.exports == 1
    interface.clear()
    assert made.exports == 0


def test_save_and_load(case: Any) -> None:
    made, stream = case.make(case.rows(5)), io.BytesIO()
    np.save(stream, made)
    stream.seek(0)
    assert same(made, np.load(stream))


def test_tofile_tobytes_tolist(case: Any, tmp_path: Any) -> None:
    rows = case.rows(5)
    made = case.make(rows)
    made.tofile(str(tmp_path / "rows"))
    assert (tmp_path / "rows").read_bytes() == rows.tobytes() == made.tobytes()
    assert repr(made.tolist()) == repr(rows.tolist())
    again = case.make()
    with open(tmp_path / "rows", "rb") as file:
        again.read_from(file)
    assert same(again, rows)


def test_repr_is_an_ndarrays_with_length_and_capacity() -> None:
    made = Array([1, 2], "i4", capacity=10)
    assert repr(made) == "Array([1, 2], dtype='int32', length=2, capacity=10)"
    assert str(made) == "[1 2]"
    assert repr(Array(row_shape=2, capacity=5)).startswith("Array([], ")
    assert "..." in repr(Array(range(10_000)))
    assert repr(Array(["2020-01-01"], "M8[D]", capacity=1)) == (
        "Array(['2020-01-01'], dtype='<M8[D]', length=1, capacity=1)"
    )


def test_repr_of_every_dtype(case: Any) -> None:
    assert repr(case.make(case.rows(2))).startswith("Array([")


def test_sizeof_counts_the_memory() -> None:
    assert Array(np.zeros(10_000)).__sizeof__() > 80_000


@pytest.mark.parametrize("number", [int, float, complex, operator.index])
@pytest.mark.parametrize("rows", [[49, 50], [], [[1], [2]], [1.5, 2.5]], ids=repr)
def test_an_array_is_no_number_as_an_ndarray_is_none(number: Any, rows: Any) -> None:
    for dtype in ("u1", "S2", "f8"):
        source = np.array(rows, "f8").astype(dtype)
        with pytest.raises(TypeError):
            number(source)
        with pytest.raises(TypeError):
            number(Array(source))


@pytest.mark.parametrize("number", [int, float, complex])
@pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")
def test_one_item_is_the_number_that_numpy_makes_of_it(number: Any) -> None:
    outcomes = []
    for source in (np.array([7], "u1"), Array([7], "u1")):
        try:
            outcomes.append(number(source))
        except TypeError:
            outcomes.append(TypeError)
    assert outcomes[0] == outcomes[1]


OTHERS = ["x", b"x", None, 2, 1.5, [1, 2, 3], ["a", "b", "c"], object, np.datetime64(1, "s")]


@pytest.mark.parametrize("compare", [operator.eq, operator.ne])
@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("dtype", ["i4", "f8", "?", "S1", "U1", "M8[s]"])
def test_equality_is_an_ndarrays(compare: Any, other: Any, dtype: str) -> None:
    rows = np.array([1, 2, 3]).astype(dtype)
    made = Array(rows)
    try:
        expected = compare(rows, other)
    except TypeError:
        pytest.skip("NumPy refuses it")
    result = compare(made, other)
    assert type(result) is type(expected)
    assert np.array_equal(result, expected)
    assert np.array_equal(compare(other, made), expected)
    if isinstance(other, list):
        assert np.array_equal(compare(made, Array(other)), compare(rows, np.array(other)))
        assert np.array_equal(compare(np.array(other), made), compare(rows, np.array(other)))


def test_equality_asks_the_other_too() -> None:
    class Other:
        __array_ufunc__ = None

        def __eq__(self, other: object) -> Any:
            return ("eq", type(other))

        def __ne__(self, other: object) -> Any:
            return ("ne", type(other))

        __hash__ = None  # type: ignore[assignment]

    made = Array([1.0])
    assert (made == Other(), made != Other()) == (("eq", Array), ("ne", Array))
    with pytest.raises(TypeError):
        hash(made)
