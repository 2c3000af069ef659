"""Read a large CSV in batches into a Table, and plot what is there while the rest is read.

pyarrow's streaming reader gives record batches. `extend` copies each into the table's columns,
once; what is drawn is then the column itself. A view of the first batch stays what it was. With
polars it is the same: `extend` takes its DataFrames.

    python docs/recipes/plot_while_reading.py [FILE.csv] [--to FOLDER]

The file has the columns t, price and size; without one the recipe writes its own. The pictures go
to a new temporary folder, or to the one that is named.

needs: numpy pyarrow matplotlib
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from growable import Table
from pyarrow import csv

mpl.use("Agg")
from matplotlib import pyplot as plt

ROWS = 200_000
SCHEMA = {"t": "datetime64[s]", "price": "f8", "size": "i4"}


def write_csv(path: Path) -> None:
    """Write a file that is large enough to come in batches."""
    chance = random.Random(1)
    start, price = np.datetime64("2026-01-05T09:00:00"), 100.0
    with path.open("w", encoding="ascii") as file:
        file.write("t,price,size\n")
        for n in range(ROWS):
            price += chance.gauss(0, 0.05)
            file.write(f"{start + np.timedelta64(n, 's')},{price:.2f},{chance.randrange(500)}\n")


def draw(table: Table, picture: Path) -> None:
    """Draw the price so far: the column's own memory, one point in so many."""
    step = max(len(table) // 2000, 1)
    figure, axes = plt.subplots(figsize=(8, 3))
    axes.plot(table["t"][::step], table["price"][::step], linewidth=0.7)
    axes.set_title(f"{len(table):,} rows, mean {np.mean(table['price']):.2f}")
    figure.savefig(picture)
    plt.close(figure)


def read(path: Path, pictures: Path) -> Table:
    """Read the file; draw into a folder after every few batches."""
    table = Table(SCHEMA, name="prices")
    options = csv.ReadOptions(block_size=512 * 1024)
    first = None
    with csv.open_csv(path, read_options=options) as reader:
        for number, batch in enumerate(reader):
            table.extend(batch)
            if first is None:
                first = table["price"].view()
                start, count, mean = table["price"].address, len(first), first.mean()
            if number % 4 == 0:
                draw(table, pictures / f"prices-{number:03}.png")
    draw(table, pictures / "prices.png")

    if first is None:
        raise SystemExit(f"{path} has no rows")
    assert table["price"].address == start == first.ctypes.data
    assert len(first) == count
    assert first.mean() == mean
    print(f"A view of the first {count:,} rows is still good, at the same address.")
    return table


def main() -> None:
    """Read the named file, or one that is written first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path, help="a CSV file of t, price and size")
    parser.add_argument("--to", type=Path, help="where the pictures go (default: a new folder)")
    options = parser.parse_args()
    pictures = options.to or Path(tempfile.mkdtemp(prefix="prices-"))
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder, "prices.csv")
        if options.file is None:
            write_csv(path)
        table = read(path, pictures)
    print(table)
    count = len(list(pictures.glob("prices-*.png")))
    print(f"{count} pictures while reading, and {pictures / 'prices.png'}")


if __name__ == "__main__":
    main()
