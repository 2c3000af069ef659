"""Rounds over contestants."""

from __future__ import annotations

import pytest
from growable.bench.contestants import OURS, REFERENCE
from growable.bench.measure import measure_cell
from growable.bench.plan import GIB, SMOKE, Cell


@pytest.mark.parametrize("mode", ["first", "steady"])
def test_a_cell_that_nobody_can_fill_in_time(mode: str) -> None:
    cell = Cell("first" if mode == "first" else "steady", GIB, 1, (REFERENCE, OURS))
    (row,) = measure_cell(cell, SMOKE, lambda _seconds: None)
    assert row["contestants"] == {}
    assert set(row["left_out"]) == {REFERENCE, OURS}
