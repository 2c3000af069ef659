"""A whole run in order: warm up, measure every part, judge the targets, write the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench import machine, measure, plots, tables
from growable.bench.backing import BACKED_FROM, warm_up
from growable.bench.contestants import CONTESTANTS, OURS, REFERENCE, missing
from growable.bench.memory import WARM_FROM
from growable.bench.plan import Appends, Cell, Plan
from growable.bench.targets import judge
from growable.cli.report import size_text

__all__ = [
    "Progress",
    "can_go_on",
    "document_path",
    "failures",
    "is_decided",
    "run",
    "tasks",
    "write",
    "write_document",
]

Progress: TypeAlias = Callable[[float, float, str], None]  # seconds done, seconds in all, what

SCHEMA = 1
PARTS = ("cells", "latency", "memory", "lives", "live", "threads", "instructions")

DECIDED = 1.2  # a cell whose lowest ratio of a whole run is this is not measured again
_PROCESS = 0.15  # seconds that starting a process takes, about
_BYTE = 0.6e-9
_APPEND = 45e-9


@dataclass(frozen=True)
class _Task:
    """One piece of a run; what it returns is added to a part of the document."""

    name: str
    part: str
    seconds: float  # that it takes, about
    work: Callable[[measure.Note], list[dict[str, Any]]]
    again: Cell | None = None  # the cell that it measures once more


def run(
    plan: Plan,
    runs: int,
    progress: Progress,
    keep: Callable[[dict[str, Any]], None] = lambda _document: None,
    begun: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure everything in a plan.

    Parameters
    ----------
    plan : Plan
        What to measure.
    runs : int
        How often the cells are measured; each run's rows are in the document. Those after the first
        are of bytearray and Buffer alone.
    progress : callable
        Called with what is done, and all there is to do, in seconds as estimated beforehand, and
        with what comes next.
    keep : callable
        Called with the document, as far as it has come, after each piece.
    begun : dict, optional
        A document of the same plan to go on with; what is done in it is not done again.

    Raises
    ------
    WrongResult
        When a contestant ended with other bytes than went in.
    """
    start = time.monotonic()
    todo = list(tasks(plan, runs))
    bar = _Bar(progress, sum(task.seconds for task in todo))
    document = _new(plan, runs) if begun is None else begun
    document["warmed"] = _warm_up(plan)
    seconds_before = document["seconds"]
    for task in todo:
        bar.part(task.name, task.seconds)
        if task.name in document["done"]:
            continue
        if not is_decided(task, document):
            document[task.part] += task.work(bar.note)
        document["done"].append(task.name)
        document["seconds"] = round(seconds_before + time.monotonic() - start, 1)
        keep(document)
    bar.part("done", 0.0)
    document["load_end"] = machine.load()
    document["targets"] = judge(document)
    document["complete"] = True
    return document


def _new(plan: Plan, runs: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "set": plan.name,
        "complete": False,
        "rounds": plan.rounds,
        "runs": runs,
        "seconds": 0.0,
        "machine": machine.describe(),
        "load": machine.load(),
        "load_end": None,
        "missing": {name: why for name in CONTESTANTS if (why := missing(name)) is not None},
        "warmed": "",
        "done": [],
        **{part: [] for part in PARTS},
        "targets": [],
        "plots": [],
    }


def can_go_on(begun: Mapping[str, Any], plan: Plan, runs: int) -> bool:
    """Tell whether a document is one that a run of this plan, here and now, can go on with."""
    new = _new(plan, runs)
    same = ("schema", "set", "complete", "rounds", "runs", "machine", "missing")
    return all(begun.get(key) == json.loads(json.dumps(new[key])) for key in same)


def tasks(plan: Plan, runs: int) -> Iterator[_Task]:
    """Yield the pieces of a run in their order."""
    for number in range(runs):
        for cell in plan.cells_of(number):
            name = f"{cell.mode}, {size_text(cell.total)} by {size_text(cell.chunk)}"
            again = f", run {number + 1}" if number else ""
            work = _cell(cell, plan, number)
            seconds = _seconds(cell, plan)
            yield _Task(name + again, "cells", seconds, work, cell if number else None)
    for wanted in plan.latency:
        name = f"latency, {size_text(wanted.total)} by {size_text(wanted.chunk)}"
        yield _Task(name, "latency", _seconds_one_by_one(wanted, plan), _latency(wanted, plan))
    memory = plan.memory
    if memory:
        yield _Task("memory", "memory", 3.0, lambda note: [measure.measure_memory(memory, note)])
    for life in ("16 bytes", "memoryview") if plan.lives else ():
        yield _Task(f"create, {life}", "lives", 1.0, _life(life, plan))
    for count in plan.live_counts:
        seconds = plan.rounds * 2 * (_PROCESS + count * 2e-6)
        yield _Task(f"{count:,} live buffers", "live", seconds, _live(count, plan))
    for threads in plan.thread_counts:
        seconds = plan.rounds * 2 * _PROCESS
        yield _Task(f"{threads} threads", "threads", seconds, _threads(threads, plan))
    if plan.instructions:
        yield _Task(
            "instructions",
            "instructions",
            25.0,
            lambda note: [measure.measure_instructions(plan.instructions, note)],
        )


