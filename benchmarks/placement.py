"""Appending pieces whose bytes stand at each place in a page: the worst place and the usual one.

Where a piece stands is chance (bytes objects begin at any multiple of 16), and on some processors
and C libraries one place in 256 makes a copy ten times slower. A Buffer knows that place.

What a reader would get wrong: what is compared is not Buffer with bytearray but the worst place
with the usual one, for each of them. A bytearray's own bytes stand elsewhere from run to run, so
whether it meets its worst place in a program is chance as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import environment, heading, positive, print_report, table
from growable import Buffer

PAGE = 4096
STEP = 16
CONTESTANTS: dict[str, Callable[[], bytearray]] = {"bytearray": bytearray, "Buffer": Buffer}


def fill_time(make: Callable[[], bytearray], piece: memoryview, count: int) -> int:
    start = time.perf_counter_ns()
    target = make()
    for _ in range(count):
        target += piece
    return time.perf_counter_ns() - start


def measure(make: Callable[[], bytearray], piece: int, count: int, rounds: int) -> list[float]:
    """Nanoseconds a piece for each place in the page, the least of `rounds`."""
    source = memoryview(bytearray(piece + PAGE))
    return [
        min(fill_time(make, source[at : at + piece], count) for _ in range(rounds)) / count
        for at in range(0, PAGE, STEP)
    ]


def report_of(rounds: int, piece: int, count: int) -> dict[str, Any]:
    rows = []
    for name, make in CONTESTANTS.items():
        times = measure(make, piece, count, rounds)
        usual, worst = statistics.median(times), max(times)
        rows.append({"contestant": name, "usual": usual, "worst": worst, "ratio": worst / usual})
    return {"environment": environment(), "piece": piece, "count": count, "rows": rows}


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"{report['count']} pieces of {report['piece']:,} bytes, ns a piece\n")
    rows = [
        [row["contestant"], f"{row['usual']:.0f}", f"{row['worst']:.0f}", f"{row['ratio']:.2f}"]
        for row in report["rows"]
    ]
    print(table(["contestant", "usual place", "worst place", "worst / usual"], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Append from each place in a page.")
    parser.add_argument("--rounds", type=positive, default=15, help="default: %(default)s")
    parser.add_argument("--piece", type=positive, default=65536, help="bytes (default: 64 KiB)")
    parser.add_argument("--count", type=positive, default=16, help="pieces (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    report = report_of(options.rounds, options.piece, options.count)
    print_report(report, show, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
