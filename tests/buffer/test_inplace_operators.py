"""`+=` and `*=`: the same object, everything that has a buffer, and nothing that has none."""

from __future__ import annotations

import array
import mmap
import operator
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import check, pattern, state_of

Make = Callable[..., Buffer]
START = pattern(100)


def added() -> dict[str, Any]:
    return {
        "bytes": b"xyz",
        "nothing": b"",
        "one byte": b"x",
        "bytearray": bytearray(b"xyz"),
        "Buffer": Buffer(b"xyz"),
        "memoryview": memoryview(b"xyz"),
        "array": array.array("H", [1, 2, 3]),
        "words": memoryview(array.array("I", [1, 2, 3])),
        "large": pattern(100_000),
        "bytes subclass": type("B", (bytes,), {})(b"xyz"),
        "bytearray subclass": type("BA", (bytearray,), {})(b"xyz"),
        "Buffer subclass": type("GB", (Buffer,), {})(b"xyz"),
        "mmap": mmap.mmap(-1, 4096),
    }


NAMES = list(added())
OPERATORS = {
    "+=": operator.iadd,
    "iconcat": operator.iconcat,
    "__iadd__": lambda b, x: b.__iadd__(x),
    "extend": lambda b, x: b.extend(x) or b,
}


@pytest.mark.parametrize("what", NAMES)
@pytest.mark.parametrize("how", OPERATORS)
def test_adding(make: Make, how: str, what: str) -> None:
    value = added()[what]
    buffer = make(START)
    assert OPERATORS[how](buffer, value) is buffer
    check(buffer, START + bytes(memoryview(value)))


@pytest.mark.parametrize("value", ["text", 5, 1.5, None, [1, 2], (1, 2), {1}, object(), iter(b"x")])
def test_what_has_no_buffer_is_refused(make: Make, value: Any) -> None:
    buffer = make(START)
    before = state_of(buffer)
    with pytest.raises(TypeError):
        buffer += value
    with pytest.raises(TypeError):
        operator.iconcat(buffer, value)
    assert state_of(buffer) == before
    check(buffer, START)


def test_the_message_is_bytearrays() -> None:
    buffer, model = Buffer(b"x"), bytearray(b"x")
    with pytest.raises(TypeError) as ours:
        buffer += 5  # type: ignore[arg-type]
    with pytest.raises(TypeError) as theirs:
        model += 5  # type: ignore[arg-type]
    assert str(ours.value) == str(theirs.value).replace("bytearray", "Buffer").replace(
        "Buffer", type(buffer).__name__
    ) or str(ours.value).startswith("can't concat int to ")


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "c16", "M8[s]"])
def test_ndarrays(make: Make, dtype: str) -> None:
    """bytearray leaves `+=` to NumPy, which tries to add numbers."""
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(12).astype(dtype)
    shown = values if dtype[0] != "M" else values.view("i8")
    buffer = make(START)
    same = buffer
    buffer += shown
    assert buffer is same
    check(buffer, START + values.tobytes())


def test_ndarrays_of_more_dimensions() -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(12, dtype="i4").reshape(3, 4)
    buffer = Buffer(b"x")
    buffer += values
    check(buffer, b"x" + values.tobytes())


def test_ndarrays_that_are_not_contiguous_are_refused() -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(12, dtype="i4").reshape(3, 4)
    buffer = Buffer(b"x")
    for strided in (values[:, ::2], values[::-1]):
        with pytest.raises((TypeError, BufferError)):
            buffer += strided
    check(buffer, b"x")


def test_an_ndarray_scalar() -> None:
    numpy = pytest.importorskip("numpy")
    buffer = Buffer(b"x")
    value = numpy.float64(1.5)
    buffer += value
    check(buffer, b"x" + value.tobytes())


COUNTS = [0, 1, 2, 3, 7, 1000, -1, -1000, True, False]


@pytest.mark.parametrize("count", COUNTS)
def test_repeating(make: Make, count: int) -> None:
    buffer = make(START)
    same = buffer
    buffer *= count
    assert buffer is same
    check(buffer, START * count)


@pytest.mark.parametrize("count", COUNTS)
def test_repeating_nothing(make: Make, count: int) -> None:
    buffer = make(b"")
    buffer *= count
    check(buffer, b"")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 23, 24, 1000, 4096])
def test_repeating_any_size(size: int) -> None:
    for count in (2, 3, 17, 100):
        buffer = Buffer(pattern(size))
        buffer *= count
        check(buffer, pattern(size) * count)


@pytest.mark.parametrize("kind_of_int", ["int64", "uint8", "int32", "bool_"])
def test_repeating_by_numpy_integers(kind_of_int: str) -> None:
    """The result stays a Buffer; bytearray's becomes an error or an ndarray."""
    numpy = pytest.importorskip("numpy")
    count = getattr(numpy, kind_of_int)(1)
    if kind_of_int == "bool_":
        with pytest.raises(TypeError):
            operator.imul(Buffer(b"ab"), count)
        return
    buffer = Buffer(b"ab")
    same = buffer
    buffer *= count + type(count)(2)
    assert buffer is same
    assert type(buffer) is Buffer
    check(buffer, b"ababab")


def test_repeating_by_an_index() -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    buffer = Buffer(b"ab")
    buffer *= Three()
    check(buffer, b"ababab")


@pytest.mark.parametrize("value", ["2", 2.0, None, b"2", [2], object()])
def test_repeating_by_what_is_no_integer(make: Make, value: Any) -> None:
    buffer = make(START)
    with pytest.raises(TypeError):
        buffer *= value
    check(buffer, START)


def test_repeating_by_something_that_knows_how() -> None:
    """Not an integer: its own reflected method decides, as for bytearray."""

    class Knows:
        def __rmul__(self, other: Any) -> str:
            return "mine"

    buffer: Any = Buffer(b"ab")
    buffer *= Knows()
    assert buffer == "mine"


def test_repeating_too_often() -> None:
    buffer = Buffer(START)
    for count in ((1 << 63) - 1, 1 << 61):
        with pytest.raises(MemoryError):
            buffer *= count
    with pytest.raises(OverflowError):
        buffer *= 1 << 64
    check(buffer, START)


def test_repeating_to_the_capacity() -> None:
    buffer = Buffer(START, capacity=300)
    buffer *= 3
    check(buffer, START * 3)
    with pytest.raises(growable.CapacityError):
        buffer *= 2
    check(buffer, START * 3)


def test_plain_operators_give_bytearrays(make: Make) -> None:
    numpy_free = make(b"ab")
    for result in (numpy_free + b"c", numpy_free * 2, 2 * numpy_free, numpy_free % ()):
        assert type(result) is bytearray
    assert type(b"c" + numpy_free) is bytes
    assert type(bytearray(b"c") + numpy_free) is bytearray


def test_a_builtin_on_the_left(make: Make) -> None:
    left = bytearray(b"x")
    left += make(START)
    assert left == b"x" + START
    assert type(left) is bytearray


def test_in_a_container() -> None:
    held = {"b": Buffer(b"x")}
    same = held["b"]
    held["b"] += b"y"
    held["b"] *= 2
    assert held["b"] is same
    check(same, b"xyxy")


def test_an_operand_that_lies_about_itself() -> None:
    class Liar(bytearray):
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: Any) -> Any:
            raise KeyError

    buffer = Buffer(b"x")
    buffer += Liar(b"abc")
    check(buffer, b"xabc")
