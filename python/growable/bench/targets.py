"""What the project promises of its figures: each target computed from a run, or not measured.

What a reader would get wrong: "met" means that the median of this run reached it, on this machine.
It is no more than that; the spread stands with the samples in the document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from growable.bench.contestants import (
    BACKGROUND,
    COPYING,
    DOUBLING,
    FLOOR,
    LOW_LATENCY,
    MOST_APPENDS,
    OURS,
    PYARROW,
    REFERENCE,
)
from growable.bench.measure import ratio_between
from growable.bench.plan import CHUNKS, GIB, KIB, MIB, TOTALS
from growable.cli.report import size_text

__all__ = ["TARGETS", "Found", "Target", "judge"]

Document: TypeAlias = Mapping[str, Any]

NOISE = 0.95  # what a cell that is no slower may show, for noise
RUNS_WANTED = 3


@dataclass(frozen=True)
class Found:
    """A figure, and what it was taken from."""

    figure: float
    of: str = ""
    complete: bool = True  # False when less was measured than the target speaks of


@dataclass(frozen=True)
class Target:
    """One promise. `least` tells whether the figure must be at least, or at most, the target."""

    work: str
    target: float
    stretch: float
    find: Callable[[Document], Found | None]
    least: bool = True
    allowed: float | None = None  # where noise is allowed for, what still counts as met

    def reached(self, figure: float, limit: float) -> bool:
        """Tell whether a figure is on the right side of a limit."""
        return figure >= limit if self.least else figure <= limit


def judge(document: Document) -> list[dict[str, Any]]:
    """Return one row for each target."""
    return [_row(target, target.find(document)) for target in TARGETS]


def _row(target: Target, found: Found | None) -> dict[str, Any]:
    verdict: Literal["met", "not met", "not measured"] = "not measured"
    if found is not None:
        limit = target.target if target.allowed is None else target.allowed
        verdict = "met" if target.reached(found.figure, limit) else "not met"
        if verdict == "met" and not found.complete:
            verdict = "not measured"
    return {
        "work": target.work,
        "sign": ">=" if target.least else "<=",
        "target": target.target,
        "allowed": target.allowed,
        "stretch": target.stretch,
        "figure": None if found is None else round(found.figure, 3),
        "of": "" if found is None else found.of,
        "verdict": verdict,
        "stretch_met": found is not None
        and verdict == "met"
        and target.reached(found.figure, target.stretch),
    }


# Finding figures in a document.


def _cells(
    document: Document,
    mode: str | None = None,
    *,
    total: int | None = None,
    chunk: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    for row in document["cells"]:
        if (
            mode in (None, row["mode"])
            and total in (None, row["total"])
            and chunk in (None, row["chunk"])
        ):
            yield row


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['mode']}, {size_text(row['total'])} by {size_text(row['chunk'])}"


def _worst(
    rows: Iterator[Mapping[str, Any]], ours: str = OURS, peer: str = REFERENCE
) -> Found | None:
    """Return the lowest ratio among the rows."""
    found = [
        Found(ratio, _name(row))
        for row in rows
        if (ratio := ratio_between(row, ours, peer)) is not None
    ]
    return min(found, key=lambda each: each.figure, default=None)


def _ratio(
    mode: str, total: int, chunk: int, ours: str = OURS, peer: str = REFERENCE
) -> Callable[[Document], Found | None]:
    return lambda document: _worst(_cells(document, mode, total=total, chunk=chunk), ours, peer)


def _every_cell(document: Document) -> Found | None:
    rows = [row for row in _cells(document) if row["mode"] != "second"]
    worst = _worst(iter(rows))
    if worst is None:
        return None
    times = Counter(
        (row["mode"], row["total"], row["chunk"])
        for row in rows
        if ratio_between(row, OURS, REFERENCE) is not None
    )
    wanted = 2 * sum(1 <= total // chunk <= MOST_APPENDS for total in TOTALS for chunk in CHUNKS)
    runs = document["runs"]
    again = sum(count > 1 for count in times.values())
    of = f"{worst.of}; {len(times)} of {wanted} cells, {again} of them in {runs} runs"
    return Found(worst.figure, of, len(times) >= wanted and runs >= RUNS_WANTED)


def _worst_of(
    mode: str, totals: Sequence[int], chunks: Sequence[int]
) -> Callable[[Document], Found | None]:
    """Return the lowest ratio of a part of the grid."""
    wanted = {
        (total, chunk) for total in totals for chunk in chunks if total // chunk <= MOST_APPENDS
    }

    def find(document: Document) -> Found | None:
        rows = [row for row in _cells(document, mode) if (row["total"], row["chunk"]) in wanted]
        worst = _worst(iter(rows))
        if worst is None:
            return None
        measured = {(row["total"], row["chunk"]) for row in rows}
        of = f"{worst.of}; {len(measured)} of {len(wanted)} cells"
        return Found(worst.figure, of, measured == wanted)

    return find


def _latency(
    total: int, chunk: int, figure: str, ours: str, peer: str
) -> Callable[[Document], Found | None]:
    """Compare a percentile of the minimum-filtered latencies."""

    def find(document: Document) -> Found | None:
        for row in document["latency"]:
            found = row["contestants"]
            if (row["total"], row["chunk"]) == (total, chunk) and ours in found and peer in found:
                own = found[ours]["filtered"][figure]
                return Found(
                    found[peer]["filtered"][figure] / max(1, own),
                    f"minimum of {row['filtered_runs']} runs",
                )
        return None

    return find


def _peak(document: Document) -> Found | None:
    found = [
        Found(peak, _name(row))
        for row in _cells(document, "first")
        if row["total"] >= 64 * MIB
        and OURS in row["contestants"]
        and (peak := row["contestants"][OURS]["peak_over_payload"]) is not None
    ]
    return max(found, key=lambda each: each.figure, default=None)


def _peak_over(document: Document) -> Found | None:
    for row in _cells(document, "first", total=256 * MIB, chunk=64 * KIB):
        found = row["contestants"]
        if OURS in found and COPYING in found:
            own, theirs = (found[name]["peak_over_payload"] for name in (OURS, COPYING))
            if own and theirs:
                return Found(theirs / own, _name(row))
    return None


def _over_the_floor(document: Document) -> Found | None:
    found = [
        Found(ratio, _name(row))
        for row in _cells(document, "first", total=GIB, chunk=64 * KIB)
        if (ratio := ratio_between(row, FLOOR, OURS)) is not None
    ]
    return max(found, key=lambda each: each.figure, default=None)


def _life(life: str) -> Callable[[Document], Found | None]:
    def find(document: Document) -> Found | None:
        for row in document["lives"]:
            ratio = ratio_between(row, OURS, REFERENCE) if row["life"] == life else None
            if ratio is not None:
                return Found(ratio)
        return None

    return find


def _million(document: Document) -> Mapping[str, Any] | None:
    rows = (row for row in document["live"] if row["count"] == 1_000_000)
    row: Mapping[str, Any] | None = next(rows, None)
    return row if row and OURS in row["contestants"] and REFERENCE in row["contestants"] else None


def _million_time(document: Document) -> Found | None:
    row = _million(document)
    ratio = ratio_between(row, OURS, REFERENCE) if row else None
    return None if ratio is None else Found(ratio)


def _million_bytes(document: Document) -> Found | None:
    row = _million(document)
    if row is None:
        return None
    own, theirs = (row["contestants"][name]["bytes_each"] for name in (OURS, REFERENCE))
    return Found(own / theirs, f"{own:.0f} and {theirs:.0f} bytes") if own and theirs else None


UP_TO_16_MIB = [total for total in TOTALS if total <= 16 * MIB]
LONG_CHUNKS = [chunk for chunk in CHUNKS if chunk >= 4 * KIB]

TARGETS = (
    Target(
        "every cell of the grid of at most 2^28 appends (noise: 0.95)",
        1.0,
        1.1,
        _every_cell,
        allowed=NOISE,
    ),
    Target(
        "up to 16 MiB, steady state, 64-byte chunks",
        1.3,
        1.6,
        _worst_of("steady", UP_TO_16_MIB, [64]),
    ),
    Target(
        "64 MiB, steady state, chunks from 4 KiB",
        4,
        7,
        _worst_of("steady", [64 * MIB], LONG_CHUNKS),
    ),
    Target(
        "64 MiB, first life, chunks from 4 KiB", 2, 2.8, _worst_of("first", [64 * MIB], LONG_CHUNKS)
    ),
    Target("1 GiB by 64 KiB, first life", 1.8, 2.6, _ratio("first", GIB, 64 * KIB)),
    Target("1 GiB by 64 KiB, second life", 4, 5.4, _ratio("second", GIB, 64 * KIB)),
    Target(
        "1 GiB by 64 KiB, first life, background prefault",
        2.5,
        3.5,
        _ratio("first", GIB, 64 * KIB, BACKGROUND),
    ),
    Target("4 GiB by 64 KiB, first life", 1.5, 2.2, _ratio("first", 4 * GIB, 64 * KIB)),
    Target("1 GiB by 1 KiB, over np doubling", 5, 7.5, _ratio("first", GIB, KIB, peer=DOUBLING)),
    Target("1 GiB by 1 KiB, over pyarrow", 3, 4.5, _ratio("first", GIB, KIB, peer=PYARROW)),
    Target(
        "256 MiB over a copying allocator: time",
        8,
        20,
        _ratio("first", 256 * MIB, 64 * KIB, peer=COPYING),
    ),
    Target(
        "256 MiB over a copying allocator: worst pause",
        100,
        500,
        _latency(256 * MIB, 64 * KIB, "max", OURS, COPYING),
    ),
    Target("256 MiB over a copying allocator: peak memory", 1.9, 2, _peak_over),
    Target(
        "worst append, 1 GiB by 1 KiB, low latency",
        15,
        34,
        _latency(GIB, KIB, "max", LOW_LATENCY, REFERENCE),
    ),
    Target(
        "p99.99 append, 1 GiB by 1 KiB, background prefault",
        1.5,
        3.5,
        _latency(GIB, KIB, "p99.99", BACKGROUND, REFERENCE),
    ),
    Target("peak memory over payload, from 64 MiB", 1.02, 1.0, _peak, least=False),
    Target("fresh 1 GiB over zeroing + memcpy", 1.3, 1.05, _over_the_floor, least=False),
    Target("create + 16 bytes + destroy", 1.0, 1.3, _life("16 bytes")),
    Target("create + memoryview + destroy", 1.0, 1.2, _life("memoryview")),
    Target(
        "1,000,000 live 16-byte buffers: bytearray's time over Buffer's", 0.9, 1.0, _million_time
    ),
    Target(
        "1,000,000 live 16-byte buffers: bytes each, over bytearray's",
        1.9,
        1.5,
        _million_bytes,
        least=False,
    ),
)
