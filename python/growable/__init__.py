"""Memory that grows in place.

A :class:`Buffer` is a ``bytearray`` that never moves while anyone looks at it: a memoryview or a
NumPy array taken from it stays valid, and zero-copy, while more data arrives at the end. An
:class:`Array`, which needs NumPy, is rows of any dtype over such memory. A :class:`Region` is the
pages themselves: reserved, committed, protected and given back by offset and length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from growable import config as _config
from growable._core import Buffer, BytesIO, Region
from growable.config import capabilities, info, set_defaults, trim
from growable.errors import (
    CapacityError,
    CommitError,
    GrowableError,
    ReservationError,
    StateError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from growable import aio as aio
    from growable.array import Array as Array
    from growable.ring import RingBuffer as RingBuffer
    from growable.section import Section as Section
    from growable.table import Table as Table

__version__: str

__all__ = [
    "Buffer",
    "BytesIO",
    "CapacityError",
    "CommitError",
    "GrowableError",
    "Region",
    "ReservationError",
    "RingBuffer",
    "Section",
    "StateError",
    "UnsupportedError",
    "__version__",
    "capabilities",
    "info",
    "set_defaults",
    "trim",
]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: importlib.metadata would double the time of `import growable`,
    # asyncio and multiprocessing would take several times as long, and nothing else needs NumPy.
    if name == "__version__":
        return _config.package_version()
    if name == "aio":
        import growable.aio

        return growable.aio
    if name == "Array":
        from growable.array import Array

        globals()["Array"] = Array
        return Array
    if name == "RingBuffer":
        from growable.ring import RingBuffer

        globals()["RingBuffer"] = RingBuffer
        return RingBuffer
    if name == "Section":
        from growable.section import Section

        globals()["Section"] = Section
        return Section
    if name == "Table":
        import growable.array  # first: it says what to install
        from growable.table import Table

        globals()["Table"] = Table
        return Table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "Array", "Table", "aio"} - {"TYPE_CHECKING", "Any"})


_config.apply_environment()
