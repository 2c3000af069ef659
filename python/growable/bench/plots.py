"""The pictures of a run, with matplotlib where it is installed (extra ``bench``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench.contestants import OURS, REFERENCE
from growable.cli.report import size_text

__all__ = ["draw", "has_matplotlib"]

Document: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[[Any, Any], None]  # takes axes and what is drawn

MIB = 1 << 20
CHUNK = 64 << 10  # the one that most contestants take part with
_COLOURS = {REFERENCE: "black", OURS: "tab:red"}


def has_matplotlib() -> bool:
    """Tell whether there can be pictures."""
    try:
        import matplotlib
    except ImportError:
        return False
    return matplotlib is not None


def draw(document: Document, folder: Path) -> list[str]:
    """Write the pictures that the document has figures for, and return their file names."""
    name = document["set"]
    written = []
    for row in document["latency"]:
        size = f"{size_text(row['total'])}-by-{size_text(row['chunk'])}".replace(" ", "")
        written.append(_write(folder / f"{name}-latency-{size}.png", _latency, row))
    for mode in ("steady", "first"):
        rows = [row for row in document["cells"] if row["mode"] == mode and row["run"] == 0]
        chunk = _chunk_to_draw(rows)
        chosen = sorted(
            (row for row in rows if row["chunk"] == chunk), key=lambda row: row["total"]
        )
        if len(chosen) > 1:
            written.append(_write(folder / f"{name}-throughput-{mode}.png", _throughput, chosen))
    for row in document["memory"]:
        written.append(_write(folder / f"{name}-memory.png", _memory, row))
    return written


def _write(path: Path, what: Draw, data: Any) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    what(axes, data)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path.name


def _style(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"label": name, "linewidth": 2 if name in _COLOURS else 1}
    if name in _COLOURS:
        settings["color"] = _COLOURS[name]
    return settings


def _chunk_to_draw(rows: Sequence[Mapping[str, Any]]) -> int | None:
    chunks = [row["chunk"] for row in rows]
    if CHUNK in chunks:
        return CHUNK
    return max(sorted(set(chunks)), key=chunks.count, default=None)


def _latency(axes: Any, row: Mapping[str, Any]) -> None:
    for name, found in row["contestants"].items():
        at = [number * row["chunk"] / MIB for number, _ in found["curve"]]
        axes.plot(at, [worst / 1000 for _, worst in found["curve"]], **_style(name))
    axes.set_yscale("log")
    axes.set_xlabel("appended so far, MiB")
    axes.set_ylabel("slowest append of a stretch, microseconds")
    axes.set_title(
        f"{size_text(row['chunk'])} at a time to {size_text(row['total'])}, first life, "
        f"least of {row['filtered_runs']} runs"
    )


def _throughput(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row["contestants"]))
    for name in names:
        taken = [row for row in rows if name in row["contestants"]]
        rates = [
            [row["total"] / row["contestants"][name]["ns"][key] for row in taken]
            for key in ("median", "high", "low")
        ]
        totals = [row["total"] for row in taken]
        (line,) = axes.plot(totals, rates[0], marker="o", markersize=3, **_style(name))
        axes.fill_between(totals, rates[1], rates[2], color=line.get_color(), alpha=0.15)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({row["total"] for row in rows})
    axes.set_xticks(ticks, [size_text(tick) for tick in ticks])
    axes.set_xlabel("total")
    axes.set_ylabel("GB/s, destruction included")
    mode = {"steady": "steady state", "first": "first life"}[rows[0]["mode"]]
    axes.set_title(f"{size_text(rows[0]['chunk'])} at a time, {mode}")


def _memory(axes: Any, found: Mapping[str, Any]) -> None:
    for name, each in found["contestants"].items():
        at = [time / 1e6 for time, _ in each["series"]]
        axes.plot(at, [resident / MIB for _, resident in each["series"]], **_style(name))
    axes.axhline(found["total"] / MIB, color="grey", linestyle=":", label="payload")
    axes.set_xlabel("milliseconds, watching included")
    axes.set_ylabel("resident, MiB")
    axes.set_title(
        f"{size_text(found['chunk'])} at a time to {size_text(found['total'])}, then destroyed"
    )
