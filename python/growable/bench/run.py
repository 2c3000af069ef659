"""A whole run in order: warm up, measure every part, judge the targets, write the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench import machine, measure, plots, tables
from growable.bench.contestants import CONTESTANTS, OURS, REFERENCE, missing
from growable.bench.plan import MEMORY_NAMES, Cell, Plan
from growable.bench.targets import judge
from growable.cli.report import size_text

__all__ = ["Progress", "failures", "run", "write"]

Progress: TypeAlias = Callable[[float, float, str], None]  # seconds done, seconds in all, what

_PROCESS = 0.15  # seconds that starting a process takes, about
_BYTE = 0.9e-9  # of a first life
_APPEND = 60e-9


def run(plan: Plan, runs: int, progress: Progress) -> dict[str, Any]:
    """Measure everything in a plan.

    Parameters
    ----------
    plan : Plan
        What to measure.
    runs : int
        How often the cells are measured anew; each run's rows are in the document.
    progress : callable
        Called with what is done, and all there is to do, in seconds as estimated beforehand, and
        with what comes next.

    Raises
    ------
    WrongResult
        When a contestant ended with other bytes than went in.
    """
    begun = time.monotonic()
    bar = _Bar(progress, runs * sum(_seconds(cell, plan) for cell in plan.cells) + _others(plan))
    document: dict[str, Any] = {
        "schema": 1,
        "set": plan.name,
        "rounds": plan.rounds,
        "runs": runs,
        "machine": machine.describe(),
        "load": machine.load(),
        "missing": {name: why for name in CONTESTANTS if (why := missing(name)) is not None},
        "warmed": _warm_up(plan),
    }
    document["cells"] = list(_cells(plan, runs, bar))
    document |= _other_parts(plan, bar)
    document["load_end"] = machine.load()
    document["seconds"] = round(time.monotonic() - begun, 1)
    document["targets"] = judge(document)
    document["plots"] = []
    return document


class _Bar:
    """Tells how far a run has come. It is an estimate, and no more is made of it."""

    def __init__(self, progress: Progress, seconds: float) -> None:
        self._progress = progress
        self._in_all = max(seconds, 1.0)
        self._before = self._part = self._spent = 0.0
        self._what = ""

    def part(self, what: str, seconds: float) -> None:
        """Begin a part that is expected to take so long; the one before is done."""
        self._before += self._part
        self._what, self._part, self._spent = what, seconds, 0.0
        self._show()

    def note(self, seconds: float) -> None:
        """Take a sample of this part into account."""
        self._spent += seconds + _PROCESS
        self._show()

    def _show(self) -> None:
        done = self._before + min(self._spent, self._part)
        self._progress(min(done, self._in_all), self._in_all, self._what)


def _largest(plan: Plan) -> int:
    return max([cell.total for cell in plan.cells] + [row.total for row in plan.latency])


def _warm_up(plan: Plan) -> str:
    """Warm the machine's memory up, and return what a reader has to know of it."""
    if not plan.warm_up:
        return "memory was not warmed up"
    size = 2 * _largest(plan)
    measure.warm_up(size)
    return (
        f"before anything was timed a process touched {size_text(size)} (or three quarters of what "
        "was available) in huge and in small pages and gave it back, and so for twice the total "
        "before each cell from 64 MiB: the first touch of a page that a virtual machine's host has "
        "not backed yet costs several times as much, and whom it hits is chance"
    )


def _seconds(cell: Cell, plan: Plan) -> float:
    """Return how long a cell takes, about."""
    rounds = plan.rounds_of(cell.total)
    fill = cell.total * _BYTE + cell.total / cell.chunk * _APPEND
    if cell.mode == "steady":
        each = _PROCESS + (rounds + 8) * max(2 * plan.sample_ns / 1e9, fill)
    else:
        each = rounds * (_PROCESS + cell.lives * fill)
    return each * len(cell.names)


def _others(plan: Plan) -> float:
    seconds = sum(
        plan.rounds * len(row.names) * (row.total * _BYTE + row.total / row.chunk * 4 * _APPEND)
        for row in plan.latency
    )
    seconds += 2.0 if plan.memory else 0.0
    seconds += 1.0 if plan.lives else 0.0
    seconds += sum(plan.rounds * 2 * (_PROCESS + count * 2e-6) for count in plan.live_counts)
    seconds += len(plan.thread_counts) * plan.rounds * 2 * _PROCESS
    return seconds + (25.0 if plan.instructions else 0.0)


def _cells(plan: Plan, runs: int, bar: _Bar) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        for cell in plan.cells:
            what = f"{cell.mode}, {size_text(cell.total)} by {size_text(cell.chunk)}"
            bar.part(what, _seconds(cell, plan))
            for row in measure.measure_cell(cell, plan, bar.note):
                yield {"run": number, **row}


def _other_parts(plan: Plan, bar: _Bar) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["latency"] = []
    for wanted in plan.latency:
        bar.part("latency", wanted.total * _BYTE * len(wanted.names) * plan.rounds)
        found["latency"].append(measure.measure_latency(wanted, plan, bar.note))
    bar.part("memory", 2.0)
    found["memory"] = (
        measure.measure_memory(MEMORY_NAMES, plan.memory, bar.note) if plan.memory else None
    )
    bar.part("short lives", 1.0)
    kinds = ("16 bytes", "memoryview") if plan.lives else ()
    found["lives"] = [measure.measure_life(life, plan, bar.note) for life in kinds]
    found["live"] = []
    for count in plan.live_counts:
        bar.part(f"{count:,} live buffers", plan.rounds * 2 * (_PROCESS + count * 2e-6))
        found["live"].append(measure.measure_live(count, plan, bar.note))
    found["threads"] = []
    for threads in plan.thread_counts:
        bar.part(f"{threads} threads", plan.rounds * 2 * _PROCESS)
        found["threads"].append(measure.measure_threads(threads, plan, bar.note))
    bar.part("instructions", 25.0)
    found["instructions"] = (
        measure.measure_instructions(plan.instructions, bar.note) if plan.instructions else None
    )
    bar.part("done", 0.0)
    return found


def failures(document: Mapping[str, Any]) -> list[str]:
    """Return what went wrong with Buffer or bytearray themselves. A peer may fail."""
    rows = [*document["cells"], *document["latency"], *document["live"], *document["threads"]]
    return [
        f"{name}: {why}"
        for row in rows
        for name, why in row["left_out"].items()
        if name in (OURS, REFERENCE) and why.startswith(measure.FAILED)
    ]


def write(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write the JSON document, the Markdown page, and the pictures if matplotlib is there.

    Returns
    -------
    list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if plots.has_matplotlib():
        document["plots"] = plots.draw(document, folder)
    data, page = (folder / f"{document['set']}.{suffix}" for suffix in ("json", "md"))
    data.write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")
    page.write_text(tables.markdown(document), encoding="utf-8")
    return [data, page, *(folder / name for name in document["plots"])]
