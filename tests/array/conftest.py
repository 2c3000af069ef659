"""What a promise of Array must hold for: dtypes of every kind, row shapes, and a subclass.

* `case`: a dtype and a row shape, one after the other; `case.make()` and `case.rows(n)` go with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from growable import Array  # noqa: E402


@dataclass(frozen=True)
class Case:
    """A dtype and a row shape."""

    dtype: Any
    row_shape: tuple[int, ...] = ()

    def make(self, source: Any = None, **options: Any) -> Array:
        if source is not None:
            return Array(source, self.dtype, **options)
        return Array(dtype=self.dtype, row_shape=self.row_shape, **options)

    def rows(self, n: int, salt: int = 0) -> Any:
        """Return n rows in which neighbours differ."""
        dtype = np.dtype(self.dtype)
        count = n * int(np.prod(self.row_shape, dtype=int))
        if dtype.kind == "V":
            items = np.zeros(count, dtype)
            items.view(np.uint8)[:] = (np.arange(items.nbytes) * 7 + salt) & 0x3F  # no NaN
            return items.reshape(n, *self.row_shape)
        numbers = (np.arange(count) * 7 + salt) % 100
        if dtype.kind == "b":
            numbers = numbers % 3 == 0
        elif dtype.kind in "mM":
            numbers = numbers.astype(np.int64)
        return numbers.astype(dtype).reshape(n, *self.row_shape)


STRUCTURED = [("time", "M8[ns]"), ("price", "<f8"), ("size", "<i4")]
NESTED = [("at", [("x", "<f4"), ("y", "<f4")]), ("tags", "<i2", (2,))]

CASES = {
    "f8": Case("<f8"),
    "f4": Case("<f4"),
    "f2": Case("<f2"),
    "i8": Case("<i8"),
    "i1": Case("i1"),
    "u2": Case("<u2"),
    "bool": Case("?"),
    "c16": Case("<c16"),
    "big-endian": Case(">i4"),
    "longdouble": Case("g"),
    "datetime": Case("M8[s]"),
    "timedelta": Case("m8[ms]"),
    "bytes": Case("S5"),
    "text": Case("<U3"),
    "void": Case("V5"),
    "structured": Case(np.dtype(STRUCTURED)),
    "aligned": Case(np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
    "nested": Case(np.dtype(NESTED)),
    "padded": Case(np.dtype({"names": ["a"], "formats": ["<i4"], "itemsize": 12})),
    "row": Case("<f8", (3,)),
    "matrix": Case("<i4", (2, 2)),
    "structured row": Case(np.dtype(STRUCTURED), (2,)),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Give each dtype and row shape."""
    return CASES[request.param]
