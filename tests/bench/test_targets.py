"""Each target is computed from a run, and is met, not met, or not measured."""

from __future__ import annotations

from typing import Any

import pytest
from growable.bench.contestants import (
    BACKGROUND,
    COPYING,
    DOUBLING,
    FLOOR,
    LOW_LATENCY,
    MOST_APPENDS,
    OURS,
    PYARROW,
    REFERENCE,
)
from growable.bench.plan import CHUNKS, FULL, GIB, KIB, MIB, SHORT, TOTALS
from growable.bench.targets import TARGETS, judge

EMPTY: dict[str, Any] = {"cells": [], "latency": [], "lives": [], "live": [], "runs": 1}


def cell(mode: str, total: int, chunk: int, times: dict[str, int], **peaks: float) -> Any:
    return {
        "mode": mode,
        "total": total,
        "chunk": chunk,
        "contestants": {
            name: {"samples_ns": [time] * 3, "peak_over_payload": peaks.get(name, 1.0)}
            for name, time in times.items()
        },
    }


def latency(total: int, chunk: int, **worst: dict[str, int]) -> Any:
    contestants = {name: {"filtered": found} for name, found in worst.items()}
    return {"total": total, "chunk": chunk, "filtered_runs": 5, "contestants": contestants}


def found(document: dict[str, Any], word: str) -> Any:
    rows = [row for row in judge({**EMPTY, **document}) if word in row["work"]]
    assert len(rows) == 1
    return rows[0]


