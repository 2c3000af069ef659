"""An Array in the hands of others: each shows the Array's own memory, or says that it copies.

The proof is threefold: the address is the Array's, the Array counts an export while the consumer
holds the memory, and what is written to the Array is seen there. Then the Array grows, and what the
consumer has is what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from growable import Array  # noqa: E402

Need = Callable[[str], ModuleType]
N = 1000


def address_of(rows: Any) -> int:
    return int(rows.__array_interface__["data"][0])


def make() -> Array:
    return Array(np.arange(float(N)))


def item(held: Any) -> Any:
    return held[0]


def check_shared(made: Array, held: Any, address: int, first: Callable[[Any], Any] = item) -> None:
    """Assert that a consumer has the Array's memory, and keeps it as it is while that grows."""
    assert address == address_of(made.view())
    assert made.exports > 0
    with pytest.raises(BufferError):
        made.pop()
    made[0] = -5.0
    assert first(held) == -5.0
    made.extend(np.zeros(1_000_000))
    made[0] = -6.0
    assert first(held) == -6.0
    assert len(held) == N
    assert address == address_of(made.view())


def check_given_back(made: Array) -> None:
    import gc

    gc.collect()
    assert made.exports == 0
    made.pop()


# NumPy.


@pytest.mark.parametrize("take", ["asarray", "from_dlpack", "frombuffer", "view"])
def test_numpy(take: str) -> None:
    made = make()
    shown = {
        "asarray": np.asarray,
        "from_dlpack": np.from_dlpack,
        "frombuffer": np.frombuffer,
        "view": Array.view,
    }[take](made)
    check_shared(made, shown, address_of(shown))
    del shown
    check_given_back(made)


# Arrow.


def test_pyarrow(need: Need) -> None:
    pyarrow = need("pyarrow")
    made = make()
    column = pyarrow.array(made)
    assert column.type == pyarrow.float64()
    address = column.buffers()[1].address
    check_shared(made, column, address, lambda column: column[0].as_py())
    del column
    check_given_back(made)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("i2", [1, -2]),
        ("u8", [1, 2**63]),
        ("f4", [0.5, float("inf")]),
        ("M8[ms]", ["2020-01-01T00:00:01", "NaT"]),
        ("m8[us]", [5, "NaT"]),
        ("S3", [b"abc", b"def"]),
        ("?", [True, False]),
        ("U4", ["a", "\U0001f40d\xe9"]),
        (">i4", [1, -2]),
        ("M8[D]", ["2020-01-01", "NaT"]),
        ("M8[h]", ["2020-01-01T05", "NaT"]),
    ],
)
def test_pyarrow_reads_the_values(need: Need, dtype: str, values: list[Any]) -> None:
    pyarrow = need("pyarrow")
    made = Array(np.array(values, dtype))
    native = made.dtype.newbyteorder("=") if dtype != "M8[h]" else np.dtype("M8[s]")
    ours, theirs = pyarrow.array(made), pyarrow.array(made.view().astype(native))
    ours.validate(full=True)
    assert ours.null_count == theirs.null_count
    assert [str(value) for value in ours.to_pylist()] == [
        str(value) for value in theirs.to_pylist()
    ]


def test_pyarrow_reads_rows_and_structs(need: Need) -> None:
    pyarrow = need("pyarrow")
    rows = pyarrow.array(Array(np.arange(12.0).reshape(2, 3, 2)))
    rows.validate(full=True)
    assert rows.to_pylist() == np.arange(12.0).reshape(2, 3, 2).tolist()
    structs = Array(dtype=[("a", "i4"), ("b", "f4", (2,)), ("t", "M8[s]")])
    structs.append((1, (2.0, 3.0), "NaT"))
    found = pyarrow.array(structs)
    found.validate(full=True)
    assert found.to_pylist() == [{"a": 1, "b": [2.0, 3.0], "t": None}]


def test_pyarrow_table_of_columns(need: Need) -> None:
    pyarrow = need("pyarrow")
    made = make()
    table = pyarrow.table({"x": pyarrow.array(made)})
    address = table["x"].chunk(0).buffers()[1].address
    check_shared(made, table["x"], address, lambda column: column[0].as_py())


def test_pyarrow_arrays_are_appended(need: Need) -> None:
    pyarrow = need("pyarrow")
    made = Array()
    made.extend(pyarrow.array([1.0, 2.0]))
    made.extend(pyarrow.chunked_array([[3.0], [4.0, 5.0]]))
    assert made.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


# Data frames.


def test_polars_series(need: Need) -> None:
    polars = need("polars")
    made = make()
    series = polars.Series("x", made)
    assert series.dtype == polars.Float64
    check_shared(made, series, address_of(series.to_numpy()))
    assert polars.DataFrame({"x": series})["x"].sum() == series.sum()
    del series
    check_given_back(made)


def test_polars_series_is_appended(need: Need) -> None:
    polars = need("polars")
    made = Array(dtype="i8")
    made.extend(polars.Series([1, 2, 3]))
    assert made.tolist() == [1, 2, 3]


def test_pandas_series_and_frame(need: Need) -> None:
    pandas = need("pandas")
    made = make()
    series = pandas.Series(made, copy=False)
    check_shared(made, series, address_of(series.to_numpy()), lambda series: series.iloc[0])
    frame = pandas.DataFrame({"x": made.view()[:N]}, copy=False)
    assert address_of(frame["x"].to_numpy()) == address_of(made.view())
    del series, frame
    check_given_back(made)


