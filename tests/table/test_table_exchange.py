"""NumPy, pickle, copy and the Arrow capsules, without any other package."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from growable import Buffer, Table
from support import blocks_kept_by
from table_support import KINDS, TICKS, address, columns, holds, rows_of, tick, ticks


def test_to_numpy_is_the_memory_itself() -> None:
    table = ticks(1000)
    views = table.to_numpy()
    assert list(views) == list(TICKS)
    for name, view in views.items():
        assert address(view) == table[name].address
        assert view.flags.writeable
        assert len(view) == 1000
    views["price"][0] = 5.0
    assert table[0].price == 5.0


def test_structured_is_a_copy() -> None:
    table = Table(KINDS)
    table.extend({name: rows_of(dtype, 10) for name, dtype in KINDS.items()})
    whole = table.to_numpy(structured=True)
    assert whole.dtype == table.dtype
    assert whole.shape == (10,)
    for name in KINDS:
        assert (whole[name] == table[name].view()).all()
        assert not np.shares_memory(whole, table[name].view())
    assert (np.asarray(table) == whole).all()
    assert np.asarray(table).dtype == table.dtype
    with pytest.raises(ValueError, match="copy=False"):
        table.__array__(copy=False)


def test_pickle() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        table = ticks(1000, name="ticks")
        made = pickle.loads(pickle.dumps(table, protocol))
        assert type(made) is Table
        assert made.equals(table)
        assert made.name == "ticks"
        made.append(tick(1000))
        assert holds(made, columns(1001))
        assert len(table) == 1000


def test_pickle_out_of_band_has_no_copy_in_it() -> None:
    table = ticks(100_000)
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(table, 5, buffer_callback=buffers.append)
    assert len(small) < 2000
    where = [np.frombuffer(each.raw(), "u1").ctypes.data for each in buffers]
    assert where == [table[name].address for name in TICKS]
    copies = [bytes(each.raw()) for each in buffers]
    assert pickle.loads(small, buffers=copies).equals(table)
    assert table.exports > 0
    buffers.clear()
    table.pop()


def test_capacity_and_pickle() -> None:
    table = ticks(10, capacity=20)
    assert copy.copy(table).capacity == 20
    assert pickle.loads(pickle.dumps(table)).equals(table)


class Ticks(Table):
    """At module level, for pickle."""


def test_copies() -> None:
    table = Ticks(TICKS)
    table.extend(columns(10))
    table.note = ["mine"]  # type: ignore[attr-defined]
    for how in (copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))):
        made = how(table)
        assert type(made) is Ticks
        assert made.equals(table)
        assert made.note == ["mine"]
        assert (made.note is table.note) == (how is copy.copy)  # type: ignore[attr-defined]
        made.append(tick(10))
        assert len(table) == 10
    assert table.copy().equals(table)


# Arrow


def test_arrow_capsules_are_exports() -> None:
    table = ticks(1000)
    schema = table.__arrow_c_schema__()
    assert table.exports == 0
    capsules = table.__arrow_c_array__()
    assert table.exports == 3
    table.append(tick(1000))
    with pytest.raises(BufferError):
        table.pop()
    del capsules
    assert table.exports == 0
    stream = table.__arrow_c_stream__()
    assert table.exports >= 3
    del stream, schema
    assert table.exports == 0
    table.pop()


def test_arrow_capsules_have_their_names() -> None:
    table = ticks(1)
    schema, array = table.__arrow_c_array__(None)
    assert 'capsule object "arrow_schema"' in repr(schema)
    assert 'capsule object "arrow_array"' in repr(array)
    assert 'capsule object "arrow_array_stream"' in repr(table.__arrow_c_stream__(None))
    assert 'capsule object "arrow_schema"' in repr(table.__arrow_c_schema__())


def test_arrow_outlives_the_table() -> None:
    table = ticks(100)
    capsules = table.__arrow_c_array__()
    stream = table.__arrow_c_stream__()
    del table
    gc.collect()
    del capsules, stream


def test_arrow_has_no_complex_numbers() -> None:
    table = Table({"a": "f8", "z": "c16"})
    for export in (table.__arrow_c_schema__, table.__arrow_c_array__, table.__arrow_c_stream__):
        with pytest.raises(TypeError, match="complex128"):
            export()
    assert table.exports == 0


def test_malformed_nodes_are_refused() -> None:
    from growable._core import arrow_array, arrow_schema, arrow_stream

    deep: Any = ("i", "", 0, 0, (), ())
    for _ in range(100_000):
        deep = ("+s", "", 0, 0, (), (deep,))
    for node in (None, (), ("i",), ("i", "", 0, 0, None, ()), ("+s", "", 0, 0, (), (1,)), deep):
        for make in (arrow_schema, arrow_array):
            with pytest.raises((TypeError, ValueError, RecursionError)):
                make(node)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        arrow_array(("i", "", 1, 0, (None, 5), ()))
    del arrow_stream


@pytest.mark.usefixtures("small_heap")
@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="counts references")
@pytest.mark.parametrize(
    "operation",
    [
        lambda table: table.append(tick(1)),
        lambda table: table.append(dict(zip(TICKS, tick(1), strict=True))),
        lambda table: table.extend(columns(3)),
        lambda table: table.extend([tick(1), tick(2)]),
        lambda table: table.__arrow_c_stream__(),
        lambda table: table.__arrow_c_array__(),
        lambda table: table[2:4],
        lambda table: pickle.loads(pickle.dumps(table[:2])),
        lambda table: repr(table),
        lambda table: list(table[:3]),
    ],
    ids=["append", "dict", "extend", "rows", "stream", "array", "slice", "pickle", "repr", "iter"],
)
def test_nothing_leaks(operation: Any) -> None:
    table = ticks(10)

    def once() -> None:
        operation(table)
        del table[10:]

    once()
    assert blocks_kept_by(once) < 0.5


@pytest.mark.usefixtures("small_heap")
def test_failures_leak_nothing() -> None:
    table = ticks(10)

    def once() -> None:
        for bad in ((1,), ("x", 1, 2), (tick(1)[0], 1.0, 2.5), {"t": 1}, None):
            try:
                table.append(bad)
            except (TypeError, ValueError):
                pass
        try:
            table.extend({"t": [], "price": [1.0], "size": []})
        except ValueError:
            pass

    once()
    assert blocks_kept_by(once) < 0.5


def test_buffers_are_what_arrays_have() -> None:
    assert all(type(column._buffer) is Buffer for _, column in ticks(1).items())


def test_pickled_columns_of_another_length_are_refused() -> None:
    table = Table({"x": "f8", "n": "i4"})
    table.extend({"x": [1.0, 2.0], "n": [1, 2]})
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(table, 5, buffer_callback=parts.append)
    assert pickle.loads(head, buffers=parts).equals(table)
    for received in ([bytes(8), bytes(8)], [bytes(16), bytes(4)], [bytes(8), bytes(4)]):
        with pytest.raises(ValueError, match=r"2 rows of .* take"):
            pickle.loads(head, buffers=received)
