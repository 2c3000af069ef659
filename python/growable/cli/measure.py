"""One contestant, one run, in a process of its own: what it costs to keep a stream in memory.

The parent starts :func:`child` in a fresh interpreter, so that no contestant finds memory that
another one warmed up and the peak is its own. Only the contestant's own step is timed: not reading
the file, not checking. What a reader would get wrong: every piece arrives in the same reused block
of memory, as from a socket, so a list must copy a piece to keep it.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import io
import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import growable
from growable import _core
from growable.cli.source import Input, pieces

Step: TypeAlias = Callable[[memoryview], object]
Contents: TypeAlias = bytes | bytearray | memoryview

PROGRESS_PERIOD = 0.1


def digest_of(contents: Contents) -> str:
    """Return the digest that contents are compared by."""
    return hashlib.blake2b(contents).hexdigest()


# The contestants: each returns what takes a piece, and what hands over the contents at the end.


def _bytearray() -> tuple[Step, Callable[[], Contents]]:
    contents = bytearray()
    return contents.extend, lambda: contents


def _bytes_io() -> tuple[Step, Callable[[], Contents]]:
    contents = io.BytesIO()
    return contents.write, contents.getbuffer


def _list_join() -> tuple[Step, Callable[[], Contents]]:
    parts: list[bytes] = []
    return lambda piece: parts.append(bytes(piece)), lambda: b"".join(parts)


PEERS = {"bytearray": _bytearray, "io.BytesIO": _bytes_io, "list + join": _list_join}


@dataclass
class Result:
    """What one run showed."""

    seconds: float = 0.0
    worst_pause: float = 0.0
    length: int = 0
    digest: str = ""
    peak_memory: int | None = None
    views: list[str] = field(default_factory=list)
    checks: list[tuple[str, bool]] = field(default_factory=list)
    storage: dict[str, Any] | None = None
    refusal: str | None = None


class Stopwatch:
    """Times steps and tells the parent how far the stream has come."""

    def __init__(self) -> None:
        self.total = 0
        self.worst = 0
        self._done = 0
        self._next_report = time.monotonic() + PROGRESS_PERIOD

    def drive(self, step: Step, stream: Iterable[memoryview]) -> None:
        """Feed the whole stream to `step`."""
        clock = time.perf_counter_ns
        for piece in stream:
            start = clock()
            step(piece)
            self._note(clock() - start)
            self._done += len(piece)
            if time.monotonic() >= self._next_report:
                self._report()

    def time(self, work: Callable[[], Contents]) -> Contents:
        """Time one last piece of work and return what it returns."""
        start = time.perf_counter_ns()
        contents = work()
        self._note(time.perf_counter_ns() - start)
        self._report()
        return contents

    def _note(self, elapsed: int) -> None:
        self.total += elapsed
        self.worst = max(self.worst, elapsed)

    def _report(self) -> None:
        tell({"progress": self._done})
        self._done = 0
        self._next_report = time.monotonic() + PROGRESS_PERIOD


class PeakMemory:
    """The most memory that was resident since this was made, over what was resident then."""

    def __init__(self) -> None:
        with suppress(OSError):
            # Resets the kernel's own high-water mark to what is resident now.
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = _status_bytes("VmRSS") or _peak_of_process()

    def read(self) -> int | None:
        """Return the growth in bytes, or None where the system does not tell."""
        peak = _status_bytes("VmHWM") or _peak_of_process()
        if peak is None or self._before is None:
            return None
        return max(0, peak - self._before)


def _status_bytes(name: str) -> int | None:
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    match = re.search(rf"^{name}:\s*([0-9]+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _peak_of_process() -> int | None:
    # Second choice: on Linux this figure is inherited from the process that started us.
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_peer(name: str, source: Input) -> Result:
    """Run one of the standard library's ways, without views."""
    stream, memory, watch = pieces(source), PeakMemory(), Stopwatch()
    step, finish = PEERS[name]()
    watch.drive(step, stream)
    contents = watch.time(finish)
    return _result(watch, memory, contents)


