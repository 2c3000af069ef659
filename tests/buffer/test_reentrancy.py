"""Arguments whose own code uses the buffer in the middle of an operation on it.

Every combination ends in a result or an exception; the buffer stays whole, and what was exported in
the middle stays as it was.
"""

from __future__ import annotations

import functools
import io
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, check, pattern, start_of

Make = Callable[..., Buffer]
START = pattern(200)


@pytest.fixture(params=["heap", "reserved", "capacity"])
def tier(request: pytest.FixtureRequest) -> str:
    """Give the tiers that differ for contents of this size."""
    return str(request.param)


class Meddling:
    """What the foreign code does with the buffer, and what it keeps of it."""

    def __init__(self, buffer: Any, act: Callable[[Any, Meddling], object]) -> None:
        self.buffer = buffer
        self.act = act
        self.views: list[tuple[memoryview, bytes]] = []
        self.refused: list[BaseException] = []
        self.done = 0

    def __call__(self) -> None:
        self.done += 1
        try:
            self.act(self.buffer, self)
        except (BufferError, ValueError, IndexError, MemoryError) as error:
            self.refused.append(error.with_traceback(None))  # frames would keep views alive

    def hold(self) -> None:
        view = memoryview(self.buffer)
        self.views.append((view, view.tobytes()))

    def finish(self) -> None:
        """Check what was exported in the middle, then let go of it."""
        for view, shown in self.views:
            assert len(view) == len(shown)
            view.release()
        self.views.clear()


ACTS: dict[str, Callable[[Any, Meddling], object]] = {
    "append": lambda b, m: b.append(0xAA),
    "extend much": lambda b, m: b.extend(bytes(100_000)),
    "clear": lambda b, m: b.clear(),
    "pop": lambda b, m: b.pop(),
    "del front": lambda b, m: operator.delitem(b, slice(0, 150)),
    "insert": lambda b, m: b.insert(0, 1),
    "resize": lambda b, m: b.resize(3),
    "assign": lambda b, m: operator.setitem(b, slice(None), b"other"),
    "export": lambda b, m: m.hold(),
    "export and append": lambda b, m: (m.hold(), b.extend(bytes(5000))),
    "shrink": lambda b, m: (b.resize(1), b.shrink_to_fit()),
    "spare": lambda b, m: b.spare(10).release(),
    "advance": lambda b, m: (b.spare(10).release(), b.advance(10)),
    "read_from": lambda b, m: b.read_from(io.BytesIO(bytes(70_000))),
    "take_bytes": lambda b, m: b.take_bytes(),
    "address": lambda b, m: b.address,
    "freeze": lambda b, m: b.freeze(),
    "release": lambda b, m: b.release(),
    "init": lambda b, m: b.__init__(b"anew"),
    "reverse": lambda b, m: b.reverse(),
    "*=": lambda b, m: operator.imul(b, 3),
}


class Index:
    """An integer whose `__index__` meddles."""

    def __init__(self, value: int, meddle: Meddling) -> None:
        self.value = value
        self.meddle = meddle

    def __index__(self) -> int:
        self.meddle()
        return self.value


class Items:
    """An iterable that meddles at its third item, and lies about its length if told to."""

    def __init__(self, count: int, meddle: Meddling, hint: Any = None) -> None:
        self.count = count
        self.meddle = meddle
        self.hint = hint

    def __iter__(self) -> Iterator[int]:
        for i in range(self.count):
            if i == 2:
                self.meddle()
            yield i % 256

    def __length_hint__(self) -> Any:
        return self.hint


