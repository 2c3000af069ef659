"""Fill and destroy: Buffer beside bytearray, io.BytesIO and list + join.

Three questions, which have different answers:

steady      a process fills again and again; what was freed is warm
first life  a fresh process fills once; every page is touched for the first time
latency     the same, with each append timed by itself; how long does the worst one take?

What a reader would get wrong: a fill appends the same bytes object again and again, which stays
in the caches, so this is the cost of holding a stream and not of receiving one. And the ratio of a
steady state says nothing about a program that fills one large buffer and ends.
"""

from __future__ import annotations

import argparse
import array
import gc
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import growable
from bench import (
    CONTESTANTS,
    EXIT_USAGE,
    PEER,
    alternate,
    environment,
    heading,
    positive,
    print_json,
    ratio_of,
    table,
)
from growable.cli.report import size_text, time_text
from growable.config import parse_size

SIXTEEN = b"0123456789abcdef"
PIECES = 8
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

Case: TypeAlias = tuple[int, int]  # total, chunk

STEADY: list[Case] = [
    (KIB, 16),
    (KIB, 64),
    (64 * KIB, 16),
    (64 * KIB, 64),
    (64 * KIB, 4 * KIB),
    (MIB, 64),
    (MIB, 4 * KIB),
    (MIB, 64 * KIB),
    (16 * MIB, 64),
    (16 * MIB, 4 * KIB),
    (16 * MIB, 64 * KIB),
    (16 * MIB, MIB),
    (64 * MIB, 4 * KIB),
    (64 * MIB, 64 * KIB),
    (64 * MIB, MIB),
    (256 * MIB, 64 * KIB),
]
FIRST: list[Case] = [
    (MIB, 4 * KIB),
    (16 * MIB, 4 * KIB),
    (16 * MIB, 64 * KIB),
    (64 * MIB, 4 * KIB),
    (64 * MIB, 64 * KIB),
    (64 * MIB, MIB),
    (256 * MIB, 64),
    (256 * MIB, 4 * KIB),
    (256 * MIB, 64 * KIB),
    (256 * MIB, MIB),
]
LARGE: list[Case] = [(GIB, 64), (GIB, 4 * KIB), (GIB, 64 * KIB), (GIB, MIB)]
SMOKE_STEADY: list[Case] = [(KIB, 16), (64 * KIB, 4 * KIB), (MIB, 64 * KIB)]
SMOKE_FIRST: list[Case] = [(MIB, 4 * KIB)]


