"""Columns that grow together: a table of NumPy columns to which rows are appended.

A :class:`Table` holds a :class:`Column`, which is a :class:`growable.Array`, for each name. What it
gives out are ndarrays and frames over the columns' own memory; they stay valid while rows arrive.

The one thing a reader would get wrong: whatever changes the length is done by the C part for all
columns at once, after everything that can fail. Nothing here may change the length of one column.
Tuples are made of lists, not of generators, with which some interpreters crash when out of memory.
"""

from __future__ import annotations

import copy
import operator
from collections import namedtuple
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NoReturn,
    Self,
    SupportsIndex,
    TypeAlias,
    overload,
)

import numpy as np
from numpy.typing import DTypeLike

from growable import arrow as _arrow
from growable import frames as _frames
from growable import rows as _rows
from growable._core import Buffer, TableCore
from growable.array import Array
from growable.copying import set_state, state_of
from growable.rows import DType, Rows, Shape

if TYPE_CHECKING:
    import pandas as _pandas
    import polars as _polars
    import pyarrow as _pyarrow

__all__ = ["Column", "Table"]

_Schema: TypeAlias = Mapping[str, DTypeLike] | DTypeLike

_SHOWN_ROWS = 5
_SHOWN_WIDTH = 32


def _refused(operation: str) -> Callable[..., NoReturn]:
    def refuse(self: Column, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{operation}: the length of a column changes with its Table; "
            "use the Table's own method, or a copy() of the column"
        )

    refuse.__name__ = refuse.__qualname__ = operation
    refuse.__doc__ = "Raise TypeError: only the Table changes the length of its columns."
    return refuse


class Column(Array):
    """A column of a `Table`: an `Array` whose values may be changed, and its length may not.

    Only the Table makes them. ``copy()`` and pickle give an `Array` of its own.
    """

    __slots__ = ()
    __hash__: ClassVar[None]

    append = _refused("append")
    extend = _refused("extend")
    insert = _refused("insert")
    resize = _refused("resize")
    spare = _refused("spare")
    advance = _refused("advance")
    read_from = _refused("read_from")
    pop = _refused("pop")
    clear = _refused("clear")
    freeze = _refused("freeze")
    release = _refused("release")
    __delitem__ = _refused("del")
    __enter__ = _refused("with")

    def copy(self) -> Array:  # type: ignore[override]
        """Return an Array with the rows of the column, which is no part of a Table."""
        return Array._over(copy.copy(self._buffer), self.dtype, self.row_shape)

    __copy__ = copy  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any], /) -> Array:  # type: ignore[override]
        result = memo[id(self)] = self.copy()
        return result

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        rebuild, (_, *parts), state = super().__reduce_ex__(protocol)
        return (rebuild, (Array, *parts), state)