def test_nothing_measured() -> None:
    rows = judge(EMPTY)
    assert len(rows) == len(TARGETS) == 21
    assert {row["verdict"] for row in rows} == {"not measured"}
    assert {row["figure"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("ours", "verdict", "stretch"),
    [(100, "met", True), (200, "met", False), (500, "not met", False)],
)
def test_a_ratio(ours: int, verdict: str, stretch: bool) -> None:
    cells = [cell("first", GIB, 64 * KIB, {REFERENCE: 400, OURS: ours})]
    row = found({"cells": cells}, "1 GiB by 64 KiB, first life, background")
    assert row["verdict"] == "not measured"
    row = next(
        r for r in judge({**EMPTY, "cells": cells}) if r["work"] == "1 GiB by 64 KiB, first life"
    )
    assert (row["verdict"], row["stretch_met"]) == (verdict, stretch)
    assert row["figure"] == 400 / ours


def test_the_worst_of_several_counts() -> None:
    cells = [
        cell("steady", 64 * MIB, chunk, {REFERENCE: 400, OURS: ours})
        for chunk, ours in ((16, 400), (4 * KIB, 50), (64 * KIB, 80), (MIB, 40))
    ]
    row = found({"cells": cells}, "64 MiB, steady")
    assert (row["figure"], row["verdict"]) == (5, "met")
    assert row["of"] == "steady, 64 MiB by 64 KiB; 3 of 3 cells"
    row = found({"cells": cells[:3]}, "64 MiB, steady")
    assert (row["figure"], row["verdict"]) == (5, "not measured")


def every_cell(ours: int) -> list[Any]:
    times = {REFERENCE: 100, OURS: ours}
    return [
        cell(mode, total, chunk, times)
        for mode in ("steady", "first")
        for total in TOTALS
        for chunk in CHUNKS
        if 1 <= total // chunk <= MOST_APPENDS
    ]


def test_every_cell_is_not_met_by_some() -> None:
    cells = every_cell(100)
    assert len(cells) == len(FULL.cells) - 4
    assert found({"cells": cells, "runs": 3}, "every cell")["verdict"] == "met"
    assert found({"cells": cells, "runs": 1}, "every cell")["verdict"] == "not measured"
    assert found({"cells": cells[1:], "runs": 3}, "every cell")["verdict"] == "not measured"


@pytest.mark.parametrize(("ours", "verdict"), [(104, "met"), (106, "not met")])
def test_noise_is_allowed_for(ours: int, verdict: str) -> None:
    assert found({"cells": every_cell(ours), "runs": 3}, "every cell")["verdict"] == verdict


def test_one_slow_cell_is_enough() -> None:
    cells = [cell("first", KIB, 1, {REFERENCE: 90, OURS: 100})]
    row = found({"cells": cells}, "every cell")
    assert (row["figure"], row["verdict"]) == (0.9, "not met")


def test_figures_that_must_be_low() -> None:
    times = {REFERENCE: 10, OURS: 12, FLOOR: 10}
    cells = [cell("first", GIB, 64 * KIB, times, **{OURS: 1.05})]
    cells.append(cell("first", MIB, 64 * KIB, times, **{OURS: 9.0}))
    row = found({"cells": cells}, "zeroing + memcpy")
    assert (row["figure"], row["verdict"], row["stretch_met"]) == (1.2, "met", False)
    row = found({"cells": cells}, "peak memory over payload")
    assert (row["figure"], row["verdict"]) == (1.05, "not met")


def test_peers() -> None:
    times = {REFERENCE: 100, OURS: 10, DOUBLING: 60, PYARROW: 25, COPYING: 200, BACKGROUND: 5}
    peaks = {OURS: 1.0, COPYING: 2.1}
    cells = [
        cell("first", GIB, KIB, times),
        cell("first", 256 * MIB, 64 * KIB, times, **peaks),
        cell("first", GIB, 64 * KIB, times),
        cell("second", GIB, 64 * KIB, times),
    ]
    document = {"cells": cells}
    assert found(document, "over np doubling")["figure"] == 6
    assert found(document, "over pyarrow")["verdict"] == "not met"
    assert found(document, "copying allocator: time")["stretch_met"]
    assert found(document, "copying allocator: peak")["figure"] == 2.1
    assert found(document, "first life, background")["figure"] == 20
    assert found(document, "second life")["figure"] == 10


def test_latency() -> None:
    rows = [
        latency(256 * MIB, 64 * KIB, **{OURS: {"max": 10}, COPYING: {"max": 5000}}),
        latency(
            GIB,
            KIB,
            **{
                REFERENCE: {"max": 300, "p99.99": 30},
                LOW_LATENCY: {"max": 10, "p99.99": 5},
                BACKGROUND: {"max": 900, "p99.99": 25},
            },
        ),
    ]
    document = {"latency": rows}
    assert found(document, "worst pause")["figure"] == 500
    assert found(document, "low latency")["figure"] == 30
    row = found(document, "p99.99 append")
    assert (row["figure"], row["verdict"]) == (1.2, "not met")


def test_lives_and_live_buffers() -> None:
    def row(ours: int, **more: Any) -> Any:
        return {
            "contestants": {
                REFERENCE: {"samples_ns": [100], "bytes_each": 100.0},
                OURS: {"samples_ns": [ours], "bytes_each": 180.0},
            },
            **more,
        }

    document = {
        "lives": [row(90, life="16 bytes"), row(110, life="memoryview")],
        "live": [row(500, count=1000), row(105, count=1_000_000)],
    }
    assert found(document, "16 bytes + destroy")["verdict"] == "met"
    assert found(document, "memoryview + destroy")["verdict"] == "not met"
    assert found(document, "buffers: bytearray's time")["figure"] == round(100 / 105, 3)
    assert found(document, "buffers: bytes")["figure"] == 1.8


def test_the_short_run_has_what_it_is_judged_by() -> None:
    """All but what takes too long: the whole grid, 4 GiB, and appends up to 1 GiB one by one."""
    modes = {(each.mode, each.total, each.chunk) for each in SHORT.cells}
    assert {("first", GIB, KIB), ("first", GIB, 64 * KIB), ("first", 256 * MIB, 64 * KIB)} <= modes
    assert {("steady", 64 * MIB, 64 * KIB), ("first", 64 * MIB, 64 * KIB)} <= modes
    assert 1_000_000 in SHORT.live_counts
    assert all(total <= GIB for _, total, _ in modes)
