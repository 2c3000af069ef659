"""What others call a table, as columns of NumPy arrays, and back: pandas, polars, Arrow, mappings.

Reading gives a list of batches, each a mapping from names to values that `growable.rows` converts.
None of these packages is imported to read: an object of theirs cannot be there without it.

The one thing a reader would get wrong: a missing value is no value. Where the dtype that is asked
for has one of its own for it (NaN, NaT) that is taken; otherwise it is an error, never a zero.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from growable import rows as _rows
from growable._core import TableCore
from growable.rows import DType, Rows

if TYPE_CHECKING:
    import pandas as _pandas

Batch: TypeAlias = Mapping[str, Any]
DTypes: TypeAlias = Mapping[str, DType]

_WITHOUT_NULLS = "it has {} missing values, which {} cannot hold; fill them in first"


@contextmanager
def naming(column: str) -> Iterator[None]:
    """Add to any exception which column it is about."""
    try:
        yield
    except Exception as error:
        name_column(error, column)
        raise


def name_row(error: BaseException, number: int) -> None:
    """Add to an exception which row it is about."""
    error.add_note(f"growable: in row {number}")


def name_column(error: BaseException, column: str) -> None:
    """Add to an exception which column it is about."""
    error.add_note(f"growable: in column {column!r}")


# Names and lengths.


def names_of(row: object) -> Collection[str] | None:
    """Return the names of a row's values, or None where they have none and stand in order."""
    if isinstance(row, Mapping):
        return row.keys()
    if isinstance(row, np.void):
        return row.dtype.names
    return list(row.keys()) if hasattr(type(row), "keys") else None  # type: ignore[attr-defined]


def check_names(given: Iterable[str], wanted: Collection[str]) -> None:
    """Refuse names that are missing, and names that are no column."""
    names = list(given)
    if len(names) == len(wanted) and set(names) == set(wanted):
        return
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in names if name not in wanted]
    parts = [f"no values for column {name!r}" for name in missing[:3]]
    parts += [f"{name!r} is no column" for name in unknown[:3]]
    raise ValueError("; ".join(parts) or f"two columns have the same name, among {names}")


