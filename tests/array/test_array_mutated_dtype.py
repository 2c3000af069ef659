"""A dtype whose size is changed, by its __setstate__, after an Array was made of it.

NumPy lets that happen. Arrays made afterwards have the very same dtype object and rows of another
size: whoever trusts the object reads past their end. Under a sanitizer that is seen as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from growable import Array, Table
from support import run_child


def dtype_of(size: int) -> np.dtype[Any]:
    return np.dtype({"names": ["a"], "formats": ["i1"], "itemsize": size})


def set_size(dtype: Any, size: int) -> None:
    state = list(dtype.__reduce__()[2])
    state[5] = size
    dtype.__setstate__(tuple(state))
    assert dtype.itemsize == size


def changed(size: int, later: int, **options: Any) -> tuple[Array, Any]:
    """Return an Array of rows of one size, and its dtype, which says another."""
    dtype = dtype_of(size)
    made = Array(dtype=dtype, **options)
    made.resize(3)
    set_size(dtype, later)
    return made, dtype


SOURCES: dict[str, Callable[[Any], Any]] = {
    "rows": lambda dtype: np.ones(5, dtype),
    "one row": lambda dtype: np.ones(1, dtype),
    "one row with a stride": lambda dtype: np.lib.stride_tricks.as_strided(
        np.ones(1, dtype), strides=(16,)
    ),
    "an item": lambda dtype: np.ones((), dtype),
    "many": lambda dtype: np.ones(100_000, dtype),
}


@pytest.mark.parametrize("later", [1, 48])
@pytest.mark.parametrize("source", SOURCES)
def test_rows_of_another_size_are_refused(source: str, later: int) -> None:
    for given in (changed(16, later), changed(16, later, capacity=1000)):
        made, dtype = given
        rows = SOURCES[source](dtype)
        for act in (made.append, made.extend, lambda rows, made=made: made.insert(1, rows)):
            with pytest.raises((RuntimeError, ValueError, TypeError)):
                act(rows)
        assert len(made) == 3
        assert len(made._buffer) == 48


def test_rows_of_items_of_another_size_are_refused() -> None:
    made, dtype = changed(16, 1, row_shape=(2, 3))
    for rows in (np.ones((5, 2, 3), dtype), np.ones((1, 2, 3), dtype), np.ones((2, 3), dtype)):
        for act in (made.append, made.extend):
            with pytest.raises((RuntimeError, ValueError)):
                act(rows)
    assert len(made) == 3


@pytest.mark.parametrize("later", [1, 48])
def test_what_the_array_shows_are_its_rows_or_none(later: int) -> None:
    made, _ = changed(16, later)
    for act in (
        lambda: made.view(),
        lambda: made.view(readonly=True),
        lambda: made[0],
        lambda: made.pop(),
        lambda: made.spare(4),
        lambda: made.__delitem__(slice(None, None, 2)),
        lambda: memoryview(made),
        lambda: made.resize(9, fill=1),
    ):
        with pytest.raises((RuntimeError, ValueError, BufferError)):
            act()
    assert len(made) == 3


def test_message_names_the_dtype_and_the_size() -> None:
    made, dtype = changed(16, 1)
    with pytest.raises(RuntimeError, match=r"was changed in place .* rows of 16 bytes wanted"):
        made.extend(np.ones(5, dtype))


def test_size_that_is_set_back_is_as_before() -> None:
    made, dtype = changed(16, 1)
    set_size(dtype, 16)
    made.extend(np.ones(5, dtype))
    made.append(np.ones((), dtype))
    made.append(np.ones(1, dtype)[0])
    made.extend(np.ones(1, dtype))
    assert made["a"].tolist() == [0] * 3 + [1] * 8
    assert made.pop()["a"] == 1


def test_column_of_a_table_refuses_as_well() -> None:
    dtype = dtype_of(16)
    table = Table({"x": dtype, "n": "i4"})
    table.append((np.ones((), dtype), 1))
    set_size(table["x"].dtype, 1)
    small = table["x"].dtype
    for act in (
        lambda: table.append((np.ones((), small), 2)),
        lambda: table.extend({"x": np.ones(3, small), "n": [1, 2, 3]}),
        lambda: table.pop(),
    ):
        with pytest.raises((RuntimeError, ValueError)):
            act()
    assert len(table) == 1


def test_no_byte_past_the_end_is_read() -> None:
    """Rows of 16 MiB that have one byte: to read past their end ends the process."""
    run_child(
        """
        import numpy as np
        from growable import Array

        dtype = np.dtype({"names": ["a"], "formats": ["i1"], "itemsize": 1 << 24})
        made = Array(dtype=dtype)
        state = list(dtype.__reduce__()[2])
        state[5] = 1
        dtype.__setstate__(tuple(state))
        for rows in (np.ones(64, dtype), np.ones(1, dtype), np.ones((), dtype)):
            for act in (made.extend, made.append):
                try:
                    act(rows)
                except (RuntimeError, ValueError, TypeError):
                    continue
                raise SystemExit(f"{act.__name__} took rows of shape {rows.shape}")
        assert len(made._buffer) == 0
        """
    )
