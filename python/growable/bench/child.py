"""What a process of its own does: fill, time, count, and compare the contents with what went in.

A process gets its plan as one argument and prepares. Then, for each line "repeats number" on stdin,
it takes one sample and answers with a line of JSON, until stdin ends. A first life is a process
that is asked once; a steady state is one that is asked again and again.

What a reader would get wrong: nothing here uses file objects between samples. Their blocks would
come and go on the heap that is being measured. For the same reason the comparison allocates
nothing of any size.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import random
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice, repeat
from typing import Any, TypeAlias

import growable
from growable.bench.contestants import REFERENCE, contestant
from growable.cli.measure import PeakMemory

__all__ = ["Pieces", "main"]

Answer: TypeAlias = dict[str, Any]
Sample: TypeAlias = Callable[[int, int], Answer]

SIXTEEN = b"0123456789abcdef"
PIECES = 8
SOURCE = 256 << 10  # of the pieces of one fill, so that they stay in a near cache
LISTED = 4096  # appends whose pieces are in a list, as making an iterator takes its time
BLOCK = 32 << 10  # compared at once, at least
MOST_BLOCKS = 8192
SERIES_POINTS = 200
_PAGE = mmap.PAGESIZE
_BYTES_HEADER = sys.getsizeof(b"")
_SMALLEST_BLOCK, _BLOCK_STEP, _LARGEST_SMALL_BLOCK = 48, 16, 512  # of CPython's own allocator


class Pieces:
    """What is appended: short runs of random bytes, again and again, and what must come of them.

    Eight pieces that begin at different places of their pages; a fill takes some of them in turn
    and each round begins with another one. Some processors copy many times slower when the target
    begins a few bytes further in its page than the source, which is luck and nobody's merit.
    """

    def __init__(self, total: int, chunk: int) -> None:
        self.count = total // chunk
        self.total = self.count * chunk
        generator = random.Random(total ^ chunk)
        self._padding = []
        self._pieces = []
        for number in range(PIECES):
            self._padding.append(b"p" * (600 + 272 * number))
            self._pieces.append(generator.randbytes(chunk))
        self._used = max(1, min(PIECES, SOURCE // chunk, self.count))
        self._scratch = bytearray(len(self._unit(0)))

    def of_round(self, number: int) -> list[bytes]:
        """Return the pieces of a round, in their order."""
        return [self._pieces[(number + i) % PIECES] for i in range(self._used)]

    def stream(self, pieces: list[Any]) -> Iterator[Any]:
        """Return all that is appended, as made from the pieces of a round."""
        return islice(cycle(pieces), self.count)

    def listed(self, pieces: list[Any]) -> Callable[[], Iterable[Any]]:
        """Return what returns the same in the cheapest way that there is."""
        if self.count > LISTED:
            return lambda: self.stream(pieces)
        every = list(self.stream(pieces))
        return lambda: every

    def _unit(self, number: int) -> bytes:
        once = b"".join(self.of_round(number))
        return once * -(-BLOCK // len(once))

    def difference(self, contents: Any, number: int) -> str | None:
        """Return what is wrong with the contents, or None.

        Up to 256 MiB every byte is compared, beyond that some 8192 blocks that lie evenly between
        the first and the last.
        """
        if len(contents) != self.total:
            return f"{len(contents)} items instead of {self.total} bytes"
        unit = self._unit(number)
        size = len(unit)
        if self.total <= size and isinstance(contents, bytes | bytearray):
            # No view: that would move a small Buffer, which is then freed in another way.
            return None if contents == unit[: self.total] else "other bytes"
        step = size * max(1, self.total // size // MOST_BLOCKS)
        with memoryview(contents) as given, given.cast("B") as view:
            if len(view) != self.total:
                return f"{len(view)} bytes instead of {self.total}"
            for at in range(0, self.total - size + 1, step):
                if not self._is_at(view, at, unit):
                    return f"other bytes in {at}..{at + size}"
            at = self.total - min(size, self.total)
            at -= at % size  # A block that begins as a unit does, up to the last byte.
            for start in range(at, self.total, size):
                if not self._is_at(view, start, unit[: self.total - start]):
                    return f"other bytes in {start}..{self.total}"
        return None

    def _is_at(self, view: memoryview, at: int, expected: bytes) -> bool:
        size = len(expected)
        with memoryview(self._scratch) as scratch:
            scratch[:size] = view[at : at + size]
            return (
                bytes(scratch[:size]) == expected
                if size < len(scratch)
                else (self._scratch == expected)
            )


# One sample of each kind of work. Each maker takes the plan and returns what takes a sample.


def _fill(plan: dict[str, Any]) -> Sample:
    way = contestant(plan["contestant"]).make()
    pieces = Pieces(plan["total"], plan["chunk"])
    fill, clock, total = way.fill, time.perf_counter_ns, pieces.total
    fill(repeat(way.convert(SIXTEEN), 16), 256)

    def sample(repeats: int, number: int) -> Answer:
        stream = pieces.listed([way.convert(piece) for piece in pieces.of_round(number)])
        if repeats > 1:
            fill(stream(), total)  # Others have run since, and the caches are theirs.
        memory, used = None, None
        if plan.get("memory"):
            trim_heap()
            used = use_heap(number)
            memory = PeakMemory()
        faults, contents = _page_faults(), None
        start = clock()
        for _ in repeat(None, repeats):
            contents = None
            contents = fill(stream(), total)
        elapsed = clock() - start
        faults = _page_faults() - faults
        peak = memory.read() if memory else None
        wrong = pieces.difference(contents, number)
        start = clock()
        contents = None
        elapsed += clock() - start
        del used
        return {
            "ns": elapsed / repeats,
            "faults": faults / repeats,
            "peak": peak,
            "wrong": wrong,
        }

    return sample


def _latency(plan: dict[str, Any]) -> Sample:
    way = contestant(plan["contestant"]).make()
    pieces = Pieces(plan["total"], plan["chunk"])
    latencies = array("Q", bytes(8)) * pieces.count
    clock = time.perf_counter_ns
    for warm in (SIXTEEN, pieces.of_round(0)[0]):
        step, _ = way.start(pieces.total)
        if len(warm) <= 4096:
            step(way.convert(warm))

    def sample(_repeats: int, number: int) -> Answer:
        taken = [way.convert(piece) for piece in pieces.of_round(number)]
        step, finish = way.start(pieces.total)
        for at, piece in enumerate(pieces.stream(taken)):
            start = clock()
            step(piece)
            latencies[at] = clock() - start
        contents = finish()
        wrong = None if contents is None else pieces.difference(contents, number)
        return {"wrong": wrong, "raw": latencies}

    return sample


def _memory(plan: dict[str, Any]) -> Sample:
    """Note how much memory is resident while a buffer grows, and after it is gone."""
    way = contestant(plan["contestant"]).make()
    pieces = Pieces(plan["total"], plan["chunk"])
    every = max(1, pieces.count // SERIES_POINTS)

    def sample(_repeats: int, number: int) -> Answer:
        taken = [way.convert(piece) for piece in pieces.of_round(number)]
        before, begun = _resident(), time.perf_counter_ns()
        series: list[tuple[int, int]] = []

        def note() -> None:
            series.append((time.perf_counter_ns() - begun, _resident() - before))

        note()
        step, finish = way.start(pieces.total)
        for at, piece in enumerate(pieces.stream(taken)):
            step(piece)
            if at % every == 0:
                note()
        contents = finish()
        note()
        wrong = pieces.difference(contents, number)
        del contents, step, finish
        note()
        return {"wrong": wrong, "series": series}

    return sample


def _kind(plan: dict[str, Any]) -> type[bytearray]:
    return bytearray if plan["contestant"] == REFERENCE else growable.Buffer


def _lives_of_16(kind: type[bytearray], count: int) -> bytearray:
    piece = SIXTEEN
    contents = kind()
    for _ in repeat(None, count):
        contents = kind()
        contents += piece
    return contents


def _lives_with_view(kind: type[bytearray], count: int) -> bytearray:
    piece = SIXTEEN
    view = memoryview(b"")
    for _ in repeat(None, count):
        view = memoryview(kind(piece))
    found = view.obj
    return found if isinstance(found, bytearray) else kind()


def _life(plan: dict[str, Any]) -> Sample:
    work = {"16 bytes": _lives_of_16, "memoryview": _lives_with_view}[plan["life"]]
    kind, clock = _kind(plan), time.perf_counter_ns
    work(kind, 2000)

    def sample(repeats: int, _number: int) -> Answer:
        start = clock()
        last = work(kind, repeats)
        elapsed = clock() - start
        return {"ns": elapsed / repeats, "wrong": None if last == SIXTEEN else "other bytes"}

    return sample


def _live(plan: dict[str, Any]) -> Sample:
    """Keep many small buffers alive at once."""
    kind, count, clock = _kind(plan), plan["count"], time.perf_counter_ns
    _lives_of_16(kind, 100)

    def sample(repeats: int, _number: int) -> Answer:
        elapsed, each, wrong = 0, 0.0, None
        for _ in repeat(None, repeats):
            kept: list[Any] = [None] * count
            before = _resident()
            start = clock()
            for at in range(count):
                contents = kind()
                contents += SIXTEEN
                kept[at] = contents
            elapsed += clock() - start
            each = (_resident() - before) / count
            if any(one != SIXTEEN for one in kept):
                wrong = "other bytes"
            del contents
            start = clock()
            kept.clear()
            elapsed += clock() - start
        return {"ns": elapsed / repeats / count, "bytes": each, "wrong": wrong}

    return sample


def _threads(plan: dict[str, Any]) -> Sample:
    """Fill in several threads at once, all of them together as often as one alone would."""
    way = contestant(plan["contestant"]).make()
    pieces = Pieces(plan["total"], plan["chunk"])
    number_of_threads: int = plan["threads"]
    share = max(1, plan["fills"] // number_of_threads)
    taken = [way.convert(piece) for piece in pieces.of_round(0)]

    def sample(_repeats: int, _number: int) -> Answer:
        wrong: list[str] = []
        ready, done = (threading.Barrier(number_of_threads + 1) for _ in range(2))

        def work() -> None:
            contents = None
            ready.wait()
            for _ in repeat(None, share):
                contents = None
                contents = way.fill(pieces.stream(taken), pieces.total)
            done.wait()
            if contents != b"".join(pieces.stream(pieces.of_round(0))):
                wrong.append("other bytes")

        workers = [threading.Thread(target=work) for _ in range(number_of_threads)]
        for worker in workers:
            worker.start()
        ready.wait()
        start = time.perf_counter_ns()
        done.wait()
        elapsed = time.perf_counter_ns() - start
        for worker in workers:
            worker.join()
        return {
            "ns": elapsed / share / number_of_threads,
            "wrong": wrong[0] if wrong else None,
        }

    return sample


def _touched(size: int, advice: str) -> mmap.mmap:
    """Return memory of which each page was touched; private, as shared memory has other pages."""
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    room = mmap.mmap(-1, size, **flags)
    if hasattr(mmap, advice):
        room.madvise(getattr(mmap, advice))
    for at in range(0, size, _PAGE):
        room[at] = 1
    return room


def _warm_up(plan: dict[str, Any]) -> Sample:
    """Touch so much memory, in huge pages and in small ones, and give it back."""

    def sample(_repeats: int, _number: int) -> Answer:
        for advice in ("MADV_HUGEPAGE", "MADV_NOHUGEPAGE"):
            _touched(plan["size"], advice).close()
        return {"wrong": None}

    return sample


def _hold(plan: dict[str, Any]) -> Sample:
    """Touch so much memory in huge pages and keep it; give it back when asked for 0 repeats."""
    kept: list[mmap.mmap] = []

    def sample(repeats: int, _number: int) -> Answer:
        while kept:
            kept.pop().close()
        if repeats:
            kept.append(_touched(plan["size"], "MADV_HUGEPAGE"))
        return {"wrong": None}

    return sample


def _instructions(plan: dict[str, Any]) -> Sample:
    """Fill `repeats` times for each cell, each between two calls that valgrind can see."""
    way = contestant(plan["contestant"]).make()
    cells = [(Pieces(total, chunk), repeats) for total, chunk, repeats in plan["cells"]]

    def sample(_repeats: int, _number: int) -> Answer:
        wrong = None
        for pieces, repeats in cells:
            taken = [way.convert(piece) for piece in pieces.of_round(0)]
            contents = None
            for _ in range(2):
                contents = None
                contents = way.fill(pieces.stream(taken), pieces.total)
            wrong = wrong or pieces.difference(contents, 0)
            os.getppid()
            for _ in repeat(None, repeats):
                contents = None
                contents = way.fill(pieces.stream(taken), pieces.total)
            os.getppid()
        return {"wrong": wrong}

    return sample


_WORK: dict[str, Callable[[dict[str, Any]], Sample]] = {
    "fill": _fill,
    "latency": _latency,
    "memory": _memory,
    "life": _life,
    "live": _live,
    "threads": _threads,
    "warm up": _warm_up,
    "hold": _hold,
    "instructions": _instructions,
}


# What the system says of this process.


def trim_heap() -> None:
    """Give back what making ready has freed, or a first life begins on memory that is there.

    Does nothing where the C library has no malloc_trim.
    """
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, TypeError, AttributeError):
        return


def use_heap(number: int) -> list[bytes]:
    """Leave small blocks free as in the heap of a program that runs, in a place that varies.

    Otherwise it is chance, and the same in every round, which contestant is the first to need a
    block of some small size, or reaches the end of a page of the heap: it pays for a page fault,
    which takes as long as filling a kilobyte. The returned blocks stand between those left free.
    """
    sizes = range(_SMALLEST_BLOCK, _LARGEST_SMALL_BLOCK + 1, _BLOCK_STEP)
    blocks = [bytes(size - _BYTES_HEADER) for size in sizes for _ in range(4)]
    del blocks[::2]
    generator = random.Random(number)
    return blocks + [bytes(generator.randrange(_LARGEST_SMALL_BLOCK, _PAGE)) for _ in range(8)]


def _page_faults() -> int:
    try:
        import resource
    except ImportError:
        return 0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def _resident() -> int:
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    text = os.read(file, 128)
    os.close(file)
    return int(text.split()[1]) * _PAGE


# The conversation.


def _answer(answer: Answer) -> None:
    raw = answer.pop("raw", None)
    if raw is not None:
        answer["raw"] = len(raw) * raw.itemsize
    _write(json.dumps(answer).encode() + b"\n")
    if raw is not None:
        _write(raw)


def _write(what: Any) -> None:
    with memoryview(what) as view, view.cast("B") as left:
        done = 0
        while done < len(left):
            done += os.write(1, left[done : done + (1 << 20)])


def main(text: str) -> int:
    """Carry out a plan, given as JSON."""
    plan = json.loads(text)
    gc.disable()
    try:
        settings = contestant(plan["contestant"]).settings if "contestant" in plan else {}
        if settings:
            growable.set_defaults(**settings)
        sample = _WORK[plan["work"]](plan)
        _answer({"ready": True})
        while question := os.read(0, 64):
            repeats, number = map(int, question.split())
            _answer(sample(repeats, number))
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # Whatever a contestant raises is its result.
        _answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
