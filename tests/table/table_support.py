"""What the tests of Table share."""

from __future__ import annotations

from typing import Any

import numpy as np
from growable import Table

TICKS = {"t": "datetime64[ns]", "price": "f8", "size": "i4"}
START = np.datetime64("2026-01-01T00:00:00", "ns")

# A dtype of each kind that a column can have, with how the n-th row of it is made.
KINDS = {
    "i1": np.dtype("i1"),
    "bool": np.dtype("?"),
    "f4": np.dtype("f4"),
    "complex": np.dtype("c16"),
    "datetime": np.dtype("M8[us]"),
    "timedelta": np.dtype("m8[s]"),
    "bytes": np.dtype("S5"),
    "text": np.dtype("U3"),
    "swapped": np.dtype(">i8"),
    "struct": np.dtype([("x", "f4"), ("y", "i2")]),
    "vector": np.dtype(("f8", (3,))),
    "matrix": np.dtype(("i2", (2, 2))),
}


def tick(n: int) -> tuple[Any, ...]:
    """Return the n-th row of a table of TICKS."""
    return (START + np.timedelta64(n, "s"), n / 4, n % 1000)


def ticks(count: int, **options: Any) -> Table:
    """Return a table of TICKS with so many rows."""
    table = Table(TICKS, **options)
    table.extend(columns(count))
    return table


def columns(count: int, first: int = 0) -> dict[str, Any]:
    """Return so many rows of TICKS by column."""
    n = np.arange(first, first + count)
    return {
        "t": START + n.astype("m8[s]"),
        "price": n / 4,
        "size": (n % 1000).astype("i4"),
    }


def rows_of(dtype: np.dtype[Any], count: int) -> Any:
    """Return rows of any dtype, no two the same as far as it goes."""
    item = dtype.base
    n = np.arange(1, 1 + count * int(np.prod(dtype.shape, dtype=int)))
    if item.names is not None:
        flat = np.zeros(len(n), item)
        for name in item.names:
            flat[name] = n
    elif item.kind in "Mm":
        flat = n.astype(np.int64).astype(item)
    else:
        flat = n.astype(item)
    return flat.reshape(count, *dtype.shape)


def holds(table: Table, expected: dict[str, Any]) -> bool:
    """Return whether the table has these columns with these values."""
    return table.columns == tuple(expected) and all(
        len(table) == len(values) and bool(np.all(table[name].view() == values))
        for name, values in expected.items()
    )


def address(rows: Any) -> int:
    """Return the address of an ndarray's first item."""
    return int(rows.__array_interface__["data"][0])
