"""The one table of implementations: who takes part, how each gathers bytes, and what it needs.

What a reader would get wrong: two rows may share an implementation. A contestant is an
implementation *and* the process it runs in: an environment variable gives bytearray another
allocator, a default gives Buffer another policy. That is why each has a process of its own.
"""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import inspect
import io
import json
import mmap
import os
import platform
import subprocess
import sys
import sysconfig
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import growable

__all__ = [
    "BACKGROUND",
    "CONTESTANTS",
    "COPYING",
    "DOUBLING",
    "FLOOR",
    "HUGE_HEAP",
    "LOW_LATENCY",
    "NO_LIMIT",
    "NO_POOL",
    "NO_POPULATE",
    "OURS",
    "PYARROW",
    "REFERENCE",
    "SMALL_PAGES",
    "TIMER",
    "WITHOUT",
    "Contestant",
    "Implementation",
    "contestant",
    "missing",
    "too_much",
    "versions",
    "zeroed",
]

Step: TypeAlias = Callable[[Any], object]  # takes one piece
Finish: TypeAlias = Callable[[], Any]  # hands over the contents in one contiguous run
Start: TypeAlias = Callable[[int], tuple[Step, Finish]]  # takes the total
Fill: TypeAlias = Callable[[Iterable[Any], int], Any]  # takes all pieces, returns the contents

REFERENCE = "bytearray"
OURS = "Buffer"
SMALL_PAGES = "Buffer, small pages"
LOW_LATENCY = "Buffer, low latency"
BACKGROUND = "Buffer, background prefault"
NO_POOL = "Buffer, no pool"
NO_LIMIT = "Buffer, pool of its budget alone"
NO_POPULATE = "Buffer, no prefault"
WITHOUT = (NO_POOL, NO_LIMIT, NO_POPULATE)  # what their names say
DOUBLING = "np doubling"
PYARROW = "pyarrow"
HUGE_HEAP = "bytearray, huge-page heap"
COPYING = "bytearray, copying allocator"
FLOOR = "zeroing + memcpy"
TIMER = "timer only"

PRELOAD_VARIABLE = "GROWABLE_BENCH_MIMALLOC"


@dataclass(frozen=True)
class Implementation:
    """How bytes are gathered.

    `start` gives what takes one piece, and what hands over the contents; `fill` does the same in
    one loop, where that is how one would write it. `convert` makes of a piece, beforehand, what
    the implementation takes.
    """

    start: Start
    fill: Fill
    convert: Callable[[bytes], Any] = lambda piece: piece


@dataclass(frozen=True)
class Contestant:
    """One row of the table."""

    name: str
    make: Callable[[], Implementation]
    note: str
    modules: tuple[str, ...] = ()  # what must be installed
    environment: Callable[[], Mapping[str, str] | str] = dict  # variables, or why there are none
    settings: Mapping[str, Any] = field(default_factory=dict)  # for growable.set_defaults
    ours: bool = False


# The implementations.


def _by_steps(start: Start) -> Fill:
    """Return a fill for what is best used through one bound method."""

    def fill(stream: Iterable[Any], total: int) -> Any:
        step, finish = start(total)
        for piece in stream:
            step(piece)
        return finish()

    return fill


def _of_kind(kind: Callable[[], bytearray]) -> Implementation:
    def start(_total: int) -> tuple[Step, Finish]:
        contents = kind()
        return contents.extend, lambda: contents

    def fill(stream: Iterable[bytes], _total: int) -> bytearray:
        contents = kind()
        for piece in stream:
            contents += piece
        return contents

    return Implementation(start, fill)


def _bytes_io() -> Implementation:
    def start(_total: int) -> tuple[Step, Finish]:
        file = io.BytesIO()
        return file.write, file.getbuffer

    return Implementation(start, _by_steps(start))


def _list_join() -> Implementation:
    # A list keeps pieces, not their bytes, so it must own a copy of each to be compared.
    def start(_total: int) -> tuple[Step, Finish]:
        parts: list[bytes] = []
        return lambda piece: parts.append(bytes(piece)), lambda: b"".join(parts)

    def fill(stream: Iterable[memoryview], _total: int) -> bytes:
        parts: list[bytes] = []
        append = parts.append
        for piece in stream:
            append(bytes(piece))
        return b"".join(parts)

    return Implementation(start, fill, memoryview)


def _array_array() -> Implementation:
    def start(_total: int) -> tuple[Step, Finish]:
        contents = array("B")
        return contents.frombytes, lambda: contents

    return Implementation(start, _by_steps(start))


def _as_ndarray(piece: bytes) -> Any:
    import numpy as np

    return np.frombuffer(piece, np.uint8)


