"""pop, del, clear, shrink_to_fit, freeze, release: as a list's, in whole rows."""

from __future__ import annotations

import itertools
from typing import Any

import growable
import numpy as np
import pytest
from array_support import data_of, same
from growable import Array


@pytest.mark.parametrize("index", [-1, 0, 1, -3, 4])
def test_pop_returns_a_copy_of_the_row(case: Any, index: int) -> None:
    rows = case.rows(5)
    made = case.make(rows)
    taken = made.pop(index)
    assert np.asarray(taken).tobytes() == rows[index].tobytes() or (taken == rows[index]).all()
    kept = [0, 1, 2, 3, 4]
    kept.pop(index)
    assert same(made, rows[kept])
    made.extend(rows)
    assert (np.asarray(taken) == rows[index]).all()
    assert made.exports == 0


def test_pop_of_nothing() -> None:
    made = Array()
    with pytest.raises(IndexError, match="empty"):
        made.pop()
    made.append(1)
    for index in (1, -2, 10**30):
        with pytest.raises(IndexError):
            made.pop(index)
    with pytest.raises(TypeError):
        made.pop(0.0)  # type: ignore[arg-type]
    assert len(made) == 1


EDGES = [None, 0, 1, 3, 7, 100, -1, -3, -100]


@pytest.mark.parametrize("step", [None, 1, 2, 3, -1, -2, 100])
def test_del_of_a_slice_is_a_lists(step: int | None) -> None:
    for start, stop in itertools.product(EDGES, EDGES):
        made, model = Array(range(7), "i4"), list(range(7))
        del made[start:stop:step]
        del model[start:stop:step]
        assert made.tolist() == model, (start, stop, step)


def test_del_works_on_rows_of_any_dtype(case: Any) -> None:
    rows = case.rows(10)
    made, kept = case.make(rows), list(range(10))
    del made[::3], kept[::3]
    del made[-1], kept[-1]
    del made[1:3], kept[1:3]
    assert same(made, rows[kept])


def test_del_refuses_other_indices() -> None:
    made = Array([1.0, 2.0])
    for index in ([0], np.array([True, False]), "a", (0,), None, 0.0):
        with pytest.raises(TypeError):
            del made[index]  # type: ignore[arg-type]
    for number in (2, -3):
        with pytest.raises(IndexError):
            del made[number]
    with pytest.raises(ValueError, match="zero"):
        del made[::0]
    assert len(made) == 2


def test_rows_go_from_the_front_without_moving_the_others() -> None:
    made = Array(np.arange(100_000.0))
    last = data_of(made.view()[-1:])
    for _ in range(99):
        del made[:1000]
    assert data_of(made.view()[-1:]) == last
    assert same(made, np.arange(99_000.0, 100_000.0))


def test_clear(case: Any) -> None:
    made = case.make(case.rows(100))
    made.clear()
    assert made.shape == (0, *case.row_shape)
    made.extend(case.rows(3))
    assert same(made, case.rows(3))


def test_shrink_to_fit_keeps_the_rows(case: Any) -> None:
    made = case.make(case.rows(20_000))
    del made[10:]
    made.shrink_to_fit()
    assert same(made, case.rows(20_000)[:10])


def test_frozen_rows_can_be_read_only(case: Any) -> None:
    made = case.make(case.rows(5))
    made.view()
    made.freeze()
    assert same(made, case.rows(5))
    assert not made.view().flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        made[0] = made[1]
    for change in (
        lambda: made.append(case.rows(1)[0]),
        lambda: made.extend(case.rows(2)),
        lambda: made.extend(case.rows(0)),
        lambda: made.extend([]),
        lambda: made.pop(),
        lambda: made.clear(),
        lambda: made.resize(10),
    ):
        with pytest.raises(growable.StateError):
            change()
    assert same(made, case.rows(5))


def test_released(case: Any) -> None:
    made = case.make(case.rows(5))
    made.release()
    made.release()
    for use in (
        lambda: len(made),
        lambda: made.view(),
        lambda: made[0],
        lambda: made.append(case.rows(1)[0]),
        lambda: made.extend(case.rows(2)),
        lambda: made.pop(),
        lambda: list(made),
        lambda: made.copy(),
        lambda: np.asarray(made),
        lambda: made.address,
    ):
        with pytest.raises(growable.StateError):
            use()
    assert repr(made).startswith("<released growable.Array of")


def test_with_releases() -> None:
    with Array([1.0]) as made:
        assert len(made) == 1
    with pytest.raises(growable.StateError):
        made.view()


def test_with_does_not_release_under_a_view() -> None:
    with pytest.raises(BufferError):
        with Array([1.0]) as made:
            view = made.view()
    assert view.tolist() == [1.0]
    assert len(made) == 1
