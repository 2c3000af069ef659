"""BytesIO beside io.BytesIO: the same results, exceptions and messages, with and without views.

Views are taken from ours alone, since they would stop the built-in. With one alive, what removes
bytes is BufferError for ours, and is then left out for the built-in too.
"""

from __future__ import annotations

import array
import inspect
import io
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from growable import BytesIO
from support import pattern, shown

SIZES = [0, 1, 2, 3, 15, 16, 17, 100, 1000, 5000]


class Index:
    """Something that is used as a number."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    try:
        result = call()
    except Exception as error:
        return type(error).__name__, str(error).replace("_io.", "").replace("growable.", "")
    if isinstance(result, bytes):
        hash(result)  # kept in the object, which must not outlive a change
    return type(result).__name__, result


def same(ours: BytesIO, builtin: io.BytesIO, name: str, *args: Any) -> None:
    got = outcome(lambda: getattr(ours, name)(*args))
    expected = outcome(lambda: getattr(builtin, name)(*args))
    assert got == expected, (name, args)


ODD_CALLS: list[tuple[Any, ...]] = [
    *((name, *args) for name in ("read", "read1", "readline", "readlines", "truncate") for args in
      [(), (None,), (-1,), (0,), (3,), (10**30,), (-(10**30),), ("x",), (1.0,), (Index(2),), (True,),
       (1, 2)]),
    *(("seek", *args) for args in
      [(), (0,), (5,), (-1,), (-1, 1), (-3, 2), (2, 2), (0, 3), (0, -1), (Index(4),), (1.0,),
       (None,), (0, 0, 0), (10**30,), (sys.maxsize,), (sys.maxsize, 1), (sys.maxsize, 2),
       (0, Index(1)), (0, 10**30), (0, "x"), (0, 2**31)]),
    *(("write", *args) for args in
      [(), (b"abc",), (bytearray(b"xy"),), (memoryview(b"abcdef"),), (array.array("i", [1, 2]),),
       ("text",), (5,), (None,), (b"a", b"b"), (b"",), (memoryview(b"abcdef")[::2],)]),
    *(("writelines", *args) for args in
      [(), ([b"ab", b"cd"],), ("ab",), (5,), ([b"x", 5],), ([],), ((b"q",),), (b"ab",)]),
    *(("readinto", *args) for args in [(), (bytearray(4),), (b"abcd",), ("x",), (None,), (5,),
                                       (bytearray(),), (memoryview(bytearray(8))[::2],)]),
    *((name, *args) for name in
      ("tell", "getvalue", "readable", "writable", "seekable", "isatty", "flush", "fileno",
       "detach", "close", "__getstate__", "__enter__", "__next__", "__iter__", "readinto1")
      for args in [(), (1,)] if not (name == "__iter__" or name == "__enter__") or args),
    *(("__setstate__", *args) for args in
      [(), (0,), ((b"x", 0),), ((b"abc", 1, None),), ((bytearray(b"abc"), 1, {"a": 1}),),
       (("text", 0, None),), ((b"", -1, None),), ((b"", 1.0, None),), ((b"", 0, 5),),
       ((b"abc", 2, None, "more"),), ((b"", 10**30, None),)]),
    *(("__init__", *args) for args in
      [(), (b"new",), (bytearray(b"newer"),), (None,), ("text",), (5,), (b"a", b"b")]),
]  # fmt: skip


@pytest.mark.parametrize("state", ["plain", "buffer", "closed"])
@pytest.mark.parametrize("call", ODD_CALLS, ids=shown)
def test_arguments(call: tuple[Any, ...], state: str) -> None:
    name, *args = call
    ours, builtin = BytesIO(b"one\ntwo\nthree"), io.BytesIO(b"one\ntwo\nthree")
    ours.seek(2), builtin.seek(2)
    if state == "buffer":
        ours.getbuffer().release()
    if state == "closed":
        ours.close(), builtin.close()
    got = outcome(lambda: getattr(ours, name)(*args))
    expected = outcome(lambda: getattr(builtin, name)(*args))
    assert got[0] == expected[0]
    if name not in ("__init__", "__setstate__") or got[0] == "NoneType":
        if not isinstance(got[1], str) or "takes" not in got[1]:  # argument counts: in other words
            assert got[1] == expected[1]
        assert ours.closed == builtin.closed
    if not ours.closed and not got[0].endswith("Error"):
        assert ours.getvalue() == builtin.getvalue()
        assert ours.tell() == builtin.tell()


def test_a_failing_init_or_setstate_changes_nothing() -> None:
    """Where io.BytesIO is left empty."""
    f = BytesIO(b"contents")
    f.seek(3)
    for bad in ["text", 5]:
        with pytest.raises(TypeError):
            f.__init__(bad)  # type: ignore[misc]
    for state in [("text", 0, None), (b"new", -1, None), (b"new", 0, 5)]:
        with pytest.raises((TypeError, ValueError)):
            f.__setstate__(state)  # type: ignore[arg-type]
    assert (f.getvalue(), f.tell()) == (b"contents", 3)


def random_call(rng: random.Random) -> tuple[Any, ...]:
    size = rng.choice(SIZES)
    content = pattern(size, rng.randrange(256))
    if rng.random() < 0.3:
        content = content.replace(b"\x05", b"\n")
    return rng.choice(
        [
            ("write", content),
            ("write", content),
            ("write", bytearray(content)),
            ("write", memoryview(content)[::1]),
            ("writelines", [content, b"line\n", content[:3]]),
            ("read", size),
            ("read", -1),
            ("read",),
            ("read1", size),
            ("readline",),
            ("readline", size),
            ("readlines", size),
            ("seek", size),
            ("seek", -size, 1),
            ("seek", -size, 2),
            ("seek", size, 2),
            ("truncate",),
            ("truncate", size),
            ("getvalue",),
            ("tell",),
            ("__getstate__",),
            ("__setstate__", (content, size, None)),
            ("__init__", content),
            ("__init__", bytearray(content)),
            ("__next__",),
        ]
    )


@pytest.mark.parametrize("views", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(12))
def test_random_operations(seed: int, views: float) -> None:
    rng = random.Random(f"{seed} {views}")
    start = pattern(rng.choice(SIZES), seed)
    ours, builtin = BytesIO(start), io.BytesIO(start)
    held: list[memoryview] = []
    kept: list[bytes] = []
    for _ in range(250):
        if rng.random() < views:
            held.append(ours.getbuffer())
        if held and rng.random() < 0.3:
            held.pop(rng.randrange(len(held))).release()
        name, *args = random_call(rng)
        size = len(builtin.getbuffer())
        target = args[0] if name == "truncate" and args else builtin.tell()
        removes = name in ("__setstate__", "__init__") or (name == "truncate" and target < size)
        if held and removes:
            with pytest.raises(BufferError, match="Existing exports of data"):
                getattr(ours, name)(*args)
        else:
            same(ours, builtin, name, *args)
        if rng.random() < 0.3:
            kept.append(ours.getvalue())  # so that contents are shared
            del kept[:-2]
        assert ours.tell() == builtin.tell()
        with builtin.getbuffer() as expected:
            for view in held:
                assert view == expected[: len(view)]
    assert ours.getvalue() == builtin.getvalue()


def test_every_method_of_the_base_has_a_counterpart() -> None:
    """One that had none would see a closed file."""
    assert set(vars(io.BytesIO)) <= set(vars(BytesIO))


def test_signatures_and_names() -> None:
    for name in dir(io.BytesIO):
        method, theirs = getattr(BytesIO, name), getattr(io.BytesIO, name)
        if name.startswith("__") or not inspect.ismethoddescriptor(theirs):
            continue
        assert method.__name__ == theirs.__name__
        if theirs.__text_signature__:
            assert inspect.signature(method) == inspect.signature(theirs)
    assert BytesIO.__name__ == "BytesIO"
    assert BytesIO.__module__ == "growable"


def test_it_is_an_io_bytesio() -> None:
    f = BytesIO()
    assert isinstance(f, io.BytesIO)
    assert isinstance(f, io.BufferedIOBase)
    assert BytesIO.__bases__ == (io.BytesIO,)
    assert not hasattr(BytesIO(), "nothing")
    with pytest.raises(TypeError):
        memoryview(f)  # type: ignore[arg-type]


def test_the_base_class_sees_a_closed_file() -> None:
    f = BytesIO(b"contents")
    for call in (io.BytesIO.read, io.BytesIO.getvalue, io.BytesIO.getbuffer):
        with pytest.raises(ValueError, match="closed"):
            call(f)
    io.BytesIO.__init__(f, b"elsewhere")  # its own, unused contents
    io.BytesIO.close(f)
    assert f.getvalue() == b"contents"
    with pytest.raises(TypeError, match="not safe"):
        io.BytesIO.__new__(BytesIO)


def test_the_type_is_immutable() -> None:
    with pytest.raises(TypeError):
        BytesIO.read = None  # type: ignore[method-assign, assignment]


def test_peek() -> None:
    f = BytesIO(b"abcdef")
    f.seek(2)
    assert (f.peek(2), f.peek(), f.peek(0), f.peek(100), f.tell()) == (b"cd", *[b"cdef"] * 3, 2)
    f.seek(100)
    assert f.peek() == b""
    f.close()
    with pytest.raises(ValueError, match="closed"):
        f.peek()
