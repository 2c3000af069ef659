"""RingBuffer beside what is used without it: the rings of PyPI in one process, a Pipe between two.

In one process each contestant takes in a piece and shows the newest items as one contiguous
array, again and again; such a window is checked before. Between processes each carries messages of
64 KiB, and every byte of them is checked on arrival, by the same comparison. Peers that are not
installed are left out.

What a reader would get wrong: the rings of PyPI copy their whole window for that array, so the
ratio grows with the window. The smallest window here is the one to look at.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import growable
import numpy as np
from bench import Timer, positive
from contest import Row, contest, parser_of, tell, timer

OURS = "RingBuffer"
MESSAGE = 64 * 1024
RING = 16 * MESSAGE
TARGET = 3.0

# In one process: (items in the window, items in a piece, how often).
WINDOWS = ((1_000, 10, 20_000), (10_000, 100, 10_000), (100_000, 1_000, 1_000))


# What runs there: window, piece, how often -> the last window.
Work = Callable[[int, Any, int], Any]


def run_ours(window: int, piece: Any, count: int) -> Any:
    ring = growable.RingBuffer(window + len(piece), float, overwrite=True)
    ring.extend(np.zeros(window))
    for _ in repeat(None, count):
        ring.extend(piece)
        ring.view(-window)
    return ring.view(-window)


def peer(module: str) -> Work:
    kind = importlib.import_module(module).RingBuffer

    def run(window: int, piece: Any, count: int) -> Any:
        ring = kind(window)
        ring.extend(np.zeros(window))
        for _ in repeat(None, count):
            ring.extend(piece)
            ring[:]
        return ring[:]

    return run


def peers() -> dict[str, Work]:
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


def check_window(work: Work, window: int, piece: Any) -> None:
    count = 3
    stream = np.concatenate([np.zeros(window), *([piece] * count)])
    if not np.array_equal(work(window, piece, count), stream[-window:]):
        sys.exit("the newest items are not those that came in last")


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


def start(target: Callable[..., None], *args: Any) -> multiprocessing.Process:
    process = multiprocessing.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def differ(number: int) -> None:
    sys.exit(f"message {number} has arrived with another content")


def receive_by_pipe(count: int, duplex: bool) -> int:
    ours, theirs = multiprocessing.Pipe()
    receiver, sender = multiprocessing.Pipe(duplex)
    expected = [bytearray(content) for content in messages()]
    process = start(send_by_pipe, sender, theirs, count)
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
    process = start(send_by_ring, ring, theirs, count)
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


def measure_windows(rounds: int, smoke: bool) -> Iterator[Row]:
    contestants = {OURS: run_ours, **peers()}
    for window, size, often in WINDOWS:
        piece, count = np.arange(float(size)), 10 if smoke else often
        for work in contestants.values():
            check_window(work, window, piece)
        timers = {
            name: timer(partial(work, window, piece, count)) for name, work in contestants.items()
        }
        title = f"extend by {size}, newest {window}"
        targets = dict.fromkeys(contestants.keys() - {OURS}, TARGET)
        yield from contest(title, timers, targets, rounds=rounds, count=count)


def measure_processes(rounds: int, count: int) -> list[Row]:
    timers: dict[str, Timer] = {
        OURS: lambda _: receive_by_ring(count),
        "Pipe()": lambda _: receive_by_pipe(count, True),
        "Pipe(duplex=False)": lambda _: receive_by_pipe(count, False),
    }
    targets = dict.fromkeys(timers.keys() - {OURS}, TARGET)
    title = "64 KiB to another process"
    return contest(title, timers, targets, rounds=rounds, count=count)


def main() -> int:
    parser = parser_of("Time rings in one process and between two.", rounds=7)
    parser.add_argument("--messages", type=positive, default=8000, help="default: %(default)s")
    parser.add_argument(
        "--smoke", action="store_true", help="little of each, to see that the results are right"
    )
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.messages = 1, 50
    windows = measure_windows(options.rounds, options.smoke)
    rows = [*windows, *measure_processes(options.rounds, options.messages)]
    if options.smoke:  # so little of each that its time says nothing
        print(f"{len(rows)} contestants, and all of what they gave was right")
        return 0
    return tell(options, rows, OURS)


if __name__ == "__main__":
    sys.exit(main())
