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
import re
import reprlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, reduce
from types import SimpleNamespace
from typing import Any, NoReturn, TypeAlias

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


# Tuples, not unions: those would be made anew at each call.
_ARRAYS = (np.ndarray, memoryview, bytearray)
_VALUES = (np.generic, bytes, str, list, tuple, float, int)


def is_array_like(source: object) -> bool:
    """Return whether the object offers itself as an array, and so has a dtype of its own."""
    if isinstance(source, _ARRAYS):
        return True
    if isinstance(source, _VALUES):
        return False
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
    if dtype.kind == "M" and isinstance(values, str | datetime):
        time = _as_date(values, dtype)
        return _of_text_dates(time, dtype) if isinstance(time, str) else _of_time(time, dtype)
    natural = np.asarray(values)
    if natural.size == 0:
        return natural.astype(dtype)
    if dtype.kind in "SU":
        return _of_text(values, dtype)
    if dtype.kind in "mM":
        if natural.dtype.kind in "SUO":
            return _of_times(values, natural, dtype)
        if natural.dtype.kind == dtype.kind:
            _check_cast(natural, dtype)
        elif natural.dtype.kind == "u":
            natural = _of_integers(natural, np.dtype(np.int64))
    kinds = natural.dtype.kind + dtype.kind
    if kinds[0] in "fSU" and kinds[1] in "iu":
        # NumPy makes floats of integers of which only some need 64 bits without a sign.
        return _of_integers(np.array(values, dtype=object), dtype)
    if kinds[0] in "iuO" and kinds[1] in "iu":
        return _of_integers(natural, dtype)
    if kinds[0] in "SUO" and kinds[1] in "bfc":
        objects = np.array(values, dtype=object)
        _check_items(objects, dtype)
        return objects.astype(dtype)
    if not np.can_cast(natural.dtype, dtype, casting="same_kind"):
        _refuse(natural.flat[0], dtype)
    return natural


# What an object has that is a number; text has none, though NumPy reads it.
_NUMBERS = {
    "i": ("__index__",),
    "u": ("__index__",),
    "f": ("__float__", "__index__"),
    "c": ("__float__", "__complex__", "__index__"),
}
_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)  # NumPy's own have __float__


def _items(objects: Rows) -> list[Any]:
    return [item[()] if isinstance(item, np.ndarray) else item for item in objects.flat]


def _check_items(objects: Rows, dtype: DType) -> None:
    """Refuse objects that are no numbers; NumPy would read text, and take None for NaN."""
    for item in _items(objects):
        if dtype.kind == "b":
            fits = isinstance(item, bool | np.bool_)
        else:
            fits = not isinstance(item, _NO_NUMBERS) and _has_any(item, _NUMBERS[dtype.kind])
        if not fits:
            _refuse(item, dtype)


def _has_any(item: object, methods: tuple[str, ...]) -> bool:
    return bool([method for method in methods if hasattr(type(item), method)])


def _of_integers(natural: Rows, dtype: DType) -> Rows:
    """Cast integers, or objects that may be some, to an integer dtype that must hold them."""
    if natural.dtype.kind == "O":
        _check_items(natural, dtype)
        limits = np.iinfo(dtype)
        values = [operator.index(x) for x in natural.flat]
        for value in (min(values), max(values)):
            if not limits.min <= value <= limits.max:
                raise OverflowError(f"{_shown(value)} is out of bounds for {dtype}")
        return natural.astype(dtype)
    result = natural.astype(dtype)
    fits = (result == natural) & ((result < 0) == (natural < 0))
    if not fits.all():
        raise OverflowError(f"{natural.flat[fits.argmin()]} is out of bounds for {dtype}")
    return result


def _of_text(values: object, dtype: DType) -> Rows:
    """Convert text; NumPy would write out numbers, None and whatever else there is."""
    objects = np.array(values, dtype=object)
    others = [kind for kind in set(map(type, objects.flat)) if not issubclass(kind, str | bytes)]
    if others:
        for item in _items(objects):
            if not isinstance(item, str | bytes):
                _refuse(item, dtype)
    return np.array(values, dtype=dtype)


# Times. NumPy reads the zone of a text, and of a datetime, and warns of it each time.

