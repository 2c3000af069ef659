"""The results of ``growable demo --array`` for people: lines of text and one table, 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from growable.cli.report import (
    known_text,
    plain_table,
    print_results,
    rounds_text,
    size_text,
    time_text,
    verdict_lines,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def show(console: Console, outcome: dict[str, Any]) -> None:
    """Print everything."""
    verdict = verdict_lines(outcome["checks"], _all_held(len(outcome["checks"])))
    print_results(console, _heading(outcome), _table(outcome), _notes(outcome), verdict)


def _heading(outcome: dict[str, Any]) -> Iterator[str]:
    given = outcome["input"]
    rows, file_rows = given["rows"], given["file_rows"]
    how = "cut" if rows < file_rows else "repeated"
    used = "" if rows == file_rows else f", {how} to {rows:,}"
    yield f"growable {outcome['growable']}, {outcome['python']}, {outcome['platform']}"
    yield f"Input: {given['description']}, {len(given['columns'])} columns of numbers,"
    yield f"{file_rows:,} rows{used}: {size_text(rows * given['row_bytes'])}. Appended row by row,"
    yield f"each an ndarray; {given['averaged']!r} is averaged every {given['every']:,} rows."


def _table(outcome: dict[str, Any]) -> Table:
    table = plain_table()
    table.add_column("held in", no_wrap=True)
    table.add_column("rows/s", justify="right")
    table.add_column("average", justify="right")
    table.add_column("worst pause", justify="right")
    table.add_column("peak/size", justify="right")
    table.add_column("first view", no_wrap=True)
    for each in outcome["contestants"]:
        if each["rows"] is None:
            table.add_row(each["name"], "failed", "", "", "", "")
            continue
        size = each["rows"] * outcome["input"]["row_bytes"]
        table.add_row(
            each["name"],
            known_text(each["rows_per_second"], "{:,.0f}".format),
            known_text(each["last_average_seconds"], time_text),
            known_text(each["worst_pause_seconds"], time_text),
            _peak(each["peak_memory_bytes"], size),
            each["first_view"].partition(":")[0],
        )
    return table


def _peak(peak: float | None, size: float) -> str:
    return "?" if peak is None else f"{peak / size:.2f}"


def _notes(outcome: dict[str, Any]) -> Iterator[str]:
    yield f"{rounds_text(outcome['rounds'])}."
    for each in outcome["contestants"]:
        if each["error"]:
            yield f"{each['name']} failed: {each['error']}"
        elif each["stopped"]:
            yield (
                f"{each['name']}: stopped after {outcome['limit_seconds']:.0f} s, "
                f"at {each['rows']:,.0f} rows."
            )
    yield "Average: how long the last one took. First view: an array of the first rows,"
    yield "held from then on. Stale: it shows a copy, or memory given up since."
    yield "BufferError: while it is held, nothing can be appended."


def _all_held(count: int) -> Iterator[str]:
    yield f"All {count} checks held. The first views of Array and Table are live:"
    yield "the right values, at the same address, and writes through them are seen."
    yield "In everybody's hands the rows are the file's."
