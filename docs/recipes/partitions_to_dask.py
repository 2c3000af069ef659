"""An Array for each partition going in, one `dask.array` coming out.

Growing in place is for one process's memory. Where the data outgrow a machine, Dask's engine is the
answer: each worker reads its own partition into an Array, whose length nobody knows beforehand and
which never has to be copied to grow, and what Dask sees is one array of known chunks.

    python docs/recipes/partitions_to_dask.py

needs: numpy dask distributed
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from growable import Array

PARTITIONS = 4
COLUMNS = 3


def write_partitions(folder: Path) -> list[Path]:
    """Write files of raw rows, each of another length."""
    chance = np.random.default_rng(3)
    paths = []
    for number in range(PARTITIONS):
        path = folder / f"part-{number}.bin"
        chance.normal(number, 1.0, (50_000 + 7_000 * number, COLUMNS)).tofile(path)
        paths.append(path)
    return paths


def read_partition(path: str) -> np.ndarray:
    """Run in a worker: read rows to the end of a file, or of a socket, and clean them."""
    rows = Array(dtype="f8", row_shape=COLUMNS)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        rows.read_from(file)  # straight into the tail, whole rows only
    view = rows.view()
    np.clip(view, -3.0, 8.0, out=view)
    return view  # it keeps the Array's memory; nothing is copied


def as_one_array(client: Client, paths: list[Path]) -> da.Array:
    """Let the workers read, and return an array whose chunks are where they were read."""
    parts = client.map(read_partition, [str(path) for path in paths])
    lengths = client.gather(client.map(len, parts))
    return da.concatenate(
        [
            da.from_delayed(part, shape=(length, COLUMNS), dtype="f8")
            for part, length in zip(parts, lengths, strict=True)
        ]
    )


def main() -> None:
    """Read the partitions and compute over all of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_partitions(Path(folder))
        expected = np.concatenate([np.clip(np.fromfile(p), -3.0, 8.0) for p in paths])
        expected = expected.reshape(-1, COLUMNS)
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster) as client:
            whole = as_one_array(client, paths)
            print(f"{whole.shape[0]:,} rows in {whole.numblocks[0]} chunks: {whole.chunks[0]}")
            assert whole.shape == expected.shape
            means = whole.mean(axis=0).compute()
            counts, _ = da.histogram(whole, bins=10, range=(-3, 8))
            assert np.allclose(means, expected.mean(axis=0))
            assert counts.compute().sum() == expected.size
            print(f"means {means.round(3).tolist()}")

            # And from here: an Array in this process is a chunk as it stands, without a copy.
            rows = Array(expected[:1000])
            local = da.from_array(rows.view(), chunks=-1)
            assert local.mean().compute() == expected[:1000].mean()


if __name__ == "__main__":
    main()
