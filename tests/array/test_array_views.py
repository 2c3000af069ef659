"""Views: they stay valid and in place while rows arrive, and only those that somebody holds count."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import growable
import numpy as np
import pytest
from array_support import data_of, same
from growable import Array

MANY = 10_000_000


@pytest.mark.parametrize(
    ("dtype", "row_shape"),
    [
        ("<f8", ()),
        ("<f4", (2,)),
        ([("time", "<M8[s]"), ("size", "<i4")], ()),
        ("<M8[ns]", ()),
    ],
    ids=["scalar", "row", "structured", "datetime"],
)
def test_view_of_ten_rows_is_valid_after_ten_million(dtype: Any, row_shape: Any) -> None:
    made = Array(dtype=dtype, row_shape=row_shape)
    block = np.zeros((MANY // 10, *row_shape), dtype)
    block.view(np.uint8).reshape(-1)[::3] = 5
    made.extend(block[:10])
    early = made.view()
    where, before = data_of(early), early.tobytes()
    while len(made) < MANY:
        made.extend(block[: MANY - len(made)])
        made.append(block[0])
    late = made.view()
    assert len(late) >= MANY
    assert len(early) == 10
    assert data_of(early) == data_of(late) == where
    assert np.shares_memory(early, late)
    assert early.tobytes() == late[:10].tobytes() == before
    late.view(np.uint8).reshape(-1)[:8] = 7
    assert early.tobytes()[:8] == bytes([7] * 8)


def test_view_is_the_same_object_until_the_length_changes(case: Any) -> None:
    made = case.make(case.rows(3))
    first = made.view()
    assert made.view() is first
    assert made.view(readonly=False) is first
    made.append(case.rows(1)[0])
    second = made.view()
    assert second is not first
    assert second is made.view()
    assert (len(first), len(second)) == (3, 4)
    assert data_of(first) == data_of(second)


def test_view_has_what_was_appended(case: Any) -> None:
    made, rows = case.make(), case.rows(20)
    for n, row in enumerate(rows):
        made.append(row)
        assert same(made.view(), rows[: n + 1])


def test_cached_view_is_no_export() -> None:
    made = Array([1.0, 2.0])
    made.view()
    assert made.exports == 0
    made.view()
    assert made.pop() == 2.0
    view = made.view()
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()
    del view
    made.pop()


def test_view_of_a_view_is_an_export() -> None:
    made = Array(np.arange(12.0).reshape(6, 2))
    part = made.view()[2:4, 1]
    gc.collect()
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.clear()
    assert part.tolist() == [5.0, 7.0]
    del part
    made.clear()


@pytest.mark.parametrize(
    "held", ["array", "frombuffer", "memoryview", "iterator", "field", "buffer", "flat"]
)
def test_whatever_leads_to_the_memory_is_an_export(held: str) -> None:
    made = Array(np.zeros(4, [("a", "i4")]))
    keeper: Any = {
        "array": lambda: np.asarray(made),
        "frombuffer": lambda: np.frombuffer(made, "u1"),
        "memoryview": lambda: memoryview(made),
        "iterator": lambda: iter(made),
        "field": lambda: made["a"],
        "buffer": lambda: memoryview(made.view()),
        "flat": lambda: made.view().flat,
    }[held]()
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()
    made.append((1,))
    del keeper
    assert made.pop()["a"] == 1


def test_growing_works_while_exported(case: Any) -> None:
    made, rows = case.make(case.rows(3)), case.rows(8)
    view = made.view()
    made.append(rows[3])
    made.extend(rows[4:6])
    made.insert(len(made), rows[6])
    made.resize(8, fill=rows[7])
    assert same(view, rows[:3])
    assert same(made, rows)


@pytest.mark.parametrize(
    "shrink",
    [
        lambda a: a.pop(),
        lambda a: a.pop(0),
        lambda a: a.clear(),
        lambda a: a.resize(1),
        lambda a: a.__delitem__(0),
        lambda a: a.__delitem__(slice(1, 3)),
        lambda a: a.__delitem__(slice(None, None, 2)),
        lambda a: a.insert(0, np.array(a[0]).copy()),
        lambda a: a.release(),
        lambda a: a.freeze(),
    ],
    ids=["pop", "pop0", "clear", "resize", "del", "slice", "steps", "insert", "release", "freeze"],
)
def test_what_moves_or_removes_rows_is_refused_while_exported(case: Any, shrink: Any) -> None:
    made = case.make(case.rows(5))
    view = made.view()
    with pytest.raises(BufferError):
        shrink(made)
    assert same(made, case.rows(5))
    del view
    shrink(made)


def test_shrink_to_fit_keeps_a_view_in_place() -> None:
    made = Array(np.arange(100_000.0))
    view = made.view()
    made.shrink_to_fit()
    assert data_of(view) == data_of(made.view())
    assert same(view, np.arange(100_000.0))


def test_read_only_view_cannot_be_made_writable() -> None:
    made = Array([1.0, 2.0])
    view = made.view(readonly=True)
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True
    made[0] = 3.0
    assert view[0] == 3.0
    assert made.exports == 1


def test_view_takes_readonly_only() -> None:
    made = Array([1.0])
    for arguments, named in [((True,), {}), ((), {"other": 1}), ((), {"readonly": 1, "x": 1})]:
        with pytest.raises(TypeError, match="readonly"):
            made.view(*arguments, **named)  # type: ignore[misc, arg-type]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: setattr(v, "shape", (2, 2)),
        lambda v: setattr(v, "dtype", np.dtype("i8")),
        lambda v: setattr(v, "strides", (0,)),
        lambda v: setattr(v.flags, "writeable", False),
    ],
    ids=["shape", "dtype", "strides", "writeable"],
)
def test_view_that_its_user_changed_is_not_given_out_again(spoil: Any) -> None:
    made = Array(np.arange(4.0))
    first = made.view()
    spoil(first)
    second = made.view()
    assert second is not first
    assert same(second, np.arange(4.0))
    assert second.flags.writeable
    made.extend(second)
    assert len(made) == 8
    try:
        made.extend(first)
    except (ValueError, TypeError):
        pass
    assert same(made.view()[:4], np.arange(4.0))


def test_view_outlives_the_array() -> None:
    view = Array(np.arange(1000.0)).view()
    gc.collect()
    assert same(view, np.arange(1000.0))


def test_nothing_is_left_when_all_are_gone() -> None:
    made = Array(np.arange(1000.0))
    reference = weakref.ref(made)
    made.view()
    del made
    gc.collect()
    assert reference() is None


def test_view_after_front_rows_went(case: Any) -> None:
    rows = case.rows(3000)
    made = case.make(rows)
    made.view()
    del made[:1000]
    assert same(made.view(), rows[1000:])


def test_view_of_an_empty_array(case: Any) -> None:
    made = case.make()
    view = made.view()
    assert view.shape == (0, *case.row_shape)
    made.extend(case.rows(2))
    assert same(made, case.rows(2))


def test_growth_moves_when_nobody_looks() -> None:
    made = Array(np.zeros(10))
    made.view()
    growable.set_defaults(reservation=1 << 20)
    try:
        small = Array([1.0])
        small.view()
        small.extend(np.zeros(1 << 20))  # outgrows its reservation; the cached view is let go of
        assert len(small) == (1 << 20) + 1
    finally:
        growable.set_defaults(reservation=growable.info()["defaults"]["reservation"])
        growable.set_defaults(reservation="64GiB")


def test_address_is_the_views(case: Any) -> None:
    made = case.make(case.rows(3))
    assert made.address == data_of(made.view())
    made.extend(case.rows(10_000))
    assert made.address == data_of(made.view())
