"""What the benchmarks share: the contestants, alternating rounds, and plain tables.

What a reader would get wrong: no time here means anything by itself. Machines are shared and
clocks wander, so each round times every contestant, and what is kept is the median of the rounds'
ratios.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import growable

Fill: TypeAlias = Callable[[bytes, int], None]
Timer: TypeAlias = Callable[[int], int]  # takes the number of the round, returns nanoseconds

PEER = "bytearray"
OURS = "Buffer"

EXIT_MISSED = 1
EXIT_USAGE = 2


# The contestants: each takes `count` pieces, hands over the contents, and lets go of them.


def fill_bytearray(piece: bytes, count: int) -> None:
    contents = bytearray()
    for _ in range(count):
        contents += piece


def fill_buffer(piece: bytes, count: int) -> None:
    contents = growable.Buffer()
    for _ in range(count):
        contents += piece


def fill_bytes_io(piece: bytes, count: int) -> None:
    contents = io.BytesIO()
    write = contents.write
    for _ in range(count):
        write(piece)
    contents.getbuffer().release()


def fill_list_join(piece: bytes, count: int) -> None:
    # A list keeps pieces, not their bytes, so it must own a copy of each to be compared.
    view = memoryview(piece)
    parts: list[bytes] = []
    append = parts.append
    for _ in range(count):
        append(bytes(view))
    b"".join(parts)


CONTESTANTS: dict[str, Fill] = {
    PEER: fill_bytearray,
    OURS: fill_buffer,
    "io.BytesIO": fill_bytes_io,
    "list + join": fill_list_join,
}


# Rounds.


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the cyclic garbage collector out of what is timed."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def alternate(timers: Mapping[str, Timer], rounds: int) -> dict[str, list[int]]:
    """Run every timer once a round, each round beginning with another one.

    Returns
    -------
    dict
        For each name what its timer returned, in the order of the rounds.
    """
    names = list(timers)
    times: dict[str, list[int]] = {name: [] for name in names}
    with quiet():
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                times[name].append(timers[name](number))
    return times


def ratio_of(reference: Sequence[float], other: Sequence[float]) -> float:
    """Return how many times faster `other` is: the median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(reference, other, strict=True))


# Reports.


def environment() -> dict[str, Any]:
    """Return what a reader of figures must know about where they come from."""
    found = growable.info()
    return {
        "growable": found["version"],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "page_size": found["page_size"],
        "thp": found["thp"],
    }


def heading(where: Mapping[str, Any]) -> str:
    """Return the environment in one or two lines."""
    libc = f", {where['libc']}" if where["libc"] else ""
    return (
        f"growable {where['growable']}, {where['python']}, {where['system']}{libc},\n"
        f"{where['page_size']} byte pages, transparent huge pages: {where['thp']}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table; the first column is aligned left, the others right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def positive(text: str) -> int:
    """Read a positive number from the command line."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text!r}")
    return int(text)


def print_json(report: object) -> None:
    print(json.dumps(report, indent=2))