@dataclass(frozen=True)
class Effort:
    """How much work to spend."""

    sample_ns: int  # one sample of the steady state lasts about so long
    most_rounds: int
    budget_bytes: int  # all rounds of a case fill about so much
    first_rounds: int
    latency_runs: int

    def rounds(self, total: int) -> int:
        return max(3, min(self.most_rounds, self.budget_bytes // total))


FULL = Effort(2_000_000, 101, 2 * GIB, 5, 5)
SMOKE = Effort(200_000, 5, 16 * MIB, 2, 2)


def pieces_of(chunk: int) -> list[bytes]:
    """Return pieces that begin at different places of their pages; each round takes another one.

    Some processors copy many times slower when the target begins a few bytes further in its page
    than the source, which is luck and nobody's merit. So it may not be the same in every round.
    """
    pieces, padding = [], []
    for number in range(PIECES):
        padding.append(b"p" * (600 + 272 * number))
        pieces.append(b"x" * chunk)
    return pieces


# Steady state. Each contestant lives in a process of its own, and they take turns: in one process
# the freed memory of one decides how the next one's allocator behaves.


def child_steady(name: str, total: int, chunk: int) -> None:
    """For each round and number of fills on stdin, print how long they took, until stdin ends.

    Without file objects, whose blocks would come and go on the heap that is being measured.
    """
    pieces, count, fill = pieces_of(chunk), total // chunk, CONTESTANTS[name]
    while question := os.read(0, 64):
        number, repeats = map(int, question.split())
        piece = pieces[number % PIECES]
        if repeats > 1:
            fill(piece, count)  # The others have run since, and the caches are theirs.
        start = time.perf_counter_ns()
        for _ in range(repeats):
            fill(piece, count)
        os.write(1, b"%d\n" % (time.perf_counter_ns() - start))


class Runner:
    """A contestant in a process of its own, which fills when asked."""

    def __init__(self, name: str, case: Case) -> None:
        self._process = subprocess.Popen(
            child_command("steady", name, *case),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, repeats: int, number: int) -> int:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(number, repeats, file=stdin, flush=True)
        return int(stdout.readline())

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()


def warm_up(runner: Runner, sample_ns: int) -> int:
    """Fill until the allocator has settled; return how many fills make one sample."""
    repeats = 1
    for number in range(PIECES):
        elapsed = runner.run(repeats, number)
        repeats = max(1, sample_ns * repeats // max(1, elapsed))
    return repeats


def measure_steady(case: Case, effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        runners = {name: stack.enter_context(Runner(name, case)) for name in CONTESTANTS}
        repeats = {name: warm_up(each, effort.sample_ns) for name, each in runners.items()}
        timers = {name: partial(each.run, repeats[name]) for name, each in runners.items()}
        times = alternate(timers, effort.rounds(case[0]))
    return outcome(case, {name: [t / repeats[name] for t in each] for name, each in times.items()})


def outcome(case: Case, times: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {
        "total": case[0],
        "chunk": case[1],
        "rounds": len(times[PEER]),
        "ns": {name: statistics.median(each) for name, each in times.items()},
        "ratio": {name: round(ratio_of(times[PEER], each), 3) for name, each in times.items()},
    }


# First life. What the child process does, and starting it.


def child_first(name: str, total: int, chunk: int, number: int) -> None:
    piece, fill = pieces_of(chunk)[number % PIECES], CONTESTANTS[name]
    fill(SIXTEEN, 1)
    start = time.perf_counter_ns()
    fill(piece, total // chunk)
    elapsed = time.perf_counter_ns() - start
    print(elapsed)


def child_command(*words: object) -> list[str]:
    return [sys.executable, str(Path(__file__).resolve()), "--child", *map(str, words)]


def run_child(*words: object) -> bytes:
    return subprocess.run(child_command(*words), stdout=subprocess.PIPE, check=True).stdout


def measure_first(case: Case, effort: Effort) -> dict[str, Any]:
    timers = {name: partial(first_life, name, case) for name in CONTESTANTS}
    return outcome(case, alternate(timers, effort.first_rounds))


def first_life(name: str, case: Case, number: int) -> int:
    """Return the time of the faster of two lives, in two processes one right after the other.

    The host of a virtual machine backs memory when it is touched first, and may take it back
    seconds after it was freed. Where it has to, a life takes several times as long, and whom that
    hits is chance. The second life finds the memory that the first one left.
    """
    return min(int(run_child("first", name, *case, number)) for _ in range(2))


# Latency.


def _do_nothing(_piece: bytes) -> None:
    pass


def _appender(name: str) -> Callable[[bytes], object]:
    makers: dict[str, Callable[[], Callable[[bytes], object]]] = {
        "timer only": lambda: _do_nothing,
        PEER: lambda: bytearray().extend,
        "Buffer": lambda: growable.Buffer().extend,
        "Buffer, small pages": lambda: growable.Buffer(huge_pages=False).extend,
        "io.BytesIO": lambda: io.BytesIO().write,
    }
    return makers[name]()


LATENCY = ["timer only", PEER, "Buffer", "Buffer, small pages", "io.BytesIO"]


def child_latency(name: str, total: int, chunk: int) -> None:
    piece, count = b"x" * chunk, total // chunk
    latencies = array.array("Q", bytes(8)) * count
    step, clock = _appender(name), time.perf_counter_ns
    gc.disable()
    for i in range(count):
        start = clock()
        step(piece)
        latencies[i] = clock() - start
    sys.stdout.buffer.write(latencies.tobytes())


def measure_latency(name: str, total: int, chunk: int, runs: int) -> dict[str, Any]:
    """Return percentiles of the fastest that each append was in several runs.

    What the buffer itself does happens at the same append in every run; being preempted does not.
    """
    fastest: list[int] = []
    for _ in range(runs):
        run = array.array("Q", run_child("latency", name, total, chunk))
        fastest = [*map(min, fastest, run)] if fastest else [*run]
    fastest.sort()
    return {
        "contestant": name,
        "appends": len(fastest),
        "p50": percentile(fastest, 0.5),
        "p99": percentile(fastest, 0.99),
        "p99.9": percentile(fastest, 0.999),
        "p99.99": percentile(fastest, 0.9999),
        "max": fastest[-1],
    }


def percentile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# Reports.


def show_cases(title: str, cases: Sequence[dict[str, Any]]) -> None:
    if not cases:
        return
    names = list(CONTESTANTS)
    rows = [
        [
            f"{size_text(each['total'])} / {size_text(each['chunk'])}",
            str(each["rounds"]),
            time_text(each["ns"][PEER] / 1e9),
            *(f"{each['ratio'][name]:.2f}" for name in names if name != PEER),
        ]
        for each in cases
    ]
    others = [name for name in names if name != PEER]
    print(f"\n{title}: time of {PEER}, and how many times faster the others are\n")
    print(table(["total / chunk", "rounds", PEER, *others], rows))


def show_latency(found: dict[str, Any]) -> None:
    total, chunk = size_text(found["total"]), size_text(found["chunk"])
    columns = ["p50", "p99", "p99.9", "p99.99", "max"]
    rows = [
        [each["contestant"], *(time_text(each[column] / 1e9) for column in columns)]
        for each in found["contestants"]
    ]
    print(f"\nlatency of one append: {chunk} at a time to {total}, first life,")
    print(f"each append's fastest of {found['runs']} runs\n")
    print(table(["", *columns], rows))


def show(report: dict[str, Any]) -> None:
    show_cases("steady", report["steady"])
    show_cases("first life", report["first"])
    if report["latency"]:
        show_latency(report["latency"])


# The command.


def size(text: str) -> int:
    try:
        return parse_size(text, minimum=1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def available_memory() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return int(fields["MemAvailable"].split()[0]) * KIB if "MemAvailable" in fields else None


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fill and destroy, beside the built-in ways.")
    parser.add_argument(
        "--only", choices=["steady", "first", "latency"], help="one of the three parts"
    )
    parser.add_argument(
        "--total", type=size, action="append", help="fill to this size; may be repeated"
    )
    parser.add_argument(
        "--chunk", type=size, action="append", help="so much at a time; may be repeated"
    )
    parser.add_argument("--large", action="store_true", help="first lives of 1 GiB as well")
    parser.add_argument("--rounds", type=positive, help="the same number for every case")
    parser.add_argument(
        "--latency-size", type=size, help="append up to this size (default: 256MiB)"
    )
    parser.add_argument(
        "--latency-chunk", type=size, default=KIB, help="so much at a time (default: 1KiB)"
    )
    parser.add_argument("--smoke", action="store_true", help="see that all of it runs; no figures")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    if (options.total is None) != (options.chunk is None):
        parser.error("--total and --chunk go together")
    return options


def cases_of(options: argparse.Namespace) -> tuple[list[Case], list[Case]]:
    """Return what to fill in the steady state and in first lives."""
    if options.total is not None:
        both = [(t, c) for t in options.total for c in options.chunk if c <= t]
        return both, both
    if options.smoke:
        return SMOKE_STEADY, SMOKE_FIRST
    return STEADY, [*FIRST, *(LARGE if options.large else [])]


def effort_of(options: argparse.Namespace) -> Effort:
    effort = SMOKE if options.smoke else FULL
    n = options.rounds
    if n is None:
        return effort
    return Effort(effort.sample_ns, n, n * (1 << 62), n, n)


def latency_report(options: argparse.Namespace, effort: Effort) -> dict[str, Any]:
    total: int = options.latency_size or (MIB if options.smoke else 256 * MIB)
    chunk: int = options.latency_chunk
    measured = [measure_latency(name, total, chunk, effort.latency_runs) for name in LATENCY]
    return {"total": total, "chunk": chunk, "runs": effort.latency_runs, "contestants": measured}


def main() -> int:
    options = parse_arguments()
    steady, first = cases_of(options)
    effort = effort_of(options)
    largest = max(total for total, _ in [*steady, *first])
    available = available_memory()
    # A list of small pieces holds each in an object of its own, and then all of them once more.
    if available is not None and 4 * largest > available:
        print(f"throughput.py: {size_text(largest)} is too much here", file=sys.stderr)
        return EXIT_USAGE
    report: dict[str, Any] = {"environment": environment(), "smoke": options.smoke}
    report |= {"steady": [], "first": [], "latency": None}
    if not options.json:
        print(heading(report["environment"]))
    parts: dict[str, Callable[[], Any]] = {
        "steady": lambda: [measure_steady(case, effort) for case in steady],
        "first": lambda: [measure_first(case, effort) for case in first],
        "latency": lambda: latency_report(options, effort),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            report[name] = part()
    if options.json:
        print_json(report)
    else:
        show(report)
    return 0


def child(words: list[str]) -> None:
    match words:
        case ["steady", name, total, chunk]:
            gc.disable()
            child_steady(name, int(total), int(chunk))
        case ["first", name, total, chunk, number]:
            gc.disable()
            child_first(name, int(total), int(chunk), int(number))
        case ["latency", name, total, chunk]:
            child_latency(name, int(total), int(chunk))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        sys.exit()
    sys.exit(main())
