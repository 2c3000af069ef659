"""NumPy arrays as Arrow arrays, through the Arrow PyCapsule interface and without pyarrow.

What Arrow lays out as NumPy does is exported as it stands: integers, floats, dates and times of
seconds to nanoseconds, bytes of a fixed size, and rows of those as fixed-size lists. The rest is
converted, which is a copy: booleans (bits in Arrow), text (UTF-8), days and longer units, other
byte orders, structured dtypes (columns in Arrow). What Arrow lacks is refused: complex numbers,
long doubles, dtypes of other packages.

The one thing a reader would get wrong: NaT is a null in Arrow and a value in NumPy. So dates get a
validity bitmap, which is new memory; the values still are not copied.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from growable._core import arrow_array, arrow_schema, arrow_stream
from growable.rows import DType, Rows

__all__ = [
    "array_capsules",
    "describe",
    "schema_capsule",
    "table_capsules",
    "table_schema_capsule",
    "table_stream_capsule",
]

# (format, name, length, null_count, buffers, children)
Node: TypeAlias = tuple[str, str, int, int, tuple[Any, ...], tuple[Any, ...]]

_NUMBERS = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L"}
_NUMBERS |= {"f2": "e", "f4": "f", "f8": "g"}
_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_LONG_UNITS = {"M": ("Y", "M", "W", "h", "m"), "m": ("W", "D", "h", "m")}


def schema_capsule(rows: Rows, name: str = "") -> object:
    """Return the type of the rows in a capsule."""
    return arrow_schema(describe(rows, name))


def array_capsules(rows: Rows, name: str = "") -> tuple[object, object]:
    """Return the type and the contents of the rows in two capsules."""
    node = describe(rows, name)
    return arrow_schema(node), arrow_array(node)


def table_schema_capsule(columns: Mapping[str, Rows]) -> object:
    """Return the names and types of columns in a capsule."""
    return arrow_schema(_describe_table(columns))


def table_capsules(columns: Mapping[str, Rows]) -> tuple[object, object]:
    """Return columns of equal length, a record batch, in two capsules."""
    node = _describe_table(columns)
    return arrow_schema(node), arrow_array(node)


def table_stream_capsule(columns: Mapping[str, Rows]) -> object:
    """Return columns of equal length, a stream of one record batch, in a capsule."""
    return arrow_stream(_describe_table(columns))


def _describe_table(columns: Mapping[str, Rows]) -> Node:
    length = len(next(iter(columns.values())))
    children = tuple([describe(rows, name) for name, rows in columns.items()])
    return ("+s", "", length, 0, (None,), children)


def describe(rows: Rows, name: str = "") -> Node:
    """Describe contiguous rows as the C part wants them; further axes become fixed-size lists."""
    node = _items(np.ascontiguousarray(rows).reshape(-1), name if rows.ndim == 1 else "item")
    for axis in range(rows.ndim - 1, 0, -1):
        length = math.prod(rows.shape[:axis])
        outer = name if axis == 1 else "item"
        node = (f"+w:{rows.shape[axis]}", outer, length, 0, (None,), (node,))
    return node


def _items(items: Rows, name: str) -> Node:
    dtype = items.dtype
    if dtype.names is not None:
        children = tuple([describe(np.ascontiguousarray(items[n]), n) for n in dtype.names])
        return ("+s", name, len(items), 0, (None,), children)
    if dtype.kind in "SV" and dtype.isbuiltin != 2:
        return (f"w:{dtype.itemsize}", name, len(items), 0, (None, items), ())
    if dtype.kind == "U":
        return _text(items, name)
    if dtype.kind == "b":
        return ("b", name, len(items), 0, (None, np.packbits(items, bitorder="little")), ())
    if dtype.kind in "mM":
        return _times(items, name)
    code = _NUMBERS.get(f"{dtype.kind}{dtype.itemsize}") if dtype.isbuiltin != 2 else None
    if code is None:
        raise TypeError(f"Arrow has no type for dtype {dtype}")
    return (code, name, len(items), 0, (None, _native(items)), ())


def _native(items: Rows) -> Rows:
    return items if items.dtype.isnative else items.astype(items.dtype.newbyteorder("="))


def _text(items: Rows, name: str) -> Node:
    _check_code_points(items)
    encoded = [str(text).encode("utf-8") for text in items]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return ("U", name, len(encoded), 0, (None, offsets, b"".join(encoded)), ())


def _check_code_points(items: Rows) -> None:
    """Refuse what is no character; NumPy makes a str of it, and Python encodes that."""
    if items.dtype.itemsize == 0:
        return
    codes = items.view(np.dtype(np.uint32).newbyteorder(items.dtype.byteorder))
    bad = np.flatnonzero(codes > sys.maxunicode)
    if bad.size:
        row, at = divmod(int(bad[0]), items.dtype.itemsize // 4)
        reason = f"{int(codes[bad[0]]):#x}, in row {row}, is no code point"
        raise UnicodeEncodeError("utf-8", "\ufffd" * (at + 1), at, at + 1, reason)


def _times(items: Rows, name: str) -> Node:
    values, code = _in_arrow_units(items)
    missing = np.isnat(items)
    nulls = int(np.count_nonzero(missing))
    validity = np.packbits(~missing, bitorder="little") if nulls else None
    return (code, name, len(items), nulls, (validity, values), ())


def _in_arrow_units(items: Rows) -> tuple[Rows, str]:
    kind = items.dtype.kind
    unit, count = _unit_of(items.dtype)
    if count == 1 and unit in _UNITS:
        return _native(items), f"ts{_UNITS[unit]}:" if kind == "M" else f"tD{_UNITS[unit]}"
    if kind == "M" and unit == "D" and count == 1:
        return _as_int32(items), "tdD"
    if unit in _LONG_UNITS[kind] or unit in _UNITS or unit == "D":
        finer = unit if unit in _UNITS else "s"
        return _in_arrow_units(_in_finer_units(items, np.dtype(f"{kind}8[{finer}]")))
    raise TypeError(f"Arrow has no type for dtype {items.dtype}")


def _in_finer_units(items: Rows, dtype: DType) -> Rows:
    """Cast times; NumPy before 2.5 lets those that are out of bounds wrap around."""
    try:
        result = items.astype(dtype)
        if ((result.astype(items.dtype) == items) | np.isnat(items)).all():
            return result
    except OverflowError:
        pass
    raise OverflowError(f"a value of dtype {items.dtype} is out of bounds for {dtype} in Arrow")


def _as_int32(days: Rows) -> Rows:
    numbers = np.where(np.isnat(days), 0, days.astype(np.int64))
    if numbers.size and max(-int(numbers.min()), int(numbers.max())) >= 2**31:
        raise OverflowError("Arrow counts days in 32 bits")
    return numbers.astype(np.int32)


def _unit_of(dtype: DType) -> tuple[str, int]:
    unit, count = np.datetime_data(dtype)
    return str(unit), int(count)