def is_decided(task: _Task, document: Mapping[str, Any]) -> bool:
    """Tell whether a cell need not be measured again: no round of the first run was near 1."""
    cell = task.again
    return cell is not None and any(
        (row["run"], row["mode"], row["total"], row["chunk"])
        == (0, cell.mode, cell.total, cell.chunk)
        and OURS in row["contestants"]
        and row["contestants"][OURS]["ratio"]["least"] >= DECIDED
        for row in document["cells"]
    )


def _cell(cell: Cell, plan: Plan, number: int) -> Callable[[measure.Note], list[dict[str, Any]]]:
    return lambda note: [{"run": number, **row} for row in measure.measure_cell(cell, plan, note)]


def _latency(wanted: Appends, plan: Plan) -> Callable[[measure.Note], list[dict[str, Any]]]:
    return lambda note: [measure.measure_latency(wanted, plan, note)]


def _life(life: str, plan: Plan) -> Callable[[measure.Note], list[dict[str, Any]]]:
    return lambda note: [measure.measure_life(life, plan, note)]


def _live(count: int, plan: Plan) -> Callable[[measure.Note], list[dict[str, Any]]]:
    return lambda note: [measure.measure_live(count, plan, note)]


def _threads(threads: int, plan: Plan) -> Callable[[measure.Note], list[dict[str, Any]]]:
    return lambda note: [measure.measure_threads(threads, plan, note)]


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
    warm_up(size)
    return (
        f"before anything was timed a process touched {size_text(size)} (or three quarters of what "
        "was available) in huge and in small pages and gave it back, and so for twice the total "
        f"before each steady state from {size_text(WARM_FROM)}; before each first life "
        "from there on one touched in huge pages the total (twice the total where more than "
        "bytearray and Buffer take part) and a quarter, half of what was available at most, and "
        "gave it back when the one to be timed was ready, and so before each sample of a steady "
        f"state from {size_text(BACKED_FROM)}: the first touch of a page that a virtual "
        "machine's host has not backed costs several times as much, and whom it hits is chance"
    )


def _seconds(cell: Cell, plan: Plan) -> float:
    """Return how long a cell takes, about."""
    rounds = plan.rounds_of(cell)
    fill = cell.total * _BYTE + cell.total / cell.chunk * _APPEND
    backed_from = BACKED_FROM if cell.mode == "steady" else WARM_FROM
    each = rounds * cell.total * _BYTE if cell.total >= backed_from else 0.0
    if cell.mode == "steady":
        settling = measure.settling_rounds(fill * 1e9, plan.sample_ns)
        each += _PROCESS + (rounds + settling) * max(2 * plan.sample_ns / 1e9, fill)
    else:
        each += rounds * (_PROCESS + cell.lives * fill)
    return each * len(measure.candidates(cell)[0])


def _seconds_one_by_one(wanted: Appends, plan: Plan) -> float:
    once = _PROCESS + wanted.total * _BYTE + wanted.total / wanted.chunk * 4 * _APPEND
    return plan.rounds * len(measure.candidates(wanted)[0]) * once


def failures(document: Mapping[str, Any]) -> list[str]:
    """Return what went wrong with Buffer or bytearray themselves. A peer may fail."""
    rows = [*document["cells"], *document["latency"], *document["live"], *document["threads"]]
    return [
        f"{name}: {why}"
        for row in rows
        for name, why in row["left_out"].items()
        if name in (OURS, REFERENCE) and why.startswith(measure.FAILED)
    ]


def document_path(folder: Path, plan: Plan) -> Path:
    """Return where the JSON document of a plan is written."""
    return folder / f"{plan.name}.json"


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write the JSON document, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".json.new")
    unfinished.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="ascii")
    unfinished.replace(path)


def write(document: dict[str, Any], path: Path) -> list[Path]:
    """Write the JSON document, beside it the Markdown page, and pictures if matplotlib is there.

    Returns
    -------
    list of Path
        The files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if plots.has_matplotlib():
        document["plots"] = plots.draw(document, path.parent)
    write_document(document, path)
    page = path.with_suffix(".md")
    page.write_text(tables.markdown(document), encoding="utf-8")
    return [path, page, *(path.parent / name for name in document["plots"])]