INDEXED: dict[str, Callable[[Any, Callable[[int], Any]], object]] = {
    "b[i]": lambda b, i: b[i(5)],
    "b[-i]": lambda b, i: b[i(-1)],
    "b[i] = x": lambda b, i: operator.setitem(b, i(5), 1),
    "b[-i] = x": lambda b, i: operator.setitem(b, i(-1), 1),
    "b[199] = x": lambda b, i: operator.setitem(b, 199, i(1)),
    "del b[i]": lambda b, i: operator.delitem(b, i(5)),
    "b[i:]": lambda b, i: b[i(5) :],
    "b[i:j:k]": lambda b, i: b[i(5) : i(150) : i(3)],
    "b[i:j] = x": lambda b, i: operator.setitem(b, slice(i(5), i(150)), b"xyz"),
    "b[::k] = x": lambda b, i: operator.setitem(b, slice(None, None, i(2)), bytes(100)),
    "b[i:] = b": lambda b, i: operator.setitem(b, slice(i(5), None), b),
    "b[i:j] = items": lambda b, i: operator.setitem(b, slice(0, 2), [i(1), i(2), i(3)]),
    "del b[i:j]": lambda b, i: operator.delitem(b, slice(i(5), i(150))),
    "del b[::k]": lambda b, i: operator.delitem(b, slice(None, None, i(2))),
    "append": lambda b, i: b.append(i(1)),
    "insert at": lambda b, i: b.insert(i(5), 1),
    "insert at the end": lambda b, i: b.insert(i(200), 1),
    "insert item": lambda b, i: b.insert(5, i(1)),
    "pop": lambda b, i: b.pop(i(5)),
    "pop last": lambda b, i: b.pop(i(-1)),
    "remove": lambda b, i: b.remove(i(START[100])),
    "*=": lambda b, i: operator.imul(b, i(3)),
    "*= 0": lambda b, i: operator.imul(b, i(0)),
    "*": lambda b, i: b * i(3),
    "resize": lambda b, i: b.resize(i(300)),
    "resize down": lambda b, i: b.resize(i(100)),
    "take_bytes": lambda b, i: b.take_bytes(i(100)),
    "take_bytes from the end": lambda b, i: b.take_bytes(i(-100)),
    "ensure": lambda b, i: b.ensure(i(10_000)),
    "spare": lambda b, i: b.spare(i(10)),
    "advance": lambda b, i: (b.spare(10).release(), b.advance(i(5))),
    "read_from": lambda b, i: b.read_from(io.BytesIO(b"abc"), i(2)),
    "in": lambda b, i: i(5) in b,
    "find": lambda b, i: b.find(b"\xff\xfe", i(0), i(200)),
    "find byte": lambda b, i: b.find(i(START[150])),
    "count": lambda b, i: b.count(b"a", i(0)),
    "index": lambda b, i: b.index(START[180:], i(0)),
    "startswith": lambda b, i: b.startswith(START[:5], i(0)),
    "split": lambda b, i: b.split(b"a", i(5)),
    "replace": lambda b, i: b.replace(b"a", b"bb", i(5)),
    "center": lambda b, i: b.center(i(300)),
    "zfill": lambda b, i: b.zfill(i(300)),
    "hex": lambda b, i: b.hex(":", i(2)),
    "expandtabs": lambda b, i: b.expandtabs(i(4)),
    "init": lambda b, i: b.__init__(i(5)),
    "init items": lambda b, i: b.__init__([i(1), i(2)]),
    "%": lambda b, i: Buffer(b"%d") % i(3),
}


def run(buffer: Buffer, meddle: Meddling, operate: Callable[[], object]) -> None:
    try:
        result = operate()
    except (BufferError, ValueError, IndexError, TypeError, MemoryError):
        pass
    else:
        del result
    meddle.finish()
    verify(buffer)


def run_each(make: Make, operate: Callable[[Buffer, Meddling], object]) -> int:
    """Run the operation once for each act, on a new buffer; return how many acts took place."""
    done = 0
    for name, act in ACTS.items():
        buffer = make(START)
        meddle = Meddling(buffer, act)
        try:
            run(buffer, meddle, functools.partial(operate, buffer, meddle))
        except BaseException as error:
            error.add_note(f"the act was: {name}")
            raise
        done += meddle.done > 0
    return done


