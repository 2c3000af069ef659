"""What only looks at a small Buffer for a moment does not move it to a reservation."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from growable import Buffer, _core
from support import SubBuffer

OTHER = bytearray(b"x" * 100)


def with_number(buffer: Any, kind: Callable[[Any], object]) -> object:
    buffer[:] = b"1" * 50
    return kind(buffer)


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
    "bytes +": lambda b: b"x" + b,
    "another +": lambda b: Buffer(b"x") + b,
    "*": lambda b: b * 3,
    "reflected *": lambda b: 3 * b,
    "+= itself": lambda b: b.__iadd__(b),
    "another += it": lambda b: Buffer(b"x").__iadd__(b),
    "extend": lambda b: b.extend(OTHER),
    "slice": lambda b: b[2:50],
    "find": lambda b: b.find(b"y"),
    "find itself": lambda b: b.find(b),
    "rfind, a range": lambda b: b.rfind(b"x", 1, 5),
    "count": lambda b: b.count(b"x"),
    "index": lambda b: b.index(b"x"),
    "another finds it": lambda b: Buffer(b"x").find(b, 0, None),
    "in another": lambda b: b in Buffer(b"x"),
    "another strips it": lambda b: Buffer(b"xax").strip(b),
    "another splits by it": lambda b: Buffer(b"xax").split(b),
    "another starts with it": lambda b: Buffer(b"xax").startswith(b),
    "another replaces it": lambda b: Buffer(b"xax").replace(b, b),
    "another removes it": lambda b: Buffer(b"xax").removesuffix(b),
    "another deletes it": lambda b: Buffer(b"xax").translate(None, b),
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
    "hex with a separator": lambda b: b.hex(":", 2),
    "repr": lambda b: repr(b),
    "str": lambda b: str(b),
    "format": lambda b: f"{b}{b!r}",
    "%": lambda b: b % (),
    "bytes %": lambda b: b"%b%s" % (b, b),
    "upper": lambda b: b.upper(),
    "islower": lambda b: b.islower(),
    "ljust": lambda b: b.ljust(2000),
    "lstrip": lambda b: b.lstrip(b"y"),
    "len": lambda b: (len(b), bool(b)),
    "index of it": lambda b: b[-1],
    "strided slice": lambda b: b[::-2],
    "set an item": lambda b: b.__setitem__(0, 120),
    "set a slice": lambda b: b.__setitem__(slice(0, 2), b"xx"),
    "assigned to a bytearray": lambda b: bytearray(b"a").__setitem__(slice(0, 1), b),
    "assigned to another": lambda b: Buffer(b"a").__setitem__(slice(0, 1), b),
    "reverse": lambda b: b.reverse(),
    "reversed": lambda b: list(reversed(b)),
    "sorted": lambda b: sorted(b),
    "copy.copy": lambda b: copy.copy(b),
    "copy.deepcopy": lambda b: copy.deepcopy(b),
    "pickle": lambda b: pickle.dumps(b, 4),
    "getsizeof": lambda b: sys.getsizeof(b),
    "int": lambda b: with_number(b, int),
    "float": lambda b: with_number(b, float),
    "take_bytes": lambda b: b.take_bytes(2),
    "shrink_to_fit": lambda b: b.shrink_to_fit(),
    "freeze and hash": lambda b: (b.freeze(), hashlib.sha256(b)),
    "iterate": lambda b: list(b),
}

OF_EXACT_BUFFERS = {
    "another += it",
    "Buffer of it",
    "another finds it",
    "another strips it",
    "another splits by it",
    "another starts with it",
    "another replaces it",
    "another removes it",
    "another deletes it",
    "assigned to another",
    "copy.copy",
    "copy.deepcopy",
}

# Each takes a plain export (PyBUF_SIMPLE), and some keep it: see docs/decisions/0014.
MOVES: dict[str, Callable[[Any], object]] = {
    "hashlib": lambda b: hashlib.sha256(b),
    "crc32": lambda b: zlib.crc32(b),
    "unpack_from": lambda b: struct.unpack_from("B", b),
    "iter_unpack": lambda b: struct.iter_unpack("B", b),
    "re": lambda b: re.search(b"y", b),
    "join": lambda b: b"".join([b]),
    "bytearray +": lambda b: bytearray(b"x") + b,
    "in bytes": lambda b: b in b"y",
    "str with an encoding": lambda b: str(b, "ascii"),
}


@pytest.mark.parametrize("size", [10, 100, 1500])
@pytest.mark.parametrize("kind", [Buffer, SubBuffer])
@pytest.mark.parametrize("name", STAYS)
def test_stays_where_it_is(name: str, kind: type[Buffer], size: int) -> None:
    buffer = kind(b"x" * size)
    if kind is not Buffer and name in OF_EXACT_BUFFERS:
        pytest.skip("a subclass may show other bytes than it holds, so it is asked for a view")
    STAYS[name](buffer)
    assert _core.page_map(buffer) is None


@pytest.mark.parametrize("size", [10, 100, 1500])
@pytest.mark.parametrize("name", MOVES)
def test_moves_since_it_may_be_kept(name: str, size: int) -> None:
    buffer = Buffer(b"x" * size)
    result = MOVES[name](buffer)
    assert _core.page_map(buffer) is not None
    where = buffer.address
    buffer.extend(b"y" * 100_000)
    assert buffer.address == where
    del result


def test_an_argument_may_change_before_the_method_looks() -> None:
    """Other Buffers among the arguments are fenced only where nothing foreign can run."""
    needle = Buffer(b"x")

    class Grows:
        def __index__(self) -> int:
            needle.append(120)
            return 0

    assert Buffer(b"xx").find(needle, Grows()) == 0
    assert needle == b"xx"


def test_what_keeps_a_plain_export_sees_what_is_written() -> None:
    buffer = Buffer(b"x" * 10)
    numbers, matches = struct.iter_unpack("B", buffer), re.finditer(b".", buffer)
    buffer.extend(b"y" * 100_000)
    buffer[0:10] = b"z" * 10
    assert [number for (number,) in numbers] == [122] * 10
    assert [match[0] for match in matches] == [b"z"] * 10


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
