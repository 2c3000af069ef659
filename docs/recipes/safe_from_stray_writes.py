"""Data that a stray write cannot destroy, whoever writes: this program or a library in C.

A table is written once, and then its pages are made read-only. Shown here:

* the pages cannot be made read-only while an array that may write to them is alive;
* NumPy and memoryviews refuse to write to them, with an exception;
* C code that does not ask and writes to the address ends its process. That is shown in child
  processes: without the protection the table is destroyed unnoticed, with it nothing is.

    python docs/recipes/safe_from_stray_writes.py

needs: numpy
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import sys

import numpy as np
from growable import Region

ENTRIES = 256
DESTROYED = 3
REFUSED = 4


def make_table() -> Region:
    """Return a Region that holds the table and may be written."""
    region = Region(ENTRIES * 8, commit=True, name="table")
    np.frombuffer(region, np.int64, ENTRIES)[:] = np.arange(ENTRIES) ** 2
    return region


def within_the_program() -> None:
    """Refuse by exceptions."""
    region = make_table()
    writable = np.frombuffer(region, np.int64, ENTRIES)
    try:
        region.protect(0, None, "r")
    except BufferError as error:
        print("an array may still write:", error)
    del writable
    region.protect(0, None, "r")

    table = np.frombuffer(region, np.int64, ENTRIES)
    try:
        table[7] = -1
    except ValueError as error:
        print("NumPy:", error)
    try:
        region.view()[0] = 1
    except TypeError as error:
        print("memoryview:", error)
    assert table[7] == 49
    print(region.pages())


def stray_write(protected: bool) -> None:
    """Write where nothing should be written, as C would. Runs in a process of its own."""
    faulthandler.disable()  # what follows is meant
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    region = make_table()
    if protected:
        region.protect(0, None, "r")
    try:
        ctypes.memset(region.address + 7 * 8, 0xFF, 8)
    except OSError:  # on Windows ctypes may turn the fault into this
        sys.exit(REFUSED)
    sys.exit(DESTROYED)


def ended_with(protected: bool) -> int | None:
    """Return how a process that makes a stray write ends."""
    process = multiprocessing.get_context("spawn").Process(target=stray_write, args=(protected,))
    process.start()
    process.join()
    return process.exitcode


def main() -> None:
    within_the_program()
    assert ended_with(protected=False) == DESTROYED
    print("a stray write without protection: the table was destroyed, and nobody noticed")
    status = ended_with(protected=True)
    assert status not in (0, 1, DESTROYED)
    print(f"a stray write with protection: the process ended at the write, with status {status}")


if __name__ == "__main__":
    main()
