"""Errors say what was tried, how much, which limit was hit and what helps; nothing has changed."""

from __future__ import annotations

import io
import operator
import re
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import (
    Buffer,
    CapacityError,
    CommitError,
    GrowableError,
    ReservationError,
    StateError,
    UnsupportedError,
)
from support import EXPORTED_MESSAGE, check, pattern, run_child, state_of, under_sanitizer

Make = Callable[..., Buffer]
HUGE = (1 << 63) - 1
MISSING = min(set(range(256)) - set(pattern(100)))

CLASSES = {
    ReservationError: MemoryError,
    CommitError: MemoryError,
    CapacityError: MemoryError,
    StateError: ValueError,
    UnsupportedError: OSError,
}


@pytest.mark.parametrize("error", CLASSES)
def test_bases(error: type[GrowableError]) -> None:
    assert issubclass(error, GrowableError)
    assert issubclass(error, CLASSES[error])
    assert issubclass(GrowableError, Exception)
    assert error.__module__ == "growable"
    assert error.__doc__


@pytest.mark.parametrize("error", [GrowableError, *CLASSES])
def test_attributes_are_none_where_nothing_is_known(error: type[GrowableError]) -> None:
    made = error("text")
    assert made.operation is made.requested is made.limit is made.error_code is None
    assert str(made) == "text"


@pytest.mark.parametrize("error", [GrowableError, *CLASSES])
def test_they_can_be_raised_and_pickled(error: type[GrowableError]) -> None:
    import pickle

    made = error("text")
    made.operation = "append"
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert again.operation == "append"
    assert again.args == made.args


def capacity_error(act: Callable[[Buffer], object]) -> CapacityError:
    buffer = Buffer(pattern(100), capacity=100)
    before = state_of(buffer)
    with pytest.raises(CapacityError) as caught:
        act(buffer)
    assert state_of(buffer) == before
    check(buffer, pattern(100))
    return caught.value


