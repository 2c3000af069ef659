"""Time to create, fill with 16 bytes and destroy: Buffer beside bytearray.

Every round times bytearray, Buffer, and bytearray once more as a control. The control's ratio to
the first bytearray would be 1 on a silent machine; how far it strays, in blocks of rounds, is the
noise that a difference must exceed to count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from types import FunctionType
from typing import Any, TypeAlias

import growable
from bench import (
    EXIT_MISSED,
    OURS,
    PEER,
    Timer,
    alternate,
    environment,
    heading,
    positive,
    print_report,
    ratio_of,
    table,
)

Life: TypeAlias = Callable[[type[bytearray], int], None]

CONTROL = "control"
SIXTEEN = b"0123456789abcdef"
BLOCKS = 10


def create(kind: type[bytearray], count: int) -> None:
    for _ in repeat(None, count):
        kind()


def create_from(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        kind(piece)


def create_and_add(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        contents = kind()
        contents += piece


def create_from_and_view(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        memoryview(kind(piece))


def create_add_and_view(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        contents = kind()
        contents += piece
        view = memoryview(contents)
        del view


# What --check judges is the second and the third. The others are shown: an empty one has nothing
# to do with filling, and a view asks a Buffer for something that bytearray does not give.
LIVES: dict[str, Life] = {
    "T()": create,
    "T(16 bytes)": create_from,
    "T(); += 16 bytes": create_and_add,
    "memoryview(T(16 bytes))": create_from_and_view,
    "T(); += 16 bytes; memoryview": create_add_and_view,
}
JUDGED = {"T(16 bytes)", "T(); += 16 bytes"}


def timer(life: Life, kind: type[bytearray], count: int) -> Timer:
    """Return what times `count` lives once, with bytecode specialised for this type."""
    assert isinstance(life, FunctionType)
    own = FunctionType(life.__code__.replace(), life.__globals__)
    own(kind, 2000)

    def run(_round: int) -> int:
        start = time.perf_counter_ns()
        own(kind, count)
        return time.perf_counter_ns() - start

    return run


def noise_of(first: Sequence[int], control: Sequence[int]) -> float:
    """Return how far bytearray's ratio to itself strays from 1, in blocks of consecutive rounds."""
    size = max(1, len(first) // BLOCKS)
    starts = range(0, len(first) - size + 1, size)
    ratios = [ratio_of(first[at : at + size], control[at : at + size]) for at in starts]
    return max(abs(ratio - 1) for ratio in ratios)


def measure(name: str, rounds: int, count: int) -> dict[str, Any]:
    make = partial(timer, LIVES[name], count=count)
    times = alternate(
        {PEER: make(bytearray), OURS: make(growable.Buffer), CONTROL: make(bytearray)}, rounds
    )
    ratio = statistics.mean(ratio_of(times[each], times[OURS]) for each in (PEER, CONTROL))
    noise = noise_of(times[PEER], times[CONTROL])
    return {
        "life": name,
        PEER: statistics.median(times[PEER]) / count,
        OURS: statistics.median(times[OURS]) / count,
        "ratio": round(ratio, 3),
        "noise": round(noise, 3),
        "judged": name in JUDGED,
        "ok": name not in JUDGED or ratio >= 1 - noise,
    }


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"Medians of {report['rounds']} rounds of {report['count']} lives, destruction included;")
    print(f"ratio = {PEER} / {OURS}, above 1: {OURS} is faster;")
    print(f"noise: how far {PEER} strays from itself in the same rounds.\n")
    rows = [
        [
            row["life"],
            f"{row[PEER]:.0f} ns",
            f"{row[OURS]:.0f} ns",
            f"{row['ratio']:.2f}",
            f"{row['noise']:.3f}",
            "" if not row["judged"] else "ok" if row["ok"] else "SLOWER",
        ]
        for row in report["lives"]
    ]
    print(table(["life", PEER, OURS, "ratio", "noise", ""], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Time create + 16 bytes + destroy.")
    parser.add_argument("--rounds", type=positive, default=300, help="default: %(default)s")
    parser.add_argument(
        "--count", type=positive, default=2000, help="lives a round (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit 1 when Buffer is slower than bytearray by more than the noise",
    )
    options = parser.parse_args()
    report = {
        "environment": environment(),
        "rounds": options.rounds,
        "count": options.count,
        "lives": [measure(name, options.rounds, options.count) for name in LIVES],
    }
    print_report(report, show, as_json=options.json)
    slower = any(not row["ok"] for row in report["lives"])
    return EXIT_MISSED if options.check and slower else 0


if __name__ == "__main__":
    sys.exit(main())
