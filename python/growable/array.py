"""NumPy arrays that grow at the end while views of them stay valid.

An :class:`Array` is rows over a :class:`growable.Buffer`. It answers to NumPy as an ndarray does,
and what it gives out are ndarrays over its own memory, which does not move while they live.

The one thing a reader would get wrong: ``view()`` keeps the ndarray that it returned, so the Buffer
is exported even when no user holds anything. Whatever needs it unexported calls ``_drop_view``
first; that lets go of the ndarray unless somebody else has it too.
"""

from __future__ import annotations

import copy
import io
import math
import operator
import sys
from collections.abc import Callable, Iterator
from pickle import PickleBuffer
from types import TracebackType
from typing import IO, Any, ClassVar, Literal, Self, SupportsIndex, TypeAlias

try:
    import numpy as np
except ImportError as _error:
    raise ImportError(
        "growable.Array needs NumPy, which is not installed: pip install numpy"
    ) from _error

from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike

from growable import _core
from growable import arrow as _arrow
from growable import rows as _rows
from growable._core import ArrayCore, Buffer, adopt_methods, bind_numpy, export
from growable.copying import set_state, state_of
from growable.rows import DType, Rows, Shape

__all__ = ["Array"]

_Reader: TypeAlias = Callable[[memoryview], int | None]

_FIRST_CHUNK = 64 * 1024
_LARGEST_CHUNK = 16 * 1024 * 1024


def _bind() -> None:
    sample = np.arange(6, dtype=np.int16).reshape(2, 3).copy()
    strided = sample[:, ::2]
    strided.flags.writeable = False
    bind_numpy(np.ndarray, np.dtype, np.frombuffer, sample, strided)


_bind()


