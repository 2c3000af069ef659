"""Random operations on an Array, beside a list of rows; views are taken and dropped meanwhile."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
from array_support import data_of
from growable import Array
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

DTYPES = [
    ("<f8", ()),
    ("i1", ()),
    (">i4", ()),
    ("<M8[s]", ()),
    ("<U2", ()),
    ([("a", "<i4"), ("b", "<f8")], ()),
    ("<f4", (2,)),
    ("<u2", (3, 1)),
]
COUNTS = st.one_of(st.integers(0, 5), st.sampled_from([60, 700, 9000]))
INDICES = st.integers(-12, 12)
PARTS = st.one_of(st.none(), INDICES)


def parts_of(rows: Any) -> list[bytes]:
    """Return the bytes of each row; a scalar's own would be native."""
    return [rows[i : i + 1].tobytes() for i in range(len(rows))]


class ArrayMachine(RuleBasedStateMachine):
    """`model` holds the rows as bytes; `views` what was taken, with the bytes that it must show."""

    made: Array
    model: list[bytes]

    @initialize(case=st.sampled_from(DTYPES), salt=st.integers(0, 50))
    def start(self, case: Any, salt: int) -> None:
        self.dtype, self.row_shape = np.dtype(case[0]), case[1]
        self.salt = salt
        self.made = Array(dtype=self.dtype, row_shape=self.row_shape)
        self.model = []
        self.views: list[tuple[Any, bytes, int]] = []

    def rows(self, n: int) -> Any:
        self.salt += 1
        size = n * int(np.prod(self.row_shape, dtype=int)) * self.dtype.itemsize
        raw = (np.arange(size, dtype=np.uint32) * 7 + self.salt).astype(np.uint8) & 0x1F
        if self.dtype.kind == "U":
            raw = np.full(size // 4, 65 + self.salt % 20, np.uint32)
        return raw.view(self.dtype).reshape(n, *self.row_shape)

    def remove(self, act: Any, change: Any) -> None:
        """Do what is refused while exported, and mirror it where it is not."""
        before = self.made.tobytes()
        if self.views:
            with pytest.raises(BufferError):
                act()
            assert self.made.tobytes() == before
            return
        act()
        change(self.model)

    @rule()
    def append(self) -> None:
        row = self.rows(1)
        self.made.append(row[0])
        self.model.append(row.tobytes())

    @rule(n=COUNTS, how=st.sampled_from(["array", "list", "iterator", "strided", "ours"]))
    def extend(self, n: int, how: str) -> None:
        rows = self.rows(n if how in ("array", "strided", "ours") else n % 61)
        given = {
            "array": lambda: rows,
            "list": lambda: list(rows),
            "iterator": lambda: iter(rows),
            "strided": lambda: np.repeat(rows, 2, axis=0)[::2],
            "ours": lambda: Array(rows),
        }[how]()
        self.made.extend(given)
        self.model.extend(parts_of(rows))

    @rule()
    def extend_by_itself(self) -> None:
        if len(self.model) < 20_000:
            self.made.extend(self.made)
            self.model.extend(list(self.model))

    @rule(at=INDICES)
    def insert(self, at: int) -> None:
        row = self.rows(1)
        length = len(self.model)
        place = max(at + length, 0) if at < 0 else min(at, length)
        if place == length:
            self.made.insert(at, row[0])
            self.model.insert(at, row.tobytes())
        else:
            self.remove(
                lambda: self.made.insert(at, row[0]), lambda model: model.insert(at, row.tobytes())
            )

    @rule(at=INDICES)
    def pop(self, at: int) -> None:
        if not -len(self.model) <= at < len(self.model):
            with pytest.raises(IndexError):
                self.made.pop(at)
            return
        self.remove(lambda: self.made.pop(at), lambda model: model.pop(at))

    @rule(start=PARTS, stop=PARTS, step=st.sampled_from([None, 1, 2, -1, -3]))
    def delete(self, start: int | None, stop: int | None, step: int | None) -> None:
        where = slice(start, stop, step)
        if not range(len(self.model))[where]:
            del self.made[where]
            return
        self.remove(lambda: self.made.__delitem__(where), lambda model: model.__delitem__(where))

    @rule(n=COUNTS)
    def drop_front(self, n: int) -> None:
        if self.model and n:
            self.remove(
                lambda: self.made.__delitem__(slice(0, n)),
                lambda model: model.__delitem__(slice(0, n)),
            )

    @rule(n=COUNTS, filled=st.booleans())
    def resize(self, n: int, filled: bool) -> None:
        row = self.rows(1)
        fill = row[0] if filled else None
        new = row.tobytes() if filled else bytes(len(row.tobytes()))

        def change(model: list[bytes]) -> None:
            model[n:] = [new] * (n - len(model))

        if n >= len(self.model):
            self.made.resize(n, fill)
            change(self.model)
        else:
            self.remove(lambda: self.made.resize(n, fill), change)

    @rule(n=COUNTS, k=st.integers(0, 5))
    def spare(self, n: int, k: int) -> None:
        tail, rows = self.made.spare(n), self.rows(n)
        assert not any(tail.tobytes())
        tail[:] = rows
        k = min(k, n)
        self.made.advance(k)
        self.model.extend(parts_of(rows[:k]))

    @rule(n=COUNTS)
    def read(self, n: int) -> None:
        rows = self.rows(n)
        assert self.made.read_from(io.BytesIO(rows.tobytes())) == n
        self.model.extend(parts_of(rows))

    @rule()
    def clear(self) -> None:
        if self.model:
            self.remove(self.made.clear, lambda model: model.clear())

    @rule()
    def fit(self) -> None:
        self.made.shrink_to_fit()

    @rule()
    def copy(self) -> None:
        for again in (copy.copy(self.made), pickle.loads(pickle.dumps(self.made))):
            assert again.tobytes() == self.made.tobytes()

    @rule(start=PARTS, stop=PARTS, step=st.sampled_from([None, 2, -1]))
    def take_view(self, start: int | None, stop: int | None, step: int | None) -> None:
        view = self.made[start:stop:step]
        self.views.append((view, view.tobytes(), data_of(view)))

    @rule()
    def drop_views(self) -> None:
        self.views.clear()

    @rule(at=INDICES)
    def set_row(self, at: int) -> None:
        if -len(self.model) <= at < len(self.model):
            row = self.rows(1)
            self.made[at] = row[0]
            self.model[at] = row.tobytes()
            self.views = [(view, view.tobytes(), where) for view, _, where in self.views]

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "made"):
            return
        assert len(self.made) == len(self.model)
        assert self.made.tobytes() == b"".join(self.model)
        assert len(self.made) <= self.made.capacity
        for view, content, where in self.views:
            assert view.tobytes() == content
            assert data_of(view) == where
        assert (self.made.exports > 0) == bool(self.views)


ArrayMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestArray = ArrayMachine.TestCase
