"""Arguments that change the Array they are given to, lie, or raise: an exception, never a fault."""

from __future__ import annotations

import bisect
import ctypes
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import growable
import numpy as np
import pytest
from array_support import same
from growable import Array, Table
from growable._core import ArrayCore, bind_numpy

_get_item = ctypes.pythonapi.PySequence_GetItem
_get_item.restype = ctypes.py_object
_get_item.argtypes = [ctypes.py_object, ctypes.c_ssize_t]

MEDDLING: dict[str, Callable[[Array], Any]] = {
    "append": lambda a: a.append(9),
    "extend": lambda a: a.extend(np.zeros(10_000)),
    "clear": lambda a: a.clear(),
    "pop": lambda a: a.pop(),
    "release": lambda a: a.release(),
    "freeze": lambda a: a.freeze(),
    "spare": lambda a: a.spare(5),
    "hold a view": lambda a: HELD.append(a.view()),
    "fill the Buffer oddly": lambda a: a._buffer.extend(b"abc"),
    "clear the Buffer": lambda a: (a._drop_view(), a._buffer.clear()),
    "release the Buffer": lambda a: (a._drop_view(), a._buffer.release()),
}
HELD: list[Any] = []

USES: dict[str, Callable[[Array, Any], Any]] = {
    "append": lambda a, x: a.append(x),
    "append the row": lambda a, x: a.append([x, x]),
    "extend a list": lambda a, x: a.extend([1.0, x, 2.0]),
    "extend a tuple": lambda a, x: a.extend((1.0, x)),
    "extend an iterator": lambda a, x: a.extend(iter([1.0, x])),
    "extend a sequence": lambda a, x: a.extend(x),
    "insert before": lambda a, x: a.insert(x, 1.0),
    "insert": lambda a, x: a.insert(1, x),
    "pop": lambda a, x: a.pop(x),
    "index": lambda a, x: a[x],
    "index a slice": lambda a, x: a[x:],
    "set": lambda a, x: a.__setitem__(x, 1.0),
    "set to": lambda a, x: a.__setitem__(0, x),
    "delete": lambda a, x: a.__delitem__(x),
    "delete from": lambda a, x: a.__delitem__(slice(x, None)),
    "delete steps": lambda a, x: a.__delitem__(slice(x, None, 2)),
    "resize": lambda a, x: a.resize(x),
    "resize filled": lambda a, x: a.resize(100_000, fill=x),
    "ensure": lambda a, x: a.ensure(x),
    "spare": lambda a, x: a.spare(x),
    "advance": lambda a, x: a.advance(x),
    "read_from": lambda a, x: a.read_from(x, 2),
    "read_from to the end": lambda a, x: a.read_from(x),
    "add": lambda a, x: a + x,
    "equal": lambda a, x: a == x,
    "in": lambda a, x: x in a,
    "construct": lambda a, x: Array(x),
    "construct a row shape": lambda a, x: Array(row_shape=x),
    "view": lambda a, x: a.view(readonly=x),
}


class Meddler:
    """A number, a sequence and a file that changes the Array whenever it is asked for anything."""

    def __init__(self, target: Array, act: Callable[[Array], Any]) -> None:
        self.target, self.act, self.left = target, act, 2

    def meddle(self) -> None:
        if self.left:
            self.left -= 1
            self.act(self.target)

    def __index__(self) -> int:
        self.meddle()
        return 1

    def __float__(self) -> float:
        self.meddle()
        return 1.5

    def __bool__(self) -> bool:
        self.meddle()
        return True

    def __len__(self) -> int:
        self.meddle()
        return 3

    def __getitem__(self, index: int) -> float:
        self.meddle()
        if index > 3:
            raise IndexError
        return 2.5

    def readinto(self, room: memoryview) -> int:
        self.meddle()
        room[:3] = b"abc"
        return 3 if self.left else 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("meddling", MEDDLING)
def test_argument_that_meddles(use: str, meddling: str) -> None:
    for content, capacity in itertools.product(([1.0, 2.0, 3.0], range(600)), (None, 100_000)):
        made = Array(content, "f8", capacity=capacity)
        made.view()
        try:
            USES[use](made, Meddler(made, MEDDLING[meddling]))
        except Exception:
            pass
        check(made)
    HELD.clear()


def check(made: Array) -> None:
    """Assert that the Array still works, whatever was done to it."""
    try:
        view = made.view()
        length = len(made)
        assert view.shape == (length,)
        del view
        assert len(made.tobytes()) == length * 8
        HELD.clear()
        made.append(4.0)
    except (ValueError, MemoryError):  # released, frozen or full
        return
    assert len(made) == length + 1


