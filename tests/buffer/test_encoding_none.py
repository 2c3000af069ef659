"""`encoding=None` and `errors=None` mean not given; bytearray refuses None before Python 3.15."""

from __future__ import annotations

from typing import Any

import pytest
from growable import Buffer
from support import check


@pytest.mark.parametrize("source", [b"abc", bytearray(b"abc"), [97, 98, 99], memoryview(b"abc")])
def test_none_is_as_if_left_out(kind: type[Buffer], source: Any) -> None:
    check(kind(source, None, None), b"abc")
    check(kind(source, encoding=None), b"abc")
    check(kind(source, errors=None), b"abc")
    check(kind(source=source, encoding=None, errors=None), b"abc")


def test_none_for_a_count(kind: type[Buffer]) -> None:
    check(kind(3, None, None), bytes(3))


def test_text_needs_an_encoding(kind: type[Buffer]) -> None:
    with pytest.raises(TypeError, match="string argument without an encoding"):
        kind("abc", None)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="string argument without an encoding"):
        kind("abc", None, "strict")  # type: ignore[call-overload]


def test_text_with_an_encoding_and_no_errors(kind: type[Buffer]) -> None:
    check(kind("äbc", "latin-1", None), b"\xe4bc")
    with pytest.raises(UnicodeEncodeError):
        kind("ä", "ascii", None)


def test_no_source(kind: type[Buffer]) -> None:
    check(kind(encoding=None, errors=None), b"")  # type: ignore[call-overload]


def test_an_encoding_without_text(kind: type[Buffer]) -> None:
    with pytest.raises(TypeError, match="encoding without a string argument"):
        kind(b"abc", "ascii")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="errors without a string argument"):
        kind(b"abc", None, "strict")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="encoding without a string argument"):
        kind(encoding="ascii")  # type: ignore[call-overload]


@pytest.mark.parametrize("value", [5, b"utf-8", 1.5])
def test_other_types_are_refused(kind: type[Buffer], value: Any) -> None:
    with pytest.raises(TypeError):
        kind("abc", value)
    with pytest.raises(TypeError):
        kind("abc", "ascii", value)


def test_again_on_a_live_buffer() -> None:
    buffer = Buffer(b"first")
    buffer.__init__(b"second", None, None)  # type: ignore[misc]
    check(buffer, b"second")
