"""What only looks at a small Buffer for a moment does not move it to a reservation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from growable import Buffer, _core
from support import SubBuffer

OTHER = bytearray(b"x" * 100)

STAYS: dict[str, Callable[[Any], object]] = {
    "== itself": lambda b: b == b,
    "== bytearray": lambda b: b == OTHER,
    "bytearray ==": lambda b: OTHER == b,
    "== bytes": lambda b: b == bytes(OTHER),
    "bytes ==": lambda b: bytes(OTHER) == b,
    "== another": lambda b: b == Buffer(OTHER),
    "!=": lambda b: b != OTHER,
    "<": lambda b: b < OTHER,
    ">= bytes": lambda b: b >= bytes(OTHER),
    "== memoryview": lambda b: b == memoryview(OTHER),
    "int in": lambda b: 120 in b,
    "bytes in": lambda b: b"xx" in b,
    "bytearray in": lambda b: OTHER in b,
    "itself in": lambda b: b in b,
    "another in": lambda b: Buffer(b"x") in b,
    "+ bytes": lambda b: b + b"x",
    "+ bytearray": lambda b: b + OTHER,
    "+ itself": lambda b: b + b,
    "+ another": lambda b: b + Buffer(b"x"),
    "another +": lambda b: Buffer(b"x") + b,
    "*": lambda b: b * 3,
    "reflected *": lambda b: 3 * b,
    "+= itself": lambda b: b.__iadd__(b),
    "another += it": lambda b: Buffer(b"x").__iadd__(b),
    "extend": lambda b: b.extend(OTHER),
    "slice": lambda b: b[2:50],
    "find": lambda b: b.find(b"y"),
    "find itself": lambda b: b.find(b),
    "join": lambda b: b.join([b, OTHER]),
    "replace": lambda b: b.replace(b"x", b),
    "split": lambda b: b.split(b"y"),
    "startswith": lambda b: b.startswith(b),
    "hash of its bytes": lambda b: hash(bytes(b)),
    "key of a dict": lambda b: {bytes(b): 1}[bytes(b)],
    "copy": lambda b: b.copy(),
    "Buffer of it": lambda b: Buffer(b),
    "decode": lambda b: b.decode(),
    "hex": lambda b: b.hex(),
    "repr": lambda b: repr(b),
    "iterate": lambda b: list(b),
}

OF_EXACT_BUFFERS = {"another += it", "Buffer of it"}


@pytest.mark.parametrize("size", [10, 100, 1500])
@pytest.mark.parametrize("kind", [Buffer, SubBuffer])
@pytest.mark.parametrize("name", STAYS)
def test_stays_where_it_is(name: str, kind: type[Buffer], size: int) -> None:
    buffer = kind(b"x" * size)
    if kind is not Buffer and name in OF_EXACT_BUFFERS:
        pytest.skip("a subclass may show other bytes than it holds, so it is asked for a view")
    STAYS[name](buffer)
    assert _core.page_map(buffer) is None


def test_a_hash_is_refused_where_it_is() -> None:
    buffer = Buffer(b"x" * 100)
    with pytest.raises(TypeError, match="unhashable"):
        hash(buffer)
    assert _core.page_map(buffer) is None


@pytest.mark.parametrize("size", [10, 100, 3000])
def test_a_view_moves_it(size: int) -> None:
    buffer = Buffer(b"x" * size)
    with memoryview(buffer) as view:
        assert _core.page_map(buffer) is not None
        buffer.extend(b"y" * 100_000)
        assert view == b"x" * size
