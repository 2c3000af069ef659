"""Rows arriving one by one and in pieces: Array beside what is done with NumPy without it.

Every contestant ends with an ndarray of all rows, and lets go of it. The peers are at their best:
the list keeps the very same piece again and again, without owning a copy of it, and nobody holds a
view while the rows arrive, which only an Array allows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from array import array
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
from bench import (
    EXIT_MISSED,
    Timer,
    alternate,
    environment,
    heading,
    positive,
    print_json,
    ratio_of,
    table,
)
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


def timer(work: Work, count: int) -> Timer:
    work(min(count, 1000))

    def run(_round: int) -> int:
        start = time.perf_counter_ns()
        work(count)
        return time.perf_counter_ns() - start

    return run


def measure(title: str, rounds: int) -> list[dict[str, Any]]:
    count, contestants, targets = WORK[title]
    times = alternate({name: timer(work, count) for name, work in contestants.items()}, rounds)
    rows = []
    for name in contestants:
        ratio, target = ratio_of(times[name], times[OURS]), targets.get(name)
        rows.append(
            {
                "work": title,
                "way": name,
                "ns": round(statistics.median(times[name]) / count, 1),
                "ratio": round(ratio, 2),
                "target": target,
                "ok": target is None or ratio >= target,
            }
        )
    return rows


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"Medians of {report['rounds']} rounds; ratio = the other's time / Array's.\n")
    rows = [
        [
            f"{row['work']}, {row['way']}",
            f"{row['ns']:.0f} ns",
            f"{row['ratio']:.2f}",
            "" if row["target"] is None else f">= {row['target']}",
            "" if row["target"] is None else "ok" if row["ok"] else "MISSED",
        ]
        for row in report["rows"]
    ]
    print(table(["work", "each", "ratio", "target", ""], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Time rows arriving, one by one and in pieces.")
    parser.add_argument("--rounds", type=positive, default=9, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    report = {
        "environment": environment() | {"numpy": np.__version__},
        "rounds": options.rounds,
        "rows": [row for title in WORK for row in measure(title, options.rounds)],
    }
    if options.json:
        print_json(report)
    else:
        show(report)
    missed = any(not row["ok"] for row in report["rows"])
    return EXIT_MISSED if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
