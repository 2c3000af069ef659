"""What the tests of Array share."""

from __future__ import annotations

from typing import Any

import numpy as np


def same(array: Any, rows: Any) -> bool:
    """Return whether an Array holds the rows of an ndarray; bytes that pad are not compared."""
    shown = array if isinstance(array, np.ndarray) else array.view()
    expected = np.asarray(rows)
    return bool(
        shown.shape == expected.shape
        and shown.dtype.kind == expected.dtype.kind
        and shown.dtype.names == expected.dtype.names
        and shown.dtype.itemsize >= expected.dtype.itemsize
        and (shown == expected).all()
    )


def data_of(rows: Any) -> int:
    """Return the address of an ndarray's first item."""
    return int(rows.__array_interface__["data"][0])
