"""What contests share: a work, each way to do it timed in turn, and how much faster ours must be.

What a reader would get wrong: a ratio here is the other's time by ours, so above 1 ours is faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
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

Row = dict[str, Any]


def timer(work: Callable[[], object]) -> Timer:
    def run(_round: int) -> int:
        start = time.perf_counter_ns()
        work()
        return time.perf_counter_ns() - start

    return run


def contest(
    title: str,
    timers: Mapping[str, Timer],
    targets: Mapping[str, float],
    *,
    rounds: int,
    count: int,
) -> list[Row]:
    """Time each way, ours being the first of `timers`, to do a work `count` times.

    Parameters
    ----------
    title : str
        What the work is.
    timers : mapping of str to Timer
        The ways.
    targets : mapping of str to float
        How many times faster than a way ours must be, for the ways where that is judged.
    rounds, count : int
        How often all of them are timed, and how often a timer does the work.

    Returns
    -------
    list of dict
        A row for each way.
    """
    times = alternate(timers, rounds)
    ours = next(iter(timers))
    rows = []
    for name in timers:
        ratio, target = ratio_of(times[name], times[ours]), targets.get(name)
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


def each(ns: float) -> str:
    return f"{ns:.0f} ns" if ns < 10_000 else f"{ns / 1000:.1f} us"


def show(report: Mapping[str, Any], ours: str) -> None:
    print(heading(report["environment"]))
    print(f"Medians of {report['rounds']} rounds; ratio = the other's time / {ours}'s.\n")
    rows = [
        [
            f"{row['work']}, {row['way']}",
            each(row["ns"]),
            f"{row['ratio']:.2f}",
            "" if row["target"] is None else f">= {row['target']}",
            "" if row["target"] is None else "ok" if row["ok"] else "MISSED",
        ]
        for row in report["rows"]
    ]
    print(table(["work", "each", "ratio", "target", ""], rows))


def parser_of(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the options that all contests have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=positive, default=rounds, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    return parser


def tell(options: argparse.Namespace, rows: Iterable[Row], ours: str) -> int:
    """Print the rows as the options want it; return the exit status."""
    report = {
        "environment": environment() | {"numpy": np.__version__},
        "rounds": options.rounds,
        "rows": list(rows),
    }
    if options.json:
        print_json(report)
    else:
        show(report, ours)
    missed = any(not row["ok"] for row in report["rows"])
    return EXIT_MISSED if options.check and missed else 0
