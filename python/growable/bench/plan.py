"""Which cells a run measures: the smoke, the short and the full set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from growable.bench.contestants import (
    BACKGROUND,
    CONTESTANTS,
    COPYING,
    DOUBLING,
    FLOOR,
    HUGE_HEAP,
    LOW_LATENCY,
    OURS,
    PYARROW,
    REFERENCE,
    SMALL_PAGES,
    TIMER,
    WITHOUT,
)

__all__ = [
    "CHUNKS",
    "FULL",
    "MOST_APPENDS_AGAIN",
    "POLICIES",
    "SETS",
    "SHORT",
    "SMOKE",
    "TOTALS",
    "Appends",
    "Cell",
    "Plan",
    "only",
    "own",
]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
TOTALS = (KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB, 4 * GIB)
CHUNKS = (1, 16, 64, KIB, 4 * KIB, 64 * KIB, MIB)

MOST_APPENDS_AGAIN = 1 << 26  # in one fill of a cell that is measured in more than one run

POLICIES = (SMALL_PAGES, *WITHOUT)  # each without one of them

_FILLERS = tuple(name for name in CONTESTANTS if name not in (FLOOR, TIMER, *WITHOUT))
_LARGEST = (REFERENCE, OURS, SMALL_PAGES, BACKGROUND, DOUBLING, PYARROW, HUGE_HEAP)
_USUAL = (REFERENCE, OURS, "io.BytesIO", "list + join", "array.array")
_LATENCY = (
    TIMER,
    REFERENCE,
    OURS,
    SMALL_PAGES,
    LOW_LATENCY,
    BACKGROUND,
    "io.BytesIO",
    "array.array",
    DOUBLING,
    PYARROW,
    HUGE_HEAP,
    COPYING,
)
_MEMORY = (
    REFERENCE,
    OURS,
    SMALL_PAGES,
    "io.BytesIO",
    "list + join",
    DOUBLING,
    PYARROW,
    COPYING,
)


@dataclass(frozen=True)
class Cell:
    """One place of the grid: fill to `total` by `chunk`, again and again or in a first life.

    With `lives` 2 a first life is followed by a second one in the same process, which is a cell of
    its own in the results.
    """

    mode: Literal["steady", "first"]
    total: int
    chunk: int
    names: tuple[str, ...]
    lives: int = 1

    @property
    def appends(self) -> int:
        """Return how many pieces one fill takes."""
        return self.total // self.chunk


@dataclass(frozen=True)
class Appends:
    """Appends one by one in first lives, of which each is timed, or the memory is watched."""

    total: int
    chunk: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What one run does. Nothing is measured fewer than `rounds` times."""

    name: str
    runs: int  # of the grid; those after the first are of bytearray and Buffer alone
    rounds: int
    most_rounds: int  # but for the shortest first lives; see rounds_of
    life_rounds: int
    sample_ns: int  # one sample of a steady state lasts about so long
    cells: tuple[Cell, ...]
    latency: tuple[Appends, ...]
    filtered: int  # runs that the minimum-filtered latencies are of
    memory: Appends | None  # the runs whose memory is watched
    lives: int  # in one sample; 0 for none
    live_counts: tuple[int, ...]
    thread_counts: tuple[int, ...]
    instructions: tuple[tuple[int, int, int], ...]  # total, chunk, fills
    warm_up: bool

    def rounds_of(self, cell: Cell) -> int:
        """Return how often a cell is measured: small ones more often, as they cost little.

        The shortest first lives most of all: they are a few dozen waits for memory, and how many
        of them the caches spare is chance.
        """
        most = self.most_rounds
        if cell.mode == "first" and cell.total <= KIB:
            most *= 3
        return max(self.rounds, min(most, 256 * MIB // max(1, cell.total)))

    def cells_of(self, run: int) -> Iterator[Cell]:
        """Yield the cells that a run measures, counted from 0."""
        for cell in self.cells:
            if run == 0:
                yield cell
            elif {REFERENCE, OURS} <= set(cell.names) and cell.appends <= MOST_APPENDS_AGAIN:
                yield replace(cell, names=(REFERENCE, OURS))


def _with(names: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, *more)))


def _with_all(mode: str, total: int, chunk: int) -> bool:
    """Tell whether all contestants take part: everywhere would take a day."""
    if total <= MIB:
        return True
    if total == 16 * MIB and chunk in (64, 4 * KIB):
        return True
    if mode == "first" and chunk == 64 * KIB:
        return True
    return total <= 256 * MIB and (chunk == 64 * KIB or (mode == "first" and chunk == KIB))


def _contestants(mode: str, total: int, chunk: int) -> tuple[str, ...]:
    names = _FILLERS if _with_all(mode, total, chunk) else (REFERENCE, OURS)
    if (mode, total, chunk) == ("first", 4 * GIB, 64 * KIB):
        names = _LARGEST
    if (mode, total, chunk) == ("first", GIB, 64 * KIB):
        names = tuple(name for name in names if name != COPYING)  # nine seconds a life
    if (mode, total, chunk) == ("first", GIB, KIB):
        names = (REFERENCE, OURS, DOUBLING, PYARROW)
    if chunk == 64 * KIB and total <= GIB:
        names = _with(names, POLICIES)
    if mode == "first" and total >= 64 * MIB and chunk == 64 * KIB:
        names = (*names, FLOOR)
    return names