@pytest.mark.parametrize("meddling", MEDDLING)
def test_weak_reference_to_the_cached_view_meddles(meddling: str) -> None:
    """The cached view is let go of in the middle of an operation; its callback runs there."""
    for use in (
        lambda a: a.append(5.0),
        lambda a: a.extend([1.0, 2.0] * 50),
        lambda a: a.extend(np.ones(50)),
        lambda a: a.append(np.ones(())),
        lambda a: a.pop(),
        lambda a: a.clear(),
        lambda a: a.insert(0, 1.0),
        lambda a: a.__delitem__(slice(None, None, 2)),
        lambda a: a.resize(1),
        lambda a: a.resize(10_000),
        lambda a: a.view(),
        lambda a: a.freeze(),
        lambda a: a.copy(),
    ):
        made = Array([1.0, 2.0, 3.0], capacity=3 + 40)
        calls = []

        def act(_: Any, made: Array = made, calls: list[int] = calls) -> None:
            calls.append(1)
            if len(calls) < 3:
                try:
                    MEDDLING[meddling](made)
                except Exception:
                    pass

        kept = weakref.ref(made.view(), act)
        try:
            use(made)
        except Exception:
            pass
        check(made)
        del kept
    HELD.clear()


def test_source_array_that_shrinks_meanwhile() -> None:
    """What is copied is measured after the last foreign code has run."""
    made = Array([1.0, 2.0])
    source = np.arange(100_000.0)

    def shrink(_: Any) -> None:
        source.resize(1, refcheck=False)

    kept = weakref.ref(made.view(), shrink)
    made.extend(source)
    assert made.tolist() in ([1.0, 2.0, 0.0], [1.0, 2.0, *range(100_000)])
    del kept


def test_list_that_shrinks_meanwhile() -> None:
    made, source = Array([1.0, 2.0]), [1.0] * 100_000
    kept = weakref.ref(made.view(), lambda _: source.clear())
    made.extend(source)
    assert len(made) in (2, 100_002)
    del kept


def test_iterator_that_appends_to_the_array() -> None:
    made = Array([1.0])

    def rows() -> Iterator[float]:
        for number in range(3):
            made.append(float(number))
            yield 10.0 + number

    made.extend(rows())
    assert made.tolist() == [1.0, 0.0, 1.0, 2.0, 10.0, 11.0, 12.0]


def test_warning_that_changes_the_array() -> None:
    """NumPy warns in the middle of a cast; what handles the warning may be anything."""
    import warnings

    made = Array(dtype="f4")

    def show(*_: Any, **__: Any) -> None:
        made.append(7.0)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        for rows in (np.full(3, 1e300), np.full(50_000, 1e300)):
            try:
                made.extend(rows)
            except ValueError:
                pass
    assert 7.0 in made
    assert len(made) == made.view().size


def test_array_that_raises() -> None:
    made = Array()

    class Raises:
        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise KeyError("no")

    with pytest.raises(KeyError):
        made.extend(Raises())
    assert len(made) == 0


def test_base_of_a_view_cannot_be_released() -> None:
    made = Array([1.0, 2.0])
    for shown in (made.view(), made.view(readonly=True), made.spare(2), made[1:]):
        base: Any = shown
        while isinstance(base, np.ndarray):
            base = base.base
        assert not hasattr(base, "release")
        assert not hasattr(base, "obj")
        with pytest.raises(TypeError):
            type(base)()
        with memoryview(base) as view:
            assert view.readonly != shown.flags.writeable
    del shown, base, view
    made.pop()


def test_buffer_that_holds_part_of_a_row() -> None:
    made = Array([1.0, 2.0])
    made._buffer.extend(b"abc")
    assert made.tolist() == [1.0, 2.0]
    made.append(3.0)
    assert len(made) == 3
    made._drop_view()
    del made._buffer[:]
    assert len(made) == 0
    made._buffer.release()
    with pytest.raises(growable.StateError):
        made.view()


def test_core_refuses_what_does_not_fit_together() -> None:
    buffer, dtype = growable.Buffer(), np.dtype("f8")
    for arguments in (
        (bytearray(), dtype, (), "d", True),
        (buffer, "f8", (), "d", True),
        (buffer, dtype, [1], "d", True),
        (buffer, dtype, (0,), "d", True),
        (buffer, dtype, ("a",), "d", True),
        (buffer, dtype, (2**40, 2**40), "d", True),
        (buffer, np.dtype("V0"), (), "d", True),
        (),
    ):
        with pytest.raises((TypeError, ValueError)):
            ArrayCore(*arguments)
    core = ArrayCore(buffer, np.dtype("i2"), (), "d", True)
    with pytest.raises(AttributeError):
        core.append(1.5)
    with pytest.raises(TypeError):
        object.__new__(Array)
    with pytest.raises(TypeError):
        ArrayCore.__new__(int)  # type: ignore[arg-type, call-arg]


