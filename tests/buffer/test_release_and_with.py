"""release() and `with`: everything is given back, and a released buffer refuses to be used."""

from __future__ import annotations

import copy
import io
import operator
import pickle
import sys
from collections.abc import Callable

import growable
import pytest
from growable import Buffer, _core
from support import SubBuffer, check, pattern, state_of

Make = Callable[..., Buffer]

USES: dict[str, Callable[[Buffer], object]] = {
    "len": len,
    "bytes": bytes,
    "iter": iter,
    "list": list,
    "index": lambda b: b[0],
    "negative index": lambda b: b[-1],
    "slice": lambda b: b[:],
    "extended slice": lambda b: b[::2],
    "assign item": lambda b: operator.setitem(b, 0, 1),
    "assign slice": lambda b: operator.setitem(b, slice(None), b"abc"),
    "assign nothing": lambda b: operator.setitem(b, slice(None), b""),
    "assign extended slice": lambda b: operator.setitem(b, slice(None, None, 2), b""),
    "del item": lambda b: operator.delitem(b, 0),
    "del slice": lambda b: operator.delitem(b, slice(None)),
    "del extended slice": lambda b: operator.delitem(b, slice(None, None, 2)),
    "in": lambda b: 1 in b,
    "+": lambda b: b + b"x",
    "*": lambda b: b * 2,
    "%": lambda b: b % (),
    "+=": lambda b: operator.iadd(b, b"x"),
    "+= nothing": lambda b: operator.iadd(b, b""),
    "*=": lambda b: operator.imul(b, 2),
    "*= 0": lambda b: operator.imul(b, 0),
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(b"x"),
    "extend nothing": lambda b: b.extend(b""),
    "extend by iterator": lambda b: b.extend(iter(b"x")),
    "insert": lambda b: b.insert(0, 1),
    "pop": lambda b: b.pop(),
    "remove": lambda b: b.remove(1),
    "clear": lambda b: b.clear(),
    "reverse": lambda b: b.reverse(),
    "resize": lambda b: b.resize(5),
    "resize to nothing": lambda b: b.resize(0),
    "take_bytes": lambda b: b.take_bytes(),
    "copy method": lambda b: b.copy(),
    "find": lambda b: b.find(b"x"),
    "upper": lambda b: b.upper(),
    "decode": lambda b: b.decode(),
    "hex": lambda b: b.hex(),
    "split": lambda b: b.split(),
    "join": lambda b: b.join([b"x"]),
    "memoryview": memoryview,
    "spare": lambda b: b.spare(1),
    "spare nothing": lambda b: b.spare(0),
    "advance": lambda b: b.advance(1),
    "advance nothing": lambda b: b.advance(0),
    "read_from": lambda b: b.read_from(io.BytesIO(b"x")),
    "read_from nothing": lambda b: b.read_from(io.BytesIO(b"x"), 0),
    "ensure": lambda b: b.ensure(1),
    "ensure nothing": lambda b: b.ensure(0),
    "shrink_to_fit": lambda b: b.shrink_to_fit(),
    "freeze": lambda b: b.freeze(),
    "address": lambda b: b.address,
    "with": lambda b: b.__enter__(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle 2": lambda b: pickle.dumps(b, 2),
    "pickle 5": lambda b: pickle.dumps(b, 5),
    "reduce": lambda b: b.__reduce__(),
    "init": lambda b: b.__init__(b"x"),  # type: ignore[misc]
    "init empty": lambda b: b.__init__(),  # type: ignore[misc]
    "source of another": lambda b: Buffer(b),
    "values of another": lambda b: operator.setitem(Buffer(b"x"), slice(0, 1), b),
}


def released(kind: type[Buffer] = Buffer, content: bytes = b"contents") -> Buffer:
    buffer = kind(content)
    buffer.release()
    return buffer


@pytest.mark.parametrize("name", USES)
def test_use_after_release(kind: type[Buffer], name: str) -> None:
    buffer = released(kind)
    with pytest.raises(growable.StateError, match="released"):
        USES[name](buffer)
    assert repr(buffer) == "<released growable.Buffer>"


def test_the_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="released"):
        released().append(1)


@pytest.mark.parametrize("made", [bytearray, Buffer])
def test_adding_a_released_buffer_to_another(made: type[bytearray]) -> None:
    """The built-in turns what an operand's buffer raises into its own TypeError."""
    other = made(b"x")
    with pytest.raises((growable.StateError, TypeError)):
        other + released()
    with pytest.raises((growable.StateError, TypeError)):
        other += released()
    with pytest.raises((growable.StateError, TypeError)):
        other.extend(released())
    assert other == b"x"


def test_ordering_of_a_released_buffer() -> None:
    with pytest.raises((growable.StateError, TypeError)):
        operator.lt(released(), b"x")