def run_refusal(source: Input) -> Result:
    """Let a bytearray grow while a memoryview of its first bytes is held."""
    stream = pieces(source)
    contents = bytearray(next(stream))
    result = Result(views=["memoryview"])
    with memoryview(contents):
        try:
            for piece in stream:
                contents.extend(piece)
        except BufferError as error:
            result.refusal = f"{type(error).__name__}: {error}"
        result.length = len(contents)
    return result


def run_buffer(source: Input, numpy: Any, huge_pages: bool | Literal["auto"]) -> Result:
    """Run Buffer, views held from the first bytes to the last check."""
    stream, memory, watch = pieces(source), PeakMemory(), Stopwatch()
    buffer = growable.Buffer(huge_pages=huge_pages)
    first = next(stream)
    head = bytes(first)
    watch.drive(buffer.extend, [first])
    views = [View("memoryview", memoryview(buffer), _memoryview_address)]
    if numpy is not None:
        views.append(View("numpy", numpy.frombuffer(buffer, numpy.uint8), _array_address))
    start = buffer.address

    watch.drive(buffer.extend, stream)
    result = _result(watch, memory, watch.time(lambda: buffer))
    result.views = [view.name for view in views]
    result.checks = [("length", len(buffer) == source.size)]
    for view in views:
        at = view.address(view.value)
        result.checks += [
            (f"{view.name}: same address", at == view.first_address == start == buffer.address),
            (f"{view.name}: same bytes", bytes(view.value) == head),
            (f"{view.name}: writes are seen", _writes_are_seen(view.value, buffer)),
        ]
    result.storage = _storage(buffer, start)
    return result


class View:
    """A view of the buffer, and where it said it was when it was taken."""

    def __init__(self, name: str, value: Any, address: Callable[[Any], int]) -> None:
        self.name = name
        self.value = value
        self.address = address
        self.first_address = address(value)


def _memoryview_address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def _array_address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _writes_are_seen(view: Any, buffer: bytearray) -> bool:
    """Change a byte through the view, then another way round; put it back."""
    old = buffer[0]
    view[0] = old ^ 0xFF
    seen_in_buffer = buffer[0] == old ^ 0xFF
    buffer[0] = old
    return seen_in_buffer and int(view[0]) == old


def _storage(buffer: growable.Buffer, start: int) -> dict[str, Any]:
    pages = _core.page_map(buffer)
    return {
        "address_at_start": start,
        "address": buffer.address,
        "length": len(buffer),
        "committed": buffer.committed,
        "capacity": buffer.capacity,
        "page_size": growable.info()["page_size"],
        "pages": None
        if pages is None
        else [[k, len([*run])] for k, run in itertools.groupby(pages)],
    }


def _result(watch: Stopwatch, memory: PeakMemory, contents: Contents) -> Result:
    return Result(
        seconds=watch.total / 1e9,
        worst_pause=watch.worst / 1e9,
        length=len(contents),
        peak_memory=memory.read(),
        digest=digest_of(contents),
    )


def _find_numpy(wanted: str) -> Any:
    """Import NumPy only when wanted: "no", "yes" (it must be there), "auto" (if it is there)."""
    if wanted == "no":
        return None
    try:
        import numpy
    except ImportError:
        if wanted == "yes":
            raise
        return None
    return numpy


def tell(message: dict[str, Any]) -> None:
    """Send one message to the parent."""
    print(json.dumps(message), flush=True)


def carry_out(work: Callable[[dict[str, Any]], Any]) -> int:
    """Read a plan from stdin, carry it out, and print progress and the result as JSON lines."""
    plan = json.load(sys.stdin)
    gc.disable()
    try:
        result = work(plan)
    except KeyboardInterrupt:
        return 130
    except (OSError, MemoryError, ImportError) as error:
        tell({"error": f"{type(error).__name__}: {error}"})
        return 1
    tell({"result": asdict(result)})
    return 0


def child() -> int:
    """Do what the parent's plan says."""
    return carry_out(_run_plan)


def _run_plan(plan: dict[str, Any]) -> Result:
    source = Input(**{**plan["source"], "files": tuple(plan["source"]["files"])})
    if plan["contestant"] == "Buffer":
        return run_buffer(source, _find_numpy(plan["numpy"]), plan["huge_pages"])
    if plan["contestant"] == "refusal":
        return run_refusal(source)
    return run_peer(plan["contestant"], source)
