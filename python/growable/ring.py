"""Rings: items that enter at one end and leave at the other, each run of them contiguous.

`RingCore`, in C, has the ring itself and all that is done often. Here is what a dtype means, what
`collections.deque` has beside it, and how multiprocessing sends a ring to another process.

What a reader would get wrong: a ring in another process stands over the same pages. It is not a
copy, and each end of it belongs to one process at a time.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any, SupportsIndex

from growable._core import RingCore
from growable.section import Section

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

__all__ = ["RingBuffer"]


class RingBuffer(RingCore):
    """Items that enter at one end and leave at the other, at fixed addresses.

    The pages are mapped twice side by side, so that any run of items is contiguous, wherever in the
    ring it begins: `view`, `peek` and `spare` need no copy.

    Parameters
    ----------
    capacity : int
        Items that there must be room for. Rounded up to whole pages; `capacity` tells. Not needed
        with a section.
    dtype : dtype_like, optional
        What the items are. Without it they are bytes; with one, views are NumPy arrays. A dtype
        with a shape, such as ``(float, 2)``, gives views of two dimensions.
    overwrite : bool
        Whether the oldest items make room when the ring is full. Such a ring has one process.
    section : Section, optional
        Where to keep the items, with one page for the ring itself. One that another RingBuffer
        stands in already is joined, with the same dtype: what the one puts in, the other takes out.

    Raises
    ------
    ValueError
        The section is too small, or holds something else, or items of another dtype.
    CommitError, ReservationError
        There is no memory, or there are no addresses.

    Examples
    --------
    >>> ring = RingBuffer(1000)
    >>> ring.write(b"abc")
    3
    >>> bytes(ring.view())
    b'abc'
    >>> ring.read(2)
    b'ab'
    """

    __slots__ = ()

    def __new__(
        cls,
        capacity: SupportsIndex | None = None,
        dtype: DTypeLike | None = None,
        overwrite: bool = False,
        section: Section | None = None,
    ) -> Self:
        """Make the ring; the parameters are those of the class."""
        if capacity is None and section is None:
            raise TypeError("RingBuffer: capacity is needed where there is no section=")
        size, how = (1, None) if dtype is None else _items_of(dtype)
        return super().__new__(
            cls, 1 if capacity is None else capacity, size, how, overwrite, section
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `view()`."""
        row = () if self.dtype is None else self.dtype.shape
        return (len(self), *row)

    # What deque has.

    def __iter__(self) -> Iterator[Any]:
        """Iterate over a copy: what becomes of the ring meanwhile does not matter."""
        return iter(self[:])

    def __reversed__(self) -> Iterator[Any]:
        return iter(self[:][::-1])

    def __contains__(self, item: object) -> bool:
        return any(_equal(found, item) for found in self)

    def count(self, item: object, /) -> int:
        """Return how many items are equal to this one."""
        return sum(_equal(found, item) for found in self)

    def index(self, item: object, start: int = 0, stop: int = sys.maxsize, /) -> int:
        """Return where in [start:stop] the first such item is; ValueError if there is none."""
        first = slice(start, stop).indices(len(self))[0]
        for at, found in enumerate(self[start:stop], first):
            if _equal(found, item):
                return at
        raise ValueError(f"{item!r} is not in the RingBuffer")

    def copy(self) -> Self:
        """Return a RingBuffer of the same items, in memory of its own."""
        ring = type(self)(self.capacity, self.dtype, self.overwrite)
        ring.extend(self[:])
        return ring

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        import numpy as np

        view = np.frombuffer(self.view(), np.uint8) if self.dtype is None else self.view()
        if dtype is None or np.dtype(dtype) == view.dtype:
            return view.copy() if copy else view
        if copy is False:
            raise ValueError(f"cannot make an array of dtype {dtype} without a copy")
        return view.astype(dtype)

    def __repr__(self) -> str:
        if self.closed:
            return "<closed growable.RingBuffer>"
        what = "bytes" if self.dtype is None else f"items of {self.dtype}"
        return f"<growable.RingBuffer of {len(self)} {what}, capacity {self.capacity}>"


def _equal(found: Any, item: object) -> bool:
    same = found == item
    return same if isinstance(same, bool) else bool(getattr(same, "all", lambda: same)())


# What a dtype means.


def _items_of(dtype: DTypeLike) -> tuple[int, tuple[Any, ...]]:
    """Return the size of an item, and what the core needs to know of it."""
    try:
        import numpy as np
    except ImportError as error:
        raise ImportError(
            "a RingBuffer with a dtype needs NumPy, which is not installed: pip install numpy; "
            "without a dtype its items are bytes"
        ) from error

    import growable.array  # noqa: F401  # it tells the core of NumPy

    item = np.dtype(dtype)
    if item.hasobject or item.itemsize == 0:
        raise TypeError(
            f"RingBuffer cannot hold dtype {item}: its items are not plain bytes of a fixed size"
        )
    native = item.isnative and item.isbuiltin == 1
    code = item.char if native else "V"
    how = (item, code, not item.shape, np.frombuffer, _converter(item), _format_of(item))
    return item.itemsize, how


_FORMAT_ROOM = 127  # what the core keeps of it


def _format_of(item: np.dtype[Any]) -> str:
    """Return as text what the items are: equal for those that may share a section."""
    text = _describe(item)
    if len(text.encode()) <= _FORMAT_ROOM:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text.encode()[:64].decode(errors='ignore')}...{digest}"


def _describe(item: np.dtype[Any]) -> str:
    base, fields = item.base, item.base.fields
    shape = str(item.shape) if item.shape else ""
    if fields is None:
        return (base.name if base.kind == "V" else base.str) + shape
    parts = [f"{name}@{fields[name][1]}:{_describe(fields[name][0])}" for name in fields]
    return f"{{{','.join(parts)}}}{base.itemsize}{shape}"


def _converter(item: np.dtype[Any]) -> Callable[[object, bool], Any]:
    """Return a function that gives the bytes of one item, or of many."""
    from growable import rows

    base, shape = item.base, item.shape

    def as_items(found: NDArray[Any]) -> memoryview:
        return rows.as_bytes(found.astype(base, order="C", casting="same_kind", copy=False))

    def convert(values: object, one: bool) -> Any:
        if one:
            return as_items(rows.convert_row(values, base, shape))
        if isinstance(values, RingBuffer):
            values = values[:]
        elif rows.is_stream(values):
            values = list(values)  # type: ignore[call-overload]
        return as_items(rows.convert_rows(values, base, shape))

    return convert


# Sending a ring to another process.


def _receive(
    kind: type[RingBuffer], capacity: int, dtype: Any, overwrite: bool, section: Section
) -> RingBuffer:
    return kind(capacity, dtype, overwrite, section)


def _reduce(ring: RingBuffer) -> tuple[Any, ...]:
    return _receive, (type(ring), ring.capacity, ring.dtype, ring.overwrite, ring.section)


reduction.register(RingBuffer, _reduce)
