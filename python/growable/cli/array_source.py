"""The input of ``growable demo --array``: a CSV file's columns of numbers, row by row.

A column is one of numbers if its first value is; the others are left out. An empty cell is NaN.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from growable.cli.report import CommandError

WRITTEN_ROWS = 20_000


@dataclass(frozen=True)
class Rows:
    """A file's rows of numbers, read over and over until `rows` of them have come."""

    description: str
    file: str
    names: tuple[str, ...]
    file_rows: int
    rows: int
    every: int
    column: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row as float64."""
        return 8 * len(self.names)


def write_csv(path: Path) -> None:
    """Write a table of trades at a market: the same one each time."""
    chance = random.Random(1)
    seconds, price = 0.0, 100.0
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        writer.writerow(["price", "size", "bid", "ask", "seconds"])
        for _ in range(WRITTEN_ROWS):
            seconds += chance.expovariate(10)
            price = max(1.0, price + chance.gauss(0, 0.05))
            spread = chance.choice([0.01, 0.02, 0.05])
            prices = [f"{value:.2f}" for value in (price, price - spread, price + spread)]
            size = chance.randrange(1, 500)
            writer.writerow([prices[0], size, *prices[1:], f"{seconds:.6f}"])


def open_rows(path: Path, description: str, rows: int | None, every: int) -> Rows:
    """Read a CSV file once, to see that it can be read and what it holds.

    Raises
    ------
    CommandError
        When it cannot be read, or holds no row of numbers.
    """
    try:
        names, values = read_csv(path)
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(f"cannot read {str(path)!r}: {reason}") from None
    averaged = _first_without_gaps(values)
    count = len(values)
    return Rows(description, str(path), names, count, rows or count, every, averaged)


def read_csv(path: Path) -> tuple[tuple[str, ...], list[tuple[float, ...]]]:
    """Return the names and the rows of a file's columns of numbers.

    Raises
    ------
    OSError, ValueError, csv.Error
        When it cannot be read, has no such column, or a value in one that is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = (cells for cells in csv.reader(file) if cells)
        head = next(lines, None)
        if head is None:
            raise ValueError("the file is empty")
        first = next(lines, None) if any(_number(cell) is None for cell in head) else head
        if first is None:
            raise ValueError("it has no rows below its heading")
        chosen = [at for at, cell in enumerate(first) if _number(cell) is not None]
        if not chosen:
            raise ValueError("it has no column of numbers")
        rows = [_row(first, chosen, 1)]
        rows += (_row(cells, chosen, number) for number, cells in enumerate(lines, 2))
    named = first is not head and len(head) == len(first)
    names = tuple(head[at] if named else f"column {at + 1}" for at in chosen)
    return (names if len(set(names)) == len(names) else _numbered(names)), rows


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name} {number}" for number, name in enumerate(names, 1))


def _row(cells: Sequence[str], chosen: Sequence[int], number: int) -> tuple[float, ...]:
    values = tuple(_number(cells[at]) if at < len(cells) else None for at in chosen)
    if None in values:
        raise ValueError(f"row {number} has no number where the first row has one")
    return values  # type: ignore[return-value]


def _number(cell: str) -> float | None:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None


def _first_without_gaps(rows: Sequence[Sequence[float]]) -> int:
    width = range(len(rows[0]))
    return next((at for at in width if not any(math.isnan(row[at]) for row in rows)), 0)


def repeat(source: Rows) -> Iterator[int]:
    """Yield, for each row that is wanted, its number in the file."""
    return (number % source.file_rows for number in range(source.rows))
