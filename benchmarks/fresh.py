"""Fresh memory by small pieces: what of it nobody can save, and how far the others are from that.

Whoever gathers pieces needs the loop over them, and pages: zeroed, and given back in the end. Both
are timed alone, in the same rounds as a Buffer and NumPy with doubling: a way that appended in no
time at all would take their sum.

What a reader would get wrong: the pages are zeroed in one call here, and their zeros have left the
caches when it ends. A Buffer has them zeroed a huge page at a time, between the pieces. No fill is
a process's first: the pool is emptied before each instead. Linux 5.14 and newer only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import growable
from bench import (
    EXIT_USAGE,
    Timer,
    alternate,
    environment,
    heading,
    positive,
    print_report,
    ratio_of,
    table,
)
from growable.bench.child import Pieces
from growable.bench.contestants import DOUBLING, OURS, contestant, zeroed

LOOP, ZEROING, LEAST = "the loop alone", "zeroing alone", "both of these"
LEAST_TOTAL = 2 << 20  # less is not a huge page, and would be zeroed as one


def loop_timer(pieces: Pieces) -> Timer:
    def loop(number: int) -> int:
        stream = pieces.stream(pieces.of_round(number))
        start = time.perf_counter_ns()
        for _ in stream:
            pass
        return time.perf_counter_ns() - start

    return loop


def zeroing_timer(total: int) -> Timer:
    def zero(_number: int) -> int:
        start = time.perf_counter_ns()
        zeroed(total).close()
        return time.perf_counter_ns() - start

    return zero


def fill_timer(name: str, pieces: Pieces) -> Timer:
    way = contestant(name).make()

    def fill(number: int) -> int:
        growable.trim()
        stream = pieces.stream([way.convert(piece) for piece in pieces.of_round(number)])
        start = time.perf_counter_ns()
        contents = way.fill(stream, pieces.total)
        elapsed = time.perf_counter_ns() - start
        wrong = pieces.difference(contents, number)
        if wrong:
            raise SystemExit(f"{name}: {wrong}")
        start = time.perf_counter_ns()
        del contents
        growable.trim()  # The zeroed pages above are given back in the time as well.
        return elapsed + time.perf_counter_ns() - start

    return fill


def report_of(total: int, chunk: int, rounds: int) -> dict[str, Any]:
    pieces = Pieces(total, chunk)
    timers = {
        LOOP: loop_timer(pieces),
        ZEROING: zeroing_timer(total),
        OURS: fill_timer(OURS, pieces),
        DOUBLING: fill_timer(DOUBLING, pieces),
    }
    alternate(timers, 1)  # Whoever touches memory first may wait for a virtual machine's host.
    times = alternate(timers, rounds)
    times[LEAST] = [sum(pair) for pair in zip(times[LOOP], times[ZEROING], strict=True)]
    rows = [
        {
            "contestant": name,
            "ms": statistics.median(times[name]) / 1e6,
            "ratio": ratio_of(times[DOUBLING], times[name]),
        }
        for name in (LOOP, ZEROING, LEAST, OURS, DOUBLING)
    ]
    return {"environment": environment(), "total": pieces.total, "chunk": chunk, "rows": rows}


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"{report['total']:,} bytes by {report['chunk']:,}\n")
    rows = [
        [row["contestant"], f"{row['ms']:.1f}", f"{row['ratio']:.2f}"] for row in report["rows"]
    ]
    print(table(["", "ms", f"{DOUBLING} / it"], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Fill fresh memory, and do its parts alone.")
    parser.add_argument("--rounds", type=positive, default=9, help="default: %(default)s")
    parser.add_argument("--total", type=positive, default=1 << 30, help="bytes (default: 1 GiB)")
    parser.add_argument("--chunk", type=positive, default=1024, help="bytes (default: 1 KiB)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    if options.total < max(options.chunk, LEAST_TOTAL):
        parser.error(f"--total must be at least --chunk, and {LEAST_TOTAL}")
    if not sys.platform.startswith("linux"):
        print("fresh.py: pages can be populated by a call on Linux only", file=sys.stderr)
        return EXIT_USAGE
    try:
        report = report_of(options.total, options.chunk, options.rounds)
    except OSError as error:
        print(f"fresh.py: the pages of a huge mapping: {error}", file=sys.stderr)
        return EXIT_USAGE
    print_report(report, show, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
