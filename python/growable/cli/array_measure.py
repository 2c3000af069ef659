"""One contestant of ``growable demo --array``, one run: rows arrive while a column is averaged.

Runs in a process of its own, as measure.py does. What a reader would get wrong: every row arrives
in the same reused array, as from a socket, so a list must copy a row to keep it.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import growable
from growable.cli.array_source import Rows, read_csv, repeat
from growable.cli.measure import PROGRESS_PERIOD, PeakMemory, carry_out, tell

Floats: TypeAlias = NDArray[np.float64]

HEAD = 10
"""How many rows there are when the first view is taken."""


@dataclass
class Holder:
    """One way to keep rows: how to append, to look at the column averaged, and at everything."""

    append: Callable[[Floats], object]
    column: Callable[[], Floats]
    everything: Callable[[], Floats]


def _array(source: Rows) -> Holder:
    rows = growable.Array(dtype="f8", row_shape=len(source.names))
    return Holder(rows.append, lambda: rows.view()[:, source.column], rows.view)


def _table(source: Rows) -> Holder:
    table = growable.Table(dict.fromkeys(source.names, "f8"))
    averaged = table[source.names[source.column]]
    return Holder(
        table.append, averaged.view, lambda: np.column_stack([*table.to_numpy().values()])
    )


def _list(source: Rows) -> Holder:
    rows: list[Floats] = []
    return Holder(
        lambda row: rows.append(row.copy()),
        lambda: np.array(rows)[:, source.column],
        lambda: np.array(rows),
    )


def _np_append(source: Rows) -> Holder:
    rows = np.empty((0, len(source.names)))

    def append(row: Floats) -> None:
        nonlocal rows
        rows = np.append(rows, [row], axis=0)

    return Holder(append, lambda: rows[:, source.column], lambda: rows)


def _by_hand(source: Rows) -> Holder:
    room, count = np.empty((16, len(source.names))), 0

    def append(row: Floats) -> None:
        nonlocal room, count
        if count == len(room):
            larger = np.empty((2 * count, len(row)))
            larger[:count] = room
            room = larger
        room[count] = row
        count += 1

    return Holder(append, lambda: room[:count, source.column], lambda: room[:count])


def _array_array(source: Rows) -> Holder:
    items = array("d")

    def everything() -> Floats:
        return np.frombuffer(items).reshape(-1, len(source.names))

    return Holder(
        lambda row: items.frombytes(row.tobytes()),
        lambda: everything()[:, source.column],
        everything,
    )


CONTESTANTS = {
    "growable.Array": _array,
    "growable.Table": _table,
    "list + np.array": _list,
    "np.append": _np_append,
    "doubled by hand": _by_hand,
    "array.array": _array_array,
}


@dataclass
class Result:
    """What one run showed."""

    rows: int = 0
    append_seconds: float = 0.0
    average_seconds: float = 0.0
    last_average_seconds: float | None = None
    worst_pause: float = 0.0
    peak_memory: int | None = None
    first_view: str = ""
    mean: float | None = None
    checks: list[tuple[str, bool]] = field(default_factory=list)


class Run:
    """Feeds the rows to a holder and times what it does with them."""

    def __init__(self, source: Rows, holder: Holder, limit: float) -> None:
        self.source = source
        self.holder = holder
        self.limit = limit
        self.result = Result()
        self._told = 0
        self._next_report = time.monotonic() + PROGRESS_PERIOD

    def drive(self, stream: Iterable[Floats]) -> None:
        """Append rows and average the column now and then, to the end or until time is up."""
        result, clock = self.result, time.perf_counter
        for row in stream:
            start = clock()
            self.holder.append(row)
            elapsed = clock() - start
            result.rows += 1
            result.append_seconds += elapsed
            result.worst_pause = max(result.worst_pause, elapsed)
            if result.rows % self.source.every == 0:
                self._average()
            if result.append_seconds + result.average_seconds > self.limit:
                return
            if time.monotonic() >= self._next_report:
                self.report()

    def _average(self) -> None:
        start = time.perf_counter()
        self.result.mean = float(self.holder.column().mean())
        elapsed = time.perf_counter() - start
        self.result.average_seconds += elapsed
        self.result.last_average_seconds = elapsed

    def report(self) -> None:
        """Tell the parent how far it is."""
        tell({"progress": self.result.rows - self._told})
        self._told = self.result.rows
        self._next_report = time.monotonic() + PROGRESS_PERIOD


def run_holder(name: str, source: Rows, limit: float) -> Result:
    """Run one contestant, with a view of the first rows held for as long as it lets us."""
    names, values = read_csv(Path(source.file))
    table = np.array(values).reshape(-1, len(names))
    memory = PeakMemory()
    run = Run(source, CONTESTANTS[name](source), limit)
    stream = _rows(source, table)
    run.drive(_take(stream, min(HEAD, source.rows)))
    view: Floats | None = run.holder.column()
    following = [row.copy() for row in _take(stream, 1)]
    try:
        run.drive(following)
    except BufferError as error:
        run.result.first_view = f"{type(error).__name__}: {error}"
        view = None
        run.drive(following)
    run.drive(stream)
    run.report()
    run.result.peak_memory = memory.read()
    _check(run, table, view)
    return run.result


def _rows(source: Rows, table: Floats) -> Iterator[Floats]:
    room = np.empty(table.shape[1])
    for number in repeat(source):
        room[:] = table[number]
        yield room


def _take(stream: Iterator[Floats], count: int) -> Iterator[Floats]:
    return (row for _, row in zip(range(count), stream, strict=False))


def _check(run: Run, table: Floats, view: Floats | None) -> None:
    """Compare with the rows that were given; and the first view with what is there now."""
    result, column = run.result, run.source.column
    wanted = table[np.arange(result.rows) % len(table)]
    now = run.holder.everything()
    result.checks.append(("contents", bool(np.array_equal(now, wanted, equal_nan=True))))
    if view is None:
        return
    present = run.holder.column()
    live = bool(np.shares_memory(view, present))
    result.first_view = "live" if live else "stale"
    if live:
        same_place = view.__array_interface__["data"] == present.__array_interface__["data"]
        same = np.array_equal(view, wanted[: len(view), column], equal_nan=True)
        result.checks += [
            ("first view: same address", bool(same_place)),
            ("first view: same values", bool(same)),
            ("first view: writes are seen", _writes_are_seen(view, present)),
        ]


def _writes_are_seen(view: Floats, present: Floats) -> bool:
    """Change a value through one, then through the other; put it back."""
    old = view[0]
    view[0] = old + 1
    there = present[0] == old + 1
    present[0] = old
    return bool(there and view[0] == old)


def child() -> int:
    """Do what the parent's plan says."""
    return carry_out(_run_plan)


def _run_plan(plan: dict[str, Any]) -> Result:
    source = Rows(**{**plan["source"], "names": tuple(plan["source"]["names"])})
    return run_holder(plan["contestant"], source, plan["limit"])