def test_layout_is_checked_before_it_is_used() -> None:
    sample = np.arange(6, dtype=np.int16).reshape(2, 3).copy()
    strided = sample[:, ::2]
    strided.flags.writeable = False
    made = Array([1.0])
    try:
        for first, second in ((sample, sample), (strided, sample), (sample[:1], strided)):
            assert bind_numpy(np.ndarray, np.dtype, np.frombuffer, first, second) is False
            made.append(2.0)
            made.extend(np.arange(3.0))
            made.append(np.float32(1))
            assert made.view() is not made.view()
            assert made.pop() == 1.0
    finally:
        assert bind_numpy(np.ndarray, np.dtype, np.frombuffer, sample, strided) is True
    assert made.view() is made.view()
    assert same(made, [1.0] + [2.0, 0.0, 1.0, 2.0] * 3)


def test_helpers_of_the_core_check_what_they_are_given() -> None:
    made = Array([1.0])
    for arguments in ((None, None, -1, b""), (None, None, 3, b"abcd"), (None, None, 3, "abc"), ()):
        with pytest.raises((TypeError, ValueError)):
            made._read_once(*arguments)  # type: ignore[arg-type]
    for result in (-1, 10**30, 9, "x"):
        with pytest.raises((OSError, OverflowError)):
            made._read_once(lambda source, room, result=result: result, None, 8, b"")  # type: ignore[misc]
    for rows in (-1, 2**62, 2**70, "x"):
        with pytest.raises((ValueError, MemoryError, OverflowError, TypeError)):
            made._resize(rows, None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="rows of 8 bytes"):
        made._resize(2, b"1234567")
    for arguments in ((b"1234567", 1, "x"), (b"", -1, "x"), (b"12345678", 2, "x"), (1, 1, "x"), ()):
        with pytest.raises((RuntimeError, TypeError)):
            made._put(*arguments)  # type: ignore[arg-type]
        with pytest.raises((RuntimeError, TypeError)):
            made._replace(0, 1, *arguments)  # type: ignore[arg-type]
    made._replace(-5, 2**60, bytes(16), 2, "x")
    made._replace(7, -7, np.array([1.0]), 1, "x")
    assert made.tolist() == [1.0, 0.0, 0.0]
    made._replace(1, 99, b"", 0, "x")
    for capacity in (1, -1, 2**62):
        with pytest.raises((TypeError, ValueError, MemoryError)):
            made._set_capacity(capacity)
    for index in (1, -2, 2**70, "x"):
        with pytest.raises((IndexError, OverflowError, TypeError)):
            made._take(index)  # type: ignore[arg-type]
    assert made.tolist() == [1.0]


def item_of(sequence: Any, index: int) -> Any:
    """Return an item as C code takes it that knows a sequence and no mapping."""
    return _get_item(sequence, index)


def test_index_before_the_first_row_is_refused_to_c_code() -> None:
    """PySequence_GetItem adds the length itself, once, and what it then passes on is final."""

    class Mine(Array):
        def __getitem__(self, index: Any, /) -> Any:
            return super().__getitem__(index)

    table = Table({"x": "f8", "n": "i4"})
    table.extend({"x": [1.0, 2.0, 3.0], "n": [1, 2, 3]})
    core = ArrayCore(growable.Buffer(np.arange(1.0, 4.0)), np.dtype("f8"), (), "d", True)
    for made in (Array([1.0, 2.0, 3.0]), Mine([1.0, 2.0, 3.0]), table["x"], core):
        assert [item_of(made, i) for i in (0, 2, -1, -3)] == [1.0, 3.0, 3.0, 1.0]
        assert list(reversed(made)) == [3.0, 2.0, 1.0]
        assert bisect.bisect(made, 2.0) == 2
    assert [item_of(table, i).n for i in (0, 2, -1, -3)] == [1, 3, 3, 1]
    for made in (Array([1.0, 2.0, 3.0]), Mine([1.0, 2.0, 3.0]), table["x"], core, table, Array()):
        for index in (-4, -5, -7, 3, 2**62, -(2**62)):
            with pytest.raises(IndexError):
                item_of(made, index)
