"""Medians, spreads, percentiles, and rounds in which everybody has a turn."""

from __future__ import annotations

import gc
import statistics
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypedDict

__all__ = [
    "Spread",
    "Timer",
    "alternate",
    "curve_of",
    "fastest_of",
    "percentile",
    "quiet",
    "ratio_of",
    "ratios",
    "rotation",
    "spread_of",
]

Timer: TypeAlias = Callable[[int], int]  # takes the number of the round, returns nanoseconds


class Spread(TypedDict):
    """What is kept of several samples: the median, the middle half, and the extremes."""

    median: float
    low: float
    high: float
    least: float
    most: float
    count: int


def spread_of(samples: Sequence[float]) -> Spread:
    """Return median, quartiles and extremes of at least one sample."""
    ordered = sorted(samples)
    low, _, high = (
        statistics.quantiles(ordered, n=4, method="inclusive")
        if len(ordered) > 1
        else (ordered[0], ordered[0], ordered[0])
    )
    return {
        "median": statistics.median(ordered),
        "low": low,
        "high": high,
        "least": ordered[0],
        "most": ordered[-1],
        "count": len(ordered),
    }


def ratios(reference: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return round by round how many times less the other needed. Both have the same rounds."""
    return [a / b for a, b in zip(reference, other, strict=True)]


def ratio_of(reference: Sequence[float], other: Sequence[float]) -> float:
    """Return how many times faster `other` is: the median of the ratios round by round."""
    return statistics.median(ratios(reference, other))


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the sample that `share` of all are below; `ordered` is not empty."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def fastest_of(runs: Sequence[Sequence[int]]) -> array[int]:
    """Return for each position the least that it was in any run.

    What a contestant does by itself recurs at the same append in every run; an interruption by
    another process does not.
    """
    if len({len(run) for run in runs}) != 1:
        raise ValueError("runs of different lengths")
    return array("Q", runs[0] if len(runs) == 1 else map(min, *runs))


def curve_of(samples: Sequence[int], points: int) -> list[tuple[int, int]]:
    """Return at most `points` pairs: where a stretch of samples begins, and its largest one."""
    step = max(1, -(-len(samples) // points))
    return [(at, max(samples[at : at + step])) for at in range(0, len(samples), step)]


def rotation(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order of a round: each round begins with another one."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def alternate(timers: Mapping[str, Timer], rounds: int) -> dict[str, list[int]]:
    """Run every timer once a round, each round beginning with another one.

    Returns
    -------
    dict
        For each name what its timer returned, in the order of the rounds.
    """
    names = list(timers)
    times: dict[str, list[int]] = {name: [] for name in names}
    with quiet():
        for number in range(rounds):
            for name in rotation(names, number):
                times[name].append(timers[name](number))
    return times


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the cyclic garbage collector out of what is timed."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
