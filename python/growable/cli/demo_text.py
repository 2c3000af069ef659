"""The demo's results for people: lines of text and one table, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from growable.bench.memory import WARM_FROM
from growable.cli.picture import COMMITTED, RESIDENT, Picture
from growable.cli.report import (
    known_text,
    plain_table,
    print_results,
    rate_text,
    rounds_text,
    size_text,
    time_text,
    verdict_lines,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNSTEADY = 1.5
"""How far apart the slowest and the fastest run may be before it is said."""


def show(console: Console, outcome: dict[str, Any]) -> None:
    """Print everything."""
    verdict = verdict_lines(outcome["checks"], _all_held(outcome))
    print_results(console, _heading(outcome), _table(outcome), _notes(outcome), verdict)
    if outcome["storage"]:
        console.print()
        for line in _page_map(outcome["storage"], console.width, console.encoding):
            console.print(line, markup=False, no_wrap=True, overflow="crop")


def _heading(outcome: dict[str, Any]) -> Iterator[str]:
    given = outcome["input"]
    size, files_size = given["bytes"], given["files_bytes"]
    how = "cut" if size < files_size else "repeated"
    used = "" if size == files_size else f", {how} to {size_text(size)}"
    yield f"growable {outcome['growable']}, {outcome['python']}, {outcome['platform']}"
    yield f"Input: {given['description']}, {size_text(files_size)}{used},"
    yield f"appended {size_text(given['chunk'])} at a time."


def _table(outcome: dict[str, Any]) -> Table:
    table = plain_table()
    table.add_column("held in")
    table.add_column("views", justify="right")
    table.add_column("throughput", justify="right")
    table.add_column("x bytearray", justify="right")
    table.add_column("worst pause", justify="right")
    table.add_column("peak / size", justify="right")
    for each in outcome["contestants"]:
        if each["seconds"] is None:
            table.add_row(each["name"], "", "failed", "", "", "")
            continue
        table.add_row(
            each["name"],
            str(len(each["views"])) if each["views"] else "none",
            known_text(each["bytes_per_second"], rate_text),
            known_text(each["times_bytearray"], "{:.2f}".format),
            known_text(each["worst_pause_seconds"], time_text),
            known_text(
                each["peak_memory_bytes"], lambda peak: f"{peak / outcome['input']['bytes']:.2f}"
            ),
        )
    return table


def _notes(outcome: dict[str, Any]) -> Iterator[str]:
    yield f"{rounds_text(outcome['rounds'])}; only appending is timed."
    for each in outcome["contestants"]:
        yield from _spread(each, outcome["input"]["bytes"])
    if outcome["input"]["bytes"] >= WARM_FROM:
        yield "Memory was touched just before each run: where a virtual machine's host"
        yield "has to back it first, huge pages cost several times as much."
    yield "Buffer asks for huge pages where the system has them, and bytearray does not;"
    yield "no huge pages: a Buffer with huge_pages=False."
    yield "x bytearray above 1: faster than bytearray, which holds no view here, because:"
    blocked = outcome["bytearray_with_view"]
    if blocked["refusal"]:
        yield f"  bytearray of {size_text(blocked['length'])}, a memoryview open, asked to grow:"
        yield f"  {blocked['refusal']}"
    else:
        yield f"  (not shown: {blocked['error'] or 'this input is too small to grow'})"
    for each in outcome["contestants"]:
        if each["error"]:
            yield f"{each['name']} failed: {each['error']}"


def _spread(summary: dict[str, Any], size: int) -> Iterator[str]:
    """Say so where a median hides runs that are far apart."""
    seconds = sorted(run["seconds"] for run in summary["runs"])
    if len(seconds) > 1 and seconds[-1] > UNSTEADY * seconds[0]:
        low, high = rate_text(size / seconds[-1]), rate_text(size / seconds[0])
        yield f"  Unsteady: {summary['name']}'s runs went from {low} to {high}."


def _all_held(outcome: dict[str, Any]) -> Iterator[str]:
    count = len(outcome["checks"])
    views = " and ".join(outcome["contestants"][0]["views"])
    head = size_text(outcome["input"]["head"])
    yield f"All {count} checks held. Taken when the Buffer held {head}: {views}."
    yield "They show the right bytes at the same address, and writes through them are"
    yield "seen. In everybody's hands the contents are the input's."


def _page_map(storage: dict[str, Any], width: int, encoding: str) -> Iterator[str]:
    yield (
        f"The Buffer: {size_text(storage['length'])} in use, "
        f"{size_text(storage['committed'])} committed, {size_text(storage['capacity'])} capacity,"
    )
    if storage["pages"] is None:
        yield f"at {storage['address']:#x}. It is not backed by pages of its own: no page map."
        return
    page = storage["page_size"]
    picture = Picture(storage["pages"], max(8, min(width, 80) - 16), encoding)
    cell = picture.pages_per_cell * page
    yield f"at {storage['address']:#x} from start to end. Its pages, {size_text(cell)} a cell:"
    for number, row in enumerate(picture.rows()):
        yield f"{size_text(number * picture.width * cell):>10}  {row}"
    yield " " * 12 + picture.legend()
    yield (
        f"{size_text(picture.count(RESIDENT) * page)} resident, "
        f"{size_text(picture.count(COMMITTED) * page)} committed and untouched."
    )