def test_pandas_series_is_appended(need: Need) -> None:
    pandas = need("pandas")
    made = Array()
    made.extend(pandas.Series([1.0, 2.0]))
    dates = Array(dtype="M8[ns]")
    dates.extend(pandas.date_range("2020-01-01", periods=2))
    assert made.tolist() == [1.0, 2.0]
    assert dates[1] == np.datetime64("2020-01-02")


def test_duckdb_scans_the_memory(need: Need) -> None:
    """A registered array is read anew by each query, so writes to the Array are seen."""
    duckdb = need("duckdb")
    made = make()
    connection = duckdb.connect()
    view = made.view()
    connection.register("t", {"x": view})
    total = "select sum(x), count(*) from t"
    assert connection.execute(total).fetchone() == (view.sum(), N)
    made[0] = 1e6
    made.extend(np.ones(1_000_000))
    assert connection.execute(total).fetchone() == (view.sum(), N)


def test_duckdb_scans_arrow(need: Need) -> None:
    duckdb, pyarrow = need("duckdb"), need("pyarrow")
    made = make()
    table = pyarrow.table({"x": pyarrow.array(made)})
    connection = duckdb.connect()
    connection.register("t", table)
    assert connection.execute("select sum(x) from t").fetchone() == (made.view().sum(),)
    made[0] = 1e6
    assert connection.execute("select sum(x) from t").fetchone() == (made.view().sum(),)


# Tensors and compilers.


@pytest.mark.parametrize("take", ["from_dlpack", "frombuffer", "from_numpy", "as_tensor"])
def test_torch(need: Need, take: str) -> None:
    torch = need("torch")
    made = make()
    tensor = {
        "from_dlpack": lambda: torch.from_dlpack(made),
        "frombuffer": lambda: torch.frombuffer(made, dtype=torch.float64),
        "from_numpy": lambda: torch.from_numpy(made.view()),
        "as_tensor": lambda: torch.as_tensor(made.view()),
    }[take]()
    check_shared(made, tensor, tensor.data_ptr(), lambda tensor: tensor[0].item())
    tensor[1] = 77.0
    assert made[1] == 77.0
    del tensor
    check_given_back(made)


def test_torch_asarray_takes_bytes(need: Need) -> None:
    """As its documentation says of whatever has the buffer protocol; so the dtype must be named."""
    torch = need("torch")
    made = make()
    assert torch.asarray(made).dtype == torch.get_default_dtype()
    tensor = torch.asarray(made, dtype=torch.float64)
    check_shared(made, tensor, tensor.data_ptr(), lambda tensor: tensor[0].item())


def test_torch_tensor_is_appended(need: Need) -> None:
    torch = need("torch")
    made = Array(dtype="f4", row_shape=2)
    made.extend(torch.ones((3, 2)))
    made.append(torch.zeros(2))
    assert made.shape == (4, 2)


def test_numba_takes_it_through_the_buffer_protocol(need: Need) -> None:
    numba = need("numba")

    @numba.njit
    def sum_and_mark(x: Any) -> float:
        total = 0.0
        for i in range(len(x)):
            total += x[i]
        x[0] = -9.0
        return total

    made = make()
    assert sum_and_mark(made) == N * (N - 1) / 2
    assert made[0] == -9.0
    assert made.exports == 0
    made[0] = 0.0
    assert sum_and_mark(made.view()) == N * (N - 1) / 2
    assert made[0] == -9.0


def test_jax_through_dlpack(need: Need) -> None:
    jax = need("jax")
    jax.config.update("jax_enable_x64", True)
    made = make()
    shared = jax.dlpack.from_dlpack(made)
    assert shared.unsafe_buffer_pointer() == address_of(made.view())
    assert made.exports > 0
    made.extend(np.zeros(1_000_000))
    assert shared.sum() == N * (N - 1) / 2
    del shared
    check_given_back(made)


def test_jax_asarray_copies(need: Need) -> None:
    """JAX's arrays never change, so it copies what it cannot know to be left alone."""
    jax = need("jax")
    made = make()
    copied = jax.numpy.asarray(made)
    made[0] = -5.0
    assert copied[0] == 0.0


def test_scikit_learn(need: Need) -> None:
    need("sklearn")
    from sklearn.linear_model import LinearRegression
    from sklearn.utils import check_array

    generator = np.random.default_rng(1)
    made = Array(generator.random((200, 3)))
    assert address_of(check_array(made)) == address_of(made.view())
    target = Array(made.view() @ [1.0, 2.0, 3.0])
    assert np.allclose(LinearRegression().fit(made, target).coef_, [1.0, 2.0, 3.0])


def test_ml_dtypes(need: Need) -> None:
    ml_dtypes = need("ml_dtypes")
    made = Array([1.5, 2.0], ml_dtypes.bfloat16)
    made.append(2.5)
    made.extend([3.0, 4])
    made.append(ml_dtypes.bfloat16(5))
    made.extend(np.ones(2, ml_dtypes.bfloat16))
    shown = np.asarray(made)
    assert shown.dtype == ml_dtypes.bfloat16
    assert shown.tolist() == [1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 1.0, 1.0]
    assert address_of(shown) == address_of(made.view())
    assert made.view() is made.view()
    with pytest.raises(BufferError):
        memoryview(made)
    with pytest.raises(TypeError, match="Arrow has no type"):
        made.__arrow_c_array__()
