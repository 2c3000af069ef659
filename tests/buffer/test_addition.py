"""`+` asks whom it asks beside a bytearray, and gives what it gives there."""

from __future__ import annotations

import array
import operator
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from growable import Buffer, _core

numpy = pytest.importorskip("numpy")


def family(base: Any) -> dict[str, Any]:
    """Return a type and subclasses of it that differ in who answers `+`."""

    class Plain(base):
        pass

    class Adds(base):
        def __add__(self, other: object) -> str:
            return "added"

    class AddsReflected(base):
        def __radd__(self, other: object) -> str:
            return "added from the right"

    class Declines(base):
        def __radd__(self, other: object) -> Any:
            return NotImplemented

    types = (base, Plain, Adds, AddsReflected, Declines)
    return dict(zip(("base", "Plain", "Adds", "AddsReflected", "Declines"), types, strict=True))


OURS = family(Buffer)
MODELS = family(bytearray)


class Reflected:
    def __radd__(self, other: object) -> str:
        return "reflected"


class Declined:
    def __radd__(self, other: object) -> Any:
        return NotImplemented


class PlainBytes(bytes):
    pass


class BytesThatAdd(bytes):
    def __add__(self, other: object) -> str:  # type: ignore[override]
        return "bytes added"


class BytesThatDecline(bytes):
    def __add__(self, other: object) -> Any:
        return NotImplemented

    def __radd__(self, other: object) -> Any:
        return NotImplemented


OTHERS: list[Any] = [
    b"x",
    b"",
    PlainBytes(b"x"),
    BytesThatAdd(b"x"),
    BytesThatDecline(b"x"),
    bytearray(b"x"),
    memoryview(b"x"),
    array.array("B", b"x"),
    5,
    True,
    1.5,
    2j,
    Decimal(1),
    None,
    "x",
    [1],
    (1,),
    {1},
    Reflected(),
    Declined(),
    numpy.arange(3, dtype="u1"),
    numpy.uint8(3),
    numpy.bytes_(b"x"),
]


def outcome(function: Callable[[Any, Any], Any], left: Any, right: Any) -> tuple[str, str]:
    """Return the type and the value, or those of the exception, with our name made bytearray's."""
    try:
        result = function(left, right)
    except Exception as error:
        return type(error).__name__, str(error).replace("growable.Buffer", "bytearray")
    is_bytes = isinstance(result, bytes | bytearray)
    return type(result).__name__, repr(bytes(result) if is_bytes else result)


@pytest.mark.parametrize("content", [b"abc", b""])
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
@pytest.mark.parametrize("kind", OURS)
def test_as_beside_a_bytearray(kind: str, other: Any, content: bytes) -> None:
    ours, model = OURS[kind](content), MODELS[kind](content)
    assert outcome(operator.add, ours, other) == outcome(operator.add, model, other)
    assert outcome(operator.add, other, ours) == outcome(operator.add, other, model)


@pytest.mark.parametrize("left", OURS)
@pytest.mark.parametrize("right", OURS)
def test_among_themselves(left: str, right: str) -> None:
    ours = OURS[left](b"abc"), OURS[right](b"de")
    model = MODELS[left](b"abc"), MODELS[right](b"de")
    assert outcome(operator.add, *ours) == outcome(operator.add, *model)


@pytest.mark.parametrize("other", [b"x", b"", bytearray(b"x"), memoryview(b"x"), 5, "x", None])
def test_by_name(other: Any) -> None:
    ours, model = Buffer(b"abc"), bytearray(b"abc")
    for function in (operator.concat, lambda left, right: left.__add__(right)):
        assert outcome(function, ours, other) == outcome(function, model, other)


@pytest.mark.parametrize("kind", ["base", "Plain"])
def test_bytearray_is_extended_in_place(kind: str) -> None:
    grown = same = bytearray(b"x")
    grown += OURS[kind](b"abc")
    assert grown is same
    assert same == b"xabc"


def test_bytes_are_replaced() -> None:
    text = before = b"x"
    text += Buffer(b"abc")
    assert (text, before, type(text)) == (b"xabc", b"x", bytes)


def test_bytes_and_nothing_are_the_same_bytes() -> None:
    text = b"some bytes"
    assert text + Buffer() is text


def test_bytes_and_a_released_buffer() -> None:
    buffer = Buffer(b"abc")
    buffer.release()
    with pytest.raises(TypeError, match=r"can't concat growable\.Buffer to bytes"):
        b"x" + buffer


@pytest.mark.parametrize("kind", ["base", "Plain", "Adds"])
def test_bytes_on_the_left_move_nothing(kind: str) -> None:
    buffer = OURS[kind](b"y" * 100)
    assert b"x" + buffer == b"x" + b"y" * 100
    assert _core.page_map(buffer) is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
def test_a_subclass_that_shows_something_else_is_asked() -> None:
    def showing(base: Any) -> Any:
        return type("Shows", (base,), {"__buffer__": lambda self, flags: memoryview(b"other")})

    ours, model = showing(Buffer)(b"abc"), showing(bytearray)(b"abc")
    assert b"x" + ours == b"x" + model == b"xother"
    assert ours + b"x" == model + b"x"


def test_a_subclass_may_go_on_to_ours() -> None:
    class Logged(Buffer):
        def __add__(self, other: Any) -> Any:
            return super().__add__(other)

        def __radd__(self, other: Any) -> Any:
            return super().__radd__(other)  # type: ignore[misc]

    assert Logged(b"a") + b"b" == bytearray(b"ab")
    assert b"b" + Logged(b"a") == b"ba"
    assert Buffer(b"b") + Logged(b"a") == bytearray(b"ba")
    assert Logged(b"b") + Logged(b"a") == bytearray(b"ba")