def _grid() -> Iterator[Cell]:
    for total in TOTALS:
        for chunk in CHUNKS:
            if chunk > total:
                continue
            lives = 2 if (total, chunk) == (GIB, 64 * KIB) else 1
            yield Cell("first", total, chunk, _contestants("first", total, chunk), lives)
            yield Cell("steady", total, chunk, _contestants("steady", total, chunk))


SHORT = Plan(
    name="short",
    runs=1,
    rounds=7,
    most_rounds=9,
    life_rounds=101,
    sample_ns=2_000_000,
    cells=(
        Cell("steady", KIB, 16, _FILLERS),
        Cell("steady", KIB, 64, _USUAL),
        Cell("steady", 64 * KIB, 64, _FILLERS),
        Cell("steady", 64 * KIB, 4 * KIB, _USUAL),
        Cell("steady", MIB, 64, _USUAL),
        Cell("steady", MIB, 64 * KIB, _FILLERS),
        Cell("steady", 16 * MIB, 64, _USUAL),
        Cell("steady", 16 * MIB, 64 * KIB, _FILLERS),
        Cell("steady", 64 * MIB, 64 * KIB, _USUAL),
        Cell("first", KIB, 64, _USUAL),
        Cell("first", MIB, 4 * KIB, _USUAL),
        Cell("first", 64 * MIB, 64 * KIB, (*_USUAL, SMALL_PAGES)),
        Cell("first", 256 * MIB, 64 * KIB, (*_USUAL, DOUBLING, PYARROW, HUGE_HEAP, COPYING)),
        Cell("first", GIB, KIB, (REFERENCE, OURS, DOUBLING, PYARROW)),
        Cell("first", GIB, 64 * KIB, (REFERENCE, OURS, BACKGROUND, FLOOR), lives=2),
    ),
    latency=(
        Appends(256 * MIB, KIB, (TIMER, REFERENCE, OURS, LOW_LATENCY, BACKGROUND)),
        Appends(256 * MIB, 64 * KIB, (REFERENCE, OURS, COPYING)),
    ),
    filtered=5,
    memory=Appends(256 * MIB, 64 * KIB, _MEMORY),
    lives=2000,
    live_counts=(1, 1000, 100_000, 1_000_000),
    thread_counts=(1, 2, 8),
    instructions=((KIB, 16, 200), (64 * KIB, 64, 10), (64 * KIB, 4 * KIB, 100)),
    warm_up=True,
)

FULL = replace(
    SHORT,
    name="full",
    runs=3,
    most_rounds=21,
    cells=tuple(_grid()),
    latency=(
        Appends(256 * MIB, KIB, _LATENCY),
        Appends(256 * MIB, 64 * KIB, _LATENCY),
        Appends(GIB, KIB, _LATENCY),
    ),
    live_counts=(1, 10, 100, 1000, 10_000, 100_000, 1_000_000),
    thread_counts=(1, 2, 4, 8, 16, 32, 64),
)

SMOKE = replace(
    SHORT,
    name="smoke",
    rounds=2,
    most_rounds=2,
    life_rounds=5,
    sample_ns=200_000,
    cells=(
        Cell("steady", KIB, 16, _FILLERS),
        Cell("steady", 64 * KIB, 4 * KIB, _USUAL),
        Cell("first", MIB, 64 * KIB, (*_with(_FILLERS, POLICIES), FLOOR), lives=2),
    ),
    latency=(Appends(MIB, KIB, _LATENCY),),
    filtered=2,
    memory=Appends(4 * MIB, 64 * KIB, _MEMORY),
    lives=100,
    live_counts=(1, 1000),
    thread_counts=(1, 2),
    instructions=(),
    warm_up=False,
)

SETS = {plan.name: plan for plan in (SMOKE, SHORT, FULL)}


def own(plan: Plan, totals: Sequence[int], chunks: Sequence[int]) -> Plan:
    """Return a plan of cells only, of these totals and chunks, both modes, all contestants."""
    cells: list[Cell] = []
    for total in totals:
        for chunk in chunks:
            if chunk <= total:
                cells += (
                    Cell("steady", total, chunk, _with(_FILLERS, POLICIES)),
                    Cell("first", total, chunk, _with(_FILLERS, POLICIES)),
                )
    return replace(
        plan,
        name="own",
        cells=tuple(cells),
        latency=(),
        memory=None,
        lives=0,
        live_counts=(),
        thread_counts=(),
        instructions=(),
    )


def only(plan: Plan, names: Sequence[str]) -> Plan:
    """Return the plan with these contestants, Buffer, and bytearray, which all are compared with.

    Parts that have two fixed contestants stay as they are; instructions are not counted.
    """

    def chosen(all_names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in all_names if name in (REFERENCE, OURS, *names))

    return replace(
        plan,
        cells=tuple(replace(cell, names=chosen(cell.names)) for cell in plan.cells),
        latency=tuple(replace(row, names=chosen(row.names)) for row in plan.latency),
        memory=plan.memory and replace(plan.memory, names=chosen(plan.memory.names)),
        instructions=(),
    )
