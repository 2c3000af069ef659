"""What a run measures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from growable.bench import run
from growable.bench.contestants import OURS, REFERENCE
from growable.bench.plan import FULL, MOST_APPENDS_AGAIN, SHORT, SMOKE, Cell


def test_the_later_runs_are_of_two_alone() -> None:
    again = list(FULL.cells_of(1))
    assert [(cell.mode, cell.total, cell.chunk) for cell in again] == [
        (cell.mode, cell.total, cell.chunk)
        for cell in FULL.cells
        if cell.appends <= MOST_APPENDS_AGAIN
    ]
    assert {cell.names for cell in again} == {(REFERENCE, OURS)}


def test_the_first_run_is_of_the_plan() -> None:
    for plan in (SMOKE, SHORT, FULL):
        assert tuple(plan.cells_of(0)) == plan.cells


def test_every_contestant_takes_part_somewhere_in_each_mode() -> None:
    wanted = {name for cell in SMOKE.cells for name in cell.names}
    for mode in ("steady", "first"):
        there = {name for cell in FULL.cells if cell.mode == mode for name in cell.names}
        assert there >= wanted - {"zeroing + memcpy"}


@pytest.mark.parametrize(
    ("number", "least", "decided"), [(0, 1.1, False), (0, 1.2, True), (1, 1.2, False)]
)
def test_a_cell_that_the_first_run_decided_is_not_measured_again(
    number: int, least: float, decided: bool
) -> None:
    cell = FULL.cells[0]
    row = {
        "run": number,
        "mode": cell.mode,
        "total": cell.total,
        "chunk": cell.chunk,
        "contestants": {OURS: {"ratio": {"least": least}}},
    }
    task = next(task for task in run.tasks(FULL, 2) if task.again)
    assert run.is_decided(task, {"cells": [row]}) == decided
    assert not run.is_decided(task, {"cells": []})


def test_the_shortest_first_lives_are_measured_most_often() -> None:
    plan = replace(SHORT, rounds=7, most_rounds=9)
    names = (REFERENCE, OURS)
    assert plan.rounds_of(Cell("first", 1 << 10, 16, names)) == 27
    assert plan.rounds_of(Cell("steady", 1 << 10, 16, names)) == 9
    assert plan.rounds_of(Cell("first", 1 << 16, 16, names)) == 9
    assert plan.rounds_of(Cell("first", 1 << 30, 16, names)) == 7
