"""Any sequence of operations, against a list of tuples."""

from __future__ import annotations

from typing import Any

import numpy as np
from growable import Table
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

ROWS = st.tuples(st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False), st.integers(0, 255))
BAD = st.sampled_from([(1.5, 1.0, 1), (1, "x", 1), (1, 1.0, 256), (1, 1.0), (1, 1.0, None), None])
INDICES = st.integers(-40, 40)


class Model(RuleBasedStateMachine):
    """A Table and the list that it must equal."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table({"a": "i4", "b": "f8", "c": "u1"})
        self.rows: list[tuple[Any, ...]] = []
        self.held: list[tuple[Any, Any]] = []

    @rule(row=ROWS)
    def append(self, row: Any) -> None:
        self.table.append(row)
        self.rows.append(row)

    @rule(row=ROWS)
    def append_by_name(self, row: Any) -> None:
        self.table.append(c=row[2], a=row[0], b=row[1])
        self.rows.append(row)

    @rule(rows=st.lists(ROWS, max_size=30), by_column=st.booleans())
    def extend(self, rows: Any, by_column: bool) -> None:
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        source = dict(zip("abc", map(list, columns), strict=True))
        self.table.extend(source if by_column else rows)
        self.rows += rows

    @rule()
    @precondition(lambda self: len(self.rows) < 5000)
    def double(self) -> None:
        self.table.extend(self.table)
        self.rows *= 2

    @rule(rows=st.lists(ROWS, max_size=5), bad=BAD)
    def refuse(self, rows: Any, bad: Any) -> None:
        for change in (lambda: self.table.append(bad), lambda: self.table.extend([*rows, bad])):
            try:
                change()
            except (TypeError, ValueError, OverflowError):
                continue
            raise AssertionError("taken")

    @rule()
    def hold(self) -> None:
        view = self.table["b"].view()
        self.held.append((view, view.copy()))

    @rule()
    def let_go(self) -> None:
        self.held.clear()

    @rule(index=INDICES | st.slices(40))
    def delete(self, index: Any) -> None:
        expected = self.rows.copy()
        try:
            del expected[index]
        except IndexError:
            expected = self.rows
        try:
            del self.table[index]
            self.rows = expected
        except BufferError:
            assert self.held
        except IndexError:
            assert expected is self.rows

    @rule(index=st.slices(40))
    def part(self, index: slice) -> None:
        assert list(self.table[index]) == self.rows[index]

    @invariant()
    def same(self) -> None:
        assert len(self.table) == len(self.rows)
        assert [column.tolist() for _, column in self.table.items()] == (
            [list(values) for values in zip(*self.rows, strict=True)] or [[], [], []]
        )

    @invariant()
    def views_hold(self) -> None:
        for view, values in self.held:
            assert np.array_equal(view, values)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
