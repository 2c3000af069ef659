"""What the page of results says of cells."""

from __future__ import annotations

from typing import Any

import pytest
from growable.bench import tables
from growable.bench.contestants import NO_POOL, OURS, REFERENCE
from growable.bench.figures import ratios, spread_of

KIB = 1 << 10


def cell(run: int, times: dict[str, list[float]], mode: str = "steady") -> dict[str, Any]:
    return {
        "run": run,
        "mode": mode,
        "total": 64 * KIB,
        "chunk": KIB,
        "contestants": {
            name: {
                "samples_ns": samples,
                "ns": spread_of(samples),
                "ratio": spread_of(ratios(times[REFERENCE], samples)),
            }
            for name, samples in times.items()
        },
        "left_out": {},
    }


def slower(rows: list[dict[str, Any]]) -> str:
    return "\n".join(tables.slower(rows))


def test_a_slower_cell_is_shown_with_all_its_runs() -> None:
    fast = {REFERENCE: [100.0, 100.0], OURS: [50.0, 50.0]}
    slow = {REFERENCE: [100.0, 100.0], OURS: [125.0, 125.0]}
    text = slower([cell(0, fast), cell(1, slow), cell(0, fast, "first")])
    assert "1 of 2." in text
    assert "steady, 64 KiB by 1 KiB" in text
    assert "2.00 (2.00 to 2.00); 0.80 (0.80 to 0.80)" in text
    assert "first" not in text.partition("ratio, run by run")[2]


def test_no_cell_was_slower() -> None:
    assert "None of 1." in slower([cell(0, {REFERENCE: [10.0], OURS: [10.0]})])


def test_a_second_life_is_no_cell_of_the_grid() -> None:
    rows = [cell(0, {REFERENCE: [10.0], OURS: [20.0]}, "second")]
    assert "Not measured." in slower(rows)


def test_what_a_policy_gains() -> None:
    times = {REFERENCE: [100.0], OURS: [20.0], NO_POOL: [90.0]}
    text = "\n".join(tables.policies([cell(0, times)]))
    assert "| steady, 64 KiB by 1 KiB |" in text
    assert "4.50" in text


@pytest.mark.parametrize("times", [{REFERENCE: [1.0]}, {REFERENCE: [1.0], OURS: [1.0]}])
def test_no_policy_was_measured(times: dict[str, list[float]]) -> None:
    assert list(tables.policies([cell(0, times)])) == []


def test_what_stays_resident() -> None:
    series = [(0, 0), (1, 3 << 20), (2, 1 << 20)]
    row = {"total": 2 << 20, "chunk": KIB, "contestants": {OURS: {"series": series}}}
    text = "\n".join(tables.resident([row]))
    assert "around a fill of 2 MiB by 1 KiB" in text
    assert "| Buffer |" in text
    assert "3 MiB" in text
    assert "1 MiB" in text


def test_contestants_are_those_that_took_part_or_were_to() -> None:
    left_out = {**cell(0, {REFERENCE: [10.0], OURS: [10.0]}), "left_out": {"np.append": "slow"}}
    document: dict[str, Any] = {
        "cells": [left_out],
        "latency": [],
        "memory": [],
        "missing": {"pyarrow": "not installed"},
    }
    text = "\n".join(tables.contestants(document))
    assert all(f"* {name}: " in text for name in (REFERENCE, OURS, "np.append", "pyarrow"))
    assert "Left out: not installed." in text
    assert NO_POOL not in text
