"""RingBuffer beside what is used without it: the rings of PyPI in one process, a Pipe between two.

In one process each contestant takes in a piece and shows the newest items as one contiguous
array, again and again. Between processes each carries messages of 64 KiB, and every byte of them is
checked on arrival, by the same comparison. Peers that are not installed are left out.

What a reader would get wrong: the rings of PyPI copy their whole window for that array, so the
ratio grows with the window. The smallest window here is the one to look at.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from itertools import repeat
from typing import Any

import growable
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

OURS = "RingBuffer"
MESSAGE = 64 * 1024
RING = 16 * MESSAGE
TARGET = 3.0

# In one process: (items in the window, items in a piece, how often).
WINDOWS = ((1_000, 10, 20_000), (10_000, 100, 10_000), (100_000, 1_000, 1_000))


def run_ours(window: int, piece: Any, count: int) -> None:
    ring = growable.RingBuffer(window + len(piece), float, overwrite=True)
    ring.extend(np.zeros(window))
    for _ in repeat(None, count):
        ring.extend(piece)
        ring.view(-window)


def peer(module: str) -> Callable[[int, Any, int], None]:
    kind = importlib.import_module(module).RingBuffer

    def run(window: int, piece: Any, count: int) -> None:
        ring = kind(window)
        ring.extend(np.zeros(window))
        for _ in repeat(None, count):
            ring.extend(piece)
            ring[:]

    return run


def peers() -> dict[str, Callable[[int, Any, int], None]]:
    found = {}
    for name, module in (
        ("dvg-ringbuffer", "dvg_ringbuffer"),
        ("numpy-ringbuffer", "numpy_ringbuffer"),
    ):
        try:
            found[name] = peer(module)
        except ImportError:
            print(f"{name} is not installed: left out", file=sys.stderr)
    return found


def timer(work: Callable[[int, Any, int], None], window: int, size: int, count: int) -> Timer:
    piece = np.arange(float(size))

    def run(_round: int) -> int:
        start = time.perf_counter_ns()
        work(window, piece, count)
        return time.perf_counter_ns() - start

    return run


# Between two processes.


def messages() -> list[bytes]:
    rng = np.random.default_rng(1)
    return [rng.bytes(MESSAGE) for _ in range(7)]


def send_by_pipe(sender: Any, connection: Any, count: int) -> None:
    contents = messages()
    connection.recv_bytes()
    for number in range(count):
        sender.send_bytes(contents[number % len(contents)])


def send_by_ring(ring: Any, connection: Any, count: int) -> None:
    contents = messages()
    connection.recv_bytes()
    for number in range(count):
        ring.write(contents[number % len(contents)], timeout=None)
    connection.recv_bytes()


def differ(number: int) -> None:
    sys.exit(f"message {number} has arrived with another content")


def receive_by_pipe(count: int, duplex: bool) -> int:
    ours, theirs = multiprocessing.Pipe()
    receiver, sender = multiprocessing.Pipe(duplex)
    expected = [bytearray(content) for content in messages()]
    process = multiprocessing.Process(target=send_by_pipe, args=(sender, theirs, count))
    process.start()
    ours.send_bytes(b"go")
    begun = time.perf_counter_ns()
    for number in range(count):
        if expected[number % len(expected)] != receiver.recv_bytes():
            differ(number)
    passed = time.perf_counter_ns() - begun
    process.join()
    return passed


def receive_by_ring(count: int) -> int:
    ours, theirs = multiprocessing.Pipe()
    ring = growable.RingBuffer(RING)
    expected = [bytearray(content) for content in messages()]
    process = multiprocessing.Process(target=send_by_ring, args=(ring, theirs, count))
    process.start()
    ours.send_bytes(b"go")
    begun = time.perf_counter_ns()
    for number in range(count):
        if expected[number % len(expected)] != ring.peek(MESSAGE, timeout=None):
            differ(number)
        ring.consume(MESSAGE)
    passed = time.perf_counter_ns() - begun
    ours.send_bytes(b"done")
    process.join()
    return passed


# The report.


def rows_of(title: str, timers: dict[str, Timer], rounds: int, count: int) -> list[dict[str, Any]]:
    times = alternate(timers, rounds)
    rows = []
    for name in timers:
        ratio, target = ratio_of(times[name], times[OURS]), None if name == OURS else TARGET
        rows.append(
            {
                "work": title,
                "way": name,
                "us": round(statistics.median(times[name]) / count / 1000, 2),
                "ratio": round(ratio, 2),
                "target": target,
                "ok": target is None or ratio >= target,
            }
        )
    return rows


def measure_windows(rounds: int) -> list[dict[str, Any]]:
    contestants = {OURS: run_ours, **peers()}
    rows = []
    for window, size, count in WINDOWS:
        title = f"extend by {size}, newest {window}"
        timers = {name: timer(work, window, size, count) for name, work in contestants.items()}
        rows += rows_of(title, timers, rounds, count)
    return rows


def measure_processes(rounds: int, count: int) -> list[dict[str, Any]]:
    timers: dict[str, Timer] = {
        OURS: lambda _: receive_by_ring(count),
        "Pipe()": lambda _: receive_by_pipe(count, True),
        "Pipe(duplex=False)": lambda _: receive_by_pipe(count, False),
    }
    return rows_of("64 KiB to another process", timers, rounds, count)


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"Medians of {report['rounds']} rounds; ratio = the other's time / RingBuffer's.\n")
    rows = [
        [
            f"{row['work']}, {row['way']}",
            f"{row['us']:.2f} us",
            f"{row['ratio']:.2f}",
            "" if row["target"] is None else f">= {row['target']}",
            "" if row["target"] is None else "ok" if row["ok"] else "MISSED",
        ]
        for row in report["rows"]
    ]
    print(table(["work", "each", "ratio", "target", ""], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Time rings in one process and between two.")
    parser.add_argument("--rounds", type=positive, default=7, help="default: %(default)s")
    parser.add_argument("--messages", type=positive, default=8000, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    report = {
        "environment": environment() | {"numpy": np.__version__},
        "rounds": options.rounds,
        "rows": measure_windows(options.rounds)
        + measure_processes(options.rounds, options.messages),
    }
    if options.json:
        print_json(report)
    else:
        show(report)
    missed = any(not row["ok"] for row in report["rows"])
    return EXIT_MISSED if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
