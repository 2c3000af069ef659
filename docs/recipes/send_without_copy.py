"""Hand batches to other processes without a copy in the sender: by pickle, and to a Dask cluster.

Pickle protocol 5 hands large buffers over apart from the pickle, "out of band"; whoever sends them
can take them from where they are. Ray, Dask, joblib and multiprocessing libraries do. An Array or a
Table offers each of its columns that way, and an ndarray taken from one does too. Shown here:

* the frames that are sent are the table's own memory, by their addresses;
* while 64 MiB go to another process, the sender's memory does not grow by as much;
* the table goes on growing while a batch is on its way.

    python docs/recipes/send_without_copy.py

needs: numpy dask distributed
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import dask
import numpy as np
from distributed import Client, LocalCluster
from distributed.protocol import serialize
from growable import Table

ROWS = 4 << 20
BATCH = 1 << 20
SCHEMA = {"price": "f8", "size": "i8"}


def fill(table: Table, rows: int) -> None:
    """Append rows in the table's own tail: nothing is copied here either."""
    tail = table.spare(rows)
    tail["price"][:] = np.linspace(1.0, 2.0, rows)
    tail["size"][:] = 100
    table.advance(rows)


class Peak:
    """The most memory that was resident since this was made. Linux only; elsewhere None."""

    def __init__(self) -> None:
        self.before = None
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self.before = self._read("VmRSS")

    @staticmethod
    def _read(name: str) -> int:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(rf"^{name}:\s*([0-9]+) kB", text, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def grown(self) -> int | None:
        """Return by how much the peak is above what there was at first."""
        return None if self.before is None else self._read("VmHWM") - self.before


def address(frame: object) -> int:
    """Return where a buffer's memory is."""
    return int(np.frombuffer(frame, np.uint8).ctypes.data)  # type: ignore[call-overload]


def check_peak(peak: Peak, what: str, size: int) -> None:
    """Say how much the memory has grown, and that it was not by a copy."""
    grown = peak.grown()
    if grown is None:
        return
    print(f"  {what}: {size:,} bytes; memory grew by {grown:,}")
    assert grown < size / 2


def by_pickle(table: Table) -> None:
    """Pickle the whole table out of band, as Ray and others do."""
    print("Pickle protocol 5:")
    peak = Peak()
    frames: list[pickle.PickleBuffer] = []
    message = pickle.dumps(table, protocol=5, buffer_callback=frames.append)
    received = pickle.loads(message, buffers=frames)
    check_peak(peak, "table pickled and unpickled", table.nbytes)
    where = [address(frame) for frame in frames]
    assert where == [table[name].address for name in table.columns]
    assert received.equals(table)
    print(f"  a message of {len(message)} bytes, and {len(frames)} frames: the columns themselves")


def total(price: np.ndarray, size: np.ndarray) -> float:
    """Run in the worker."""
    return float(price @ size)


def to_dask(table: Table, client: Client) -> None:
    """Send batches while the table grows."""
    print("Dask:")
    _, frames = serialize(table)
    sent = {address(frame) for frame in frames if memoryview(frame).nbytes > 4096}
    assert {table[name].address for name in table.columns} <= sent
    print("  the frames that distributed makes of the table are the columns themselves")

    client.submit(total, np.ones(4), np.ones(4)).result()  # what is imported, is imported now
    peak = Peak()
    whole = client.scatter(table, direct=True)
    check_peak(peak, "table sent to a worker", table.nbytes)
    length = client.submit(len, whole).result()
    assert length == len(table)

    expected, batches = 0.0, []
    for start in range(0, len(table), BATCH):
        price, size = table["price"][start : start + BATCH], table["size"][start : start + BATCH]
        _, frames = serialize(price)
        assert address(frames[-1]) == table["price"].address + 8 * start
        future = client.scatter([price, size], direct=True, broadcast=False)
        batches.append(client.submit(total, *future))
        expected += total(price, size)
        fill(table, 1000)  # it goes on growing under what is on its way
    assert np.isclose(sum(client.gather(batches)), expected)
    print(f"  {len(batches)} batches summed by the workers, {len(table) - ROWS:,} rows meanwhile")


def main() -> None:
    """Fill a table and send it."""
    table = Table(SCHEMA)
    fill(table, ROWS)
    by_pickle(table)
    dask.config.set({"distributed.comm.compression": None})  # compressing is a copy
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        to_dask(table, client)


if __name__ == "__main__":
    main()
