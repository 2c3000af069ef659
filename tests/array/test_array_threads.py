"""Threads on one Array: nothing crashes, and no row is torn."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
from growable import Array


def test_threads_that_all_use_one_array() -> None:
    made = Array(dtype=[("a", "i8"), ("b", "i8")])
    until = time.monotonic() + 1.0
    problems: list[str] = []

    def run(act: Callable[[int], object]) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            with contextlib.suppress(BufferError, IndexError):
                act(number)

    def look(_: int) -> None:
        view = made.view()
        if not (view["a"] == view["b"]).all():
            problems.append("torn")

    def extend(number: int) -> None:
        rows = np.empty(50, made.dtype)
        rows["a"] = rows["b"] = number
        made.extend(rows)

    def shrink(_: int) -> None:
        if len(made) > 10_000:
            made.clear()

    acts = [look, extend, shrink, lambda n: made.append((n, n)), lambda _: made.pop()]
    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert made.exports == 0


def test_rows_that_are_cast_arrive_in_one_piece() -> None:
    """NumPy lets other threads run while it casts."""
    made, size, pieces = Array(), 100_000, 30
    started = threading.Event()

    def cast() -> None:
        for number in range(1, pieces + 1):
            made.extend(np.full(size, number, np.float32))
            started.set()

    def append() -> None:
        started.wait()
        for _ in range(20_000):
            made.append(-1.0)

    threads = [threading.Thread(target=act) for act in (cast, append)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = made.view()
    assert (rows == -1.0).sum() == 20_000
    for number in range(1, pieces + 1):
        where = np.flatnonzero(rows == number)
        assert len(where) == size
        assert where[-1] - where[0] == size - 1


def test_each_row_is_popped_once() -> None:
    made, count = Array(np.arange(40_000)), 20_000
    taken: list[list[int]] = [[], []]

    def pop(mine: list[int], index: int) -> None:
        for _ in range(count):
            mine.append(int(made.pop(index)))

    threads = [threading.Thread(target=pop, args=(taken[i], -i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken[0] + taken[1]) == list(range(40_000))


def test_what_is_read_is_not_lost_to_an_append() -> None:
    made = Array()
    reader, writer = socket.socketpair()
    sent = np.arange(200_000.0)

    def append() -> None:
        while thread.is_alive():
            with contextlib.suppress(BufferError):
                made.append(-1.0)
            time.sleep(0)

    def send() -> None:
        writer.sendall(sent.tobytes())
        writer.close()

    with reader:
        thread = threading.Thread(target=send)
        other = threading.Thread(target=append)
        thread.start()
        other.start()
        while made.read_from(reader, 5000):
            pass
        thread.join()
        other.join()
    rows = made.view()
    assert np.array_equal(rows[rows >= 0], sent)
