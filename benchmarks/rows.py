"""Rows arriving one by one and in pieces: Array beside what is done with NumPy without it.

Every contestant ends with an ndarray of all rows, and lets go of it. The peers are at their best:
the list keeps the very same piece again and again, without owning a copy of it, and nobody holds a
view while the rows arrive, which only an Array allows.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from functools import partial
from itertools import repeat

import numpy as np
from contest import Row, contest, parser_of, tell, timer
from growable import Array

OURS = "Array"
PIECE = np.arange(128.0)  # 1 KiB


# One float at a time.


def append_array(count: int) -> int:
    rows = Array()
    for _ in repeat(None, count):
        rows.append(1.5)
    return len(rows.view())


def append_list(count: int) -> int:
    rows = []
    for _ in repeat(None, count):
        rows.append(1.5)
    return len(np.array(rows))


def append_array_array(count: int) -> int:
    rows = array("d")
    for _ in repeat(None, count):
        rows.append(1.5)
    return len(np.frombuffer(rows))


def append_doubling(count: int) -> int:
    rows, length = np.empty(16), 0
    for _ in repeat(None, count):
        if length == len(rows):
            grown = np.empty(2 * length)
            grown[:length] = rows
            rows = grown
        rows[length] = 1.5
        length += 1
    return len(rows[:length])


# Pieces of 1 KiB.


def extend_array(count: int) -> int:
    rows = Array()
    for _ in repeat(None, count):
        rows.extend(PIECE)
    return len(rows.view())


def extend_list(count: int) -> int:
    pieces = []
    for _ in repeat(None, count):
        pieces.append(PIECE)
    return len(np.concatenate(pieces))


def extend_array_array(count: int) -> int:
    rows, piece = array("d"), memoryview(PIECE).cast("B")
    for _ in repeat(None, count):
        rows.frombytes(piece)
    return len(np.frombuffer(rows))


def extend_doubling(count: int) -> int:
    rows, length = np.empty(len(PIECE)), 0
    for _ in repeat(None, count):
        end = length + len(PIECE)
        if end > len(rows):
            grown = np.empty(2 * end)
            grown[:length] = rows[:length]
            rows = grown
        rows[length:end] = PIECE
        length = end
    return len(rows[:length])


# An ndarray of what is there, again and again.


def view_array(count: int, rows: Array = Array(np.zeros(1000))) -> int:  # noqa: B008
    for _ in repeat(None, count):
        rows.view()
    return count


def view_frombuffer(count: int, rows: bytearray = bytearray(8000)) -> int:  # noqa: B008
    for _ in repeat(None, count):
        np.frombuffer(rows)
    return count


Work = Callable[[int], int]

# Title: how often, the contestants, and how many times faster than each of them Array must be.
WORK: dict[str, tuple[int, dict[str, Work], dict[str, float]]] = {
    "append a float": (
        1_000_000,
        {
            OURS: append_array,
            "list + np.array": append_list,
            "array.array": append_array_array,
            "doubling by hand": append_doubling,
        },
        {},
    ),
    "extend by 1 KiB": (
        100_000,
        {
            OURS: extend_array,
            "list + np.concatenate": extend_list,
            "array.frombytes": extend_array_array,
            "doubling by hand": extend_doubling,
        },
        {"list + np.concatenate": 1.8, "doubling by hand": 4.0},
    ),
    "view again": (
        200_000,
        {OURS: view_array, "np.frombuffer": view_frombuffer},
        {"np.frombuffer": 1.0},
    ),
}


def measure(title: str, rounds: int) -> list[Row]:
    count, contestants, targets = WORK[title]
    for work in contestants.values():
        work(min(count, 1000))
    timers = {name: timer(partial(work, count)) for name, work in contestants.items()}
    return contest(title, timers, targets, rounds=rounds, count=count)


def main() -> int:
    options = parser_of("Time rows arriving, one by one and in pieces.", rounds=9).parse_args()
    return tell(options, (row for title in WORK for row in measure(title, options.rounds)), OURS)


if __name__ == "__main__":
    sys.exit(main())