def verify(buffer: Buffer) -> None:
    """Check that the buffer is whole and, unless its life is over, works."""
    if "released" in repr(buffer):
        return
    content = bytes(buffer)
    check(buffer, content)
    assert buffer.exports == 0
    try:
        buffer += b"works"
    except ValueError:  # frozen
        return
    check(buffer, content + b"works")
    del buffer[:]
    check(buffer, b"")


@pytest.mark.parametrize("name", INDEXED)
def test_index(make_exact: Make, name: str) -> None:
    run_each(make_exact, lambda b, meddle: INDEXED[name](b, lambda value: Index(value, meddle)))


ITERATED: dict[str, Callable[[Any, Any], object]] = {
    "extend": lambda b, x: b.extend(x),
    "slice": lambda b, x: operator.setitem(b, slice(5, 150), x),
    "tail": lambda b, x: operator.setitem(b, slice(len(b), None), x),
    "all": lambda b, x: operator.setitem(b, slice(None), x),
    "steps": lambda b, x: operator.setitem(b, slice(None, None, 2), x),
    "init": lambda b, x: b.__init__(x),
    "join": lambda b, x: b.join(bytes([i]) for i in x),
    "+= of bytes": lambda b, x: operator.iadd(b, bytes(x)),
}


@pytest.mark.parametrize("name", ITERATED)
@pytest.mark.parametrize("count", [3, 5000])
def test_iterator(make_exact: Make, name: str, count: int) -> None:
    run_each(make_exact, lambda b, meddle: ITERATED[name](b, Items(count, meddle)))


HINTS = [0, 1, -1, 10, 100_000, 1 << 40, sys.maxsize, 1 << 70, None, "x", 1.5, NotImplemented]


@pytest.mark.parametrize("hint", HINTS, ids=repr)
@pytest.mark.parametrize("name", ["extend", "slice", "tail", "init"])
def test_lying_length_hint(make_exact: Make, name: str, hint: Any) -> None:
    """The items count; a hint that is no length may raise, and then nothing has changed."""
    buffer = make_exact(START)
    meddle = Meddling(buffer, lambda b, m: None)
    model = bytearray(START)
    items = bytes(i % 256 for i in range(50))
    ITERATED[name](model, items)
    try:
        ITERATED[name](buffer, Items(50, meddle, hint))
    except (TypeError, ValueError, OverflowError, MemoryError):
        check(buffer, START)
    else:
        check(buffer, model)


def test_length_hint_that_meddles(make_exact: Make) -> None:
    class Hinting(Items):
        def __length_hint__(self) -> Any:
            self.meddle()
            return 1000

    run_each(make_exact, lambda b, meddle: b.extend(Hinting(10, meddle)))


@pytest.mark.parametrize("name", ["extend", "slice", "tail", "init", "all"])
def test_an_iterator_that_feeds_on_the_buffer(make_exact: Make, name: str) -> None:
    """It reads what it extends; its values are those it has read."""
    buffer = make_exact(START)
    ITERATED[name](buffer, (x ^ 1 for x in buffer))
    flipped = bytes(x ^ 1 for x in START)
    model = bytearray(START)
    ITERATED[name](model, flipped)
    check(buffer, model)


def test_an_iterator_over_itself_ends() -> None:
    buffer = Buffer(b"abc")
    buffer.extend(iter(buffer))
    check(buffer, b"abcabc")


@pytest.mark.parametrize("act", ACTS)
def test_iteration_while_it_changes(make_exact: Make, act: str) -> None:
    """As for any sequence: the iterator goes by index and ends when there is none left."""
    buffer = make_exact(START)
    meddle = Meddling(buffer, ACTS[act])
    seen = 0
    for _ in buffer:
        if seen == 10:
            meddle()
        seen += 1
        if seen > 300_000:
            break
    meddle.finish()
    verify(buffer)