_ZONED = re.compile(
    r"([^ T]+[ T][\d:.]+)(?:Z|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)", re.ASCII | re.DOTALL
)


def _of_times(values: object, natural: Rows, dtype: DType) -> Rows:
    """Convert dates or spans of time; those with a zone come in UTC."""
    objects = np.array(values, dtype=object)
    only_text = natural.dtype.kind == "U" and set(map(type, objects.flat)) <= {str, np.str_}
    if only_text and dtype.kind == "m":
        return np.array(values, dtype=dtype)
    if only_text and not _may_be_zoned(natural):
        return _of_text_dates(values, dtype)
    convert_item = _as_date if dtype.kind == "M" else _as_span
    converted = np.empty(objects.size, object)
    quick = _is_quick(dtype)
    for number, item in enumerate(_items(objects)):
        converted[number] = time = convert_item(item, dtype)
        if not quick or type(time) is not datetime or not 1678 <= time.year < 2262:
            _check_time(time, dtype)
    return converted.astype(dtype).reshape(objects.shape)


# NumPy lets a time wrap around that is out of bounds for the unit, so each is checked.

_EPOCH = datetime(1970, 1, 1)
_PARTS = {"us": 1, "ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}  # of a microsecond


def _is_quick(dtype: DType) -> bool:
    """Return whether the years from 1678 to 2261 are within bounds, as nanoseconds have them."""
    return np.datetime_data(dtype)[0] not in ("ps", "fs", "as")


def surely_holds(dtype: DType, time: datetime) -> bool:
    """Return whether a dtype of dates holds a datetime; False if it takes a closer look."""
    return 1678 <= time.year < 2262 and _is_quick(dtype)


def _check_time(time: Any, dtype: DType) -> None:
    """Raise OverflowError for a date or a span of time, Python's or NumPy's, that does not fit."""
    if isinstance(time, np.datetime64 | np.timedelta64):
        _check_cast(np.asarray(time), dtype)
        return
    if isinstance(time, str):
        if dtype.kind == "M":
            _of_text_dates(time, dtype)
        return
    span = _span_of(time)
    unit, count = np.datetime_data(dtype)
    if span is None or unit not in _PARTS:
        return
    microseconds = (span.days * 86400 + span.seconds) * 10**6 + span.microseconds
    if abs(microseconds * _PARTS[unit]) >= 2**63 * count:
        _refuse_time(time, dtype)


def _span_of(time: Any) -> timedelta | None:
    """Return how long a time is, or how long after 1970."""
    if isinstance(time, timedelta):
        return time
    if isinstance(time, datetime):
        return time - _EPOCH
    return timedelta(time.toordinal() - _EPOCH.toordinal()) if isinstance(time, date) else None


def _refuse_time(time: object, dtype: DType) -> NoReturn:
    shown = repr(time) if isinstance(time, str) else str(time)
    raise OverflowError(f"{shown} is out of bounds for {dtype}")


def _of_time(time: object, dtype: DType) -> Rows:
    _check_time(time, dtype)
    return np.array(time, dtype=dtype)


def _check_cast(times: Rows, dtype: DType) -> None:
    """Check NumPy's own times; a cast to a coarser unit, which is not safe, always fits."""
    if times.dtype == dtype or not np.can_cast(times.dtype, dtype, casting="safe"):
        return
    fits = _fits(times, dtype)
    if not fits.all():
        _refuse_time(times.flat[int(fits.argmin())], dtype)


def _fits(times: Rows, dtype: DType) -> Rows:
    try:
        same: Rows = times.astype(dtype).astype(times.dtype) == times
        return same | np.isnat(times)
    except OverflowError:  # NumPy 2.5 and later say that something does not fit, not what
        if times.size == 1:
            return np.zeros(times.shape, bool)
        items = [_fits(times.reshape(-1)[i : i + 1], dtype) for i in range(times.size)]
        return np.concatenate(items).reshape(times.shape)


def _of_text_dates(text: Any, dtype: DType) -> Rows:
    """Convert text without zones. What wraps around lands in another year, or another second."""
    result = np.array(text, dtype=dtype)
    unit = np.datetime_data(dtype)[0]
    if unit in ("Y", "M", "generic"):
        return result
    missing = np.isnat(result) & np.isnat(np.array(text, dtype="M8[Y]"))
    wrong = np.asarray(_is_far(result, text) & ~missing)
    if wrong.any():
        _refuse_time(str(np.array(text, dtype=object).flat[int(wrong.argmax())]), dtype)
    return result


def _is_far(times: Rows, text: Any) -> Rows:
    """Return which of the times are far from what the text says."""
    years = np.array(text, dtype="M8[Y]").astype(np.float64)  # since 1970
    unit, count = np.datetime_data(times.dtype)
    if _is_quick(times.dtype):
        return np.abs(times.astype("M8[Y]").astype(np.float64) - years) > 100
    found = times.astype(np.int64) * (count / (10**6 * _PARTS[unit]))  # NumPy has no such cast
    seconds = np.array(text, dtype="M8[s]").astype(np.float64)
    return (np.abs(years) > 9) | (np.abs(found - seconds) > 9)


def _may_be_zoned(text: Rows) -> bool:
    codes = text.reshape(-1).view(np.uint32).reshape(text.size, -1)
    marks = (codes == ord("Z")) | (codes == ord("+"))
    return bool(marks.any() or (codes[:, len("2026-01-31") :] == ord("-")).any())


def _as_date(item: Any, dtype: DType) -> object:
    """Return what NumPy makes the same date and time of as this is in UTC."""
    if item is None or isinstance(item, np.datetime64):
        return item
    if hasattr(type(item), "to_datetime64"):  # pandas has nanoseconds, which NumPy does not look at
        return item.to_datetime64()
    if isinstance(item, datetime):
        return item if item.tzinfo is None else item.astimezone(UTC).replace(tzinfo=None)
    if isinstance(item, bytes):
        item = item.decode("ascii")
    if isinstance(item, str):
        return _text_as_date(item)
    return item if isinstance(item, date) else _refuse(item, dtype)


def _text_as_date(text: str) -> object:
    zoned = _ZONED.fullmatch(text)
    if zoned is None:
        return text
    local, sign, hours, minutes = zoned.groups(default="0")
    if sign == "0":
        return local
    offset = np.timedelta64(int(hours) * 60 + int(minutes), "m")
    return np.datetime64(local) + (offset if sign == "-" else -offset)


def _as_span(item: Any, dtype: DType) -> object:
    if hasattr(type(item), "to_timedelta64"):
        return item.to_timedelta64()
    if isinstance(item, timedelta | np.timedelta64 | int | np.integer | str | bytes | None):
        return item
    if hasattr(type(item), "to_datetime64") and item != item:  # pandas' NaT is of both kinds
        return None
    return _refuse(item, dtype)


# Values that are refused.

_NOUNS = {"b": "truth value", "S": "text", "U": "text", "M": "date", "m": "span of time"}
_WAYS = {
    "b": "convert it first, such as with bool()",
    "i": "convert it first, such as with int()",
    "u": "convert it first, such as with int()",
    "f": "convert it first, such as with float()",
    "c": "convert it first, such as with complex()",
    "S": "convert it first, such as with str()",
    "U": "convert it first, such as with str()",
    "M": "give a datetime, a datetime64, or text such as '2026-01-31'",
    "m": "give a timedelta, a timedelta64, or a number",
}
_NOTHING = ("NoneType", "NAType", "NaTType")
_MISSING = {
    "f": "give float('nan') for a missing one",
    "c": "give float('nan') for a missing one",
    "S": "give b'' for a missing one",
    "U": "give '' for a missing one",
    "M": "give None for a missing one",
    "m": "give None for a missing one",
}


def _refuse(item: object, dtype: DType) -> NoReturn:
    """Raise TypeError with the value, and what to give instead."""
    if type(item).__name__ in _NOTHING or (isinstance(item, float | np.floating) and item != item):
        way = _MISSING.get(dtype.kind, "give a value of yours for a missing one")
    else:
        way = _WAYS.get(dtype.kind, "convert it first")
    if isinstance(item, int | float | complex | np.number) and dtype.kind in "biufc":
        raise TypeError(
            f"cannot cast {_shown(item)} from dtype {np.asarray(item).dtype} to {dtype} "
            f"according to the rule 'same_kind'; {way}"
        )
    noun = _NOUNS.get(dtype.kind, "number")
    raise TypeError(f"{_shown(item)} is no {noun} that {dtype} can hold; {way}")


def _shown(item: object) -> str:
    """Return a value in a few words; nothing foreign runs."""
    if type(item) is int and item.bit_length() > 128:
        return f"an integer of {item.bit_length()} bits"
    if type(item) in (str, bytes, bool, int, float, complex, type(None)):
        return reprlib.repr(item)
    if type(item) in (np.str_, np.bytes_, np.bool_):
        return reprlib.repr(item.item())  # type: ignore[attr-defined]
    return str(item) if isinstance(item, np.number) else f"{type(item).__name__!r} object"


def infer(values: Any) -> DType:
    """Return the dtype of a row that holds values, of which some may be None or missing."""
    found = np.asarray(values)
    if found.dtype.kind == "O":
        found_dtypes = {_dtype_of(item) for item in _items(found) if item is not None}
        if not found_dtypes:
            raise TypeError("there are only missing values, of which no dtype can be told")
        return np.dtype((reduce(np.promote_types, found_dtypes), found.shape[1:]))
    return np.dtype((found.dtype, found.shape[1:]))


def _dtype_of(item: Any) -> DType:
    """Return the dtype for one Python value, where NumPy has objects for datetimes."""
    kind = type(item)
    if hasattr(kind, "to_datetime64"):
        return np.asarray(item.to_datetime64()).dtype
    if hasattr(kind, "to_timedelta64"):
        return np.asarray(item.to_timedelta64()).dtype
    for python, code in ((datetime, "M8[us]"), (date, "M8[D]"), (timedelta, "m8[us]")):
        if isinstance(item, python):
            return np.dtype(code)
    dtype = np.asarray(item).dtype
    if dtype.kind == "O":
        raise TypeError(
            f"{_shown(item)} has no dtype of NumPy's; "
            "make the Table with a schema, then extend() it"
        )
    return dtype


# Arguments.


def convert(source: object, dtype: DType) -> Rows:
    """Return an array of the argument's values whose dtype can be cast to `dtype`."""
    if not is_array_like(source):
        return _of_values(source, dtype)
    array = as_ndarray(source)
    if array.dtype.kind in "OT":  # of objects, or of text among which some may be missing
        return _of_values(array.tolist(), dtype)
    _check_castable(array.dtype, dtype)
    return array


def _convert_many(source: object, dtype: DType, first: int) -> Rows:
    """Convert rows; an exception tells which of the Python values it is about."""
    rows: Any = source
    if is_array_like(source):
        rows = as_ndarray(source)
        if rows.dtype.kind in "OT":
            rows = rows.tolist()
    if not isinstance(rows, list | tuple):
        return convert(rows, dtype)
    try:
        return _of_values(rows, dtype)
    except _REFUSALS:
        number = _find_bad_row(rows, dtype)
        if number is None:
            raise
    return _raise_for(rows[number], dtype, first + number)


_REFUSALS = (TypeError, ValueError, OverflowError)


def _find_bad_row(rows: list[Any] | tuple[Any, ...], dtype: DType) -> int | None:
    """Return the number of the first row that cannot be converted; None if each of them can."""
    low, high = 0, len(rows)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fails(rows[low:middle], dtype) else (middle, high)
    return low if _fails(rows[low:high], dtype) else None


def _fails(rows: list[Any] | tuple[Any, ...], dtype: DType) -> bool:
    try:
        _of_values(rows, dtype)
    except _REFUSALS:
        return True
    return False


def _raise_for(row: object, dtype: DType, number: int) -> NoReturn:
    """Raise what the row raises by itself, with its number."""
    try:
        _of_values([row], dtype)
        raise TypeError(f"it is not the same each time that it is converted to {dtype}")
    except _REFUSALS as error:
        error.add_note(f"growable: in row {number}")
        raise


def convert_rows(source: object, dtype: DType, row_shape: Shape, first: int = 0) -> Rows:
    """Convert an argument that stands for rows; the first has this number in what is raised."""
    array = _convert_many(source, dtype, first)
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
