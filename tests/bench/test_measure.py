"""Rounds over contestants."""

from __future__ import annotations

import pytest
from growable.bench.contestants import OURS, REFERENCE
from growable.bench.measure import measure_cell
from growable.bench.plan import GIB, SMOKE, Cell

NAMES = (REFERENCE, OURS)


@pytest.mark.parametrize("cell", [Cell("first", GIB, 1, NAMES), Cell("steady", GIB, 1, NAMES)])
def test_a_cell_that_nobody_can_fill_in_time(cell: Cell) -> None:
    (row,) = measure_cell(cell, SMOKE, lambda _seconds: None)
    assert row["contestants"] == {}
    assert set(row["left_out"]) == {REFERENCE, OURS}
