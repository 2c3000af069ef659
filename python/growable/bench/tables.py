"""The Markdown page of a run: what was promised, then every figure with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from growable.bench.contestants import (
    CONTESTANTS,
    FLOOR,
    NO_POOL,
    OURS,
    REFERENCE,
    TIMER,
    WITHOUT,
)
from growable.bench.measure import ratio_between
from growable.bench.plan import POLICIES
from growable.cli.report import size_text, time_text

__all__ = ["markdown", "policies", "resident", "slower", "targets_table"]

Document: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]

NOTHING = "-"
_MODES = {
    "steady": "Steady state: fill and destroy, again and again",
    "first": "First life: one fill in a fresh process",
    "second": "Second life: the second fill in the same process",
}


def markdown(document: Document) -> str:
    """Return the page."""
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"# Benchmarks, {document['set']} run"
    yield ""
    if document["set"] == "smoke":
        yield "Every result was right. The run is too short for figures: read none."
        yield ""
    yield from _machine(document)
    if document["set"] in ("short", "full"):
        yield "## Targets"
        yield ""
        yield (
            "Where no peer is named the ratio is bytearray's time by Buffer's. A target below 1 "
            "in time, or above 1 in memory, says how much Buffer may lose there. 'Not measured' is "
            "also said of what was measured in part."
        )
        yield ""
        yield from targets_table(document["targets"])
        yield ""
    for mode, title in _MODES.items():
        rows = [row for row in _first_run(document) if row["mode"] == mode]
        if rows:
            yield from _cells(title, rows)
    yield from resident(document["memory"])
    yield from slower(document["cells"])
    yield from policies(document["cells"])
    for row in document["latency"]:
        yield from _latency(row)
    yield from _small(document)
    yield from _cost(document)
    for row in document["instructions"]:
        yield from _instructions(row)
    yield from _plots(document)
    yield from contestants(document)
    yield from _left_out(document)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table, the first column to the left and the others to the right."""
    rows = [header, *rows]
    widths = [max(3, *(len(row[at]) for row in rows)) for at in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        padded = [first.ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    yield line(rows[0])
    yield line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    yield from map(line, rows[1:])


def _machine(document: Document) -> Iterator[str]:
    found = document["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    kind = "a virtual machine, " if found["virtual_machine"] else ""
    turns = "kept on one processor" if found["turns_share_processor"] else "on any processor"
    begun, ended = (
        "?" if load is None else f"{load:.2f}" for load in (document["load"], document["load_end"])
    )
    python = f"{found['python']} {found['python_build']}"
    yield f"* growable {found['growable']}, {python}" + (packages and f", {packages}")
    yield f"* {found['system']}" + (found["libc"] and f", {found['libc']}")
    yield (
        f"* {kind}{found['processors']} processors ({found['processor'] or 'unknown'}), "
        f"{size_text(found['memory'], none='unknown')} of memory, "
        f"pages of {size_text(found['page_size'])}, "
        f"transparent huge pages: {found['thp']}, overcommit: {found['overcommit']}"
    )
    yield f"* processes that take turns: {turns}"
    yield (
        f"* load at the start {begun}, at the end {ended}; "
        f"{document['seconds']:.0f} s in all; runs of the grid: {document['runs']}"
    )
    yield f"* {document['warmed']}"
    yield ""
    yield (
        "Read ratios, never times. A ratio is bytearray's time by the other's, round by round: "
        "above 1 the other is faster. What is shown is the median, for Buffer with the middle "
        "half of the rounds; samples and extremes are in the JSON document. The tables of cells "
        "are of the first run. Every result was compared with what went in, beyond 256 MiB in "
        "places."
    )
    yield ""


def targets_table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the targets with what this run shows of them."""
    yield from table(
        ["work", "target", "stretch", "found", "verdict", "of"],
        (
            [
                row["work"],
                f"{row['sign']} {row['target']:g}",
                f"{row['stretch']:g}",
                NOTHING if row["figure"] is None else f"{row['figure']:.3g}",
                row["verdict"] + (", stretch too" if row["stretch_met"] else ""),
                row["of"],
            ]
            for row in rows
        ),
    )


def _names(rows: Sequence[Row]) -> list[str]:
    taking_part = {name for row in rows for name in row["contestants"]}
    return [name for name in CONTESTANTS if name in taking_part and name not in WITHOUT]


def _place(row: Row) -> str:
    return f"{size_text(row['total'])} by {size_text(row['chunk'])}"


def _ratio(found: Row | None, *, spread: bool = False) -> str:
    if found is None or found["ratio"] is None:
        return NOTHING
    ratio = found["ratio"]
    text = f"{ratio['median']:.2f}"
    return f"{text} ({ratio['low']:.2f} to {ratio['high']:.2f})" if spread else text


def _cells(title: str, rows: Sequence[Row]) -> Iterator[str]:
    names = [name for name in _names(rows) if name != REFERENCE]
    yield f"## {title}"
    yield ""
    yield from table(
        ["total by chunk", "rounds", REFERENCE, *names],
        (
            [
                _place(row),
                str(_rounds(row)),
                _time(row["contestants"].get(REFERENCE)),
                *(_ratio(row["contestants"].get(name), spread=name == OURS) for name in names),
            ]
            for row in rows
        ),
    )
    yield ""
    yield from _figures(rows, "peak_over_payload", "Peak memory over payload", "{:.2f}")
    yield from _figures(rows, "page_faults", "Page faults a fill", "{:,.0f}")


def resident(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what stayed resident: a pool's memory is kept, a heap's is given back."""
    for row in rows:
        yield f"## Resident memory around a fill of {_size(row)} by {size_text(row['chunk'])}"
        yield ""
        yield from table(
            ["", "most seen", "after it was destroyed"],
            (
                [
                    name,
                    size_text(max(taken for _, taken in found["series"])),
                    size_text(max(0, found["series"][-1][1])),
                ]
                for name, found in row["contestants"].items()
            ),
        )
        yield ""


def _first_run(document: Document) -> list[Row]:
    return [row for row in document["cells"] if row["run"] == 0]


def slower(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the cells where a run's median was below 1, with all that was seen of them."""
    runs: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["mode"] != "second" and {OURS, REFERENCE} <= row["contestants"].keys():
            runs.setdefault((row["mode"], _place(row)), []).append(row["contestants"][OURS])
    below = {
        cell: found
        for cell, found in runs.items()
        if any(each["ratio"]["median"] < 1 for each in found)
    }
    yield "## Cells where Buffer was slower in a run"
    yield ""
    if not below:
        yield f"None of {len(runs)}." if runs else "Not measured."
        yield ""
        return
    yield (
        f"{len(below)} of {len(runs)}. Cells are measured again, up to so many runs, unless no "
        "round of the first run was near 1."
    )
    yield ""
    yield from table(
        ["cell", "ratio, run by run"],
        (
            [f"{mode}, {place}", "; ".join(_ratio(each, spread=True) for each in found)]
            for (mode, place), found in below.items()
        ),
    )
    yield ""


def policies(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what each policy gains: how long it takes without one of them."""
    shown = [row for row in rows if {OURS, NO_POOL} <= row["contestants"].keys()]
    if not shown:
        return
    yield "## What a policy gains"
    yield ""
    yield (
        "The time without it by the time with it, round by round: above 1 Buffer is slower "
        "without. What each is without stands in the list of contestants."
    )
    yield ""

    def gain(row: Row, name: str) -> str:
        ratio = ratio_between(row, OURS, name)
        return NOTHING if ratio is None else f"{ratio:.2f}"

    yield from table(
        ["cell", *POLICIES],
        (
            [f"{row['mode']}, {_place(row)}", *(gain(row, name) for name in POLICIES)]
            for row in shown
        ),
    )
    yield ""


def _rounds(row: Row) -> int:
    return max((each["ns"]["count"] for each in row["contestants"].values()), default=0)


def _time(found: Row | None) -> str:
    return NOTHING if found is None else time_text(found["ns"]["median"] / 1e9)


def _figures(rows: Sequence[Row], key: str, title: str, form: str) -> Iterator[str]:
    names = _names(rows)

    def cell(row: Row, name: str) -> str:
        found = row["contestants"].get(name)
        return NOTHING if found is None or found[key] is None else form.format(found[key])

    body = [[_place(row), *(cell(row, name) for name in names)] for row in rows]
    if all(each == NOTHING for line in body for each in line[1:]):
        return
    yield f"{title}:"
    yield ""
    yield from table(["total by chunk", *names], body)
    yield ""


def _latency(row: Row) -> Iterator[str]:
    columns = ["p50", "p99", "p99.9", "p99.99", "max"]
    yield f"## Latency of one append: {size_text(row['chunk'])} at a time to {_size(row)}"
    yield ""
    yield (
        f"First lives. Percentiles are of the least that each append took in "
        f"{row['filtered_runs']} runs; the last two columns are medians of {row['runs']} runs by "
        "themselves, interruptions by other processes included."
    )
    yield ""
    yield from table(
        ["", *columns, "p99.99 of a run", "worst of a run"],
        (
            [
                name,
                *(time_text(found["filtered"][column] / 1e9) for column in columns),
                time_text(found["p99.99_ns"]["median"] / 1e9),
                time_text(found["worst_ns"]["median"] / 1e9),
            ]
            for name, found in row["contestants"].items()
        ),
    )
    yield ""


def _size(row: Row) -> str:
    return size_text(row["total"])


def _small(document: Document) -> Iterator[str]:
    if document["lives"]:
        yield "## Short lives"
        yield ""
        yield from _times("create and destroy, with", document["lives"], lambda row: row["life"])
    if document["live"]:
        yield "## Many buffers of 16 bytes alive at once"
        yield ""
        rows = document["live"]
        yield from _times("alive", rows, lambda row: f"{row['count']:,}")
        yield from _bytes_each(rows)
    if document["threads"]:
        yield "## Fills of 64 KiB by 4 KiB in several threads"
        yield ""
        yield from _times("threads", document["threads"], lambda row: str(row["threads"]))


def _times(first: str, rows: Sequence[Row], name: Any) -> Iterator[str]:
    names = list(dict.fromkeys(each for row in rows for each in row["contestants"]))
    header = [first, *(f"{each}, each" for each in names)]
    others = [each for each in names if each != REFERENCE]
    yield from table(
        [*header, *(f"ratio of {each}" for each in others)],
        (
            [
                name(row),
                *(_time(row["contestants"].get(each)) for each in names),
                *(_ratio(row["contestants"].get(each), spread=True) for each in others),
            ]
            for row in rows
        ),
    )
    yield ""


def _bytes_each(rows: Sequence[Row]) -> Iterator[str]:
    shown = [
        row
        for row in rows
        if all(each["bytes_each"] is not None for each in row["contestants"].values())
    ]
    if shown:
        yield "Memory of each, in bytes:"
        yield ""
        yield from table(
            ["alive", REFERENCE, OURS],
            (
                [
                    f"{row['count']:,}",
                    *(
                        f"{row['contestants'][name]['bytes_each']:.0f}"
                        if name in row["contestants"]
                        else NOTHING
                        for name in (REFERENCE, OURS)
                    ),
                ]
                for row in shown
            ),
        )
        yield ""


def _cost(document: Document) -> Iterator[str]:
    """Yield the cost of a byte as totals grow, in first lives by 64 KiB."""
    rows = [
        row
        for row in _first_run(document)
        if row["mode"] == "first" and row["chunk"] == 64 << 10 and row["total"] >= 1 << 20
    ]
    names = [name for name in _names(rows) if name not in (TIMER, FLOOR)]
    if len(rows) < 2:
        return
    yield "## Cost of a KiB as totals grow, first life, 64 KiB at a time"
    yield ""
    yield from table(
        ["total", *names],
        (
            [
                size_text(row["total"]),
                *(
                    f"{row['contestants'][name]['ns']['median'] * 1024 / row['total']:.0f} ns"
                    if name in row["contestants"]
                    else NOTHING
                    for name in names
                ),
            ]
            for row in rows
        ),
    )
    yield ""


def _instructions(found: Row) -> Iterator[str]:
    if not found["cells"]:
        return
    names = list(found["cells"][0]["instructions"])
    yield f"## Instructions of a fill, by {found['tool']}"
    yield ""
    yield "Steady state, without those of the kernel. In brackets bytearray's by the other's."
    yield ""
    yield from table(
        ["total by chunk", *names],
        (
            [
                _place(row),
                *(
                    f"{row['instructions'][name]:,} ({row['ratio'][name]:.2f})"
                    if name in row["ratio"]
                    else NOTHING
                    for name in names
                ),
            ]
            for row in found["cells"]
        ),
    )
    yield ""


def _plots(document: Document) -> Iterator[str]:
    for name in document["plots"]:
        yield f"![{name}]({name})"
    if document["plots"]:
        yield ""


def contestants(document: Document) -> Iterator[str]:
    """Yield a line for each contestant that took part, or was to."""
    rows = [*document["cells"], *document["latency"], *document["memory"]]
    wanted = {name for row in rows for name in (*row["contestants"], *row["left_out"])}
    yield "## Contestants"
    yield ""
    for name, row in CONTESTANTS.items():
        if why := document["missing"].get(name):
            yield f"* {name}: {row.note}. Left out: {why}."
        elif name in wanted:
            yield f"* {name}: {row.note}"


def _left_out(document: Document) -> Iterator[str]:
    why_not: dict[str, list[str]] = {}
    parts = [*document["cells"], *document["latency"]]
    for row in parts:
        for name, why in row["left_out"].items():
            if name not in document["missing"]:
                why_not.setdefault(f"{name}: {why}", []).append(_place(row))
    if why_not:
        yield ""
        yield "Left out of some cells:"
        yield ""
        for what, places in why_not.items():
            yield f"* {what} ({'; '.join(dict.fromkeys(places))})"
