"""Threads on one Array: nothing crashes, and no row is torn."""

from __future__ import annotations

import contextlib
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