def test_equal_to_itself_only() -> None:
    buffer = released()
    assert buffer == buffer
    assert not (buffer != buffer)
    assert buffer != released()
    assert buffer != b""
    assert buffer != Buffer()
    assert b"" != buffer
    assert Buffer() != buffer


def test_truth_of_a_released_buffer() -> None:
    with pytest.raises(growable.StateError):
        bool(released())


def test_the_figures_are_zero() -> None:
    buffer = released()
    assert buffer.capacity == buffer.committed == buffer.exports == 0


def test_the_name_stays() -> None:
    buffer = Buffer(b"x", name="n")
    buffer.release()
    assert buffer.name == "n"


def test_no_pages_are_left() -> None:
    assert _core.page_map(released(content=bytes(1_000_000))) is None


def test_releasing_twice(make: Make) -> None:
    buffer = make(pattern(1000))
    buffer.release()
    buffer.release()
    assert repr(buffer) == "<released growable.Buffer>"


def test_refused_while_exported(make: Make) -> None:
    buffer = make(pattern(1000))
    with memoryview(buffer):
        before = state_of(buffer)
        with pytest.raises(BufferError, match="1 exports"):
            buffer.release()
        assert state_of(buffer) == before
    buffer.release()


def test_refused_while_a_tail_is_lent() -> None:
    buffer = Buffer(b"x")
    with buffer.spare(10) as tail:
        with pytest.raises(BufferError):
            buffer.release()
        tail[:1] = b"y"
        buffer.advance(1)
    check(buffer, b"xy")


def test_works_with_a_tail_that_was_given_back(make: Make) -> None:
    buffer = make(b"x")
    buffer.spare(100).release()
    buffer.release()


def test_memory_is_given_back() -> None:
    buffer = Buffer(bytes(100 << 20))
    before = sys.getsizeof(buffer)
    buffer.release()
    assert before > 100 << 20
    assert sys.getsizeof(buffer) < 500


def test_the_reservation_goes_to_the_pool_or_away() -> None:
    buffer = Buffer(bytes(1_000_000), capacity=3_000_000)
    before = growable.info()["pool"]
    buffer.release()
    after = growable.info()["pool"]
    used = before["reservations"] - before["pooled"]
    assert after["reservations"] - after["pooled"] == used - 1


def test_an_iterator_taken_before_ends() -> None:
    buffer = Buffer(b"abc")
    iterator = iter(buffer)
    assert next(iterator) == ord("a")
    buffer.release()
    assert list(iterator) == []


def test_a_bound_method_taken_before() -> None:
    buffer = Buffer(b"abc")
    find, append = buffer.find, buffer.append
    buffer.release()
    with pytest.raises(growable.StateError):
        find(b"a")
    with pytest.raises(growable.StateError):
        append(1)


def test_a_frozen_buffer_can_be_released(make: Make) -> None:
    buffer = make(pattern(1000))
    buffer.freeze()
    buffer.release()
    with pytest.raises(growable.StateError, match="released"):
        buffer.append(1)


def test_a_pinned_buffer_can_be_released(make: Make) -> None:
    buffer = make(pattern(1000))
    assert buffer.address
    buffer.release()
    with pytest.raises(growable.StateError):
        buffer.address


def test_with_returns_the_buffer(make: Make) -> None:
    buffer = make(pattern(100))
    with buffer as entered:
        assert entered is buffer
        buffer += b"more"
        check(buffer, pattern(100) + b"more")
    assert repr(buffer) == "<released growable.Buffer>"


def test_with_releases_after_an_exception() -> None:
    buffer = Buffer(b"x")
    with pytest.raises(KeyError), buffer:
        raise KeyError
    assert repr(buffer) == "<released growable.Buffer>"


def test_with_does_not_swallow() -> None:
    assert not Buffer(b"x").__exit__(None, None, None)


def test_with_ends_while_exported() -> None:
    """As for a memoryview with exports: the error comes from the end of the block."""
    buffer = Buffer(b"x")
    view = None
    with pytest.raises(BufferError):
        with buffer:
            view = memoryview(buffer)
    assert view is not None
    assert view.tobytes() == b"x"
    view.release()
    buffer.release()


def test_with_after_release_inside() -> None:
    with Buffer(b"x") as buffer:
        buffer.release()


def test_subclasses_may_release_too() -> None:
    class Noisy(SubBuffer):
        log: list[str] = []  # noqa: RUF012

        def release(self) -> None:
            self.log.append("release")
            super().release()

    buffer = Noisy(b"x")
    buffer.release()
    assert Noisy.log == ["release"]
    assert repr(buffer) == "<released growable.Buffer>"


def test_new_buffers_work_after_many_releases() -> None:
    for size in (10, 1000, 100_000, 5_000_000):
        for _ in range(20):
            with Buffer(pattern(size)) as buffer:
                assert len(buffer) == size
    check(Buffer(b"x"), b"x")