def _doubling() -> Implementation:
    import numpy as np

    def start(_total: int) -> tuple[Step, Finish]:
        contents, length = np.empty(16, np.uint8), 0

        def step(piece: Any) -> None:
            nonlocal contents, length
            end = length + len(piece)
            if end > len(contents):
                grown = np.empty(max(end, 2 * len(contents)), np.uint8)
                grown[:length] = contents[:length]
                contents = grown
            contents[length:end] = piece
            length = end

        return step, lambda: contents[:length]

    def fill(stream: Iterable[Any], _total: int) -> Any:
        contents, length = np.empty(16, np.uint8), 0
        for piece in stream:
            end = length + len(piece)
            if end > len(contents):
                grown = np.empty(max(end, 2 * len(contents)), np.uint8)
                grown[:length] = contents[:length]
                contents = grown
            contents[length:end] = piece
            length = end
        return contents[:length]

    return Implementation(start, fill, _as_ndarray)


def _np_append() -> Implementation:
    import numpy as np

    def start(_total: int) -> tuple[Step, Finish]:
        contents = np.empty(0, np.uint8)

        def step(piece: Any) -> None:
            nonlocal contents
            contents = np.append(contents, piece)

        return step, lambda: contents

    return Implementation(start, _by_steps(start), _as_ndarray)


def _pyarrow() -> Implementation:
    import pyarrow as pa

    def start(_total: int) -> tuple[Step, Finish]:
        sink = pa.BufferOutputStream()
        return sink.write, sink.getvalue

    return Implementation(start, _by_steps(start))


def _ring(module: str) -> Implementation:
    import numpy as np

    kind = importlib.import_module(module).RingBuffer

    def start(total: int) -> tuple[Step, Finish]:
        ring = kind(total, dtype=np.uint8)
        return ring.extend, lambda: ring[:]

    return Implementation(start, _by_steps(start), _as_ndarray)


def _timer_only() -> Implementation:
    def step(_piece: object) -> None:
        pass

    def start(_total: int) -> tuple[Step, Finish]:
        return step, lambda: None

    return Implementation(start, _by_steps(start))


