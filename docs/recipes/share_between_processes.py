"""One array in several processes: each fills its part of it, and nothing is copied or pickled.

A Section is memory that can be mapped by more than one process. It goes along as an argument like
any other, under every start method, and what arrives is the same memory. Shown here:

* four processes fill a quarter each of one array, and the parent reads it;
* meanwhile the parent makes it larger (where the system can), and a process fills what was added;
* sealed, it can be read by anybody and written by nobody.

    python docs/recipes/share_between_processes.py

needs: numpy
"""

from __future__ import annotations

import multiprocessing
import os
import sys

import growable
import numpy as np
from growable import Section

WORKERS = 4
ROWS = 1 << 20


def rows_of(section: Section, access: str | None = None) -> np.ndarray:
    """Return the section's bytes as an array, without a copy."""
    return np.frombuffer(section.view(access=access), np.int64)


def fill(section: Section, first: int, count: int) -> None:
    """Write rows; runs in a process of its own."""
    rows_of(section)[first : first + count] = np.arange(first, first + count)


def run(section: Section, first: int, last: int) -> None:
    """Let the workers fill the rows from `first` to `last` together."""
    share = (last - first) // WORKERS
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=fill, args=(section, first + n * share, share))
        for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def main() -> None:
    section = Section(ROWS * 8)
    rows = rows_of(section)
    run(section, 0, ROWS)
    assert np.array_equal(rows, np.arange(ROWS))
    print(f"{WORKERS} processes filled {rows.nbytes >> 20} MiB of process {os.getpid()}")

    if growable.capabilities()["section_resize"]:
        section.resize(2 * ROWS * 8)
        run(section, ROWS, 2 * ROWS)
        assert np.array_equal(rows_of(section), np.arange(2 * ROWS))
        assert rows.base is not None
        assert rows[ROWS - 1] == ROWS - 1
        print(f"grown to {section.size >> 20} MiB under the first array, which is as it was")

    del rows
    if sys.platform == "linux":  # elsewhere only what was never handed on can be sealed
        section.seal()
        assert not rows_of(section).flags.writeable
        print("sealed: no process can write to it any more")


if __name__ == "__main__":
    main()