def check_lengths(columns: Mapping[str, Rows]) -> None:
    """Refuse columns of unequal length."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise ValueError(f"columns of equal length wanted, these have rows: {listed}")


# Reading.


def is_rows(source: object) -> bool:
    """Return whether it is an iterable of rows, and nothing that has columns."""
    if isinstance(source, Mapping | TableCore | np.ndarray | str | bytes | bytearray):
        return False
    kind = type(source)
    if hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__"):
        return False
    return _reader_for(source) is None and isinstance(source, Iterable)


def read_rows(rows: Iterable[Any]) -> Sequence[Batch]:
    """Return the columns of rows that have names: mappings, named tuples and records."""
    columns: dict[str, list[Any]] = {}
    for number, row in enumerate(rows):
        try:
            named = _named(row)
            if number == 0:
                columns = {name: [] for name in named}
            check_names(named, columns)
        except (TypeError, ValueError) as error:
            name_row(error, number)
            raise
        for name, values in columns.items():
            values.append(named[name])
    return [columns]


def _named(row: Any) -> Mapping[str, Any]:
    names = names_of(row)
    if names is not None:
        return {name: row[name] for name in names}
    fields = getattr(type(row), "_fields", None)
    if fields is not None and isinstance(row, tuple):
        return dict(zip(fields, row, strict=True))
    raise TypeError(
        f"a row of type {type(row).__name__} has no names for the columns; "
        "make Table({name: dtype, ...}) and then extend(rows), or give mappings as rows"
    )


def read(source: object, dtypes: DTypes | None = None) -> Sequence[Batch]:
    """Return the columns of a source in batches.

    Parameters
    ----------
    source : object
        See `Table.extend`.
    dtypes : mapping, optional
        What the columns will be converted to, which decides what a missing value becomes.
    """
    if isinstance(source, TableCore):
        return [source.to_numpy()]  # type: ignore[attr-defined]
    if isinstance(source, Mapping):
        return [{name: _held(values) for name, values in source.items()}]
    if isinstance(source, np.ndarray):
        return [_fields_of(source)]
    reader = _reader_for(source)
    if reader is not None:
        return reader(source, dtypes or {})
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return _read_arrow_capsule(source, dtypes or {})
    raise TypeError(
        "a mapping of arrays, a structured array, a frame, an Arrow table or an iterable of rows "
        f"wanted, not {type(source).__name__}"
    )


def schema_of(batches: Sequence[Batch]) -> dict[str, DType]:
    """Return the dtypes that hold what was read."""
    schema: dict[str, Any] = {}
    for batch in batches:
        for name, values in batch.items():
            with naming(name):
                dtype = _rows.infer(values)
                if name in schema and schema[name].subdtype is None:
                    dtype = np.promote_types(schema[name], dtype)
                schema[name] = dtype
    if not schema:
        raise ValueError("no columns, or no rows, to take names and dtypes from")
    return schema


def _held(values: Any) -> Any:
    """Keep one array of values that would otherwise be iterated over more than once."""
    return list(values) if _rows.is_stream(values) else values


def _fields_of(array: Rows) -> Batch:
    if array.dtype.names is None or array.ndim != 1:
        raise TypeError(
            "an array of one dimension with named fields wanted, not one of dtype "
            f"{array.dtype} and shape {array.shape}; give a mapping of arrays"
        )
    return {name: array[name] for name in array.dtype.names}


def _reader_for(source: object) -> Callable[[Any, DTypes], Sequence[Batch]] | None:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(source, pandas.DataFrame):
        return _read_pandas
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(source, polars.DataFrame):
        return _read_polars
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(source, arrow.Table | arrow.RecordBatchReader):
        return _read_arrow
    if arrow is not None and isinstance(source, arrow.RecordBatch):
        return lambda batch, dtypes: [_arrow_batch(batch, dtypes)]
    return None


def _check_nulls(count: int, dtype: DType | None) -> None:
    """Refuse missing values where the dtype has nothing for them."""
    if count and dtype is not None and dtype.base.kind not in "fcmM":
        raise ValueError(_WITHOUT_NULLS.format(count, dtype))


def _values_for(values: Rows, dtype: DType | None) -> Any:
    """Return an array, or a list of Python values that are converted one by one."""
    if values.dtype.kind != "O":
        return values
    items = values.tolist()
    if dtype is not None and dtype.base.kind in "fc":
        return [np.nan if item is None else item for item in items]
    return items


# Arrow.


def _read_arrow_capsule(source: object, dtypes: DTypes) -> Sequence[Batch]:
    try:
        import pyarrow
    except ImportError:
        raise TypeError(
            f"reading {type(source).__name__} through the Arrow interface needs pyarrow, "
            "which is not installed"
        ) from None
    if hasattr(source, "__arrow_c_stream__"):
        return _read_arrow(pyarrow.RecordBatchReader.from_stream(source), dtypes)
    return [_arrow_batch(pyarrow.record_batch(source), dtypes)]


def _read_arrow(source: Any, dtypes: DTypes) -> Sequence[Batch]:
    batches = source.to_batches() if hasattr(source, "to_batches") else list(source)
    return [_arrow_batch(batch, dtypes) for batch in batches or [_no_rows(source.schema)]]


def _no_rows(schema: Any) -> Any:
    arrow = sys.modules["pyarrow"]
    columns = [arrow.array([], field.type) for field in schema]
    return arrow.RecordBatch.from_arrays(columns, schema=schema)


def _arrow_batch(batch: Any, dtypes: DTypes) -> Batch:
    names = batch.schema.names
    check_names(names, set(names))
    columns = {}
    for number, name in enumerate(names):
        with naming(name):
            columns[name] = _arrow_values(batch.column(number), dtypes.get(name))
    return columns


def _arrow_values(values: Any, dtype: DType | None) -> Any:
    """Return the values of an Arrow array, without a copy where NumPy lays them out the same."""
    import pyarrow.types as kinds

    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(values.type, sys.modules["pyarrow"].ExtensionType):
        values = values.storage
    _check_nulls(values.null_count, dtype)
    if kinds.is_fixed_size_list(values.type):
        inner = _arrow_values(values.flatten(), None if dtype is None else dtype.base)
        return np.asarray(inner).reshape(len(values), values.type.list_size, *np.shape(inner)[1:])
    if kinds.is_struct(values.type) and dtype is not None and dtype.names is not None:
        return _arrow_struct(values, dtype)
    return _values_for(values.to_numpy(zero_copy_only=False), dtype)


def _arrow_struct(values: Any, dtype: DType) -> Rows:
    names = [values.type.field(number).name for number in range(values.type.num_fields)]
    check_names(names, dtype.names or ())
    result = np.empty(len(values), dtype)
    for number, name in enumerate(names):
        field = dtype[name]
        found = _rows.convert_rows(
            _arrow_values(values.field(number), field), field.base, field.shape
        )
        result[name] = found
    return result


# polars.


def _read_polars(frame: Any, dtypes: DTypes) -> Sequence[Batch]:
    columns = {}
    for series in frame.get_columns():
        with naming(series.name):
            columns[series.name] = _polars_values(series, dtypes.get(series.name))
    return [columns]


def _polars_values(series: Any, dtype: DType | None) -> Any:
    polars = sys.modules["polars"]
    _check_nulls(series.null_count(), dtype)
    if series.dtype == polars.Struct and dtype is not None and dtype.names is not None:
        check_names(series.struct.fields, dtype.names)
        result = np.empty(len(series), dtype)
        for name in dtype.names:
            field = dtype[name]
            values = _polars_values(series.struct.field(name), field)
            result[name] = _rows.convert_rows(values, field.base, field.shape)
        return result
    return _values_for(series.to_numpy(), dtype)


# pandas.


def _read_pandas(frame: _pandas.DataFrame, dtypes: DTypes) -> Sequence[Batch]:
    names = list(frame.columns)
    check_names(names, set(names))
    columns = {}
    for name in names:
        with naming(name):
            columns[name] = _pandas_values(frame[name], dtypes.get(name))
    return [columns]


def _pandas_values(series: Any, dtype: DType | None) -> Any:
    """Return the values of a column; zoned times in UTC."""
    plain = getattr(series.dtype, "numpy_dtype", series.dtype)
    missing = series.isna()
    count = int(missing.sum())
    if isinstance(series.dtype, np.dtype) and plain.kind != "O":
        # NaN and NaT are values as well, but text does not have them.
        _check_nulls(count if dtype is not None and dtype.kind in "SU" else 0, dtype)
        return series.to_numpy()
    _check_nulls(count, dtype)
    if getattr(series.dtype, "tz", None) is not None:
        return series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        return _pandas_numbers(series, plain, count, dtype)
    return _pandas_objects(series.tolist(), missing.tolist(), dtype) if count else series.tolist()


def _pandas_numbers(series: Any, plain: DType, missing: int, dtype: DType | None) -> Any:
    """Return numbers of which some may be missing; those are NaN, as in what Arrow gives out."""
    if not missing:
        return series.to_numpy(dtype=plain)
    if dtype is None:
        _check_nulls(missing, plain if plain.kind == "b" else None)
    elif dtype.base.kind in "mM":  # all of them may be missing
        return _pandas_objects(series.tolist(), series.isna().tolist(), dtype)
    return series.to_numpy(dtype=plain if plain.kind == "f" else np.float64, na_value=np.nan)


def _pandas_objects(values: list[Any], missing: list[bool], dtype: DType | None) -> list[Any]:
    """Put in place of what is missing what the dtype has for it."""
    if dtype is None:
        present = [value for value, gone in zip(values, missing, strict=True) if not gone]
        dtype = _rows.infer(present or [None])
        if dtype.kind in "iu":
            dtype = np.dtype(np.float64)
    _check_nulls(sum(missing), dtype)
    nothing = None if dtype.base.kind in "mM" else np.nan
    return [nothing if gone else value for value, gone in zip(values, missing, strict=True)]


def to_pandas(columns: Mapping[str, Rows], copy: bool) -> _pandas.DataFrame:
    """Return a DataFrame over arrays, each converted where pandas has no column of its kind."""
    import pandas

    values = {name: _for_pandas(array) for name, array in columns.items()}
    return pandas.DataFrame(values, copy=copy)


def _for_pandas(array: Rows) -> Any:
    if array.ndim > 1 or array.dtype.kind in "SV":
        objects = np.empty(len(array), object)
        for number, item in enumerate(array if array.ndim > 1 else array.tolist()):
            objects[number] = item
        return objects
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array
