"""Reading and removing rows, columns as they are, and what is refused."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
from growable import Array, StateError, Table
from table_support import START, TICKS, columns, holds, tick, ticks

EXPORTED = "Existing exports of data: object cannot be re-sized"


# Reading


def test_a_row_by_number() -> None:
    table = ticks(10)
    for number in (0, 5, 9, -1, -10, np.int64(3), np.array(4)):
        assert table[number] == tick(int(number) % 10)
    assert table[3].price == tick(3)[1]
    for number in (10, -11):
        with pytest.raises(IndexError, match="10 rows"):
            table[number]
    for index in (1.5, None, (1, 2), ..., ("t", 1)):
        with pytest.raises(TypeError, match="name"):
            table[index]


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(2, 5),
        slice(None, None, -1),
        slice(1, 8, 3),
        slice(5, 5),
        slice(-3, 100),
        [1, 1, -1],
        [],
        np.array([3, 2]),
        np.arange(10) % 2 == 0,
        [True, False] * 5,
        Array([0, 9]),
    ],
    ids=str,
)
def test_rows_are_a_table_of_their_own(index: Any) -> None:
    table = ticks(10)
    chosen = table[index]
    plain = (
        np.asarray(index, int)
        if isinstance(index, Array) or (isinstance(index, list) and not index)
        else index
    )
    assert type(chosen) is Table
    assert holds(chosen, {name: values[plain] for name, values in columns(10).items()})
    chosen.append(tick(0))
    chosen.clear()
    assert holds(table, columns(10))
    table.append(tick(10))


@pytest.mark.parametrize(
    "index", [[99], [True], np.zeros((2, 2), int), np.array(1.5), [1.5], [["a"]]]
)
def test_indices_that_are_none(index: Any) -> None:
    with pytest.raises((IndexError, TypeError)):
        ticks(10)[index]


def test_head_and_tail() -> None:
    table, all_rows = ticks(10), list(range(10))
    for n in (0, 1, 5, 10, 100, -3, -10, -100):
        assert table.head(n)["price"].tolist() == [i / 4 for i in all_rows[:n]], n
        expected = all_rows[-n:] if n > 0 else all_rows[-n:] if n else []
        assert table.tail(n)["price"].tolist() == [i / 4 for i in expected], n
    assert len(table.head()) == len(table.tail()) == 5


def test_columns_by_a_list_of_names() -> None:
    table = ticks(3)
    part = table[["size", "t"]]
    assert part.columns == ("size", "t")
    part.append((1, START))
    assert len(table) == 3
    with pytest.raises(KeyError, match="nope"):
        table[["t", "nope"]]
    with pytest.raises(ValueError, match="same name"):
        table[["t", "t"]]


def test_iteration_sees_the_rows_of_its_start() -> None:
    table = ticks(3)
    seen = []
    for row in table:
        seen.append(row)
        table.append(row)
        with pytest.raises(BufferError):
            table.clear()
    assert seen == [tick(n) for n in range(3)]
    del row, seen
    assert len(table) == 6
    table.clear()


def test_as_a_mapping() -> None:
    table = ticks(3)
    assert list(table.keys()) == list(TICKS)
    assert dict(table)["price"] is table["price"]
    assert [name for name, _ in table.items()] == list(TICKS)
    assert "price" in table
    assert "Price" not in table
    with pytest.raises(KeyError, match="nope"):
        table["nope"]


def test_setting_values() -> None:
    table = ticks(4)
    table["price"] += 1
    table["size"] = 7
    table["t"] = [START] * 4
    assert list(table) == [(START, n / 4 + 1, 7) for n in range(4)]
    table[-1] = (START, -1.0, 1)
    table[0] = {"size": 2, "price": 0.5, "t": START}
    assert table[3] == (START, -1.0, 1)
    assert table[0] == (START, 0.5, 2)
    before = table.copy()
    for index, value in [
        ("size", 1.5),
        ("size", [1, 2]),
        ("t", "never"),
        (0, (START, 1.0, 2.5)),
        (0, (START, 1.0)),
        (4, tick(0)),
        (slice(0, 1), tick(0)),
    ]:
        with pytest.raises((TypeError, ValueError, IndexError)):
            table[index] = value  # type: ignore[index]
    with pytest.raises(KeyError):
        table["new"] = 1
    assert table.equals(before)


def test_equals() -> None:
    table = Table({"f": "f8", "t": "M8[s]", "s": [("x", "f4")]})
    table.extend({"f": [1.0, np.nan], "t": ["2026-01-01", "NaT"], "s": [(1,), (np.nan,)]})
    assert table.equals(table.copy())
    assert not table.equals(table[:1])
    assert not table.equals(table[["f", "t"]])
    assert not table.equals(table[["t", "f", "s"]])
    assert not table.equals(None)
    other = table.copy()
    other["f"][0] = 2.0
    assert not table.equals(other)


def test_repr() -> None:
    text = repr(ticks(1000))
    assert text.splitlines()[0].startswith("Table: 1000 rows of 3 columns, capacity ")
    assert "..." in text
    assert len(text.splitlines()) == 1 + 2 + 11
    assert "249.75" in text
    assert "datetime64[ns]" in text
    assert len(repr(ticks(0)).splitlines()) == 3
    assert len(repr(ticks(10)).splitlines()) == 13
    wide = Table({"s": "U1000", "a\nb": "i1"})
    wide.append(("x\ny" * 300, 1))
    assert max(map(len, repr(wide).splitlines())) < 80


def test_sizes() -> None:
    table = ticks(1000)
    assert table.nbytes == 1000 * (8 + 8 + 4)
    assert table.shape == (1000, 3)
    assert table.__sizeof__() > table.nbytes


# Removing


def test_from_the_front_without_moving() -> None:
    table = ticks(100_000)
    where = {name: table[name].address for name in TICKS}
    del table[:60_000]
    assert holds(table, columns(40_000, first=60_000))
    for name in TICKS:
        assert table[name].address == where[name] + 60_000 * table[name].itemsize
    table.extend(columns(10, first=100_000))
    assert holds(table, columns(40_010, first=60_000))


@pytest.mark.parametrize(
    "index",
    [
        *(0, -1, 3, slice(3, 6), slice(7, None), slice(None), slice(None, None, 2)),
        *(slice(8, 1, -3), slice(2, 2), slice(100, None), slice(None, None, -1), slice(1, 2, 5)),
    ],
    ids=str,
)
def test_deleting(index: Any) -> None:
    table, expected = ticks(10), list(range(10))
    del table[index]
    del expected[index]
    assert list(table) == [tick(n) for n in expected]


def test_pop() -> None:
    table = ticks(4)
    assert table.pop() == tick(3)
    assert table.pop(0) == tick(0)
    assert table.pop(-1) == tick(2)
    with pytest.raises(IndexError):
        table.pop(1)
    assert table.pop().size == 1
    with pytest.raises(IndexError, match="empty"):
        table.pop()


@pytest.mark.parametrize("name", TICKS)
@pytest.mark.parametrize(
    "operation",
    [
        lambda table: table.pop(),
        lambda table: table.clear(),
        lambda table: table.release(),
        lambda table: table.freeze(),
        lambda table: table.__delitem__(slice(0, 3)),
        lambda table: table.__delitem__(slice(None, None, 2)),
        lambda table: table.__delitem__(slice(4, 6)),
    ],
    ids=["pop", "clear", "release", "freeze", "front", "steps", "middle"],
)
def test_refused_while_any_column_is_exported(name: str, operation: Any) -> None:
    table = ticks(10)
    view = table[name].view()
    with pytest.raises(BufferError, match=EXPORTED):
        operation(table)
    assert [len(table[each]) for each in TICKS] == [10, 10, 10]
    assert holds(table, columns(10))
    table.append(tick(10))
    del view
    operation(table)


def test_nothing_to_remove_is_no_removal() -> None:
    table = ticks(3)
    view = table["t"].view()
    del table[3:]
    del table[2:2]
    assert len(view) == 3
    empty = ticks(0)
    empty.clear()
    assert len(empty) == 0


def test_columns_cannot_be_deleted() -> None:
    with pytest.raises(TypeError, match="fixed"):
        del ticks(1)["t"]  # type: ignore[arg-type]


def test_only_numbers_and_slices_remove() -> None:
    table = ticks(3)
    for index in ([0, 1], np.array([True, False, True]), 1.0, None, "t"):
        with pytest.raises(TypeError):
            del table[index]  # type: ignore[arg-type]
    for index in (3, -4, 2**70):
        with pytest.raises(IndexError):
            del table[index]
        with pytest.raises(IndexError):
            table.pop(index)
    assert holds(table, columns(3))


def test_an_index_may_change_the_table() -> None:
    class Meddling:
        def __init__(self, table: Table) -> None:
            self.table = table

        def __index__(self) -> int:
            del self.table[2:]
            return 1

    table = ticks(10)
    del table[Meddling(table)]
    assert list(table) == [tick(0)]
    table = ticks(10)
    del table[Meddling(table) : 10]
    assert list(table) == [tick(0)]
    table = ticks(10)
    assert table.pop(Meddling(table)) == tick(1)
    assert list(table) == [tick(0)]


@pytest.mark.parametrize("step", [2, 3, 7, -1, -2, -5, 100, -100, 2**62, -(2**62)])
def test_steps(step: int) -> None:
    for low in (None, 0, 1, 5, 19, 20, 30, -1, -7):
        for high in (None, 0, 2, 11, 19, 20, 30, -1, -7):
            table, expected = ticks(20), list(range(20))
            del table[low:high:step]
            del expected[low:high:step]
            assert table["size"].tolist() == expected, (low, high, step)
            assert table["price"].tolist() == [n / 4 for n in expected]


def test_threads_see_whole_rows() -> None:
    table = Table({"a": "i8", "b": "f8", "c": "M8[s]"})
    until, problems = time.monotonic() + 1.0, []

    def check(a: Any, b: Any, c: Any) -> None:
        if not (len(a) == len(b) == len(c) and (a == b).all() and (a == c.astype("i8")).all()):
            problems.append((a, b, c))

    def repeat(act: Any) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                act(number)
            except (BufferError, IndexError):
                pass

    def row(number: int) -> None:
        a, b, c = table[0]
        check(np.array([a]), np.array([b]), np.array([c]))

    def arrow(number: int) -> None:
        table.__arrow_c_stream__()
        table.__arrow_c_array__()

    acts = [
        lambda n: table.append((n, n, np.datetime64(n, "s"))),
        lambda n: table.extend({"a": [n] * 9, "b": [n] * 9, "c": np.full(9, n, "M8[s]")}),
        lambda n: table.pop(0),
        lambda n: table.__delitem__(slice(100, None)),
        lambda n: check(*table.to_numpy().values()),
        lambda n: check(*table.copy().to_numpy().values()),
        lambda n: check(*table[::2].to_numpy().values()),
        lambda n: [check(*map(np.atleast_1d, each)) for each in table],
        lambda n: repr(table),
        row,
        arrow,
    ]
    threads = [threading.Thread(target=repeat, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert table.exports == 0


def test_threads_pop_each_row_once() -> None:
    table = ticks(4000)
    taken: list[Any] = []

    def work() -> None:
        try:
            while True:
                taken.append(table.pop(0).price)
        except IndexError:
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == columns(4000)["price"].tolist()


def test_internal_arguments_are_checked() -> None:
    table = ticks(3)
    for index, kind in ((slice(0, 1), tuple), (0, list), (0, 5)):
        with pytest.raises(TypeError):
            table._take(index, kind)  # type: ignore[arg-type]
    assert len(table) == 3
    with pytest.raises(ValueError, match="block"):
        table._extend_blocks((b"",))
    with pytest.raises(ValueError, match="block"):
        table._extend_blocks((b"x" * 8, b"x" * 8, b"x" * 8))
    with pytest.raises(ValueError, match="block"):
        table._extend_blocks([b"", b"", b""])  # type: ignore[arg-type]
    assert holds(table, columns(3))


# Columns


def test_a_column_is_a_live_array() -> None:
    table = ticks(3)
    price = table["price"]
    assert isinstance(price, Array)
    assert price is table["price"]
    table.append(tick(3))
    assert len(price) == 4
    assert np.mean(price) == 0.375
    assert (price + 1).tolist() == [1.0, 1.25, 1.5, 1.75]
    price[0] = 9.0
    price *= 2
    assert table[0].price == 18.0


LENGTH_CHANGERS: dict[str, tuple[Any, ...]] = {
    "append": (1.0,),
    "extend": ([1.0],),
    "insert": (0, 1.0),
    "resize": (5,),
    "spare": (1,),
    "advance": (0,),
    "read_from": (b"",),
    "pop": (),
    "clear": (),
    "freeze": (),
    "release": (),
    "__delitem__": (0,),
    "__enter__": (),
}


@pytest.mark.parametrize("method", LENGTH_CHANGERS)
def test_a_columns_length_is_the_tables(method: str) -> None:
    table = ticks(3)
    with pytest.raises(TypeError, match="changes with its Table"):
        getattr(table["price"], method)(*LENGTH_CHANGERS[method])
    assert holds(table, columns(3))


def test_what_leaves_the_length_is_allowed() -> None:
    price = ticks(3)["price"]
    price.ensure(100)
    price.shrink_to_fit()
    assert price.exports == 0
    assert price.address != 0


def test_copies_of_a_column_are_arrays() -> None:
    import copy
    import pickle

    price = ticks(3)["price"]
    for made in (
        price.copy(),
        copy.copy(price),
        copy.deepcopy(price),
        pickle.loads(pickle.dumps(price)),
    ):
        assert type(made) is Array
        made.append(1.0)
        assert made.tolist() == [0.0, 0.25, 0.5, 1.0]


def test_lengths_changed_behind_the_tables_back_are_noticed() -> None:
    table = ticks(3)
    Array.append(table["price"], 1.0)
    for use in (
        len,
        repr,
        list,
        Table.copy,
        Table.to_numpy,
        lambda table: table.append(tick(0)),
        lambda table: table.extend(columns(1)),
        lambda table: table.pop(),
        lambda table: table.clear(),
        lambda table: table.ensure(1),
        lambda table: table[0],
        lambda table: table.__arrow_c_stream__(),
    ):
        if use is repr:
            assert "differ in length" in repr(table)
            continue
        with pytest.raises(StateError, match="'t' and 'price' differ in length"):
            use(table)
    Array.pop(table["price"])
    assert holds(table, columns(3))


# The end


def test_freeze() -> None:
    table = ticks(3)
    table.freeze()
    for change in (
        lambda: table.append(tick(3)),
        lambda: table.extend(columns(1)),
        lambda: table.pop(),
        lambda: table.clear(),
        lambda: table.ensure(100_000),
        lambda: table["price"].__setitem__(0, 1.0),
        lambda: table.__setitem__(0, tick(1)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            change()
    assert holds(table, columns(3))
    assert not any(view.flags.writeable for view in table.to_numpy().values())


def test_release() -> None:
    with ticks(3) as table:
        assert len(table) == 3
    for use in (len, list, lambda table: table.append(tick(0)), lambda table: table["t"][0]):
        with pytest.raises(StateError):
            use(table)
    assert repr(table).startswith("<growable.Table of t, price, size: ")
    with pytest.raises(StateError), table:
        pass


def test_weak_references() -> None:
    table = ticks(1)
    gone = weakref.ref(table)
    assert gone() is table
    del table
    assert gone() is None


def test_unhashable_columns_hashable_tables() -> None:
    table = ticks(1)
    assert {table: 1}[table] == 1
    with pytest.raises(TypeError):
        hash(table["t"])


def test_threads_append_whole_rows() -> None:
    table = Table({"a": "i8", "b": "f8", "c": "M8[ns]"})
    epoch = np.datetime64(0, "ns")

    def work(first: int) -> None:
        for number in range(first, first + 500):
            table.append(a=number, b=number, c=np.datetime64(number, "ns"))
        table.extend(
            {
                "a": np.arange(first, first + 500, dtype="i4"),
                "b": np.arange(first, first + 500),
                "c": epoch + np.arange(first, first + 500).astype("m8[us]").astype("i8"),
            }
        )

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(table) == 4000
    a, b, c = table.to_numpy().values()
    assert (a == b).all()
    assert (a == (c - epoch).astype("i8")).all()