class Table(TableCore):
    """Named columns of equal length to which rows are appended; views of them stay valid.

    Parameters
    ----------
    schema : mapping, dtype_like or Table
        The names of the columns and their dtypes: ``{"t": "datetime64[ns]", "price": "f8"}``, or a
        structured dtype, or a Table whose columns are to be taken over without the rows.
    capacity : int, optional
        Rows that can be had without ever moving, and the most that the Table holds.
    huge_pages : 'auto', True or False
        As for `Buffer`.
    name : str, optional
        Goes before the name of each column, as the name of its Buffer.

    Raises
    ------
    TypeError, ValueError
        If the schema is none, has no columns, or a dtype that `Array` does not take.
    ReservationError, CapacityError, CommitError, MemoryError
        As for `Buffer`.

    Notes
    -----
    Whatever changes the number of rows does so for all columns or for none. While an array or a
    frame over the memory of one of them lives, rows can be appended and changed; removing rows
    raises BufferError.
    """

    __slots__ = ("__weakref__", "_name")

    _name: str | None

    # Making one.

    def __new__(
        cls,
        schema: _Schema | Table,
        *,
        capacity: SupportsIndex | None = None,
        huge_pages: Literal["auto"] | bool = "auto",
        name: str | None = None,
    ) -> Self:
        """Make the columns, empty."""
        columns = {}
        for column, dtype in _read_schema(schema):
            with _frames.naming(column):
                columns[column] = Column(
                    dtype=dtype,
                    capacity=capacity,
                    huge_pages=huge_pages,
                    name=None if name is None else f"{name}.{column}",
                )
        return cls._over(columns, name)

    @classmethod
    def _over(cls, columns: Mapping[str, Column], name: str | None = None) -> Self:
        self = TableCore.__new__(cls, tuple(columns), tuple(columns.values()))
        self._name = name
        return self

    @classmethod
    def from_data(
        cls,
        data: object,
        *,
        capacity: SupportsIndex | None = None,
        huge_pages: Literal["auto"] | bool = "auto",
        name: str | None = None,
    ) -> Self:
        """Make a Table of what `extend` takes, with the names and dtypes that it has.

        Rows must have names: mappings, named tuples or records. Text becomes a fixed-width dtype
        as wide as the longest one present.
        """
        rows: Any = data
        batches = _frames.read_rows(rows) if _frames.is_rows(data) else _frames.read(data)
        self = cls(_frames.schema_of(batches), capacity=capacity, huge_pages=huge_pages, name=name)
        self._extend_batches(batches)
        return self

    def _like(self) -> Self:
        """Return an empty Table of the same columns."""
        columns = {
            name: Column._over(Buffer(), column.dtype, column.row_shape)
            for name, column in self.items()
        }
        return type(self)._over(columns)

    def copy(self) -> Self:
        """Return a Table of the same type, columns, capacity and rows."""
        return type(self)._over(self._copies(self._names), self._name)

    def _copies(self, names: Sequence[str]) -> dict[str, Column]:
        """Copy columns, the rows that all of them have now."""
        views, columns = self._snapshot(), {}
        for name in names:
            column = self._column(name)
            buffer = copy.copy(column._buffer)
            if len(buffer) > views[name].nbytes:  # another thread has appended since
                buffer.resize(views[name].nbytes)
            columns[name] = Column._over(buffer, column.dtype, column.row_shape)
        return columns

    def __copy__(self) -> Self:
        result = self.copy()
        set_state(result, self.__getstate__())
        return result

    def __deepcopy__(self, memo: dict[int, Any], /) -> Self:
        result = memo[id(self)] = self.copy()
        set_state(result, copy.deepcopy(self.__getstate__(), memo))
        return result

    def __getstate__(self) -> Any:
        """Return what a subclass has added, as pickle and copy want it."""
        return state_of(self, "_name")

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        """Pickle each column's Buffer as one part, so that protocol 5 takes it out of band."""
        len(self)
        self._drop_views()
        parts = {name: column._parts(protocol) for name, column in self.items()}
        return (_rebuild, (type(self), parts, self._name), self.__getstate__())

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__reduce_ex__(2)

    # Growing: append() and ensure() are in the C part, which calls the first two.

    def _convert_value(self, number: int, value: object) -> memoryview | bytes:
        column: Column = self._arrays[number]
        if not column.row_shape and _is_plain(value, column.dtype):
            return np.array(value, column.dtype).tobytes()
        try:
            return _rows.as_bytes(_rows.convert_row(value, column.dtype, column.row_shape))
        except Exception as error:
            _frames.name_column(error, self._names[number])
            raise

    def _values_of(self, row: object) -> tuple[Any, ...]:
        """Return a row's values in the order of the columns."""
        names = _frames.names_of(row)
        if names is not None:
            _frames.check_names(names, self._names)
            named: Any = row
            return tuple([named[name] for name in self._names])
        if isinstance(row, str | bytes | bytearray) or not hasattr(row, "__iter__"):
            raise TypeError(
                f"a row must be a sequence, a mapping or a record, not {type(row).__name__}"
            )
        return tuple(row)

    def extend(self, rows: object, /) -> None:
        """Append rows; if anything raises, no column has changed. Works while exported.

        Parameters
        ----------
        rows : mapping of arrays, structured array, frame or iterable of rows
            A mapping from each name to as many values; a structured array; another Table, or this
            one; a pandas or polars DataFrame; a pyarrow RecordBatch, Table or reader, or whatever
            else has ``__arrow_c_stream__``; or an iterable of rows as `append` takes them.

        Raises
        ------
        TypeError, ValueError, OverflowError
            If names, lengths or shapes do not fit, or values cannot be converted under
            ``casting='same_kind'``, or are missing where the dtype has nothing for it.
        """
        if _frames.is_rows(rows):
            self._extend_rows(rows)
        else:
            self._extend_batches(_frames.read(rows, self.dtypes))

    def _extend_batches(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """Convert everything, then append all of it or nothing."""
        blocks: list[memoryview] = []
        rows = 0
        for batch in batches:
            _frames.check_names(batch, self._names)
            converted = {name: self._convert_rows(name, batch[name], rows) for name in self._names}
            _frames.check_lengths(converted)
            blocks += [_rows.as_bytes(values) for values in converted.values()]
            rows += len(converted[self._names[0]])
        self._extend_blocks(tuple(blocks))

    def _convert_rows(self, name: str, values: object, first: int) -> Rows:
        column = self[name]
        with _frames.naming(name):
            if isinstance(values, Array):
                values = values.view()
            found = _rows.convert_rows(values, column.dtype, column.row_shape, first)
            return np.ascontiguousarray(found, column.dtype)

    def _extend_rows(self, rows: Any) -> None:
        """Gather the rows elsewhere, so that an iterator which raises changes nothing."""
        gathered = self._like()
        for row in rows:
            try:
                gathered.append(row)
            except Exception as error:
                _frames.name_row(error, len(gathered))
                raise
        self._extend_batches([gathered._snapshot()])

    def spare(self, n: SupportsIndex, /) -> dict[str, Rows]:
        """Return writable ndarrays of n zero rows past the end, to be filled and then taken in.

        Any other change of the length takes them back. They count as exports.
        """
        rows = operator.index(n)
        if rows > 0:
            self.ensure(rows)
        return {name: Array.spare(column, rows) for name, column in self.items()}

    def advance(self, k: SupportsIndex, /) -> None:
        """Take in the first k of the rows that spare() lent, in all columns.

        Raises
        ------
        ValueError
            If they were not lent, or something else took them back.
        """
        self._advance(operator.index(k))

    # Shrinking.

    def pop(self, index: SupportsIndex = -1, /) -> tuple[Any, ...]:
        """Remove one row and return a copy of it. Raises BufferError while exported."""
        at = operator.index(index)
        if len(self) == 0:
            raise IndexError("pop from empty Table")
        row: tuple[Any, ...] = self._take(at, _row_type(self._names))
        return row

    def __delitem__(self, index: SupportsIndex | slice, /) -> None:
        """Remove rows; from the front without moving the others."""
        if isinstance(index, str):
            raise TypeError("the columns of a Table are fixed; make another without the column")
        self._remove(index)

    def clear(self) -> None:
        """Remove all rows. Raises BufferError while exported."""
        self._remove(slice(None))

    def shrink_to_fit(self) -> None:
        """Give back memory that the rows do not need. While exported nothing moves."""
        for column in self._arrays:
            column.shrink_to_fit()

    def freeze(self) -> None:
        """Make the rows read-only for good. Raises BufferError while exported."""
        self._check_unexported()
        for column in self._arrays:
            Array.freeze(column)

    def release(self) -> None:
        """Give all memory back; any use afterwards raises StateError. Refused while exported."""
        self._check_unexported()
        for column in self._arrays:
            Array.release(column)

    def _check_unexported(self) -> None:
        if self.exports:
            raise BufferError("Existing exports of data: object cannot be re-sized")

    def __enter__(self) -> Self:
        len(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None:
        self.release()

    def _drop_views(self) -> None:
        for column in self._arrays:
            column._drop_view()

    # Reading.

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._names

    @property
    def dtypes(self) -> dict[str, DType]:
        """The dtype of each column; for rows that are blocks of items, a subarray dtype."""
        return {name: _full_dtype(column) for name, column in self.items()}

    @property
    def dtype(self) -> DType:
        """The structured dtype of a row."""
        return np.dtype(list(self.dtypes.items()))

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows, and how many columns."""
        return len(self), len(self._names)

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take, in all columns."""
        return sum(self._each(operator.attrgetter("nbytes")))

    @property
    def capacity(self) -> int:
        """Rows that can be had without moving; with capacity= the hard limit."""
        return min(self._each(operator.attrgetter("capacity")))

    @property
    def exports(self) -> int:
        """How many exports of the columns' memory are alive."""
        return sum(self._each(operator.attrgetter("exports")))

    @property
    def name(self) -> str | None:
        """The name given when the Table was made."""
        return self._name

    def _each(self, read: Callable[[Column], int]) -> list[int]:
        return [read(column) for column in self._arrays]

    def keys(self) -> KeysView[str]:
        """Return the names of the columns, so that ``dict(table)`` is the columns by name."""
        return dict.fromkeys(self._names).keys()

    def items(self) -> ItemsView[str, Column]:
        """Return the names with their columns."""
        return dict(zip(self._names, self._arrays, strict=True)).items()

    def __contains__(self, name: object, /) -> bool:
        return name in self._names

    @overload
    def __getitem__(self, index: str, /) -> Column: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice | list[Any] | Rows | Array, /) -> Self: ...
    def __getitem__(self, index: Any, /) -> Any:
        """Return a column by name, a row by number, or a Table: a copy of rows or columns.

        Rows are given as a slice, as a mask or as an array of numbers; columns as a list of names.
        """
        if isinstance(index, str):
            return self._column(index)
        if isinstance(index, list) and index and not [x for x in index if not isinstance(x, str)]:
            return self._with_columns(index)
        many = isinstance(index, slice | list | Array) or np.ndim(index) > 0
        if not many or isinstance(index, tuple):
            views = list(self._snapshot().values())
            at = _position(index, len(views[0]))
            return _row_type(self._names)._make([view[at] for view in views])
        if isinstance(index, Array):
            index = index.view()
        return self._with_rows(index)

    def _column(self, name: str) -> Column:
        try:
            column: Column = self._arrays[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None
        return column

    def _with_columns(self, names: Sequence[str]) -> Self:
        for name in names:
            self._column(name)
        _frames.check_names(names, set(names))
        return type(self)._over(self._copies(names))

    def _with_rows(self, index: Any) -> Self:
        result = self._like()
        if isinstance(index, list) and not index:
            return result
        parts = [np.ascontiguousarray(view[index]) for view in self._snapshot().values()]
        if parts[0].ndim != self._arrays[0].ndim:
            raise IndexError("the rows of a Table are chosen by a one-dimensional index")
        result._extend_blocks(tuple([_rows.as_bytes(part) for part in parts]))
        return result

    def __setitem__(self, index: str | SupportsIndex, value: Any, /) -> None:
        """Set the values of a column in place, or those of one row."""
        if isinstance(index, str):
            column = self._column(index)
            if value is not column:
                with _frames.naming(index):
                    values = _rows.convert(_plain(value), column.dtype)
                    np.copyto(column.view(), values, casting="same_kind")
            return
        at = _position(index, len(self))
        row = self._values_of(value)
        if len(row) != len(self._names):
            raise ValueError(f"a row of {len(self._names)} values wanted, not {len(row)}")
        converted = self._like()
        converted.append(row)
        for name, view in self._snapshot().items():
            view[at] = converted[name][0]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the present rows, as named tuples. Removing rows meanwhile is refused."""
        return map(_row_type(self._names)._make, zip(*self._snapshot().values(), strict=True))

    def head(self, n: SupportsIndex = 5, /) -> Self:
        """Return a copy of the first n rows, or of all but the last -n."""
        return self._with_rows(slice(None, operator.index(n)))

    def tail(self, n: SupportsIndex = 5, /) -> Self:
        """Return a copy of the last n rows, or of all but the first -n."""
        count = operator.index(n)
        return self._with_rows(slice(max(len(self) - count, 0) if count >= 0 else -count, None))

    def equals(self, other: object, /) -> bool:
        """Return whether the other is a Table of equal columns; NaN equals NaN, NaT equals NaT."""
        if not isinstance(other, Table) or list(other.dtypes.items()) != list(self.dtypes.items()):
            return False
        pairs = zip(self._snapshot().values(), other._snapshot().values(), strict=True)
        return not [1 for ours, theirs in pairs if not _equal(ours, theirs)]

    def __repr__(self) -> str:
        kind = type(self).__name__
        try:
            views = self._snapshot()
        except ValueError as error:  # StateError is one
            return f"<growable.{kind} of {', '.join(self._names)}: {error}>"
        rows, width = len(views[self._names[0]]), len(views)
        first = f"{kind}: {rows} rows of {width} columns, capacity {self.capacity}"
        return "\n".join([first, *_preview(views, rows)])

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + sum(self._each(Column.__sizeof__))

    # Exchange with others.

    @overload
    def to_numpy(self, *, structured: Literal[False] = False) -> dict[str, Rows]: ...
    @overload
    def to_numpy(self, *, structured: Literal[True]) -> Rows: ...
    def to_numpy(self, *, structured: bool = False) -> Any:
        """Return the columns as ndarrays by name, without a copy; or one structured array, a copy.

        Parameters
        ----------
        structured : bool
            One array with a field for each column, as polars has it. Fields lie side by side, so
            all values are copied.
        """
        views = self._snapshot()
        if not structured:
            return views
        result = np.empty(len(views[self._names[0]]), self.dtype)
        for name, view in views.items():
            result[name] = view
        return result

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Rows:
        if copy is False:
            raise ValueError("one array of all columns needs a copy, and copy=False")
        whole: Rows = self.to_numpy(structured=True)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def to_pandas(self, *, copy: bool = False) -> _pandas.DataFrame:
        """Return a pandas DataFrame over the columns' own memory, which it cannot write to.

        Parameters
        ----------
        copy : bool
            Copy all values, so that the frame is independent of the Table and can be written to.

        Notes
        -----
        Numbers, bool, and dates and times of units from seconds to nanoseconds are not copied.
        Whatever pandas has no column for is: text, byte strings, other units, other byte orders,
        structured items, and rows of several items, which become objects.
        """
        return _frames.to_pandas(self._snapshot(readonly=True), copy)

    def to_arrow(self) -> _pyarrow.Table:
        """Return a pyarrow Table over the columns' memory; docs/table.md says what is copied."""
        import pyarrow

        return pyarrow.table(self)

    def to_polars(self) -> _polars.DataFrame:
        """Return a polars DataFrame over the columns' own memory, as far as `to_arrow` has it."""
        import polars

        return polars.DataFrame(self)

    def _snapshot(self, *, readonly: bool = False) -> dict[str, Rows]:
        """Return views of all columns that are equally long, though other threads may append.

        From the first view on none of them can remove rows.
        """
        len(self)  # raises where the columns differ
        views = {name: column.view(readonly=readonly) for name, column in self.items()}
        rows = min([len(view) for view in views.values()])
        return {name: view if len(view) == rows else view[:rows] for name, view in views.items()}

    def __arrow_c_schema__(self) -> object:
        """Return the names and Arrow types of the columns, in a capsule."""
        empty = {name: column.view()[:0] for name, column in self.items()}
        return _arrow.table_schema_capsule(empty)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Return the rows as one Arrow struct array, which is a record batch, in capsules."""
        return _arrow.table_capsules(self._snapshot())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as an Arrow stream of one record batch, in a capsule.

        The requested schema is not looked at, as the interface allows.
        """
        return _arrow.table_stream_capsule(self._snapshot())


def _rebuild(kind: type[Table], parts: Mapping[str, tuple[Any, ...]], name: str | None) -> Table:
    """Unpickle; past the subclass's __new__, whose arguments we do not know."""
    return kind._over({column: Column._of_parts(*part) for column, part in parts.items()}, name)


# Schemas.


def _read_schema(schema: _Schema | Table) -> list[tuple[str, DTypeLike]]:
    if isinstance(schema, Table):
        return list(schema.dtypes.items())
    fields: Mapping[str, Any] = schema if isinstance(schema, Mapping) else _fields_of(schema)
    if not fields:
        raise ValueError("Table: at least one column wanted")
    for name, dtype in fields.items():
        if not isinstance(name, str):
            raise TypeError(f"Table: the name of a column must be a str, not {name!r}")
        with _frames.naming(name):
            _check_no_data(dtype)
    return [(str(name), dtype) for name, dtype in fields.items()]


def _fields_of(schema: DTypeLike) -> Mapping[str, DTypeLike]:
    _check_no_data(schema)
    dtype: np.dtype[Any] = np.dtype(schema)
    if dtype.names is None or dtype.fields is None:
        raise TypeError(f"Table: a mapping or a structured dtype wanted, not {dtype}")
    return {name: dtype.fields[name][0] for name in dtype.names}


def _check_no_data(dtype: Any) -> None:
    """Refuse data in place of a dtype. NumPy takes whatever has a dtype for one, and [] as well."""
    if isinstance(dtype, str | type | np.dtype | None):
        return
    try:
        if not _rows.is_array_like(dtype) and np.dtype(dtype).itemsize:
            return
    except (TypeError, ValueError):
        pass
    raise TypeError(
        f"Table: names with dtypes wanted, such as {{'price': 'f8'}}, not {type(dtype).__name__}; "
        "to make one of data, use Table.from_data()"
    )


def _full_dtype(column: Column) -> DType:
    shape: Shape = column.row_shape
    return np.dtype((column.dtype, shape)) if shape else column.dtype


def _make_row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)


_row_type = lru_cache(maxsize=256)(_make_row_type)


# Rows and values.


def _position(index: SupportsIndex, length: int) -> int:
    try:
        at = operator.index(index)
    except TypeError:
        raise TypeError(
            "a Table is indexed by a column's name, a list of names, or a number, slice, mask "
            f"or array of numbers of rows, not {type(index).__name__}"
        ) from None
    if not -length <= at < length:
        raise IndexError(f"row {at} is out of bounds for {length} rows")
    return at % length


def _is_plain(value: object, dtype: DType) -> bool:
    """Return whether the value needs no other check than NumPy's own: to tell so is quick."""
    if type(value) is datetime:
        return dtype.kind == "M" and value.tzinfo is None and _rows.surely_holds(dtype, value)
    if type(value) is str:
        return dtype.kind == "U"
    return isinstance(value, np.generic) and value.dtype == dtype


def _plain(value: object) -> object:
    return value.view() if isinstance(value, Array) else value


def _equal(ours: Rows, theirs: Rows) -> bool:
    if ours.dtype.names is not None:
        return all(_equal(ours[name], theirs[name]) for name in ours.dtype.names)
    return bool(np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fcmM"))


# How it looks.


def _preview(columns: Mapping[str, Rows], length: int) -> list[str]:
    """Return lines of text: names, dtypes, and the first and last rows."""
    cut = length > 2 * _SHOWN_ROWS
    numbers = [*range(_SHOWN_ROWS), *range(length - _SHOWN_ROWS, length)] if cut else range(length)
    cells = [["", "", *map(str, numbers)]]
    for name, rows in columns.items():
        dtype = np.dtype((rows.dtype, rows.shape[1:]))
        cells.append([name, str(dtype), *map(_shown, rows[list(numbers)])])
    if cut:
        for texts in cells:
            texts.insert(2 + _SHOWN_ROWS, "...")
    widths = [max(map(len, texts)) for texts in cells]
    lines = zip(*cells, strict=True)
    return ["  ".join(map(str.rjust, line, widths)).rstrip() for line in lines]


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 3] + "..."