def zeroed(total: int) -> mmap.mmap:
    """Return pages that the kernel has zeroed, huge ones where it can, in one call where it can."""
    huge = growable.info()["huge_page_size"] or mmap.PAGESIZE
    room = mmap.mmap(-1, -(-total // huge) * huge, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    room.madvise(mmap.MADV_HUGEPAGE)
    try:
        room.madvise(23)  # MADV_POPULATE_WRITE; the mmap module has no name for it.
    except OSError:
        for page in range(0, total, mmap.PAGESIZE):
            room[page] = 0
    return room


def _floor() -> Implementation:
    """Have the kernel zero all pages, and copy every byte in once."""

    def fill(stream: Iterable[bytes], total: int) -> Any:
        view, at = memoryview(zeroed(total)), 0
        for piece in stream:
            end = at + len(piece)
            view[at:end] = piece
            at = end
        return view[:total]

    def start(_total: int) -> tuple[Step, Finish]:
        raise NotImplementedError("nothing here is appended one by one")

    return Implementation(start, fill)


# What a contestant's process gets in its environment, or why that cannot be had.


def _tunables() -> Mapping[str, str] | str:
    libc, version = platform.libc_ver()
    if libc != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 35):
        return "needs glibc 2.35"
    return {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


_can_be_preloaded: dict[str, bool] = {}  # a process was started for each


def _copying_allocator() -> Mapping[str, str] | str:
    """Prefer the allocator of free-threaded CPython itself, else a mimalloc for all of malloc."""
    if sysconfig.get_config_var("WITH_MIMALLOC"):
        return {"PYTHONMALLOC": "mimalloc"}
    if not sys.platform.startswith("linux"):
        return "needs mimalloc in the interpreter (3.13), or Linux"
    library = os.environ.get(PRELOAD_VARIABLE) or ctypes.util.find_library("mimalloc")
    if not library:
        return f"needs libmimalloc ({PRELOAD_VARIABLE} may name it)"
    environment = {"LD_PRELOAD": library}
    if library not in _can_be_preloaded:
        # What cannot be loaded is passed over by the loader, with nothing but a message.
        found = subprocess.run(
            [sys.executable, "-c", "print('mimalloc' in open('/proc/self/maps').read())"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        _can_be_preloaded[library] = found.stdout.strip() == "True"
    if not _can_be_preloaded[library]:
        return f"{Path(library).name} cannot be preloaded"
    return environment


def _on_linux() -> Mapping[str, str] | str:
    return {} if sys.platform.startswith("linux") else "is measured on Linux only"


# The table.


def _with_settings(name: str, remark: str = "", /, **settings: Any) -> Contestant:
    """Return Buffer where these are the defaults."""
    words = ", ".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
    return Contestant(
        name,
        partial(_of_kind, growable.Buffer),
        f"set_defaults({words}){remark}",
        settings=settings,
        ours=True,
    )


_TABLE = (
    Contestant(REFERENCE, partial(_of_kind, bytearray), "contents += piece"),
    Contestant(OURS, partial(_of_kind, growable.Buffer), "contents += piece", ours=True),
    Contestant(
        SMALL_PAGES,
        partial(_of_kind, partial(growable.Buffer, huge_pages=False)),
        "huge_pages=False",
        ours=True,
    ),
    _with_settings(LOW_LATENCY, latency="low"),
    _with_settings(BACKGROUND, prefault="background"),
    _with_settings(NO_POOL, pool_budget=0),
    _with_settings(NO_LIMIT, ", which is the budget", pool_limit="64MiB"),
    _with_settings(NO_POPULATE, prefault="off"),
    Contestant("io.BytesIO", _bytes_io, "write, then getbuffer"),
    Contestant("list + join", _list_join, "a list of copies of the pieces, then join"),
    Contestant("array.array", _array_array, "frombytes"),
    Contestant(
        DOUBLING, _doubling, "an ndarray of twice the size whenever one is full", ("numpy",)
    ),
    Contestant("np.append", _np_append, "copies everything at each append", ("numpy",)),
    Contestant(PYARROW, _pyarrow, "BufferOutputStream, write, then getvalue", ("pyarrow",)),
    Contestant(
        "dvg-ringbuffer",
        partial(_ring, "dvg_ringbuffer"),
        "extend, then [:]; is told the total beforehand",
        ("numpy", "dvg_ringbuffer"),
    ),
    Contestant(
        "numpy-ringbuffer",
        partial(_ring, "numpy_ringbuffer"),
        "extend, then [:]; is told the total beforehand",
        ("numpy", "numpy_ringbuffer"),
    ),
    Contestant(
        HUGE_HEAP,
        partial(_of_kind, bytearray),
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
        environment=_tunables,
    ),
    Contestant(
        COPYING,
        partial(_of_kind, bytearray),
        "mimalloc in the place of malloc, as in free-threaded CPython",
        environment=_copying_allocator,
    ),
    Contestant(
        FLOOR,
        _floor,
        "no contestant: the kernel zeroes fresh pages, then one memcpy of each piece",
        environment=_on_linux,
    ),
    Contestant(TIMER, _timer_only, "no contestant: what reading the clock costs"),
)

CONTESTANTS: dict[str, Contestant] = {each.name: each for each in _TABLE}


def contestant(name: str) -> Contestant:
    """Return a row of the table."""
    return CONTESTANTS[name]


def missing(name: str) -> str | None:
    """Return why a contestant cannot take part here, or None."""
    row = CONTESTANTS[name]
    for module in row.modules:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    known = inspect.signature(growable.set_defaults).parameters
    for setting in row.settings:
        if setting not in known:
            return f"this growable has no {row.note}"
    environment = row.environment()
    return environment if isinstance(environment, str) else None


def versions() -> dict[str, str]:
    """Return the versions of the packages in the table that are installed."""
    found = {}
    for package in ("numpy", "pyarrow", "dvg-ringbuffer", "numpy-ringbuffer"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


# Limits, so that a run ends this year and on this machine.

MOST_APPENDS = 1 << 28  # of the reference and of Buffer; some 10 s a sample
MOST_APPENDS_OF_PEERS = 1 << 22
MOST_COPIED = 4 << 30  # by np.append in one sample
MOST_APPENDS_OF_RINGS = 1 << 18
BYTES_OBJECT = 33 + 8 + 16  # a bytes object, its place in a list, and what the allocator adds


def too_much(name: str, total: int, chunk: int, available: int | None) -> str | None:
    """Return why a contestant is left out of a cell, or None."""
    count = total // chunk
    if count > MOST_APPENDS:
        return f"{count:,} appends take too long"
    if CONTESTANTS[name].ours or name == REFERENCE:
        return _too_big(2 * total, available)
    if count > MOST_APPENDS_OF_PEERS:
        return f"{count:,} appends take too long"
    if name == "np.append" and count * total // 2 > MOST_COPIED:
        return "copies too much"
    if name.endswith("ringbuffer") and count > MOST_APPENDS_OF_RINGS:
        return f"{count:,} appends take too long"
    needed = 3 * total  # the old and the new block of whoever doubles
    if name == "list + join":
        needed = 2 * total + count * BYTES_OBJECT
    return _too_big(needed, available)


def _too_big(needed: int, available: int | None) -> str | None:
    if available is not None and needed > available * 3 // 4:
        return "needs more memory than there is"
    return None