OPERATIONS: dict[str, Callable[[Buffer], object]] = {
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(b"ab"),
    "+=": lambda b: operator.iadd(b, b"ab"),
    "*=": lambda b: operator.imul(b, 2),
    "insert": lambda b: b.insert(5, 1),
    "slice assignment": lambda b: operator.setitem(b, slice(5, 6), b"abc"),
    "resize": lambda b: b.resize(101),
    "spare": lambda b: b.spare(1),
    "ensure": lambda b: b.ensure(1),
    "read_from": lambda b: b.read_from(io.BytesIO(b"x")),
    "__init__": lambda b: b.__init__(bytes(101)),  # type: ignore[misc]
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_capacity_names_the_operation(name: str) -> None:
    error = capacity_error(OPERATIONS[name])
    assert error.operation == name
    assert str(error).startswith(f"{name}:")


@pytest.mark.parametrize("name", OPERATIONS)
def test_capacity_names_size_and_limit(name: str) -> None:
    error = capacity_error(OPERATIONS[name])
    assert error.requested is not None
    assert error.requested > 100
    assert error.limit == "capacity"
    assert error.error_code is None
    assert str(error.requested) in str(error)
    assert "100" in str(error)
    assert "capacity" in str(error)


def test_capacity_of_a_pinned_buffer_says_why() -> None:
    buffer = Buffer(pattern(100))
    assert buffer.address
    capacity = buffer.capacity
    with pytest.raises(CapacityError, match="address") as caught:
        buffer.ensure(capacity)
    assert caught.value.operation == "ensure"
    assert caught.value.requested == capacity + 100
    assert caught.value.limit == "capacity"
    assert "capacity=" in str(caught.value)
    check(buffer, pattern(100))


def test_full_while_exported_says_what_helps() -> None:
    buffer = Buffer(pattern(100))
    with memoryview(buffer):
        capacity = buffer.capacity
        before = state_of(buffer)
        with pytest.raises(BufferError) as caught:
            buffer.ensure(capacity)
        assert state_of(buffer) == before
    text = str(caught.value)
    assert text.startswith(EXPORTED_MESSAGE)
    assert "ensure" in text
    assert str(capacity) in text
    assert str(capacity + 100) in text
    assert "capacity=" in text


def test_reservation_error() -> None:
    with pytest.raises(ReservationError) as caught:
        Buffer(capacity=1 << 55)
    error = caught.value
    assert error.operation == "Buffer"
    assert error.requested is not None
    assert error.requested >= 1 << 55
    assert error.limit
    assert error.error_code
    text = str(error)
    assert text.startswith("Buffer:")
    assert str(error.requested) in text
    assert error.limit in text
    assert "ask for less" in text


def test_reservation_error_for_more_than_there_can_be() -> None:
    with pytest.raises(ReservationError) as caught:
        Buffer(capacity=HUGE)
    assert caught.value.requested == HUGE
    assert str(HUGE) in str(caught.value)


@pytest.mark.skipif(under_sanitizer(), reason="a sanitizer takes more addresses than the limit")
def test_reservation_error_names_rlimit_as() -> None:
    run_child(
        """
        import growable
        try:
            growable.Buffer(capacity=1 << 33)
        except growable.ReservationError as error:
            assert error.limit == "RLIMIT_AS", error.limit
            assert "RLIMIT_AS" in str(error)
            assert error.error_code == 12
        else:
            raise SystemExit("no error")
        """,
        ulimit="-v 4000000",
    )


@pytest.mark.skipif(under_sanitizer(), reason="a sanitizer takes more memory than the limit")
def test_commit_error_names_rlimit_data() -> None:
    run_child(
        """
        import growable
        buffer = growable.Buffer(b"contents", capacity=1 << 32)
        try:
            buffer.ensure(1 << 31)
        except growable.CommitError as error:
            assert error.operation == "ensure", error.operation
            assert error.requested >= 1 << 30, error.requested
            assert error.limit == "RLIMIT_DATA", error.limit
            assert error.error_code == 12
            for part in ("ensure", str(error.requested), "RLIMIT_DATA", "raise the limit"):
                assert part in str(error), (part, str(error))
        else:
            raise SystemExit("no error")
        assert buffer == b"contents"
        buffer += b"more"
        assert buffer == b"contentsmore"
        """,
        ulimit="-d 1000000",
    )


@pytest.mark.parametrize("state", ["released", "frozen"])
def test_state_error(state: str) -> None:
    buffer = Buffer(b"abc")
    if state == "released":
        buffer.release()
    else:
        buffer.freeze()
    with pytest.raises(StateError) as caught:
        buffer.append(1)
    error = caught.value
    assert error.operation == "append"
    assert error.requested is error.limit is error.error_code is None
    assert str(error).startswith("append:")
    assert state in str(error)


def test_state_error_of_a_frozen_one_says_what_helps() -> None:
    buffer = Buffer(b"abc")
    buffer.freeze()
    with pytest.raises(StateError, match="copy"):
        buffer.append(1)


def test_unsupported_error() -> None:
    if growable.capabilities()["advise_huge"]:
        pytest.skip("this system has huge pages")
    with pytest.raises(UnsupportedError) as caught:
        Buffer(huge_pages=True)
    assert caught.value.operation == "huge_pages=True"
    assert "capabilities" in str(caught.value)


def test_advance_says_how_many() -> None:
    buffer = Buffer(b"abc")
    with buffer.spare(10):
        with pytest.raises(ValueError, match="advance: 11 bytes") as caught:
            buffer.advance(11)
    assert not isinstance(caught.value, GrowableError)


@pytest.mark.parametrize(
    "act", [lambda b: b.spare(-1), lambda b: b.ensure(-2), lambda b: b.advance(-3)]
)
def test_negative_sizes_are_named(act: Callable[[Buffer], object]) -> None:
    with pytest.raises(ValueError, match=r"(spare|ensure|advance): .*-\d"):
        act(Buffer(b"abc"))


TOO_MUCH: dict[str, Callable[[Buffer], Any]] = {
    "resize": lambda b: b.resize(HUGE),
    "ensure": lambda b: b.ensure(HUGE),
    "spare": lambda b: b.spare(HUGE),
    "*=": lambda b: operator.imul(b, HUGE),
    "*= just over": lambda b: operator.imul(b, HUGE // 100 + 1),
    "*": lambda b: b * HUGE,
    "init": lambda b: b.__init__(HUGE),  # type: ignore[misc]
    "source": lambda b: Buffer(HUGE),
    "read_from": lambda b: b.read_from(io.BytesIO(b"x"), HUGE),
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("exported", [False, True])
def test_too_much_for_any_machine(make: Make, name: str, *, exported: bool) -> None:
    buffer = make(pattern(100))
    view = memoryview(buffer) if exported else None
    before = state_of(buffer)
    with pytest.raises((MemoryError, BufferError, OverflowError)):
        TOO_MUCH[name](buffer)
    assert state_of(buffer) == before
    if view is not None:
        assert view.tobytes() == pattern(100)
        view.release()
    check(buffer, pattern(100))
    buffer += b"works"
    check(buffer, pattern(100) + b"works")


WRONG: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "append text": (lambda b: b.append("x"), TypeError),
    "append nothing": (lambda b: b.append(), TypeError),
    "append 256": (lambda b: b.append(256), ValueError),
    "append -1": (lambda b: b.append(-1), ValueError),
    "append huge": (lambda b: b.append(1 << 70), ValueError),
    "extend text": (lambda b: b.extend("x"), TypeError),
    "extend number": (lambda b: b.extend(5), TypeError),
    "extend 256": (lambda b: b.extend([1, 2, 256]), ValueError),
    "extend mixed": (lambda b: b.extend([1, "x"]), TypeError),
    "+= text": (lambda b: operator.iadd(b, "x"), TypeError),
    "+= list": (lambda b: operator.iadd(b, [1]), TypeError),
    "+= number": (lambda b: operator.iadd(b, 1), TypeError),
    "*= text": (lambda b: operator.imul(b, "x"), TypeError),
    "*= float": (lambda b: operator.imul(b, 1.5), TypeError),
    "*= huge": (lambda b: operator.imul(b, 1 << 70), OverflowError),
    "insert text": (lambda b: b.insert(0, "x"), TypeError),
    "insert at text": (lambda b: b.insert("x", 1), TypeError),
    "insert at huge": (lambda b: b.insert(1 << 70, 1), OverflowError),
    "insert one argument": (lambda b: b.insert(1), TypeError),
    "insert 256": (lambda b: b.insert(0, 256), ValueError),
    "pop far": (lambda b: b.pop(100), IndexError),
    "pop far back": (lambda b: b.pop(-101), IndexError),
    "pop text": (lambda b: b.pop("x"), TypeError),
    "pop huge": (lambda b: b.pop(1 << 70), OverflowError),
    "pop two": (lambda b: b.pop(1, 2), TypeError),
    "remove missing": (lambda b: b.remove(MISSING), ValueError),
    "remove 256": (lambda b: b.remove(256), ValueError),
    "remove text": (lambda b: b.remove("x"), TypeError),
    "index far": (lambda b: b[100], IndexError),
    "index huge": (lambda b: b[1 << 70], IndexError),
    "index text": (lambda b: b["x"], TypeError),
    "assign far": (lambda b: operator.setitem(b, 100, 1), IndexError),
    "assign 256": (lambda b: operator.setitem(b, 0, 256), ValueError),
    "assign text": (lambda b: operator.setitem(b, 0, "x"), TypeError),
    "assign at text": (lambda b: operator.setitem(b, "x", 1), TypeError),
    "assign slice number": (lambda b: operator.setitem(b, slice(0, 2), 5), TypeError),
    "assign slice text": (lambda b: operator.setitem(b, slice(0, 2), "ab"), TypeError),
    "assign slice 256": (lambda b: operator.setitem(b, slice(0, 2), [256]), ValueError),
    "assign steps too few": (lambda b: operator.setitem(b, slice(0, 6, 2), b"ab"), ValueError),
    "slice of text": (lambda b: b["a":"b"], TypeError),
    "zero step": (lambda b: operator.setitem(b, slice(0, 5, 0), b"ab"), ValueError),
    "del far": (lambda b: operator.delitem(b, 100), IndexError),
    "del text": (lambda b: operator.delitem(b, "x"), TypeError),
    "del zero step": (lambda b: operator.delitem(b, slice(0, 5, 0)), ValueError),
    "clear one": (lambda b: b.clear(1), TypeError),
    "find text": (lambda b: b.find("x"), TypeError),
    "index missing": (lambda b: b.index(b"\xff\xff\xff\xff"), ValueError),
    "in text": (lambda b: "x" in b, TypeError),
    "in 256": (lambda b: 256 in b, ValueError),
    "% wrong": (lambda b: b"%d" % b, TypeError),
    "join numbers": (lambda b: b.join([1]), TypeError),
    "decode": (lambda b: b.decode("ascii"), UnicodeDecodeError),
    "init text": (lambda b: b.__init__("x"), TypeError),
    "init negative": (lambda b: b.__init__(-1), ValueError),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_as_bytearrays(make: Make, name: str) -> None:
    act, expected = WRONG[name]
    content = pattern(100)
    model = bytearray(content)
    with pytest.raises(expected) as theirs:
        act(model)
    buffer = make(content)
    with pytest.raises(expected) as ours:
        act(buffer)
    assert type(ours.value) is type(theirs.value)
    if expected is not TypeError:
        said = re.sub("(SubBuffer|Buffer)", "bytearray", str(ours.value))
        assert said == str(theirs.value)
    check(buffer, content)
    assert buffer.exports == 0


@pytest.mark.parametrize("name", ["pop", "remove", "del", "index"])
def test_empty(make: Make, name: str) -> None:
    act: dict[str, Callable[[Any], Any]] = {
        "pop": lambda b: b.pop(),
        "remove": lambda b: b.remove(1),
        "del": lambda b: operator.delitem(b, 0),
        "index": lambda b: b[0],
    }
    with pytest.raises((IndexError, ValueError)) as theirs:
        act[name](bytearray())
    with pytest.raises((IndexError, ValueError)) as ours:
        act[name](make(b""))
    assert type(ours.value) is type(theirs.value)
    assert str(ours.value) == str(theirs.value)


class Failing:
    """An iterable whose n-th item raises."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Any:
        for i in range(self.count):
            yield i % 256
        raise KeyError("iterator")


@pytest.mark.parametrize("count", [0, 1, 50, 5000])
@pytest.mark.parametrize("way", ["extend", "slice", "steps", "init"])
def test_an_iterator_that_raises(make: Make, count: int, way: str) -> None:
    act: dict[str, Callable[[Any], Any]] = {
        "extend": lambda b: b.extend(Failing(count)),
        "slice": lambda b: operator.setitem(b, slice(3, 5), Failing(count)),
        "steps": lambda b: operator.setitem(b, slice(None, None, 2), Failing(count)),
        "init": lambda b: b.__init__(Failing(count)),
    }
    buffer = make(pattern(100))
    before = state_of(buffer)
    with pytest.raises(KeyError, match="iterator"):
        act[way](buffer)
    assert state_of(buffer) == before
    check(buffer, pattern(100))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ((0, 0, 0, None, "off", "low"), ValueError),
        ((1, -1, 0, None, "off", "low"), ValueError),
        ((1, 0, -1, None, "off", "low"), ValueError),
        ((1, 0, 0, "auto", "off", "low"), TypeError),
        ((1, 0, 0, None, "on", "low"), ValueError),
        ((1, 0, 0, None, "off", "none"), ValueError),
        ((1, 0, 0, None, None, "low"), TypeError),
    ],
)
def test_the_core_checks_its_settings(settings: tuple[Any, ...], error: type[Exception]) -> None:
    before = growable.info()["defaults"]
    with pytest.raises(error):
        growable._core.configure(*settings)
    assert growable.info()["defaults"] == before


def test_only_a_buffer_has_a_page_map() -> None:
    with pytest.raises(TypeError, match="expected a Buffer, not bytearray"):
        growable._core.page_map(bytearray())  # type: ignore[arg-type]