READS: dict[str, Callable[[Any, Any], object]] = {
    "find": lambda b, x: b.find(x),
    "in": lambda b, x: x in b,
    "split": lambda b, x: b.split(x),
    "replace": lambda b, x: b.replace(x, x),
    "strip": lambda b, x: b.strip(x),
    "partition": lambda b, x: b.partition(x),
    "startswith": lambda b, x: b.startswith(x),
    "endswith a tuple": lambda b, x: b.endswith((b"no", x)),
    "translate": lambda b, x: b.translate(None, x),
    "removeprefix": lambda b, x: b.removeprefix(x),
    "join": lambda b, x: b.join([b"a", x, b"b"]),
    "==": lambda b, x: b == x,
    "<": lambda b, x: b < x,
    "+": lambda b, x: b + x,
    "%": lambda b, x: b % x,
    "+=": operator.iadd,
    "extend": lambda b, x: b.extend(x),
    "slice": lambda b, x: operator.setitem(b, slice(5, 10), x),
    "tail": lambda b, x: operator.setitem(b, slice(len(b), None), x),
    "steps": lambda b, x: operator.setitem(b, slice(0, 6, 2), x),
    "init": lambda b, x: b.__init__(x),
}

needs_buffer = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12"
)


@needs_buffer
@pytest.mark.parametrize("name", READS)
def test_buffer_method(make_exact: Make, name: str) -> None:
    class Exporter:
        def __init__(self, buffer: Buffer, meddle: Meddling) -> None:
            self.buffer = buffer
            self.meddle = meddle

        def __buffer__(self, flags: int) -> memoryview:
            self.meddle()
            return memoryview(b"xyz")

    done = run_each(make_exact, lambda b, meddle: READS[name](b, Exporter(b, meddle)))
    assert done == len(ACTS) or name in ("%", "endswith a tuple")


@needs_buffer
@pytest.mark.parametrize("name", READS)
def test_release_buffer_method(make_exact: Make, name: str) -> None:
    class Exporter:
        def __init__(self, buffer: Buffer, meddle: Meddling) -> None:
            self.buffer = buffer
            self.meddle = meddle

        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(b"xyz")

        def __release_buffer__(self, view: memoryview) -> None:
            self.meddle()
            view.release()

    run_each(make_exact, lambda b, meddle: READS[name](b, Exporter(b, meddle)))


@needs_buffer
@pytest.mark.parametrize("name", READS)
def test_buffer_method_that_gives_the_buffer(make_exact: Make, name: str) -> None:
    class Exporter:
        def __init__(self, buffer: Buffer, meddle: Meddling) -> None:
            self.buffer = buffer
            self.meddle = meddle

        def __buffer__(self, flags: int) -> memoryview:
            view = memoryview(self.buffer)
            self.meddle()
            return view

    run_each(make_exact, lambda b, meddle: READS[name](b, Exporter(b, meddle)))


@needs_buffer
def test_buffer_method_that_raises(make_exact: Make) -> None:
    class Exporter:
        def __buffer__(self, flags: int) -> memoryview:
            raise KeyError

    for name in READS:
        buffer = make_exact(START)
        try:
            READS[name](buffer, Exporter())
        except (KeyError, TypeError, ValueError):  # % finds its format wrong first
            pass
        check(buffer, START)
        assert buffer.exports == 0


@pytest.mark.parametrize("act", [a for a in ACTS if a not in ("address", "reverse", "export")])
def test_a_reading_method_refuses_changes(make_exact: Make, act: str) -> None:
    """bytearray reads freed memory here; ours says that it is in use."""
    buffer = make_exact(START)
    meddle = Meddling(buffer, ACTS[act])
    assert buffer.find(START[180:], Index(0, meddle)) == 180
    assert type(meddle.refused[0]) is BufferError
    if act not in ("freeze", "release"):
        assert str(meddle.refused[0]) == EXPORTED_MESSAGE
    meddle.finish()
    check(buffer, START)


