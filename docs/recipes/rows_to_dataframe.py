"""Collect rows from a generator into a pandas DataFrame, and look at them while they come.

The usual way is a list of rows and `DataFrame(rows)` at the end: nothing can be looked at before,
each value is a Python object, and in the end there are two copies. A Table keeps the values as they
will be in the frame; `to_pandas` then copies none of them.

    python docs/recipes/rows_to_dataframe.py

needs: numpy pandas
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from growable import Table

ROWS = 100_000


def measurements() -> Iterator[tuple[int, float, float, bool]]:
    """Stand in for a sensor, a simulation or a parser."""
    chance = random.Random(2)
    for number in range(ROWS):
        yield number, chance.gauss(20, 2), chance.random(), chance.random() < 0.01


SCHEMA = {"number": "i8", "temperature": "f4", "humidity": "f4", "alarm": "?"}


def with_a_table() -> pd.DataFrame:
    """Append each row; average what is there now and then."""
    table = Table(SCHEMA)
    temperature = table["temperature"]  # live: it has the rows that the table has
    for row in measurements():
        table.append(row)
        if len(table) % 25_000 == 0:
            latest = temperature[-5000:]  # an ndarray of the memory itself
            print(f"  after {len(table):7,} rows: {np.mean(latest):.2f} degrees lately")
    frame = table.to_pandas()
    for name in ("number", "temperature", "humidity", "alarm"):
        assert np.shares_memory(frame[name].to_numpy(), table[name].view()), name
    return frame


def with_a_list() -> pd.DataFrame:
    """Keep all rows as tuples, then convert."""
    return pd.DataFrame(list(measurements()), columns=list(SCHEMA)).astype(SCHEMA)


def peak(work: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Return the frame, and the most memory that was in use, the frame's own included."""
    tracemalloc.start()
    frame = work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return frame, most


def main() -> None:
    """Do both, and compare."""
    print("A Table, looked at meanwhile:")
    frame, ours = peak(with_a_table)
    again, theirs = peak(with_a_list)
    pd.testing.assert_frame_equal(frame, again)
    print(frame.describe().loc[["mean", "min", "max"]].round(2))
    size = int(frame.memory_usage(index=False).sum())
    print(f"{len(frame):,} rows, {size:,} bytes. At most in use: {ours:,} with the Table,")
    print(f"{theirs:,} with a list of tuples. The Table's frame has not been copied.")
    assert ours < theirs / 2


if __name__ == "__main__":
    main()