class Array(NDArrayOperatorsMixin, ArrayCore):
    """A NumPy array with append: views of it stay valid, at the same address, while it grows.

    Parameters
    ----------
    source : array_like or iterable, optional
        The first rows, as for ``numpy.array``; its first axis is the one that grows.
    dtype : dtype_like, optional
        Any dtype whose items are plain bytes; float64 if neither it nor a source is given.
    row_shape : int or tuple of int
        The shape of a row, where it is more than one item.
    capacity : int, optional
        Rows that can be had without ever moving, and the most that the Array holds.
    huge_pages : 'auto', True or False
        As for `Buffer`.
    name : str, optional
        As for `Buffer`.

    Raises
    ------
    TypeError
        If the dtype holds references to objects, or the source is no rows of it.
    ValueError
        If the source has rows of another shape, or a row would have no bytes.
    ReservationError, CapacityError, CommitError, MemoryError
        As for `Buffer`.

    Wherever a number of rows is asked for, one that is no index (``sys.maxsize`` is the largest)
    raises OverflowError, and rows that memory cannot hold raise MemoryError, of which our
    ReservationError, CommitError and CapacityError are kinds. CapacityError counts in rows.

    Notes
    -----
    ``a == b``, ``a + 1`` and ``np.mean(a)`` do what they do for an ndarray, and return ndarrays.
    While an ndarray of the memory lives, rows can be added at the end and changed; what would
    remove or move rows raises BufferError.
    """

    __slots__ = ("__weakref__", "_leftover")
    __hash__: ClassVar[None]  # type: ignore[assignment]

    _leftover: bytes

    # Making one.

    def __new__(
        cls,
        source: ArrayLike | object | None = None,
        dtype: DTypeLike | None = None,
        *,
        row_shape: SupportsIndex | tuple[SupportsIndex, ...] = (),
        capacity: SupportsIndex | None = None,
        huge_pages: Literal["auto"] | bool = "auto",
        name: str | None = None,
    ) -> Self:
        """Convert the source before there is anything to fill."""
        shape = _shape_of(row_shape)
        item, shape = _split_dtype(dtype, shape)
        later = None
        rows: Rows | None = None
        if item is not None and _rows.is_stream(source):
            later = source
        elif source is not None:
            rows, shape = _read_source(source, item, shape)
            item = rows.dtype
        item = np.dtype(np.float64) if item is None else item
        _rows.check_dtype(item)
        limit = None if capacity is None else _read_capacity(capacity)
        self = cls._over(Buffer(huge_pages=huge_pages, name=name), item, shape)
        if limit is not None:
            self._set_capacity(limit)
        if rows is not None:
            self._extend_rows(rows, "Array")
        elif later is not None:
            self.extend(later)
        return self

    @classmethod
    def _over(cls, buffer: Buffer, dtype: DType, row_shape: Shape) -> Self:
        """Make an Array of the rows that stand in a Buffer."""
        native = dtype.isnative and dtype.isbuiltin == 1
        self = ArrayCore.__new__(
            cls, buffer, dtype, row_shape, dtype.char if native else " ", _rows.is_typed(dtype)
        )
        self._leftover = b""
        return self

    def copy(self) -> Self:
        """Return an Array of the same type, dtype, capacity and rows."""
        return type(self)._over(copy.copy(self._buffer), self.dtype, self.row_shape)

    def __copy__(self) -> Self:
        result = self.copy()
        set_state(result, self.__getstate__())
        return result

    def __deepcopy__(self, memo: dict[int, Any], /) -> Self:
        result = self.copy()
        memo[id(self)] = result
        set_state(result, copy.deepcopy(self.__getstate__(), memo))
        return result

    def __getstate__(self) -> Any:
        """Return what a subclass has added, as pickle and copy want it."""
        return state_of(self, "_leftover")

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        """Pickle the Buffer as one part, so that protocol 5 takes it out of band."""
        self._drop_view()
        return (_rebuild, (type(self), *self._parts(protocol)), self.__getstate__())

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__reduce_ex__(2)

    def _parts(self, protocol: SupportsIndex) -> tuple[tuple[Any, ...], DType, Shape, int]:
        """Return what to pickle; the rows are counted in what is sent, as other threads append."""
        arguments: tuple[Any, ...] = self._buffer.__reduce_ex__(protocol)[1]  # type: ignore[assignment]
        rows = memoryview(arguments[1]).nbytes // self._row_size
        return arguments, self.dtype, self.row_shape, rows

    @classmethod
    def _of_parts(cls, arguments: Any, dtype: DType, row_shape: Shape, rows: int) -> Self:
        """Unpickle; buffers out of band may come mixed up, or cut off."""
        kind, payload, *options = arguments
        size = rows * math.prod(row_shape) * dtype.itemsize
        if isinstance(payload, PickleBuffer):
            shown = memoryview(payload)
            if isinstance(shown.obj, Buffer) and len(shown.obj) > size:
                payload = shown[:size]  # our own memory, which has grown since
        buffer = _core._rebuild(kind, payload, *options)  # type: ignore[attr-defined]
        self = cls._over(buffer, dtype, row_shape)
        if len(self._buffer) != size:
            raise ValueError(
                f"unpickling: {rows} rows of {dtype} take {size} bytes, "
                f"but the buffer has {len(self._buffer)}"
            )
        return self

    # Growing: what append() and extend() of the C part leave to us.

    def _append_other(self, row: object) -> None:
        self._put(_rows.convert_row(row, self.dtype, self.row_shape), 1, "append")

    def _extend_other(self, source: object) -> None:
        if _rows.is_stream(source):
            self._extend_stream(source)
            return
        if isinstance(source, ArrayCore):
            source = source.view()
        self._extend_rows(_rows.convert_rows(source, self.dtype, self.row_shape), "extend")

    def _extend_stream(self, source: Any) -> None:
        """Gather the rows elsewhere, so that an iterator which raises changes nothing."""
        gathered = Array._over(Buffer(), self.dtype, self.row_shape)
        for row in source:
            gathered.append(row)
        self._put(gathered._buffer, len(gathered), "extend")

    def _extend_rows(self, rows: Rows, operation: str) -> None:
        """Append rows of any layout whose dtype may be cast to ours."""
        # Not cast into the tail: NumPy lets other threads run meanwhile, and they may append.
        self._put(np.ascontiguousarray(rows, self.dtype), len(rows), operation)

    def insert(self, index: SupportsIndex, row: object, /) -> None:
        """Insert one row before the given index; only at the end while exported.

        Raises
        ------
        BufferError
            If that moves rows which are exported.
        """
        at = operator.index(index)
        rows = _rows.convert_row(row, self.dtype, self.row_shape)
        length = len(self)
        at = max(at + length, 0) if at < 0 else min(at, length)
        if at == length:
            self._put(rows, 1, "insert")
        else:
            self._replace(at, at, rows, 1, "insert")

    def resize(self, n: SupportsIndex, /, fill: object = None) -> None:
        """Set the length to n rows; new rows are zero bytes, or `fill`.

        Raises
        ------
        ValueError
            For a negative length.
        BufferError
            If it shrinks while exported.
        """
        self._resize(n, None if fill is None else self._fill_row(fill))

    def _fill_row(self, fill: object) -> memoryview:
        value = _rows.convert(fill, self.dtype)
        if value.ndim > len(self.row_shape):
            raise ValueError(f"expected a row of shape {self.row_shape}, not {value.shape}")
        row = np.empty(self.row_shape, self.dtype)
        np.copyto(row, value, casting="same_kind")
        return _rows.as_bytes(row)

    # Reading into the tail; ensure(), spare() and advance() are in the C part.

    @property
    def leftover(self) -> bytes:
        """The part of a row that read_from() has read, to which the next call adds the rest."""
        return self._leftover

    def read_from(self, source: object, rows: SupportsIndex | None = -1) -> int | None:
        """Append rows as raw bytes from a file, a socket or a descriptor, with no copy in between.

        Parameters
        ----------
        source : object with readinto() or recv_into(), or int
            What to read from.
        rows : int
            With rows >= 0 at most that many, from as few reads as bring one whole row; otherwise
            reads to the end, or until the capacity is reached.

        Returns
        -------
        int or None
            Rows appended; 0 at the end; None if a non-blocking source has nothing now. Bytes that
            make no whole row are kept for the next call: see `leftover`.
        """
        wanted = -1 if rows is None else operator.index(rows)
        reader = _open_reader(source)
        if wanted == 0:
            return 0
        return self._read_rows(reader, wanted) if wanted > 0 else self._read_to_end(reader)

    def _read(self, reader: _Reader, rows: int) -> int | None:
        """Make one read of at most so many rows; return how many bytes it brought."""
        size = rows * self._row_size
        got, self._leftover = self._read_once(_call_reader, reader, size, self._leftover)
        return got

    def _read_rows(self, reader: _Reader, rows: int) -> int | None:
        before = len(self)
        while True:
            got = self._read(reader, rows)
            if not got or len(self) > before:
                return got and len(self) - before

    def _read_to_end(self, reader: _Reader) -> int | None:
        before = len(self)
        chunk = max(_FIRST_CHUNK // self._row_size, 1)
        while True:
            room = chunk if self._room is None else self._room // self._row_size
            if room == 0 and len(self) > before:
                return len(self) - before  # full; the next call says so
            try:
                got = self._read(reader, min(chunk, room) or 1)
            except BaseException as error:
                if len(self) > before:
                    error.add_note(f"growable: the {len(self) - before} rows read before stay")
                raise
            if not got:
                return len(self) - before or got
            if chunk * self._row_size < _LARGEST_CHUNK:
                chunk *= 2

    # Shrinking.

    def pop(self, index: SupportsIndex = -1, /) -> Any:
        """Remove one row and return a copy of it. Raises BufferError while exported."""
        return self._take(min(max(operator.index(index), -sys.maxsize), sys.maxsize))

    def __delitem__(self, index: SupportsIndex | slice, /) -> None:
        if isinstance(index, slice):
            start, stop, step = map(_part_of_slice, (index.start, index.stop, index.step))
            self._delete(range(*slice(start, stop, step).indices(len(self))))
            return
        at, length = operator.index(index), len(self)
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of bounds for {length} rows")
        self._delete(range(at % length, at % length + 1))

    def _delete(self, rows: range) -> None:
        rows = rows if rows.step > 0 else rows[::-1]
        low, high = (rows[0], rows[-1] + 1) if rows else (0, 0)
        if rows.step == 1 or len(rows) < 2:
            self._replace(low, high, b"", 0, "del")
            return
        keep = np.ones(high - low, np.bool_)
        keep[:: rows.step] = False
        rest = self.view()[low:high][keep]
        self._replace(low, high, rest, len(rest), "del")

    def clear(self) -> None:
        """Remove all rows, and what read_from() kept. Raises BufferError while exported."""
        self._drop_view()
        self._buffer.clear()
        self._leftover = b""

    def shrink_to_fit(self) -> None:
        """Give back memory that the rows do not need. While exported nothing moves."""
        self._drop_view()
        self._buffer.shrink_to_fit()

    def freeze(self) -> None:
        """Make the rows read-only for good. Raises BufferError while exported."""
        self._drop_view()
        self._buffer.freeze()

    def release(self) -> None:
        """Give all memory back; any use afterwards raises StateError. Refused while exported."""
        self._drop_view()
        self._buffer.release()

    def __enter__(self) -> Self:
        self._buffer.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None:
        self.release()

    # Reading.

    @property
    def shape(self) -> Shape:
        """The length, followed by the row shape."""
        return (len(self), *self.row_shape)

    @property
    def ndim(self) -> int:
        """How many dimensions there are: one more than a row has."""
        return 1 + len(self.row_shape)

    @property
    def size(self) -> int:
        """How many items there are."""
        return self.nbytes // self.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take."""
        return len(self) * self._row_size

    @property
    def itemsize(self) -> int:
        """Bytes of an item."""
        return self.dtype.itemsize

    @property
    def T(self) -> Rows:  # noqa: N802
        """The transposed view."""
        return self.view().T

    @property
    def capacity(self) -> int:
        """Rows that can be had without moving; with capacity= the hard limit."""
        return self._buffer.capacity // self._row_size

    @property
    def address(self) -> int:
        """Address of the first row. Reading it pins the storage: it never moves afterwards."""
        self._drop_view()
        return self._buffer.address

    @property
    def exports(self) -> int:
        """How many exports of the memory are alive; the cached view is none."""
        self._drop_view()
        return self._buffer.exports

    @property
    def name(self) -> str | None:
        """The name given when the Array was made."""
        return self._buffer.name

    def __setitem__(self, index: Any, value: Any, /) -> None:
        self.view()[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.view())

    def __contains__(self, item: object, /) -> bool:
        return item in self.view()

    def __bool__(self) -> bool:
        return bool(self.view())

    # As for an ndarray, which refuses more than one item; int() and float() would read text.

    def __int__(self) -> int:
        return int(self.view())

    def __float__(self) -> float:
        return float(self.view())

    def __complex__(self) -> complex:
        return complex(self.view())

    def __str__(self) -> str:
        return str(self.view())

    def __repr__(self) -> str:
        name = type(self).__name__
        try:
            body = np.array2string(self.view(), separator=", ", prefix=f"{name}(")
        except ValueError:  # StateError is one
            return f"<released growable.{name} of {self.dtype}>"
        dtype = repr(self.dtype).removeprefix("dtype(").removesuffix(")")
        return f"{name}({body}, dtype={dtype}, length={len(self)}, capacity={self.capacity})"

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self._buffer.__sizeof__()

    def tolist(self) -> list[Any]:
        """Return the rows as Python objects, nested as deeply as the shape."""
        rows: list[Any] = self.view().tolist()
        return rows

    def tobytes(self) -> bytes:
        """Return a copy of the memory."""
        return self.view().tobytes()

    def tofile(self, file: str | IO[Any], sep: str = "", format: str = "%s") -> None:  # noqa: A002
        """Write the rows to a file, as ``ndarray.tofile`` does."""
        self.view().tofile(file, sep, format)

    # An ndarray's own == takes what np.equal does not: text differs from each number.

    def __eq__(self, other: object, /) -> Any:
        return self.view().__eq__(other.view() if isinstance(other, Array) else other)

    def __ne__(self, other: object, /) -> Any:
        return self.view().__ne__(other.view() if isinstance(other, Array) else other)

    # NumPy's protocols.

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Rows:
        view = self.view()
        wanted = view.dtype if dtype is None else np.dtype(dtype)
        if copy:
            return view.astype(wanted)
        if copy is not None and wanted != view.dtype:
            raise ValueError(f"a copy is needed to make {wanted} of {view.dtype}, and copy=False")
        return view.astype(wanted, copy=False)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The array interface; its data is an object, so that whoever uses it is an export."""
        if not _rows.has_interface(self.dtype):
            raise AttributeError(f"the array interface cannot describe {self.dtype}")
        view = self.view()
        interface = dict(view.__array_interface__)
        interface["data"] = export(_rows.as_bytes(view))
        return interface

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        outputs = kwargs.get("out", ())
        if outputs:
            kwargs["out"] = _views_for(outputs)
        if "where" in kwargs:
            kwargs["where"] = _views_for(kwargs["where"])
        result = getattr(ufunc, method)(*_views_for(inputs), **kwargs)
        return _arrays_for(result, outputs, kwargs.get("out", ()))

    def __array_function__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        out = kwargs.get("out")
        outputs = out if isinstance(out, tuple) else (out,)
        converted = _views_for(kwargs)
        shown = converted.get("out")
        result = func(*_views_for(args), **converted)
        return _arrays_for(result, outputs, shown if isinstance(shown, tuple) else (shown,))

    # Exchange with others.

    def __dlpack__(self, **options: Any) -> Any:
        """Export through DLPack, without a copy; the capsule is an export."""
        given = {name: value for name, value in options.items() if value is not None}
        return self.view().__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        """Return the device that DLPack names for main memory."""
        return self.view().__dlpack_device__()

    def __arrow_c_schema__(self) -> object:
        """Return the Arrow type of a row, in a capsule (Arrow PyCapsule interface)."""
        return _arrow.schema_capsule(self.view()[:0])

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Return the rows as an Arrow array, in capsules; numbers and dates are not copied.

        The requested schema is not looked at, as the interface allows.
        """
        return _arrow.array_capsules(self.view())


adopt_methods(Array)


def _rebuild(kind: type[Array], *parts: Any) -> Array:
    """Unpickle; past the subclass's __new__, whose arguments we do not know."""
    return kind._of_parts(*parts)


def _part_of_slice(part: Any) -> int | None:
    return None if part is None else operator.index(part)


# Arguments of the constructor.


def _shape_of(row_shape: SupportsIndex | tuple[SupportsIndex, ...]) -> Shape:
    sizes = row_shape if isinstance(row_shape, tuple | list) else (row_shape,)
    return tuple(map(operator.index, sizes))


def _split_dtype(dtype: DTypeLike | None, row_shape: Shape) -> tuple[DType | None, Shape]:
    """Make a subarray dtype part of the row shape, as NumPy does with arrays of one."""
    if dtype is None:
        return None, row_shape
    item = np.dtype(dtype)
    while item.subdtype is not None:
        item, inner = item.subdtype
        row_shape = row_shape + inner
    return item, row_shape


def _read_source(source: object, dtype: DType | None, row_shape: Shape) -> tuple[Rows, Shape]:
    if _rows.is_stream(source):
        source = list(source)  # type: ignore[call-overload]
    if isinstance(source, ArrayCore):
        source = source.view()
    rows = _as_rows(source, dtype)
    if rows.shape == (0,) and row_shape:
        return rows.reshape(0, *row_shape), row_shape
    if row_shape and rows.shape[1:] != row_shape:
        raise ValueError(f"Array: rows of shape {row_shape} wanted, the source is {rows.shape}")
    return rows, rows.shape[1:]


def _read_capacity(capacity: SupportsIndex) -> int:
    rows = operator.index(capacity)
    if rows < 0:
        raise ValueError(f"capacity must be >= 0, got {rows}")
    return rows


def _as_rows(source: Any, dtype: DType | None) -> Rows:
    try:
        rows = np.asarray(source, dtype=dtype)
        if rows.ndim > 0:
            _rows.check_dtype(rows.dtype)
            return rows
    except (TypeError, ValueError) as error:
        hint = _hint_at_dtype(source)
        if hint:
            error.add_note(f"growable: {hint}")
        raise
    hint = _hint_at_dtype(source) or "wrap it in a list"
    raise TypeError(f"Array: the source is one value, not rows; {hint}")


def _hint_at_dtype(source: Any) -> str:
    """Return what to write where the source would do as a dtype."""
    if not isinstance(source, str | type | np.dtype | list):
        return ""
    try:
        dtype = np.dtype(source)
    except Exception:  # NumPy raises many kinds
        return ""
    shown = repr(source) if isinstance(source, str) else repr(dtype)
    return f"to make an empty Array of a dtype: Array(dtype={shown})"


# Sources to read from.


def _open_reader(source: object) -> _Reader:
    if isinstance(source, int):
        return io.FileIO(source, "rb", closefd=False).readinto
    for method in ("readinto", "recv_into"):
        found = getattr(source, method, None)
        if found is not None:
            return found  # type: ignore[no-any-return]
    raise TypeError(
        "read_from: source must be a file descriptor, a file with readinto() or a socket with "
        f"recv_into(), not {type(source).__name__}"
    )


def _call_reader(reader: _Reader, room: memoryview) -> int | None:
    try:
        got = reader(room)
    except BlockingIOError:
        return None
    finally:
        size = len(room)
        room.release()
    if got is None:
        return None
    count = operator.index(got)
    if 0 <= count <= size:
        return count
    raise OSError(f"read_from: the source returned {count}, with room for {size} bytes")


# Arguments and results of NumPy's functions.


def _views_for(value: Any) -> Any:
    """Put views in the place of Arrays, in plain containers too."""
    if isinstance(value, Array):
        return value.view()
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([_views_for(part) for part in value])
    if kind is dict:
        return {name: _views_for(part) for name, part in value.items()}
    return value


def _arrays_for(result: Any, outputs: tuple[Any, ...], shown: tuple[Any, ...]) -> Any:
    """Return the Array itself where the result is a view that stood for an `out` argument."""
    if type(result) is tuple:
        return tuple([_arrays_for(part, outputs, shown) for part in result])
    for output, view in zip(outputs, shown, strict=True):
        if view is not None and result is view:
            return output
    return result