def test_a_reading_method_reads_what_was_there(make_exact: Make) -> None:
    """Bytes may be written in its middle, so it sees old or new ones, but never others."""
    buffer = make_exact(b"a" * 200)

    def overwrite(target: Any, meddle: Meddling) -> None:
        target[:] = b"b" * 200

    meddle = Meddling(buffer, overwrite)
    assert buffer.find(b"b", Index(0, meddle)) in (0, -1)
    check(buffer, b"b" * 200)


def test_an_export_in_the_middle_outlives_the_method(make_exact: Make) -> None:
    buffer = make_exact(START)
    kept: list[memoryview] = []

    class Exports:
        def __index__(self) -> int:
            kept.append(memoryview(buffer))
            return 0

    assert buffer.find(START[150:], Exports()) == 150
    buffer += bytes(1_000_000)
    assert kept[0].tobytes() == START
    kept[0][0] = 0xEE
    assert buffer[0] == 0xEE
    kept.pop().release()
    buffer.clear()


def test_comparison_that_appends(make: Make) -> None:
    """The other operand's own method runs first if it is of a subclass."""
    buffer = make(START)

    class Other(Buffer):
        def __eq__(self, other: object) -> bool:
            buffer.append(1)
            return True

        __hash__ = None  # type: ignore[assignment]

    assert (buffer == Other(b"x")) in (True, False)
    assert (Other(b"x") == buffer) is True
    verify(buffer)


@pytest.mark.parametrize("act", ACTS)
def test_other_buffers_as_arguments_are_safe_too(make_exact: Make, act: str) -> None:
    """The one that is changed in the middle is an operand, not the buffer itself."""
    operand = make_exact(pattern(100))
    meddle = Meddling(operand, ACTS[act])
    target = Buffer(START)
    for operate in (
        lambda: target.replace(b"ab", operand, Index(2, meddle)),
        lambda: target.find(operand, Index(0, meddle)),
        lambda: target.split(operand, Index(3, meddle)),
        lambda: target.join([operand, b"x"]),
        lambda: operator.setitem(target, slice(Index(3, meddle), Index(5, meddle)), operand),
        lambda: operator.setitem(target, slice(0, 4), Items(5, meddle)),
    ):
        try:
            operate()
        except (BufferError, ValueError, IndexError, TypeError):
            pass
    meddle.finish()
    verify(operand)
    verify(target)


def test_deletion_of_the_last_reference_in_the_middle(make_exact: Make) -> None:
    held = [make_exact(START)]

    class Drops:
        def __index__(self) -> int:
            held.clear()
            return 0

    assert held[0].find(START[100:], Drops()) == 100
    held.append(make_exact(START))
    held[0][Drops()] = 5
    held.append(make_exact(START))
    held[0].extend([Drops(), Drops()])
    assert not held


def test_a_source_that_meddles_through_a_thread(make_exact: Make) -> None:
    import threading

    buffer = make_exact(START)
    errors: list[BaseException] = []

    def meddle() -> None:
        for act in ("append", "clear", "resize", "release", "freeze", "spare"):
            try:
                ACTS[act](buffer, Meddling(buffer, ACTS[act]))
            except BufferError as error:
                errors.append(error)

    class Source:
        def readinto(self, target: memoryview) -> int:
            thread = threading.Thread(target=meddle)
            thread.start()
            thread.join()
            target[:3] = b"abc"
            return 3

    assert buffer.read_from(Source(), 10) == 3
    assert len(errors) == 6
    check(buffer, START + b"abc")


def test_the_address_is_kept_in_the_middle(make_exact: Make) -> None:
    buffer = make_exact(START)
    where = start_of(buffer)
    meddle = Meddling(buffer, ACTS["append"])
    buffer.count(b"a", Index(0, meddle))
    assert start_of(buffer) == where
