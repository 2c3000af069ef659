"""What an argument means as rows of a given dtype: what `Array` converts and casts, and how.

Arrays, and what offers itself as one, are cast as ``casting="same_kind"`` allows: nothing of
another kind, whatever its values. Python values are judged one by one: an integer must fit, a float
is no integer. Where NumPy has no dtype of its own for a value (``datetime``, ``Decimal``) it is
asked for ours.

The one thing a reader would get wrong: nothing here touches an `Array`. An argument may run code
that changes the very Array it is meant for, so it is converted first.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[Any]
DType: TypeAlias = np.dtype[Any]
Shape: TypeAlias = tuple[int, ...]


def check_dtype(dtype: DType) -> None:
    """Refuse a dtype whose items are not plain bytes, or none at all."""
    if dtype.hasobject:
        raise TypeError(
            f"Array cannot hold dtype {dtype}: its items refer to memory outside the array. "
            "Use a list, or a dtype with items of a fixed size"
        )
    if dtype.itemsize == 0:
        raise ValueError(f"Array cannot hold dtype {dtype}: its items have no bytes; give a size")


def is_typed(dtype: DType) -> bool:
    """Return whether the buffer protocol can describe the dtype so that NumPy reads it back."""
    if dtype.kind in "biufcSU" and dtype.isbuiltin == 1:
        return True
    return _reads_back(dtype, "data")


def has_interface(dtype: DType) -> bool:
    """Return whether the array interface can describe the dtype so that NumPy reads it back."""
    return _reads_back(dtype, "__array_interface__")


def _try_reading_back(dtype: DType, protocol: str) -> bool:
    try:
        described = getattr(np.empty(1, dtype), protocol)
        if protocol != "data":
            described = SimpleNamespace(**{protocol: described})
        return bool(np.asarray(described).dtype == dtype)
    except Exception:  # NumPy raises many kinds, and warns of some
        return False


_reads_back = lru_cache(maxsize=256)(_try_reading_back)


def _has_array_protocol(kind: type) -> bool:
    return (
        hasattr(kind, "__array__")
        or hasattr(kind, "__array_interface__")
        or hasattr(kind, "__array_struct__")
    )


def is_array_like(source: object) -> bool:
    """Return whether the object offers itself as an array, and so has a dtype of its own."""
    if isinstance(source, np.generic | bytes | str | list | tuple | float | int):
        return False
    if isinstance(source, np.ndarray | memoryview | bytearray):
        return True
    kind = type(source)
    if _has_array_protocol(kind) or hasattr(kind, "__dlpack__"):
        return True
    try:
        memoryview(source).release()  # type: ignore[arg-type]
    except (TypeError, BufferError, ValueError):
        return False
    return True


def is_stream(source: object) -> bool:
    """Return whether the object can be iterated over and is no sequence."""
    if is_array_like(source) or isinstance(source, str | bytes):
        return False
    kind = type(source)
    if hasattr(kind, "__len__") and hasattr(kind, "__getitem__"):
        return False
    return isinstance(source, Iterable)


def as_ndarray(source: object) -> Rows:
    """Return what offers itself as an array as a plain ndarray, without a copy where it can be."""
    kind = type(source)
    if hasattr(kind, "__dlpack__") and not _has_array_protocol(kind):
        return np.asarray(np.from_dlpack(source))  # type: ignore[arg-type]
    return np.asarray(source)


def _check_castable(source: DType, target: DType) -> None:
    if not np.can_cast(source, target, casting="same_kind"):
        raise TypeError(
            f"cannot cast from dtype {source} to {target} according to the rule 'same_kind'; "
            "convert the values first, such as with astype()"
        )


def _of_values(values: object, dtype: DType) -> Rows:
    """Convert Python values; those that a cast would change are refused."""
    if dtype.kind == "V":
        return np.array(values, dtype=dtype)
    natural = np.asarray(values)
    if natural.size == 0:
        return natural.astype(dtype)
    kinds = natural.dtype.kind + dtype.kind
    if kinds[0] in "iuO" and kinds[1] in "iu":
        return _of_integers(natural, dtype)
    if kinds in ("fi", "fu"):
        # NumPy makes floats of integers of which only some need 64 bits without a sign.
        objects = np.array(values, dtype=object)
        if not [1 for item in objects.flat if not hasattr(type(item), "__index__")]:
            return _of_integers(objects, dtype)
    if kinds in ("Of", "Oc"):
        _check_items(natural, dtype, ("__float__", "__complex__", "__index__"))
        return natural.astype(dtype)
    if (kinds[0] == "O" and kinds[1] != "b") or kinds in ("UM", "Um", "US"):
        return np.array(values, dtype=dtype)
    _check_castable(natural.dtype, dtype)
    return natural


def _check_items(objects: Rows, dtype: DType, methods: tuple[str, ...]) -> None:
    """Refuse objects that are no numbers; NumPy would read text, and take None for NaN."""
    for item in objects.flat:
        if not [method for method in methods if hasattr(type(item), method)]:
            raise TypeError(f"{type(item).__name__!r} object is no number that {dtype} can hold")


def _of_integers(natural: Rows, dtype: DType) -> Rows:
    """Cast integers, or objects that may be some, to an integer dtype that must hold them."""
    if natural.dtype.kind == "O":
        _check_items(natural, dtype, ("__index__",))
        limits = np.iinfo(dtype)
        values = [operator.index(x) for x in natural.flat]
        fits = limits.min <= min(values) and max(values) <= limits.max
        result = natural.astype(dtype) if fits else natural
    else:
        result = natural.astype(dtype)
        fits = bool(((result == natural) & ((result < 0) == (natural < 0))).all())
    if not fits:
        raise OverflowError(f"integer out of bounds for {dtype}")
    return result


def convert(source: object, dtype: DType) -> Rows:
    """Return an array of the argument's values whose dtype can be cast to `dtype`."""
    if not is_array_like(source):
        return _of_values(source, dtype)
    array = as_ndarray(source)
    _check_castable(array.dtype, dtype)
    return array


def convert_rows(source: object, dtype: DType, row_shape: Shape) -> Rows:
    """Convert an argument that stands for any number of rows."""
    array = convert(source, dtype)
    if array.ndim == 0:
        raise TypeError(f"expected rows, not one value: {type(source).__name__}")
    if array.shape == (0,):
        return np.empty((0, *row_shape), dtype)
    if array.ndim != len(row_shape) + 1 or array.shape[1:] != row_shape:
        raise ValueError(
            f"expected rows of shape {row_shape}, so an array of shape (n{_rest(row_shape)}), "
            f"not {array.shape}"
        )
    return array


def convert_row(source: object, dtype: DType, row_shape: Shape) -> Rows:
    """Convert an argument that stands for one row; the result has the shape (1, *row_shape)."""
    array = convert(source, dtype)
    if array.shape != row_shape:
        raise ValueError(f"expected a row of shape {row_shape}, not {array.shape}")
    return np.ascontiguousarray(array.reshape(1, *row_shape), dtype)


def _rest(row_shape: Shape) -> str:
    return "".join([f", {size}" for size in row_shape]) or ","


def as_bytes(rows: Rows) -> memoryview:
    """Return the memory of contiguous rows, byte by byte, whatever their dtype."""
    return rows.reshape(-1).view(np.uint8).data
